/**
 * The demo's introduction and conclusion.
 *
 * @module
 */

import { DOWN_MS } from "./faults.ts";
import { legend } from "./live_bar.ts";
import { type PhaseRun, TASKS } from "./phase.ts";
import type { Screen } from "./screen.ts";
import type { Stage } from "./stage.ts";
import { type Column, formatTable } from "./table.ts";
import { wrapped } from "./text.ts";
import { durationText } from "./time.ts";

/** Longer lines are hard to read, even in a wide terminal. */
const MAX_WIDTH = 80;

/** Says what the demo will show. */
export function introduce(screen: Screen, stage: Stage, phases: number): void {
  const { ink } = screen;
  screen.line(
    ink.bold("Celery task results as one stream that survives faults"),
  );
  screen.line();
  say(
    screen,
    `${stage.workers.length} simulated workers run ${phases * TASKS} tasks. ` +
      "Like Celery's, they store in Redis that a task has started, its progress and its outcome. " +
      "One ReadableStream delivers all of it. " +
      "Its connections, and those of every other worker, go through a proxy that breaks them.",
  );
  say(
    screen,
    stage.redis === undefined
      ? "Redis: the server at REDIS_URL."
      : "Redis: a MemoryRedis within this process (to use your own server, set REDIS_URL).",
  );
  screen.line();
  if (!screen.isLive) return;
  const signs = legend(ink);
  const lines = screen.columns < MAX_WIDTH ? signs : [signs.join("   ")];
  for (const line of lines) screen.line(`  ${line}`);
  screen.line();
}

/** Shows the numbers and what they mean. Returns whether nothing was lost or repeated. */
export function conclude(
  screen: Screen,
  stage: Stage,
  runs: readonly PhaseRun[],
  isClosed: boolean,
): boolean {
  const { ink } = screen;
  const { ledger, reader, workers } = stage;
  const all: Column = {
    name: "all",
    reconnects: runs.reduce((sum, { reconnects }) => sum + reconnects, 0),
    recoveries: runs.flatMap(({ recoveries }) => recoveries),
    ...ledger.account(),
  };
  const columns = runs.map((run) => ({
    ...run,
    ...ledger.account(run.name),
  }));
  if (!screen.isLive) screen.line();
  for (const line of formatTable([...columns, all], screen)) screen.line(line);
  screen.line();
  const outages = workers.reduce((sum, worker) => sum + worker.outages, 0);
  say(
    screen,
    "Time to recover: from a fault to the first event after it, the longest of the phase; " +
      `in the last phase, Redis was unavailable for ${
        durationText(DOWN_MS)
      } of it. ` +
      `The stream delivered ${reader.events} events in all. ` +
      `The workers lost ${outages} connections and retried until every result was stored.`,
  );
  screen.line();
  const faults = trouble(all, runs.length * TASKS, isClosed);
  if (faults.length > 0) {
    say(screen, `Not well: ${faults.join("; ")}.`, (line) => ink.red(line));
    return false;
  }
  say(
    screen,
    `What you saw: ${all.delivered} results reached one stream, each exactly once and unchanged, ` +
      "although connections were cut or fell silent, and " +
      (stage.redis === undefined
        ? "Redis was unreachable for a while."
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

/** Shows a paragraph, wrapped to the screen. */
function say(screen: Screen, text: string, paint = plain): void {
  const width = Math.min(screen.columns, MAX_WIDTH) - 3;
  for (const line of wrapped(text, width)) screen.line(`  ${paint(line)}`);
}

function plain(text: string): string {
  return text;
}
