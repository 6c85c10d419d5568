import type { Runtime } from "./runtime.ts";

/**
 * Waits for `ms` milliseconds, or until the signal aborts: whoever waits looks
 * at it. The process is not kept alive for it.
 */
export async function pause(
  ms: number,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = (): void => resolve();
  signal.addEventListener("abort", stop, { once: true });
  const timer = runtime.setTimer(resolve, ms, false);
  if (signal.aborted) resolve();
  await promise;
  runtime.clearTimer(timer);
  signal.removeEventListener("abort", stop);
}
