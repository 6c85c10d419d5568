/**
 * Runs a phase of the demo.
 *
 * @module
 */

import type { Phase } from "./faults.ts";
import type { Screen } from "./screen.ts";
import type { Stage } from "./stage.ts";
import { secondsText } from "./time.ts";
import { createTasks, type Task } from "./worker.ts";

/** Tasks in each phase. */
export const TASKS = 100;
/** How long the stream may take to deliver everything after the last store. */
const GRACE_MS = 5000;

/** How a phase went for the reader. */
export interface PhaseRun {
  /** The phase. */
  readonly name: string;
  /** How many new connections the reader made. */
  readonly reconnects: number;
  /** Milliseconds from each fault to the first event after it. */
  readonly recoveries: readonly number[];
}

/** Runs the tasks of a phase while its faults happen. */
export async function runPhase(
  { name, what, faults }: Phase,
  stage: Stage,
  screen: Screen,
  signal: AbortSignal,
): Promise<PhaseRun> {
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
      runTasks(createTasks(name, TASKS), stage, over).then(() => {
        timer = setTimeout(() => late.abort(), GRACE_MS);
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
    const problem = lost > 0
      ? `${lost} stored results were not delivered`
      : "the stream has not recovered";
    screen.event(
      "bad",
      `${problem}, ${secondsText(GRACE_MS)} after the last store`,
    );
  } finally {
    clearTimeout(timer);
    late.abort();
    screen.end();
  }
  return { name, reconnects: reader.reconnects - before, recoveries };
}

/** Each worker runs the next task as soon as it has finished one. */
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
