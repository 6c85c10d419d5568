/**
 * Waits that end. Where something tells when it happened, await that; these
 * are for the rest.
 *
 * @module
 */

/** How long to wait. */
export interface UntilOptions {
  /**
   * In milliseconds; then the wait rejects. It keeps a test from hanging, and
   * measures nothing: a busy machine must not get there.
   *
   * @default {60000}
   */
  timeout?: number;
  /** Ends the wait; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /** What is waited for, for the error's text. */
  what?: string;
}

/** Between two looks at what gives no notice. */
const POLL_INTERVAL = 10;

/**
 * Resolves once `condition` holds. This asks again and again: it is for
 * processes that are not ours and offer no event, such as a replica that
 * catches up, and for nothing else.
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
 * Passes on what `promise` settles with. If that takes too long, rejects and
 * says what was waited for: a test then fails with a reason and does not hang.
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
  return new Error(`Waited ${timeout} ms in vain for ${what}`);
}
