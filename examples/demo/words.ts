/**
 * What the demo says before and after.
 *
 * @module
 */

import { DOWN } from "./faults.ts";
import { legend } from "./live_bar.ts";
import { type Ride, TASKS } from "./phase.ts";
import type { Screen } from "./screen.ts";
import type { Stage } from "./stage.ts";
import { type Column, tableOf } from "./table.ts";
import { wrapped } from "./text.ts";
import { durationText } from "./time.ts";

/** Longer lines are hard to read, however wide the terminal is. */
const MAX_WIDTH = 80;

/** Says what is going to be seen. */
export function introduce(screen: Screen, stage: Stage, phases: number): void {
  const { ink } = screen;
  screen.line(ink.bold("Celery task results as one stream, whatever happens"));
  screen.line();
  say(
    screen,
    `${stage.workers.length} simulated workers run ${phases * TASKS} tasks. ` +
      "As Celery's do, they store in Redis that a task has begun, how far it is, and what came of it. " +
      "One ReadableStream delivers all that. " +
      "Its connections, and those of every other worker, go through a proxy that breaks them.",
  );
  say(
    screen,
    stage.redis === undefined
      ? "Redis: the server at REDIS_URL."
      : "Redis: a MemoryRedis within this process (to see it with a server of yours, set REDIS_URL).",
  );
  screen.line();
  if (!screen.isLive) return;
  const signs = legend(ink);
  const lines = screen.columns < MAX_WIDTH ? signs : [signs.join("   ")];
  for (const line of lines) screen.line(`  ${line}`);
  screen.line();
}

/** Shows the numbers, says what they mean, and tells whether all is well. */
export function conclude(
  screen: Screen,
  stage: Stage,
  rides: readonly Ride[],
  isClosed: boolean,
): boolean {
  const { ink } = screen;
  const { ledger, reader, workers } = stage;
  const all: Column = {
    name: "all",
    reconnects: rides.reduce((sum, { reconnects }) => sum + reconnects, 0),
    recoveries: rides.flatMap(({ recoveries }) => recoveries),
    ...ledger.account(),
  };
  const columns = rides.map((ride) => ({
    ...ride,
    ...ledger.account(ride.name),
  }));
  if (!screen.isLive) screen.line();
  for (const line of tableOf([...columns, all], screen)) screen.line(line);
  screen.line();
  const outages = workers.reduce((sum, worker) => sum + worker.outages, 0);
  say(
    screen,
    "Time to recover: from a fault to the first event after it, the longest of the phase; " +
      `in the last one, Redis was away for ${durationText(DOWN)} of it. ` +
      `The stream delivered ${reader.events} events in all. ` +
      `The workers lost ${outages} connections, and tried again until every result was stored.`,
  );
  screen.line();
  const faults = trouble(all, rides.length * TASKS, isClosed);
  if (faults.length > 0) {
    say(screen, `Not well: ${faults.join("; ")}.`, (line) => ink.red(line));
    return false;
  }
  say(
    screen,
    `What you saw: ${all.delivered} results reached one stream, each exactly once and as it was stored, ` +
      "although connections were cut and fell silent, and " +
      (stage.redis === undefined
        ? "Redis could not be reached for a while."
        : "the server was restarted."),
    (line) => ink.green(line),
  );
  return true;
}

function trouble(all: Column, tasks: number, isClosed: boolean): string[] {
  return [
    ...(all.lost > 0 ? [`${all.lost} results were lost`] : []),
    ...(all.repeated > 0 ? [`${all.repeated} were repeated`] : []),
    ...(all.stored < tasks ? [`${tasks - all.stored} were not stored`] : []),
    ...(isClosed || all.lost > 0 ? [] : ["the stream did not close"]),
  ];
}

/** A paragraph, in lines that fit. */
function say(screen: Screen, text: string, paint = plain): void {
  const width = Math.min(screen.columns, MAX_WIDTH) - 3;
  for (const line of wrapped(text, width)) screen.line(`  ${paint(line)}`);
}

function plain(text: string): string {
  return text;
}
