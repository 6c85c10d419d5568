/**
 * Conversions of bytes: to keys of a Map, and to numbers.
 *
 * @module
 */

import { ReplyError } from "./reply.ts";

const decoder = new TextDecoder();

/** Converts bytes to a string of one character per byte, which compares as they do. */
export function bytesToKey(bytes: Uint8Array): string {
  let key = "";
  for (let index = 0; index < bytes.length; index++) {
    key += String.fromCharCode(bytes[index] as number);
  }
  return key;
}

/** The inverse of {@linkcode bytesToKey}. */
export function keyToBytes(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  for (let index = 0; index < key.length; index++) {
    bytes[index] = key.charCodeAt(index);
  }
  return bytes;
}

/** Decodes words and numbers. */
export function bytesToText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The smallest 64-bit integer. */
export const MIN_INTEGER: bigint = -(2n ** 63n);
/** The largest 64-bit integer. */
export const MAX_INTEGER: bigint = 2n ** 63n - 1n;

/**
 * Parses a 64-bit integer as strictly as Redis: no plus, no space, no leading zero.
 *
 * @throws {ReplyError} With `message`, if it is not such an integer.
 */
export function parseBigint(
  bytes: Uint8Array,
  message = "ERR value is not an integer or out of range",
): bigint {
  const text = bytes.length > 20 ? "" : bytesToText(bytes);
  const value = /^(?:0|-?[1-9][0-9]*)$/.test(text) ? BigInt(text) : undefined;
  if (value === undefined || value < MIN_INTEGER || value > MAX_INTEGER) {
    throw new ReplyError(message);
  }
  return value;
}

/** Adds two integers. @throws {ReplyError} If the sum does not fit into 64 bits. */
export function addWithin64Bits(one: bigint, other: bigint): bigint {
  const sum = one + other;
  if (sum < MIN_INTEGER || sum > MAX_INTEGER) {
    throw new ReplyError("ERR increment or decrement would overflow");
  }
  return sum;
}

/**
 * Like {@linkcode parseBigint}, for counts and indices, for which a number's
 * precision suffices.
 *
 * @throws {ReplyError} With `message`, if it is not such an integer.
 */
export function parseInteger(bytes: Uint8Array, message?: string): number {
  return Number(parseBigint(bytes, message));
}

/** What C's strtod() accepts as a whole. */
const FLOAT =
  /^[+-]?(?:inf(?:inity)?|0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)$/;

/** Parses a score. @throws {ReplyError} If it is not a number, or not in the range of a double. */
export function parseScore(bytes: Uint8Array): number {
  const text = bytesToKey(bytes).toLowerCase();
  const value = parseDouble(text);
  const isOutOfRange = Math.abs(value ?? 0) === Infinity
    ? !text.includes("inf")
    : value === 0 && /[1-9a-f]/.test(text.replace(/^[+-]?0x|[ep].*/g, ""));
  if (value === undefined || isOutOfRange) {
    throw new ReplyError("ERR value is not a valid float");
  }
  return value;
}

/**
 * Parses a bound of a range of scores. Redis is less strict here: spaces may
 * precede the number, anything may follow a zero byte, an empty bound is 0, and
 * a number out of range becomes infinite or 0.
 *
 * @throws {ReplyError} If it is not a number.
 */
export function parseBound(bytes: Uint8Array): number {
  const [text = ""] = bytesToKey(bytes).toLowerCase().split("\0", 1);
  const value = text === "" ? 0 : parseDouble(text.replace(/^[\t-\r ]+/, ""));
  if (value === undefined) {
    throw new ReplyError("ERR min or max is not a float");
  }
  return value;
}

/** Parses a number in lower case. */
function parseDouble(text: string): number | undefined {
  if (!FLOAT.test(text)) return undefined;
  const sign = text.startsWith("-") ? -1 : 1;
  const digits = text.replace(/^[+-]/, "");
  if (digits.startsWith("inf")) return sign * Infinity;
  return sign * (digits.startsWith("0x") ? parseHex(digits) : Number(digits));
}

/** Parses a hexadecimal float, such as `0x1.8p3`. */
function parseHex(text: string): number {
  const [mantissa = "", exponent = "0"] = text.slice(2).split("p");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const scale = Number(exponent) - 4 * fraction.length;
  return Number(`0x${whole}${fraction}`) * 2 ** scale;
}

/** Formats a score as Redis does: C's `%.17g`. */
export function formatScore(value: number): string {
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  const [mantissa = "", exponent] = value.toExponential(16).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 17) return withoutZeros(value.toPrecision(17));
  const digits = String(Math.abs(power)).padStart(2, "0");
  return `${withoutZeros(mantissa)}e${power < 0 ? "-" : "+"}${digits}`;
}

/** Drops the trailing zeros of a decimal fraction. */
function withoutZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** Slices by two indices that are both included; negative ones count from the end. */
export function sliceInclusive<T>(
  items: readonly T[],
  start: number,
  end: number,
): T[] {
  const from = start < 0 ? Math.max(0, items.length + start) : start;
  const to = end < 0 ? items.length + end : end;
  return items.slice(from, Math.max(from, to + 1));
}
