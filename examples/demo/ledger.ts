/**
 * The books of the demo: what the workers stored, and what the stream
 * delivered. "Lost" and "repeated" are found by comparing the two.
 *
 * @module
 */

import type { ResultEvent } from "../../mod.ts";

/** How a task ends. */
export type Outcome =
  | { state: "SUCCESS"; result: unknown }
  | { state: "FAILURE"; excType: string; message: string };

/** An event that brings a task's outcome. */
export type OutcomeEvent = Extract<ResultEvent, { ready: true }>;

/** The sums of a phase, or of all of them. */
export interface Account {
  /** Tasks whose outcome Redis has confirmed. */
  stored: number;
  /** Tasks whose outcome came, with the state and the value that were stored. */
  delivered: number;
  /** Tasks whose outcome is stored, and did not come, or came with another state or value. */
  lost: number;
  /** Outcomes that came once more than they should. */
  repeated: number;
}

interface Entry {
  readonly phase: string;
  readonly outcome: string;
  isStored: boolean;
  /** Outcomes that came, as text. */
  readonly deliveries: string[];
}

interface Waiter {
  readonly condition: () => boolean;
  readonly done: PromiseWithResolvers<void>;
}

/** Who owes what to whom. */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #waiters = new Set<Waiter>();

  /** The tasks that were entered. */
  get taskIds(): Iterable<string> {
    return this.#entries.keys();
  }

  /** A worker takes a task, and this is what will come of it. */
  expect(taskId: string, phase: string, outcome: Outcome): void {
    this.#entries.set(taskId, {
      phase,
      outcome: textOf(outcome),
      isStored: false,
      deliveries: [],
    });
  }

  /** Redis has confirmed it. */
  stored(taskId: string): void {
    this.#entryOf(taskId).isStored = true;
    this.#changed();
  }

  /** The stream delivered an outcome. */
  delivered(event: OutcomeEvent): void {
    this.#entryOf(event.taskId).deliveries.push(textOfEvent(event));
    this.#changed();
  }

  /** The sums of one phase; without a name, of all. */
  account(phase?: string): Account {
    const sum: Account = { stored: 0, delivered: 0, lost: 0, repeated: 0 };
    for (const entry of this.#entries.values()) {
      if (phase !== undefined && entry.phase !== phase) continue;
      const came = entry.deliveries.includes(entry.outcome);
      if (entry.isStored) sum.stored++;
      if (came) sum.delivered++;
      if (entry.isStored && !came) sum.lost++;
      sum.repeated += Math.max(0, entry.deliveries.length - 1);
    }
    return sum;
  }

  /** Resolves once `condition` holds: it is looked at whenever something was entered. */
  async until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (condition()) return;
    const done = Promise.withResolvers<void>();
    const waiter: Waiter = { condition, done };
    const abort = (): void => done.reject(signal.reason);
    this.#waiters.add(waiter);
    signal.addEventListener("abort", abort, { once: true });
    try {
      await done.promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener("abort", abort);
    }
  }

  #entryOf(taskId: string): Entry {
    const entry = this.#entries.get(taskId);
    if (entry !== undefined) return entry;
    throw new Error(`Got an outcome of ${taskId}, which no worker has run`);
  }

  #changed(): void {
    for (const { condition, done } of this.#waiters) {
      if (condition()) done.resolve();
    }
  }
}

function textOf(outcome: Outcome): string {
  return outcome.state === "SUCCESS"
    ? JSON.stringify(["SUCCESS", outcome.result])
    : JSON.stringify(["FAILURE", outcome.excType, outcome.message]);
}

function textOfEvent(event: OutcomeEvent): string {
  if (event.state === "SUCCESS") {
    return textOf({ state: "SUCCESS", result: event.result });
  }
  if (event.state === "FAILURE" && event.result !== null) {
    const { excType, message } = event.result;
    return textOf({ state: "FAILURE", excType, message });
  }
  return JSON.stringify([event.state, "is what no worker has stored"]);
}
