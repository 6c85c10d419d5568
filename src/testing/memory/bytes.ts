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
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

const MIN_INTEGER = -(2n ** 63n);
const MAX_INTEGER = 2n ** 63n - 1n;

/**
 * An integer of 64 bits as Redis reads it: no plus, no space, no leading zero.
 *
 * @throws {ReplyError} If this is none.
 */
export function bigintOf(
  bytes: Uint8Array,
  message = "ERR value is not an integer or out of range",
): bigint {
  const text = bytes.length > 20 ? "" : textOf(bytes);
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

/** A score. @throws {ReplyError} If this is no number. */
export function floatOf(bytes: Uint8Array, message: string): number {
  const text = textOf(bytes).toLowerCase();
  const infinity = /^([+-]?)inf(?:inity)?$/.exec(text);
  if (infinity !== null) return infinity[1] === "-" ? -Infinity : Infinity;
  if (!/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/.test(text)) {
    throw new ReplyError(message);
  }
  return Number(text);
}

/** A score as Redis prints it: with 17 digits where it needs them. */
export function formatFloat(value: number): string {
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  const plain = String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e17) return plain;
  // C's "%.17g": 17 digits, without trailing zeros, an exponent of two digits.
  const [digits = "", exponent] = value.toPrecision(17).split("e");
  const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  return exponent === undefined
    ? short
    : `${short}e${exponent.replace(/^([+-])(\d)$/, "$10$2")}`;
}

/**
 * A pattern of PSUBSCRIBE and KEYS as a regular expression over {@linkcode keyOf}
 * texts: `*`, `?`, `[a-c]`, `[^a]` and a backslash before what is meant literally.
 */
export function globOf(pattern: Uint8Array): RegExp {
  const text = keyOf(pattern);
  let source = "";
  for (let index = 0; index < text.length; index++) {
    const char = text[index] as string;
    const end = char === "[" ? text.indexOf("]", index + 1) : -1;
    if (char === "*") source += ".*";
    else if (char === "?") source += ".";
    else if (end > index) {
      const set = text.slice(index + 1, end).replace(/[\\\]]/g, "\\$&");
      source += set === "" ? "(?!)" : `[${set}]`;
      index = end;
    } else if (char === "\\" && index + 1 < text.length) {
      source += escapeOf(text[++index] as string);
    } else source += escapeOf(char);
  }
  return new RegExp(`^${source}$`, "s");
}

function escapeOf(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
