import type { Runtime } from "../runtime.ts";
import { Deadline } from "../util/deadline.ts";
import type { ResultSource } from "./source.ts";

/** Resolves once nothing waits on the source any more, or after `ms` milliseconds. */
export async function drainSource(
  source: ResultSource,
  ms: number,
  runtime: Runtime,
): Promise<void> {
  using deadline = ms === Infinity ? undefined : new Deadline(runtime, ms);
  const limits = deadline === undefined ? [] : [deadline.passed];
  while (!source.isIdle && deadline?.isPassed !== true) {
    await Promise.race([source.whenIdle(), ...limits]);
    // A walk through a tree, or a pipe, may continue with its next wait.
    using turn = new Deadline(runtime, 0);
    await turn.passed;
  }
}
