import type { Runtime } from "../runtime.ts";

/**
 * Waits for `ms` milliseconds, or until the signal aborts: the caller looks at
 * it. Only a pause that is `persistent` keeps the process alive.
 */
export async function pause(
  ms: number,
  runtime: Pick<Runtime, "setTimer" | "clearTimer">,
  signal: AbortSignal,
  { persistent = false }: { persistent?: boolean } = {},
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = (): void => resolve();
  signal.addEventListener("abort", stop, { once: true });
  const timer = runtime.setTimer(resolve, ms, persistent);
  if (signal.aborted) resolve();
  await promise;
  runtime.clearTimer(timer);
  signal.removeEventListener("abort", stop);
}
