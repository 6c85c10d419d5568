import { toIsoformat } from "../encodable.ts";
import { isDict } from "../is_dict.ts";
import { encodeJson } from "../json/encode.ts";
import { datetimeText } from "../envelopes.ts";

/** PyYAML takes no longer key without being told before. */
const MAX_SIMPLE_KEY_CHARS = 1000;

/** What PyYAML takes for a timestamp: with seconds, and an offset in minutes. */
const TIMESTAMP =
  /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)?$/;

/**
 * Writes plain data as YAML 1.1 that PyYAML's `safe_load()` reads as it was:
 * the outermost mapping or list a member a line, keys sorted, as `safe_dump()`
 * has it; what stands within in one line; all strings in quotes, all of it
 * ASCII.
 */
export function encodeYaml(value: unknown): string {
  if (isDict(value) && Object.keys(value).length > 0) {
    return pairs(value, "\n").map((line) => `${line}\n`).join("");
  }
  if (Array.isArray(value) && value.length > 0) {
    return value.map((item) => `- ${inline(item)}\n`).join("");
  }
  return `${inline(value)}\n`;
}

/** A value in one line. */
function inline(value: unknown): string {
  switch (typeof value) {
    case "string":
      return quote(value);
    case "number":
      return number(value);
    case "bigint":
    case "boolean":
      return String(value);
    default:
      break;
  }
  if (value instanceof Date) return `!!timestamp "${timestamp(value)}"`;
  if (value instanceof Uint8Array) return `!!binary "${value.toBase64()}"`;
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (!isDict(value)) return "null";
  return `{${pairs(value, " ").join(", ")}}`;
}

/** The members, sorted; `gap` stands between a long key and its value. */
function pairs(members: Record<string, unknown>, gap: string): string[] {
  return Object.keys(members).sort().map((key) => {
    const name = quote(key);
    const value = inline(members[key]);
    return name.length > MAX_SIMPLE_KEY_CHARS
      ? `? ${name}${gap}: ${value}`
      : `${name}: ${value}`;
  });
}

/** A float needs its point: `1e+16` is a string to PyYAML. */
function number(value: number): string {
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  return encodeJson(value).replace(/^(-?\d+)e/, "$1.0e");
}

function timestamp(value: Date): string {
  const text = datetimeText(value);
  return text !== undefined && TIMESTAMP.test(text) ? text : toIsoformat(value);
}

function quote(text: string): string {
  // By code points: PyYAML does not join escaped surrogates.
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
