import { datetimeRepr } from "./datetime_repr.ts";
import {
  dateRefusal,
  MAX_WRITE_DEPTH,
  toIsoformat,
} from "../formats/encodable.ts";
import { encodeJson } from "../formats/json/encode.ts";
import { describeValue } from "../formats/describe.ts";
import { datetimeText } from "../formats/envelopes.ts";

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
 *
 * It knows what JavaScript does: a whole float is an integer, and what was a
 * date, a time, a `Decimal` or a `UUID` is a string. It never throws.
 */
export function pythonRepr(value: unknown): string {
  return repr(value, []);
}

/** What Python's `repr()` gives for an exception: `ValueError('boom', 3)`. */
export function exceptionRepr({ excType, excArgs }: Raised): string {
  // Python shows the name of the class, without what it is nested in.
  const name = excType.slice(excType.lastIndexOf(".") + 1);
  return `${name}(${
    excArgs.map((argument) => pythonRepr(argument)).join(", ")
  })`;
}

/** The `repr()` of `value`, which stands in each of `ancestors`. */
function repr(value: unknown, ancestors: readonly object[]): string {
  switch (typeof value) {
    case "string":
      return stringRepr(value);
    case "number":
      return numberRepr(value);
    case "bigint":
      return describeValue(value);
    case "boolean":
      return value ? "True" : "False";
    case "object":
      if (value === null) return "None";
      break;
    default:
      return value === undefined ? "None" : stringRepr(describeValue(value));
  }
  try {
    return objectRepr(value, ancestors);
  } catch {
    // A getter threw, or it is a proxy that was revoked.
    return stringRepr(describeValue(value));
  }
}

function objectRepr(value: object, ancestors: readonly object[]): string {
  if (value instanceof Uint8Array) return bytesRepr(value);
  if (value instanceof Date) return dateRepr(value);
  const isList = Array.isArray(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!isList && prototype !== Object.prototype && prototype !== null) {
    return stringRepr(describeValue(value));
  }
  // Python's sign for what contains itself; here for what nests too deeply, too.
  if (ancestors.includes(value) || ancestors.length === MAX_WRITE_DEPTH) {
    return isList ? "[...]" : "{...}";
  }
  const inside = [...ancestors, value];
  if (isList) return `[${value.map((item) => repr(item, inside)).join(", ")}]`;
  const members = Object.entries(value).map(([key, member]) =>
    `${stringRepr(key)}: ${repr(member, inside)}`
  );
  return `{${members.join(", ")}}`;
}

/** Python's `datetime`, with the offset that the document has. */
function dateRepr(date: Date): string {
  const text = datetimeText(date) ??
    (dateRefusal(date) === undefined ? toIsoformat(date) : "");
  return datetimeRepr(text) ?? stringRepr(describeValue(date));
}

/** As a string, and what is not ASCII by its number. */
function bytesRepr(bytes: Uint8Array): string {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const escaped = stringRepr(text).replace(
    /[\u0080-\u00ff]/g,
    (character) => `\\x${hex(character.charCodeAt(0), 2)}`,
  );
  return `b${escaped}`;
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
