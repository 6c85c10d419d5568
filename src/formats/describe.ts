import { hasTooManyDigits, MAX_DIGITS } from "./integer.ts";
import { toJsonSafe } from "./json/json_safe.ts";
import { datetimeText } from "./envelopes.ts";

/** A value as a person would write it in a sentence: for messages, not for parsing. It never throws. */
export function describeValue(value: unknown): string {
  try {
    return formatValue(value);
  } catch {
    // A proxy that was revoked, say: not even its class can be asked for.
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
      // To write a huge one would take seconds.
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
    // Of a Map, say, JSON shows nothing.
    return text === "{}" ? classText(value) ?? text : text;
  } catch {
    // Cyclic, or a getter that throws: the class is still worth saying.
    return classText(value) ?? "an object";
  }
}

/** `[object Map]` and the like; undefined if the object is a plain one. */
function classText(value: object): string | undefined {
  const text: string = Object.prototype.toString.call(value);
  return text === "[object Object]" ? undefined : text;
}
