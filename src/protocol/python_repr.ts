import { datetimeRepr } from "./datetime_repr.ts";
import {
  dateRefusal,
  MAX_WRITE_DEPTH,
  toIsoformat,
} from "../formats/encodable.ts";
import { encodeJson } from "../formats/json/encode.ts";
import { describeValue } from "../formats/describe.ts";
import { datetimeText } from "../formats/envelopes.ts";

/** The characters that are not printable in Python: control, format and unknown ones, and all spaces but U+0020. */
const UNPRINTABLE = /[\p{C}\p{Z}]/u;

/** An exception's class and arguments. */
export interface Raised {
  /** The class, qualified if it is nested. */
  readonly excType: string;
  /** The arguments. */
  readonly excArgs: readonly unknown[];
}

/**
 * Formats a decoded value as Python's `repr()` does, as in Celery's messages. It
 * never throws.
 *
 * Decoding loses some Python types, and so does the text: a `date`, a `time`, a
 * `Decimal` and a `UUID` are strings here, in quotes, and a float without a
 * fraction is an integer. A `datetime` is written as Python writes it.
 */
export function pythonRepr(value: unknown): string {
  return repr(value, []);
}

/** Formats an exception as Python's `repr()` does: `ValueError('boom', 3)`. */
export function exceptionRepr({ excType, excArgs }: Raised): string {
  // Python omits the classes that the class is nested in.
  const name = excType.slice(excType.lastIndexOf(".") + 1);
  return `${name}(${
    excArgs.map((argument) => pythonRepr(argument)).join(", ")
  })`;
}

/** Formats `value`, which is inside each of `ancestors`. */
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
    // A getter threw, or it is a revoked proxy.
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
  // Python writes this for a value that contains itself; here also for one nested too deeply.
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

/** Formats a Python `datetime`, with the offset in the document. */
function dateRepr(date: Date): string {
  const text = datetimeText(date) ??
    (dateRefusal(date) === undefined ? toIsoformat(date) : "");
  return datetimeRepr(text) ?? stringRepr(describeValue(date));
}

/** Formats bytes as an ASCII string, with the others escaped. */
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

/** Quotes a string: in double quotes if that avoids escaping single ones. */
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
  // Iteration never yields an empty string.
  const code = character.codePointAt(0)!;
  if (code < 0x100) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
