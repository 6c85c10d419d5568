import { RedisConnectionError, RedisError } from "../errors.ts";

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
