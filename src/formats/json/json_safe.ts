import { datetimeText, MAX_READ_DEPTH } from "../envelopes.ts";

/**
 * A value that `JSON.stringify()` writes without loss, and every JSON parser reads.
 *
 * @category Streams
 */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | JsonValue[]
  | { [key: string]: JsonValue };

/**
 * Copies an event, a meta or a result to a value that any JSON library can write,
 * for a log, a response or a browser:
 *
 * | value | in the copy |
 * |---|---|
 * | bigint | its decimal digits, as a string |
 * | `Uint8Array`, `ArrayBuffer` | standard base64, as a string |
 * | an `Error` | its name and message, as a string |
 * | `Date` | ISO 8601; the stored text, if it was decoded from one; null if it is invalid |
 * | `NaN`, `Infinity`, `-Infinity` | a string of that name |
 * | an object with `toJSON()` | the JSON-safe form of what that returns |
 * | undefined, a function, a symbol | left out; null in an array |
 *
 * @example
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { toJsonSafe } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 *
 * assertEquals(toJsonSafe({ n: 2n ** 64n, at: new Date(0), x: NaN }), {
 *   n: "18446744073709551616",
 *   at: "1970-01-01T00:00:00.000Z",
 *   x: "NaN",
 * });
 * ```
 *
 * @throws {TypeError} If `value` is nested more than 2,000 levels deep, or contains itself.
 *
 * @category Streams
 */
export function toJsonSafe(value: unknown): JsonValue {
  return convert(value, 0) ?? null;
}

/** Converts `value`; undefined for what JSON leaves out. */
function convert(value: unknown, depth: number): JsonValue | undefined {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return value.toString();
    case "object":
      return value === null ? null : convertObject(value, depth);
    default:
      return undefined;
  }
}

function convertObject(value: object, depth: number): JsonValue | undefined {
  if (value instanceof Date) {
    return Number.isNaN(value.getTime())
      ? null
      : datetimeText(value) ?? value.toISOString();
  }
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Uint8Array) return value.toBase64();
  if (value instanceof ArrayBuffer) return new Uint8Array(value).toBase64();
  if (depth === MAX_READ_DEPTH) {
    throw new TypeError(
      `Cannot make a JSON-safe copy of a value nested more than ${MAX_READ_DEPTH} levels deep: ` +
        "flatten it, or break the cycle if it contains itself",
    );
  }
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") {
    return convert(toJSON.call(value), depth + 1);
  }
  if (Array.isArray(value)) {
    const items: JsonValue[] = [];
    for (const item of value) items.push(convert(item, depth + 1) ?? null);
    return items;
  }
  const members: [string, JsonValue][] = [];
  for (const key of Object.keys(value)) {
    const member = convert(
      (value as Record<string, unknown>)[key],
      depth + 1,
    );
    if (member !== undefined) members.push([key, member]);
  }
  // Unlike assignment, this keeps a key `__proto__`.
  return Object.fromEntries(members);
}
