import {
  BackendClosedError,
  BackendGetMetaError,
  ConfigurationError,
  ContentDisallowedError,
  DecodeError,
  RedisConnectionError,
  RedisError,
  ResultTimeoutError,
  RetryLimitError,
} from "../errors.ts";
import { TaskError, TaskRevokedError } from "../protocol/task_error.ts";

/** The errors that end waits and streams. All their fields are own and public, so they can be copied. */
const COPYABLE: ReadonlySet<unknown> = new Set([
  BackendClosedError,
  BackendGetMetaError,
  ConfigurationError,
  ContentDisallowedError,
  DecodeError,
  RedisConnectionError,
  RedisError,
  ResultTimeoutError,
  RetryLimitError,
  TaskError,
  TaskRevokedError,
]);

/**
 * Returns a copy of `error` with the stack of `site`, a bare Error that was made
 * where the caller is on the stack. An error that ends a wait or a stream is
 * created in another task of the event loop, where its stack leads to a socket
 * and not to the caller. It is copied since it may end thousands of waits.
 *
 * Other errors, such as the reason of a signal, are returned unchanged.
 */
export function withCallSite(error: unknown, site: Error): unknown {
  if (!(error instanceof Error) || !COPYABLE.has(error.constructor)) {
    return error;
  }
  // V8 formats the stack when it is first read, and begins it with the name and
  // message of that moment.
  Object.assign(site, error);
  defineHidden(site, "message", error.message);
  if ("cause" in error) defineHidden(site, "cause", error.cause);
  return Object.setPrototypeOf(site, Object.getPrototypeOf(error));
}

/** Defines a property that is not enumerable, as the constructor of Error does. */
function defineHidden(error: Error, name: string, value: unknown): void {
  Object.defineProperty(error, name, {
    configurable: true,
    value,
    writable: true,
  });
}
