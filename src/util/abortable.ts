/** `promise`, unless the signal aborts first. */
export function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { promise: either, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  promise.then(resolve, reject).finally(() =>
    signal.removeEventListener("abort", abort)
  );
  return either;
}
