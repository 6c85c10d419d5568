const NOTHING: Disposable = { [Symbol.dispose](): void {} };

/**
 * Calls `listener` with the reason when `signal` aborts, or at once if it already
 * has. Disposing removes the listener.
 *
 * ```ts ignore
 * using _abort = onAbort(signal, (reason) => link.end(toError(reason)));
 * ```
 */
export function onAbort(
  signal: AbortSignal | undefined,
  listener: (reason: unknown) => void,
): Disposable {
  if (signal === undefined) return NOTHING;
  if (signal.aborted) {
    listener(signal.reason);
    return NOTHING;
  }
  const call = (): void => listener(signal.reason);
  signal.addEventListener("abort", call, { once: true });
  return {
    [Symbol.dispose](): void {
      signal.removeEventListener("abort", call);
    },
  };
}
