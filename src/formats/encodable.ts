/**
 * What the encoders of all formats have in common: what they refuse, and why.
 *
 * @module
 */

import { hasTooManyDigits, MAX_DIGITS } from "./integer.ts";

/** What a refused value is, and what to do instead of storing it. */
export type Refusal = readonly [what: string, advice: string];

/**
 * How deep a value may nest to be encoded. Python's JSON parser fails near 1,000
 * levels, less the depth of its caller's stack.
 */
export const MAX_WRITE_DEPTH = 800;

/** Refuses objects that would be encoded as `{}`, or as an object with numbered members. */
export function objectRefusal(value: object): Refusal | undefined {
  if (value instanceof Map) {
    return ["a Map", "use Object.fromEntries(map), or [...map]"];
  }
  if (value instanceof Set) return ["a Set", "use [...set]"];
  if (value instanceof Promise) return ["a promise", "await it first"];
  if (value instanceof Error) {
    return ["an Error", "store its message, or the state FAILURE"];
  }
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return [
      Object.prototype.toString.call(value).slice(8, -1),
      "use a Uint8Array for bytes, or an array for numbers",
    ];
  }
  if (
    value instanceof WeakMap || value instanceof WeakSet ||
    value instanceof WeakRef || value instanceof RegExp
  ) {
    return [
      `a ${Object.prototype.toString.call(value).slice(8, -1)}`,
      "leave it out, or store a string",
    ];
  }
  return undefined;
}

/** Refuses an integer with more digits than Python parses. */
export function integerRefusal(value: bigint): Refusal | undefined {
  if (!hasTooManyDigits(value)) return undefined;
  return [
    `an integer of more than ${MAX_DIGITS} digits`,
    "store it as a string, hexadecimal for example: Python would not read it back",
  ];
}

/** Refuses a `Date` that Python's `datetime` cannot represent. */
export function dateRefusal(value: Date): Refusal | undefined {
  const year = value.getUTCFullYear();
  if (year >= 1 && year <= 9999) return undefined;
  return [
    Number.isNaN(year) ? "an invalid Date" : `a Date in the year ${year}`,
    "store a string: Python's datetime covers the years 1 to 9999",
  ];
}

/** Formats a date as Python's `datetime.isoformat()` in UTC. Python before 3.11 cannot parse `Z`. */
export function toIsoformat(value: Date): string {
  return value.toISOString().replace("Z", "+00:00");
}

/** Whether `value` is a boxed primitive: `new Number(1)`. */
export function isBoxed(value: object): boolean {
  return value instanceof Number || value instanceof String ||
    value instanceof Boolean || value instanceof BigInt;
}
