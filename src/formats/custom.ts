import { toPlain } from "./plain.ts";
import { isUnsafe, MAX_READ_DEPTH } from "./envelopes.ts";
import type { Format, ParseOptions } from "./types.ts";

/**
 * A format of the application's own, for `serializer` and `acceptContent`.
 *
 * Celery: what kombu's `register()` takes.
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
 */
export interface Serializer {
  /** Its name, which must be none of kombu's own `json`, `msgpack` and `pickle`. */
  readonly name: string;
  /**
   * Writes a value. It is plain data: null, booleans, numbers, bigints,
   * strings, `Date`s, `Uint8Array`s, arrays, and objects without a class, never
   * with a cycle. A string is stored as UTF-8.
   */
  encode(value: unknown): string | Uint8Array;
  /**
   * Reads what is stored: a string if its bytes are UTF-8, whoever wrote them,
   * or else the bytes. The result must be data that `structuredClone()` takes,
   * and must not be kept. It should throw where `stored` is in another format,
   * so that the others that are accepted have their turn.
   */
  decode(stored: string | Uint8Array): unknown;
}

/** How much of what is in several places is copied, in lists, objects and their members: aliases must not fill the memory. */
const MAX_COPIED = 1_000_000;

/** A format of the application's own, held to what the built-in ones promise. */
export function customCodec(
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
        `Cannot store what the serializer ${JSON.stringify(name)} made: ` +
          (typeof stored === "string"
            ? "its text holds half a surrogate pair, and so is no UTF-8"
            : `expected a string or a Uint8Array, got ${typeof stored}`),
      );
    },
    decode: (stored) =>
      settle(
        serializer.decode(textOrBytes(stored)),
        options.integers === "bigint",
      ),
  };
}

/** Text, if it is UTF-8: as it comes from Redis, from wherever it comes. */
function textOrBytes(stored: string | Uint8Array): string | Uint8Array {
  if (typeof stored === "string") return stored;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      stored,
    );
  } catch {
    return stored;
  }
}

/**
 * Makes foreign data a tree of its own: what stands in several places is
 * copied, integers become what the options say.
 *
 * @throws {Error} If it is nested too deeply, contains itself, holds what no
 * event can carry, or unfolds to far more than it is.
 */
function settle(value: unknown, bigints: boolean): unknown {
  const root = [value];
  const seen = new Set<object>();
  let copied = 0;
  function unshared(item: object): object {
    const isNew = !seen.has(item);
    if (!isNew) {
      const size = Array.isArray(item) ? item.length : Object.keys(item).length;
      // The size too: one alias of a long list costs as much as the list.
      copied += 1 + size;
      if (copied > MAX_COPIED) {
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
        const settled = isContainer(item)
          ? unshared(item)
          : settleScalar(item, bigints);
        if (isContainer(settled)) next.push(settled);
        // An own property, whatever its name: this never reaches a setter.
        if (settled !== item) Reflect.set(container, key, settled);
      }
    }
    level = next;
  }
  return root[0];
}

function settleScalar(value: unknown, bigints: boolean): unknown {
  switch (typeof value) {
    case "bigint": {
      const number = Number(value);
      return bigints && isUnsafe(number) ? value : number;
    }
    case "function":
    case "symbol":
      throw new TypeError(`it holds a ${typeof value}, which no event carries`);
    default:
      return value;
  }
}

/** A list, or an object that is no value of its own as a `Date` or a `Map` is. */
function isContainer(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) ||
    Object.prototype.toString.call(value) === "[object Object]";
}
