import { RedisConnectionError, RedisError } from "../errors.ts";
import { RespError } from "./wire/resp.ts";

/** Codes of transient errors: the server cannot serve now, but will again. */
const TRANSIENT_CODES: ReadonlySet<string> = new Set([
  "LOADING",
  "READONLY",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "TRYAGAIN",
  "OOM",
  "MISCONF",
  "NOREPLICAS",
  "BUSY",
]);

/**
 * Whether an error is transient: the connection failed, or the server refused
 * the command because of its current state. A wrong password, a missing
 * permission and a key of the wrong type are permanent.
 *
 * Celery's counterpart is `exception_safe_to_retry`, which knows fewer of the
 * server's codes and also retries a wrong password.
 */
export function isRetriable(error: unknown): boolean {
  if (error instanceof RedisConnectionError) return true;
  return error instanceof RedisError &&
    (TRANSIENT_CODES.has(error.code) ||
      error.message.includes("max number of clients"));
}

/** Codes of refusals that are permanent even if the same command worked before. */
const PERMANENT_CODES: ReadonlySet<string> = new Set([
  "WRONGPASS",
  "NOAUTH",
  "NOPERM",
  "DENIED",
  "NOPROTO",
  "WRONGTYPE",
  "MOVED",
  "ASK",
  "CROSSSLOT",
  "NOSCRIPT",
  "EXECABORT",
]);

/** Redis's own words, with the code ERR, for a request that it refuses permanently. */
const PERMANENT_ERRORS =
  /unknown (\w+ )?(sub)?command|wrong number of arguments|invalid password|\bAUTH\b|\bSELECT\b|\bDB index\b|\bsyntax error\b/i;

/**
 * Whether an error that is permanent on first contact may be transient where
 * the same server has worked before: a rejected certificate, or an answer that
 * is not Redis's own, such as a load balancer's.
 */
export function isPossiblyTransient(error: unknown): boolean {
  let first = error;
  for (let each = error; each instanceof Error; each = each.cause) {
    // Deno reports TLS failures as InvalidData.
    if (each instanceof RespError || each instanceof Deno.errors.InvalidData) {
      return true;
    }
    first = each;
  }
  return error instanceof RedisError && first instanceof RedisError &&
    !PERMANENT_CODES.has(error.code) &&
    !(error.code === "ERR" && PERMANENT_ERRORS.test(first.message));
}
