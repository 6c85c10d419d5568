/**
 * Runs a phase of the demo.
 *
 * @module
 */

import type { Phase } from "./faults.ts";
import type { Screen } from "./screen.ts";
import type { Stage } from "./stage.ts";
import { secondsText } from "./time.ts";
import { type Task, tasksOf } from "./worker.ts";

/** Tasks in each phase. */
export const TASKS = 100;
/** Milliseconds that the stream has for what is stored, once the phase's tasks are done. */
const GRACE = 5000;

/** How the reader came through a phase. */
export interface Ride {
  /** The phase. */
  readonly name: string;
  /** How many new connections the reader made. */
  readonly reconnects: number;
  /** Milliseconds from each fault to the first event after it. */
  readonly recoveries: readonly number[];
}

/** Runs the tasks of a phase, and meanwhile lets happen what is to go wrong. */
export async function runPhase(
  { name, what, faults }: Phase,
  stage: Stage,
  screen: Screen,
  signal: AbortSignal,
): Promise<Ride> {
  const { ledger, reader } = stage;
  const late = new AbortController();
  const over = AbortSignal.any([signal, late.signal]);
  const before = reader.reconnects;
  const recoveries: number[] = [];
  screen.begin(name, what, () => ({
    ...ledger.account(name),
    total: TASKS,
    link: reader.link,
  }));
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.all([
      runTasks(tasksOf(name, TASKS), stage, over).then(() => {
        timer = setTimeout(() => late.abort(), GRACE);
      }),
      ledger.until(() => ledger.account(name).delivered >= TASKS, over),
      faults({
        stage,
        screen,
        recoveries,
        signal: over,
        stored: (part) =>
          ledger.until(
            () => ledger.account(name).stored >= part * TASKS,
            over,
          ),
      }),
    ]);
  } catch (error) {
    if (!late.signal.aborted) throw error;
    const { lost } = ledger.account(name);
    const news = lost > 0
      ? `${lost} stored results have not come`
      : "the stream has not recovered";
    screen.event("bad", `${news}, ${secondsText(GRACE)} after the last store`);
  } finally {
    clearTimeout(timer);
    late.abort();
    screen.end();
  }
  return { name, reconnects: reader.reconnects - before, recoveries };
}

/** Every worker takes the next task as soon as it has done one. */
async function runTasks(
  tasks: readonly Task[],
  { workers, reader, ledger }: Stage,
  signal: AbortSignal,
): Promise<void> {
  const queue = tasks.values();
  await Promise.all(workers.map(async (worker) => {
    for (const task of queue) {
      await reader.expect(task.id);
      await worker.run(task, ledger, signal);
    }
  }));
}
