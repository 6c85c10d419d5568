import type { Runtime } from "../runtime.ts";
import { Deadline } from "./deadline.ts";
import { onAbort } from "./on_abort.ts";

/**
 * Waits for `ms` milliseconds, or until the signal aborts: the caller checks
 * which. Only a `persistent` pause keeps the process alive.
 */
export async function pause(
  ms: number,
  runtime: Pick<Runtime, "setTimer" | "clearTimer">,
  signal: AbortSignal,
  { persistent = false }: { persistent?: boolean } = {},
): Promise<void> {
  using deadline = new Deadline(runtime, ms, persistent);
  const aborted = Promise.withResolvers<void>();
  using _abort = onAbort(signal, () => aborted.resolve());
  await Promise.race([deadline.passed, aborted.promise]);
}
