/**
 * The times that SET, EXPIRE and their kin take.
 *
 * @module
 */

import { MAX_INTEGER, MIN_INTEGER, parseBigint } from "./bytes.ts";
import { ReplyError } from "./reply.ts";

/** The options of SET that give a time. */
export type ExpiryOption = "EX" | "PX" | "EXAT" | "PXAT";

/**
 * Converts the time that a command gives to milliseconds since 1970.
 *
 * @throws {ReplyError} If it is not an integer, or 64 bits cannot hold the milliseconds.
 */
export function parseTime(
  amount: Uint8Array,
  unit: "seconds" | "milliseconds",
  from: "now" | "1970",
  command: string,
): number {
  const ms = parseBigint(amount) * (unit === "seconds" ? 1_000n : 1n);
  const at = from === "now" ? ms + BigInt(Date.now()) : ms;
  if ([ms, at].some((time) => time < MIN_INTEGER || time > MAX_INTEGER)) {
    throw invalidExpire(command);
  }
  return Number(at);
}

/**
 * Like {@linkcode parseTime}, for a command that takes only positive times.
 *
 * @throws {ReplyError} Like {@linkcode parseTime}, and if the time is not positive.
 */
export function parseExpiry(
  amount: Uint8Array,
  option: ExpiryOption,
  command: string,
): number {
  const at = parseTime(
    amount,
    option.startsWith("EX") ? "seconds" : "milliseconds",
    option.endsWith("AT") ? "1970" : "now",
    command,
  );
  if (parseBigint(amount) <= 0n) throw invalidExpire(command);
  return at;
}

function invalidExpire(command: string): ReplyError {
  return new ReplyError(`ERR invalid expire time in '${command}' command`);
}
