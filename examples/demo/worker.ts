/**
 * A simulated Celery worker: it runs tasks, and stores how they are getting on
 * and what came of them.
 *
 * @module
 */

import { ResultBackend, type ResultBackendOptions } from "../../mod.ts";
import type { Ledger, Outcome } from "./ledger.ts";
import { sleep } from "./time.ts";

/** A task that is to be run. */
export interface Task {
  /** Its id. */
  readonly id: string;
  /** The phase in which it runs. */
  readonly phase: string;
  /** What will come of it. */
  readonly outcome: Outcome;
}

/** Reports of PROGRESS in a task. */
const STEPS = 2;
/** A step takes between this and three times as long, in milliseconds. */
const MIN_STEP = 35;

/** `count` tasks, of which every tenth fails. */
export function tasksOf(phase: string, count: number): Task[] {
  return Array.from({ length: count }, (_, index) => {
    const n = index + 1;
    const outcome: Outcome = n % 10 === 0
      ? {
        state: "FAILURE",
        excType: "ValueError",
        message: `${n} is too round`,
      }
      : { state: "SUCCESS", result: { n, square: n * n } };
    return { id: crypto.randomUUID(), phase, outcome };
  });
}

/** One worker, with a connection of its own. */
export class Worker implements AsyncDisposable {
  readonly #name: string;
  readonly #backend: ResultBackend;
  #outages = 0;

  /** Prepares a worker that stores at `url`. */
  constructor(name: string, url: string, options: ResultBackendOptions) {
    this.#name = name;
    this.#backend = new ResultBackend(url, options);
    this.#watch();
  }

  /** How often it lost its connection. */
  get outages(): number {
    return this.#outages;
  }

  /** Runs a task. The backend tries each store again for as long as it takes. */
  async run(task: Task, ledger: Ledger, signal: AbortSignal): Promise<void> {
    const backend = this.#backend;
    const { id, phase, outcome } = task;
    ledger.expect(id, phase, outcome);
    await backend.markAsStarted(id, { pid: 1, hostname: this.#name }, {
      signal,
    });
    for (let step = 1; step <= STEPS; step++) {
      await this.#toil(signal);
      const progress = { done: step, of: STEPS + 1 };
      await backend.storeResult(id, progress, "PROGRESS", { signal });
    }
    await this.#toil(signal);
    const isStored = outcome.state === "SUCCESS"
      ? await backend.markAsDone(id, outcome.result, { signal })
      : await backend.markAsFailure(id, {
        excType: outcome.excType,
        excModule: "builtins",
        excArgs: [outcome.message],
      }, { signal });
    if (isStored) ledger.stored(id);
  }

  /** Closes its connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#backend.close();
  }

  #toil(signal: AbortSignal): Promise<void> {
    return sleep(MIN_STEP * (1 + 2 * Math.random()), signal);
  }

  async #watch(): Promise<void> {
    for await (const event of this.#backend.status()) {
      if (event.type === "disconnected" && event.error !== null) {
        this.#outages++;
      }
    }
  }
}
