/**
 * Streams task results while connections break and Redis restarts:
 *
 * ```sh
 * deno task demo
 * ```
 *
 * Workers store results in Redis as Celery's do. One stream reads them through a
 * proxy that breaks its connections. At the end, the demo compares what was
 * delivered with what was stored: it exits with 0 only if nothing was lost or
 * repeated.
 *
 * Redis is a MemoryRedis within this process, or the server at `REDIS_URL`.
 *
 * @module
 */

import { Deadline } from "./demo/deadline.ts";
import { phases } from "./demo/faults.ts";
import { type PhaseRun, runPhase } from "./demo/phase.ts";
import { openScreen, type Screen } from "./demo/screen.ts";
import { setStage, type Stage } from "./demo/stage.ts";
import { conclude, introduce } from "./demo/words.ts";

/** The demo takes about 13 seconds. After this time it is aborted. */
const DEADLINE_MS = 60_000;

if (import.meta.main) Deno.exitCode = await main();

async function main(): Promise<number> {
  using deadline = new Deadline(DEADLINE_MS);
  using screen = openScreen();
  const fail = (error: unknown): number => {
    const { message } = error instanceof Error ? error : new Error(`${error}`);
    screen.line(screen.ink.red(`The demo failed: ${message}`));
    return deadline.isInterrupted ? 130 : 1;
  };
  // An empty variable counts as unset.
  const url = Deno.env.get("REDIS_URL") || undefined;
  try {
    await using stage = await setStage(url, deadline.signal);
    try {
      return await play(stage, screen, deadline) ? 0 : 1;
    } catch (error) {
      // Reported before the clean-up, which may take long if something hangs.
      return fail(error);
    }
  } catch (error) {
    return fail(error);
  }
}

/** Runs all phases and shows their results. Returns whether nothing was lost or repeated. */
async function play(
  stage: Stage,
  screen: Screen,
  deadline: Deadline,
): Promise<boolean> {
  const { redis, reader } = stage;
  // A stream that errors ends the demo, not only the phase.
  reader.ended.catch((error) => deadline.stop(error));
  const plan = phases(redis !== undefined);
  introduce(screen, stage, plan.length);
  const runs: PhaseRun[] = [];
  for (const phase of plan) {
    runs.push(await runPhase(phase, stage, screen, deadline.signal));
  }
  return conclude(screen, stage, runs, await reader.close());
}
