import { datetimeText } from "./envelopes.ts";
import { hasTooManyDigits, MAX_DIGITS } from "./integer.ts";
import { toJsonSafe } from "./json/json_safe.ts";

/** Formats a value for a message, as a person would write it in a sentence. It never throws. */
export function describeValue(value: unknown): string {
  try {
    return formatValue(value);
  } catch {
    // A revoked proxy, for example: even asking for its class throws.
    return "an object";
  }
}

function formatValue(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value;
    case "object":
      break;
    case "function":
      return value.name === "" ? "a function" : `function ${value.name}`;
    case "bigint":
      // Formatting a huge one would take seconds.
      return hasTooManyDigits(value)
        ? `an integer of more than ${MAX_DIGITS} digits`
        : String(value);
    default:
      return String(value);
  }
  if (value === null) return "null";
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date) {
    return datetimeText(value) ??
      (Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString());
  }
  try {
    const text = JSON.stringify(toJsonSafe(value));
    // JSON shows nothing of a Map, for example.
    return text === "{}" ? classText(value) ?? text : text;
  } catch {
    // Cyclic, or a getter threw: name the class at least.
    return classText(value) ?? "an object";
  }
}

/** Returns `[object Map]` and the like; undefined for a plain object. */
function classText(value: object): string | undefined {
  const text: string = Object.prototype.toString.call(value);
  return text === "[object Object]" ? undefined : text;
}
