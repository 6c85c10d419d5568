/**
 * Bytes as keys of a Map, and as numbers.
 *
 * @module
 */

import { ReplyError } from "./reply.ts";

const decoder = new TextDecoder();

/** A text with one character for each byte: equal for equal bytes, and in their order. */
export function keyOf(bytes: Uint8Array): string {
  let key = "";
  for (let index = 0; index < bytes.length; index++) {
    key += String.fromCharCode(bytes[index] as number);
  }
  return key;
}

/** The bytes that {@linkcode keyOf} made `key` of. */
export function bytesOf(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  for (let index = 0; index < key.length; index++) {
    bytes[index] = key.charCodeAt(index);
  }
  return bytes;
}

/** Bytes as text, for words and numbers. */
export function bytesToText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The smallest integer of 64 bits. */
export const MIN_INTEGER: bigint = -(2n ** 63n);
/** The largest integer of 64 bits. */
export const MAX_INTEGER: bigint = 2n ** 63n - 1n;

/**
 * An integer of 64 bits as Redis reads it: no plus, no space, no leading zero.
 *
 * @throws {ReplyError} If this is none.
 */
export function bigintOf(
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

/** Adds within 64 bits. @throws {ReplyError} If the sum does not fit. */
export function addWithin64Bits(one: bigint, other: bigint): bigint {
  const sum = one + other;
  if (sum < MIN_INTEGER || sum > MAX_INTEGER) {
    throw new ReplyError("ERR increment or decrement would overflow");
  }
  return sum;
}

/**
 * As {@linkcode bigintOf}, for counts and indices, where nobody needs more than
 * a number holds.
 *
 * @throws {ReplyError} If this is no integer.
 */
export function integerOf(bytes: Uint8Array, message?: string): number {
  return Number(bigintOf(bytes, message));
}

/** What C's strtod() reads, from the first character to the last. */
const FLOAT =
  /^[+-]?(?:inf(?:inity)?|0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)$/;

/** A score. @throws {ReplyError} If this is no number, or not one that a double holds. */
export function scoreOf(bytes: Uint8Array): number {
  const text = keyOf(bytes).toLowerCase();
  const value = doubleOf(text);
  const isOutOfRange = Math.abs(value ?? 0) === Infinity
    ? !text.includes("inf")
    : value === 0 && /[1-9a-f]/.test(text.replace(/^[+-]?0x|[ep].*/g, ""));
  if (value === undefined || isOutOfRange) {
    throw new ReplyError("ERR value is not a valid float");
  }
  return value;
}

/**
 * A bound of a range of scores, read as Redis does, which is less strict here:
 * spaces may come before the number, anything may follow a zero byte, nothing
 * at all is 0, and what is out of range is infinite or 0.
 *
 * @throws {ReplyError} If this is no number.
 */
export function boundOf(bytes: Uint8Array): number {
  const [text = ""] = keyOf(bytes).toLowerCase().split("\0", 1);
  const value = text === "" ? 0 : doubleOf(text.replace(/^[\t-\r ]+/, ""));
  if (value === undefined) {
    throw new ReplyError("ERR min or max is not a float");
  }
  return value;
}

/** The number that a text in small letters says, as a whole. */
function doubleOf(text: string): number | undefined {
  if (!FLOAT.test(text)) return undefined;
  const sign = text.startsWith("-") ? -1 : 1;
  const digits = text.replace(/^[+-]/, "");
  if (digits.startsWith("inf")) return sign * Infinity;
  return sign * (digits.startsWith("0x") ? hexOf(digits) : Number(digits));
}

/** `0x1.8p3`: hexadecimal digits, and an exponent of two. */
function hexOf(text: string): number {
  const [mantissa = "", exponent = "0"] = text.slice(2).split("p");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const scale = Number(exponent) - 4 * fraction.length;
  return Number(`0x${whole}${fraction}`) * 2 ** scale;
}

/** A score as Redis prints it: C's `%.17g`. */
export function formatScore(value: number): string {
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  const [mantissa = "", exponent] = value.toExponential(16).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 17) return withoutZeros(value.toPrecision(17));
  const digits = String(Math.abs(power)).padStart(2, "0");
  return `${withoutZeros(mantissa)}e${power < 0 ? "-" : "+"}${digits}`;
}

/** A decimal fraction without the zeros at its end. */
function withoutZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
