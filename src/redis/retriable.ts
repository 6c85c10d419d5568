import { RedisConnectionError, RedisError } from "../errors.ts";
import { RespError } from "./wire/resp.ts";

/** What a server says while it cannot serve, but will again. */
const RETRIABLE_CODES: ReadonlySet<string> = new Set([
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
 * Whether another attempt may succeed: the connection failed, or the server
 * says that its state forbids the command for now. A wrong password, a missing
 * permission or a key of another type stays wrong however often it is tried.
 *
 * Celery's counterpart is `exception_safe_to_retry`, which knows fewer of the
 * server's own words and counts a wrong password in.
 */
export function isRetriable(error: unknown): boolean {
  if (error instanceof RedisConnectionError) return true;
  return error instanceof RedisError &&
    (RETRIABLE_CODES.has(error.code) ||
      error.message.includes("max number of clients"));
}

/** Codes of refusals that stay, also where the same worked before. */
const LASTING_CODES: ReadonlySet<string> = new Set([
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

/** What Redis itself says, with the code ERR, to a request that it refuses for good. */
const LASTING_WORDS =
  /unknown (\w+ )?(sub)?command|wrong number of arguments|invalid password|\bAUTH\b|\bSELECT\b|\bDB index\b|\bsyntax error\b/i;

/**
 * Whether an error that ends everything at first may pass, where the same
 * server could be used before: a certificate that is not accepted, or an
 * answer that is not Redis's own, such as a load balancer's.
 */
export function mayPass(error: unknown): boolean {
  let first = error;
  for (let each = error; each instanceof Error; each = each.cause) {
    // The latter is how Deno reports what is wrong with TLS.
    if (each instanceof RespError || each instanceof Deno.errors.InvalidData) {
      return true;
    }
    first = each;
  }
  return error instanceof RedisError && first instanceof RedisError &&
    !LASTING_CODES.has(error.code) &&
    !(error.code === "ERR" && LASTING_WORDS.test(first.message));
}
