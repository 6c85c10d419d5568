/**
 * Waiting, and formatting durations.
 *
 * @module
 */

/** Resolves after `ms` milliseconds; rejects with the signal's reason if that aborts first. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
  });
}

/** `340 ms` or `1.2 s`. */
export function durationText(ms: number): string {
  return ms < 999.5 ? `${Math.round(ms)} ms` : secondsText(ms);
}

/** `0.3 s`. */
export function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
