import { isUnsafe } from "../envelopes.ts";
import type { ParseOptions } from "../types.ts";
import { hasEscapedKey } from "./escaped_key.ts";
import { parseJsonExactly } from "./parse_exact.ts";

/** Returned by `parseNatively()` for a text that needs the exact parser. */
export const UNPARSED = Symbol("unparsed");

/**
 * Parses JSON as Python writes it: like `JSON.parse()`, but with bare `NaN`,
 * `Infinity` and `-Infinity`, and without rounding integers beyond 2^53
 * (`1e300` is a float, and stays a number). `__proto__` is a key like any other.
 *
 * It uses `JSON.parse()` wherever that gives the right result.
 *
 * @throws {SyntaxError} If `text` is not JSON, even with these extensions.
 * @throws {RangeError} If an integer that would become a bigint has more than
 * 4,300 digits.
 */
export function parseJson(text: string, options: ParseOptions): unknown {
  const bigints = options.integers === "bigint";
  const value = parseNatively(text);
  return value === UNPARSED || (bigints && holdsUnsafeNumber(value))
    ? parseJsonExactly(text, bigints)
    : value;
}

/**
 * Parses with `JSON.parse()`; returns `UNPARSED` where that fails, as it does for
 * `NaN`, and where it cannot be trusted.
 */
export function parseNatively(text: string): unknown {
  if (hasEscapedKey(text)) return UNPARSED;
  try {
    return JSON.parse(text);
  } catch {
    return UNPARSED;
  }
}

/** Whether an integer in `root` may have been rounded. Not recursive, so no depth is too much. */
function holdsUnsafeNumber(root: unknown): boolean {
  const pending: unknown[] = [root];
  while (pending.length > 0) {
    const value = pending.pop();
    if (typeof value === "number") {
      if (isUnsafe(value)) return true;
    } else if (Array.isArray(value)) {
      for (const item of value) {
        if (typeof item === "number" || typeof item === "object") {
          pending.push(item);
        }
      }
    } else if (typeof value === "object" && value !== null) {
      for (const key in value) {
        const item = (value as Record<string, unknown>)[key];
        if (typeof item === "number" || typeof item === "object") {
          pending.push(item);
        }
      }
    }
  }
  return false;
}
