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

/** What a wait or a stream ends with. Their fields are all own and public, so that they can be copied. */
const COPIED: ReadonlySet<unknown> = new Set([
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
 * Turns `site`, a bare Error made where the caller's file is on the stack, into
 * a copy of `error`. What ends a wait or a stream is met in another task of the
 * event loop, and its own stack leads to a socket and to none of the caller's
 * files. A copy, since the same error may end thousands of waits.
 *
 * What is not an error of this module, such as the reason of a signal, is
 * returned as it is.
 */
export function located(error: unknown, site: Error): unknown {
  if (!(error instanceof Error) || !COPIED.has(error.constructor)) {
    return error;
  }
  // The stack is put into words when it is first read, and then begins with
  // the name and the message of that moment.
  Object.assign(site, error);
  setHidden(site, "message", error.message);
  if ("cause" in error) setHidden(site, "cause", error.cause);
  return Object.setPrototypeOf(site, Object.getPrototypeOf(error));
}

/** Sets a property as the constructor of Error does: a loop does not meet it. */
function setHidden(error: Error, name: string, value: unknown): void {
  Object.defineProperty(error, name, {
    configurable: true,
    value,
    writable: true,
  });
}
