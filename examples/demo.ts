/**
 * Task results as a stream, while everything goes wrong that can:
 *
 * ```sh
 * deno task demo
 * ```
 *
 * Workers store results in Redis as Celery's do; one stream reads them through
 * a proxy that breaks its connections. In the end, what came is compared with
 * what was stored: the exit status is 0 only if nothing was lost or repeated.
 *
 * Redis is a MemoryRedis within this process, or the server at `REDIS_URL`.
 *
 * @module
 */

import { Deadline } from "./demo/deadline.ts";
import { phases } from "./demo/faults.ts";
import { type Ride, runPhase } from "./demo/phase.ts";
import { openScreen, type Screen } from "./demo/screen.ts";
import { setStage, type Stage } from "./demo/stage.ts";
import { conclude, introduce } from "./demo/words.ts";

/** The demo takes about 13 seconds. After this many milliseconds it ends, whatever happens. */
const DEADLINE = 60_000;

if (import.meta.main) Deno.exitCode = await main();

async function main(): Promise<number> {
  using deadline = new Deadline(DEADLINE);
  using screen = openScreen();
  const fail = (error: unknown): number => {
    const { message } = error instanceof Error ? error : new Error(`${error}`);
    screen.line(screen.ink.red(`The demo failed: ${message}`));
    return deadline.isInterrupted ? 130 : 1;
  };
  // An empty variable is as good as none.
  const url = Deno.env.get("REDIS_URL") || undefined;
  try {
    await using stage = await setStage(url, deadline.signal);
    try {
      return await play(stage, screen, deadline) ? 0 : 1;
    } catch (error) {
      // Told before the stage is cleared: if it is broken, that may take long.
      return fail(error);
    }
  } catch (error) {
    return fail(error);
  }
}

/** Plays all phases and shows what came of them. Tells whether all is well. */
async function play(
  stage: Stage,
  screen: Screen,
  deadline: Deadline,
): Promise<boolean> {
  const { redis, reader } = stage;
  // A stream that breaks is the end of the demo, not of a phase.
  reader.ended.catch((error) => deadline.stop(error));
  const plan = phases(redis !== undefined);
  introduce(screen, stage, plan.length);
  const rides: Ride[] = [];
  for (const phase of plan) {
    rides.push(await runPhase(phase, stage, screen, deadline.signal));
  }
  return conclude(screen, stage, rides, await reader.close());
}
