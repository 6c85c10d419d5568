/** The options of std/async's `retry`, as far as this module passes them. */
export interface StdRetryOptions {
  multiplier?: number;
  maxTimeout?: number;
  maxAttempts?: number;
  minTimeout?: number;
  jitter?: number;
  isRetriable?: (error: unknown) => boolean;
  signal?: AbortSignal;
}

/** Thrown by `retry` when the last allowed call has failed; `cause` is its error. */
export class RetryError extends Error {
  constructor(cause: unknown, attempts: number);
}

/** Calls `fn` until it succeeds, waiting longer from call to call. */
export function retry<T>(
  fn: (() => Promise<T>) | (() => T),
  options?: StdRetryOptions,
): Promise<T>;
