import { onAbort } from "./on_abort.ts";

/** Settles as `promise` does, or rejects with the signal's reason if that aborts first. */
export async function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  using _abort = onAbort(signal, aborted.reject);
  // In this order: a signal that has aborted already wins.
  return await Promise.race([aborted.promise, promise]);
}
