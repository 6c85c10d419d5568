/**
 * Waits with a limit, for what has no event to await.
 *
 * @module
 */

/** How long to wait. */
export interface UntilOptions {
  /**
   * The limit in milliseconds, after which the wait rejects. It keeps a test from
   * hanging, and must be long enough for a busy machine.
   *
   * @default {60000}
   */
  timeout?: number;
  /** Ends the wait; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** What the test waits for, for the error message. */
  what?: string;
}

/** How long to wait between two polls. */
const POLL_INTERVAL = 10;

/**
 * Resolves once `condition` holds. It polls, and is only for other processes that
 * offer no event, such as a replica that catches up.
 *
 * ```ts ignore
 * await until(async () => await client.send("DBSIZE") === 3, {
 *   what: "the replica to have three keys",
 * });
 * ```
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  { timeout = 60_000, signal, what = "a condition" }: UntilOptions = {},
): Promise<void> {
  const end = performance.now() + timeout;
  while (!await condition()) {
    signal?.throwIfAborted();
    if (performance.now() > end) throw timeoutError(what, timeout);
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
  }
}

/**
 * Settles like `promise`. If that takes too long, rejects with what the test waited
 * for: a test then fails with a reason instead of hanging.
 *
 * ```ts ignore
 * await within(hold.reached, { what: "the MGET after the reconnect" });
 * ```
 */
export async function within<T>(
  promise: Promise<T>,
  { timeout = 60_000, signal, what = "a promise" }: UntilOptions = {},
): Promise<T> {
  const over = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => over.reject(timeoutError(what, timeout)),
    timeout,
  );
  function onAbort(): void {
    over.reject(signal?.reason);
  }
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, over.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function timeoutError(what: string, timeout: number): Error {
  return new Error(`Waited ${timeout} ms for ${what}`);
}
