/**
 * A simulated Celery worker: it runs tasks, and stores their progress and their
 * outcomes.
 *
 * @module
 */

import { ResultBackend, type ResultBackendOptions } from "../../mod.ts";
import type { Ledger, Outcome } from "./ledger.ts";
import { sleep } from "./time.ts";

/** A task to run. */
export interface Task {
  /** Its id. */
  readonly id: string;
  /** The phase in which it runs. */
  readonly phase: string;
  /** The outcome it will have. */
  readonly outcome: Outcome;
}

/** PROGRESS reports per task. */
const STEPS = 2;
/** A step takes between this and three times as long. */
const MIN_STEP_MS = 35;

/** Creates `count` tasks; every tenth fails. */
export function createTasks(phase: string, count: number): Task[] {
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

/** One worker with its own connection. */
export class Worker implements AsyncDisposable {
  readonly #name: string;
  readonly #backend: ResultBackend;
  #outages = 0;

  /** Creates a worker that stores at `url`. */
  constructor(name: string, url: string, options: ResultBackendOptions) {
    this.#name = name;
    this.#backend = new ResultBackend(url, options);
    this.#watch();
  }

  /** How many times it lost its connection. */
  get outages(): number {
    return this.#outages;
  }

  /** Runs a task. The backend retries each store. */
  async run(task: Task, ledger: Ledger, signal: AbortSignal): Promise<void> {
    const backend = this.#backend;
    const { id, phase, outcome } = task;
    ledger.expect(id, phase, outcome);
    await backend.markAsStarted(id, { pid: 1, hostname: this.#name }, {
      signal,
    });
    for (let step = 1; step <= STEPS; step++) {
      await this.#work(signal);
      const progress = { done: step, of: STEPS + 1 };
      await backend.storeResult(id, progress, "PROGRESS", { signal });
    }
    await this.#work(signal);
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

  #work(signal: AbortSignal): Promise<void> {
    return sleep(MIN_STEP_MS * (1 + 2 * Math.random()), signal);
  }

  async #watch(): Promise<void> {
    for await (const event of this.#backend.status()) {
      if (event.type === "disconnected" && event.error !== null) {
        this.#outages++;
      }
    }
  }
}
