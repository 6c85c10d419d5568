/**
 * Records what the workers stored and what the stream delivered. Comparing the
 * two shows what was lost or repeated.
 *
 * @module
 */

import type { ResultEvent } from "../../mod.ts";

/** How a task ends. */
export type Outcome =
  | { state: "SUCCESS"; result: unknown }
  | { state: "FAILURE"; excType: string; message: string };

/** An event with a task's outcome. */
export type OutcomeEvent = Extract<ResultEvent, { ready: true }>;

/** The totals of a phase, or of all phases. */
export interface Account {
  /** Tasks whose outcome Redis has confirmed. */
  stored: number;
  /** Tasks whose outcome was delivered, with the state and value that were stored. */
  delivered: number;
  /** Tasks whose outcome was stored but not delivered, or with another state or value. */
  lost: number;
  /** Outcomes delivered more than once. */
  repeated: number;
}

interface Entry {
  readonly phase: string;
  readonly outcome: string;
  isStored: boolean;
  /** Delivered outcomes, as JSON. */
  readonly deliveries: string[];
}

interface Waiter {
  readonly condition: () => boolean;
  readonly done: PromiseWithResolvers<void>;
}

/** Compares what was delivered with what was stored. */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #waiters = new Set<Waiter>();

  /** All tasks recorded so far. */
  get taskIds(): Iterable<string> {
    return this.#entries.keys();
  }

  /** Records that a worker runs a task, and the outcome it will store. */
  expect(taskId: string, phase: string, outcome: Outcome): void {
    this.#entries.set(taskId, {
      phase,
      outcome: outcomeToJson(outcome),
      isStored: false,
      deliveries: [],
    });
  }

  /** Records that Redis has confirmed the outcome. */
  stored(taskId: string): void {
    this.#entryOf(taskId).isStored = true;
    this.#changed();
  }

  /** Records an outcome that the stream delivered. */
  delivered(event: OutcomeEvent): void {
    this.#entryOf(event.taskId).deliveries.push(eventToJson(event));
    this.#changed();
  }

  /** The totals of one phase or, without a name, of all. */
  account(phase?: string): Account {
    const sum: Account = { stored: 0, delivered: 0, lost: 0, repeated: 0 };
    for (const entry of this.#entries.values()) {
      if (phase !== undefined && entry.phase !== phase) continue;
      const isDelivered = entry.deliveries.includes(entry.outcome);
      if (entry.isStored) sum.stored++;
      if (isDelivered) sum.delivered++;
      if (entry.isStored && !isDelivered) sum.lost++;
      sum.repeated += Math.max(0, entry.deliveries.length - 1);
    }
    return sum;
  }

  /** Resolves once `condition` holds. It is checked after each record. */
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
    throw new Error(`Got an outcome of ${taskId}, which no worker ran`);
  }

  #changed(): void {
    for (const { condition, done } of this.#waiters) {
      if (condition()) done.resolve();
    }
  }
}

function outcomeToJson(outcome: Outcome): string {
  return outcome.state === "SUCCESS"
    ? JSON.stringify(["SUCCESS", outcome.result])
    : JSON.stringify(["FAILURE", outcome.excType, outcome.message]);
}

function eventToJson(event: OutcomeEvent): string {
  if (event.state === "SUCCESS") {
    return outcomeToJson({ state: "SUCCESS", result: event.result });
  }
  if (event.state === "FAILURE" && event.result !== null) {
    const { excType, message } = event.result;
    return outcomeToJson({ state: "FAILURE", excType, message });
  }
  return JSON.stringify([event.state, "was not stored by a worker"]);
}
