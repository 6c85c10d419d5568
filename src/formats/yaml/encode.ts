import { toIsoformat } from "../encodable.ts";
import { isDict } from "../is_dict.ts";
import { encodeJson } from "../json/encode.ts";
import { datetimeText } from "../envelopes.ts";

/** PyYAML requires a `?` before a longer key. */
const MAX_SIMPLE_KEY_CHARS = 1000;

/** The texts that PyYAML reads as timestamps: with seconds, and an offset in minutes. */
const TIMESTAMP =
  /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)?$/;

/**
 * Encodes plain data as YAML 1.1 that PyYAML's `safe_load()` reads without loss.
 * It has one line for each member of the outermost mapping or list, with sorted
 * keys, like `safe_dump()`. Inner values are in flow style, strings are quoted,
 * and all characters are ASCII.
 */
export function encodeYaml(value: unknown): string {
  if (isDict(value) && Object.keys(value).length > 0) {
    return encodePairs(value, "\n").map((line) => `${line}\n`).join("");
  }
  if (Array.isArray(value) && value.length > 0) {
    return value.map((item) => `- ${encodeInline(item)}\n`).join("");
  }
  return `${encodeInline(value)}\n`;
}

/** Encodes a value in flow style. */
function encodeInline(value: unknown): string {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "number":
      return encodeNumber(value);
    case "bigint":
    case "boolean":
      return String(value);
    default:
      break;
  }
  if (value instanceof Date) return `!!timestamp "${encodeTimestamp(value)}"`;
  if (value instanceof Uint8Array) return `!!binary "${value.toBase64()}"`;
  if (Array.isArray(value)) return `[${value.map(encodeInline).join(", ")}]`;
  if (!isDict(value)) return "null";
  return `{${encodePairs(value, " ").join(", ")}}`;
}

/** Encodes the members, sorted; `gap` separates a long key from its value. */
function encodePairs(members: Record<string, unknown>, gap: string): string[] {
  return Object.keys(members).sort().map((key) => {
    const name = quote(key);
    const value = encodeInline(members[key]);
    return name.length > MAX_SIMPLE_KEY_CHARS
      ? `? ${name}${gap}: ${value}`
      : `${name}: ${value}`;
  });
}

/** Encodes a number. PyYAML reads a float without a point, `1e+16`, as a string. */
function encodeNumber(value: number): string {
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  return encodeJson(value).replace(/^(-?\d+)e/, "$1.0e");
}

function encodeTimestamp(value: Date): string {
  const text = datetimeText(value);
  return text !== undefined && TIMESTAMP.test(text) ? text : toIsoformat(value);
}

function quote(text: string): string {
  // By code points, since PyYAML does not combine escaped surrogates.
  return `"${text.replace(/[^ !#-[\]-~]/gu, escapeCharacter)}"`;
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0)!;
  const digits = code.toString(16);
  if (code < 0x100) return `\\x${digits.padStart(2, "0")}`;
  return code < 0x10000
    ? `\\u${digits.padStart(4, "0")}`
    : `\\U${digits.padStart(8, "0")}`;
}
