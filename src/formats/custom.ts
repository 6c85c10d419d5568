import { decodeUtf8 } from "../util/decode_utf8.ts";
import { isUnsafe, MAX_READ_DEPTH } from "./envelopes.ts";
import { toPlain } from "./plain.ts";
import type { Format, ParseOptions } from "./types.ts";

/**
 * A custom format, for the options `serializer` and `acceptContent`.
 *
 * Celery: the arguments of kombu's `register()`.
 *
 * @example Base64 of JSON
 * ```ts
 * import type { Serializer } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 *
 * const serializer: Serializer = {
 *   name: "base64-json",
 *   encode: (value) => btoa(JSON.stringify(value)),
 *   decode: (stored) => {
 *     if (typeof stored !== "string") throw new Error("it is not base64");
 *     return JSON.parse(atob(stored));
 *   },
 * };
 * ```
 *
 * @category Options
 */
export interface Serializer {
  /** The format's name: any but kombu's own `json`, `msgpack` and `pickle`. */
  readonly name: string;
  /**
   * Encodes a value. The value is plain data: null, booleans, numbers, bigints,
   * strings, `Date`s, `Uint8Array`s, and arrays and plain objects of these,
   * without a cycle. A string is stored as UTF-8.
   */
  encode(value: unknown): string | Uint8Array;
  /**
   * Decodes a stored value: a string if its bytes are UTF-8, otherwise the
   * bytes. Return data that `structuredClone()` can copy, and keep no reference
   * to it: it is changed in place. Throw if `stored` is in another format, so
   * that the other accepted formats are tried.
   */
  decode(stored: string | Uint8Array): unknown;
}

/** How many lists, objects and members may be copied to resolve aliases, so that aliases cannot fill the memory. */
const MAX_COPIED_VALUES = 1_000_000;

/** Makes a format of a serializer, and ensures what the built-in formats guarantee. */
export function customFormat(
  serializer: Serializer,
  options: ParseOptions,
): Format {
  const { name } = serializer;
  return {
    name,
    encode(value, valueName): Uint8Array {
      const stored = serializer.encode(toPlain(value, valueName));
      if (stored instanceof Uint8Array) return stored;
      if (typeof stored === "string" && stored.isWellFormed()) {
        return new TextEncoder().encode(stored);
      }
      throw new TypeError(
        `Cannot store what the serializer ${JSON.stringify(name)} returned: ` +
          (typeof stored === "string"
            ? "its text holds a lone surrogate, which UTF-8 cannot encode"
            : `expected a string or a Uint8Array, got ${typeof stored}`),
      );
    },
    decode: (stored) =>
      normalize(
        serializer.decode(
          // As from Redis, wherever it comes from.
          typeof stored === "string" ? stored : decodeUtf8(stored) ?? stored,
        ),
        options.integers === "bigint",
      ),
  };
}

/**
 * Turns foreign data into a tree, in place: a value that is in several places
 * is copied, and integers become what the options say.
 *
 * @throws {Error} If it is nested too deeply, contains itself, expands to far
 * more than its own size, or holds what no event can carry.
 */
function normalize(value: unknown, bigints: boolean): unknown {
  const root = [value];
  const seen = new Set<object>();
  let copied = 0;
  function unshared(item: object): object {
    const isNew = !seen.has(item);
    if (!isNew) {
      const size = Array.isArray(item) ? item.length : Object.keys(item).length;
      // One alias of a long list costs as much as the list.
      copied += 1 + size;
      if (copied > MAX_COPIED_VALUES) {
        throw new RangeError(
          "it contains itself, or repeats a part of it too often",
        );
      }
    }
    const own = isNew ? item : Array.isArray(item) ? [...item] : { ...item };
    seen.add(own);
    return own;
  }
  let level: object[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_READ_DEPTH) {
      throw new RangeError(
        `it is nested more than ${MAX_READ_DEPTH} levels deep`,
      );
    }
    const next: object[] = [];
    for (const container of level) {
      for (const [key, item] of Object.entries(container)) {
        const normalized = isContainer(item)
          ? unshared(item)
          : normalizeScalar(item, bigints);
        if (isContainer(normalized)) next.push(normalized);
        // The key is an own property, so this cannot reach a setter.
        if (normalized !== item) Reflect.set(container, key, normalized);
      }
    }
    level = next;
  }
  return root[0];
}

function normalizeScalar(value: unknown, bigints: boolean): unknown {
  switch (typeof value) {
    case "bigint": {
      const number = Number(value);
      return bigints && isUnsafe(number) ? value : number;
    }
    case "function":
    case "symbol":
      throw new TypeError(
        `it holds a ${typeof value}, which no event can carry`,
      );
    default:
      return value;
  }
}

/** Whether `value` is a list or a plain object, not a `Date` or a `Map`. */
function isContainer(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) ||
    Object.prototype.toString.call(value) === "[object Object]";
}
