import { encodeJson } from "./json_encode.ts";
import { describeValue } from "./text.ts";

/** All that Python's `str.isprintable()` denies: control, format and unknown characters, and spaces but one. */
const UNPRINTABLE = /[\p{C}\p{Z}]/u;

/** An exception's class and arguments. */
export interface Raised {
  /** Its class, qualified if it is nested. */
  readonly excType: string;
  /** What it was made with. */
  readonly excArgs: readonly unknown[];
}

/**
 * What Python's `repr()` gives for a decoded value: Celery's messages hold it.
 * A whole float is taken for an integer, as JavaScript does.
 */
export function pythonRepr(value: unknown): string {
  switch (typeof value) {
    case "string":
      return stringRepr(value);
    case "number":
      return numberRepr(value);
    case "bigint":
      return String(value);
    case "boolean":
      return value ? "True" : "False";
    case "object":
      return value === null ? "None" : objectRepr(value);
    default:
      return value === undefined ? "None" : stringRepr(describeValue(value));
  }
}

/** What Python's `repr()` gives for an exception: `ValueError('boom', 3)`. */
export function exceptionRepr({ excType, excArgs }: Raised): string {
  // Python shows the name of the class, without what it is nested in.
  const name = excType.slice(excType.lastIndexOf(".") + 1);
  return `${name}(${excArgs.map(pythonRepr).join(", ")})`;
}

function objectRepr(value: object): string {
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(", ")}]`;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    return stringRepr(describeValue(value));
  }
  const members = Object.entries(value).map(([key, member]) =>
    `${stringRepr(key)}: ${pythonRepr(member)}`
  );
  return `{${members.join(", ")}}`;
}

function numberRepr(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return encodeJson(value);
}

/** In single quotes, unless that would need escapes and double ones would not. */
function stringRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let escaped = "";
  for (const character of text) {
    escaped += escapeCharacter(character, quote);
  }
  return quote + escaped + quote;
}

function escapeCharacter(character: string, quote: string): string {
  switch (character) {
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
    case "\\":
    case quote:
      return `\\${character}`;
    case " ":
      return character;
  }
  if (!UNPRINTABLE.test(character)) return character;
  // Iterating a text gives at least one code unit at a time.
  const code = character.codePointAt(0)!;
  if (code < 0x100) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
