/**
 * The reader whose connection breaks: one stream for all tasks, and a clock for
 * how long it stopped after each fault.
 *
 * @module
 */

import type {
  ResultBackend,
  ResultConsumer,
  ResultEvent,
  StatusEvent,
} from "../../mod.ts";
import type { Ledger } from "./ledger.ts";

/** How the stream recovered from a fault. Milliseconds count from the fault. */
export interface Recovery {
  /** When the backend noticed that the connection was lost. */
  noticed: number;
  /** When the first event arrived over a new connection. */
  back: number;
  /** How many attempts to connect it took. */
  attempts: number;
  /** How many awaited tasks were subscribed and read again. */
  keys: number;
}

/** How long the stream may take to close once it awaits nothing. */
const CLOSE_TIMEOUT_MS = 1000;

interface Outage extends Partial<Recovery> {
  readonly since: number;
  /** Whether new events can only come from a new connection. */
  isRedialling: boolean;
  readonly over: PromiseWithResolvers<Recovery>;
}

/** Reads every event of the tasks that it is given. */
export class Reader implements AsyncDisposable {
  readonly #consumer: ResultConsumer;
  readonly #ids: WritableStreamDefaultWriter<string>;
  readonly #ledger: Ledger;
  readonly #ended: Promise<void>;
  #outage: Outage | undefined;
  #attempt = 0;
  #connections = 0;
  #events = 0;
  #link = "not connected yet";

  /** Begins to read. */
  constructor(backend: ResultBackend, ledger: Ledger) {
    this.#consumer = backend.consumer();
    this.#ids = this.#consumer.writable.getWriter();
    // `ended` rejects with the same error.
    this.#ids.closed.catch(() => {});
    this.#ledger = ledger;
    this.#ended = this.#read(this.#consumer.readable);
    this.#ended.catch(() => {});
    this.#watch(backend.status());
  }

  /** Resolves when the stream closes; rejects with what it errors with. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** The number of connections after the first. */
  get reconnects(): number {
    return Math.max(0, this.#connections - 1);
  }

  /** The number of events, outcomes and others. */
  get events(): number {
    return this.#events;
  }

  /** The state of the backend's connection, for the screen. */
  get link(): string {
    return this.#link;
  }

  /** Awaits another task. Call it when the task is sent, as any program would. */
  async expect(taskId: string): Promise<void> {
    await this.#ids.write(taskId);
  }

  /**
   * Declares that there are no more tasks. Returns whether the stream then closes
   * in time, as it should once every task has its outcome.
   */
  async close(): Promise<boolean> {
    const patience = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => patience.resolve(false), CLOSE_TIMEOUT_MS);
    try {
      await this.#ids.close();
      const closed = this.#ended.then(() => true);
      return await Promise.race([closed, patience.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Measures the time from now, a fault, to the first event over a new connection. */
  outage(signal: AbortSignal): Promise<Recovery> {
    const over = Promise.withResolvers<Recovery>();
    const abort = (): void => over.reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    this.#outage = { since: performance.now(), isRedialling: false, over };
    // The caller may await it later.
    over.promise.catch(() => {});
    return over.promise;
  }

  /** Ends the stream, even if tasks are still awaited. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer[Symbol.asyncDispose]();
  }

  async #read(events: ReadableStream<ResultEvent>): Promise<void> {
    for await (const event of events) {
      this.#events++;
      const outage = this.#outage;
      // Earlier events were in flight before the fault.
      if (outage?.isRedialling) {
        outage.back ??= performance.now() - outage.since;
        this.#settle();
      }
      if (event.ready) this.#ledger.delivered(event);
    }
  }

  async #watch(status: ReadableStream<StatusEvent>): Promise<void> {
    for await (const event of status) {
      switch (event.type) {
        case "disconnected":
          if (event.error === null) break;
          this.#link = "connection lost";
          if (this.#outage !== undefined) {
            this.#outage.noticed ??= performance.now() - this.#outage.since;
          }
          break;
        case "connecting":
          this.#attempt = event.attempt;
          this.#link = event.attempt === 1
            ? "connecting"
            : `connecting, attempt ${event.attempt}`;
          if (this.#outage?.noticed !== undefined) redial(this.#outage);
          break;
        case "connected":
          this.#connections++;
          this.#link = "connected";
          break;
        case "resynced":
          if (this.#outage !== undefined) {
            this.#outage.keys = event.keys;
            this.#outage.attempts = this.#attempt;
          }
          this.#settle();
          break;
      }
    }
  }

  /** Ends the outage once an event has arrived and the backend has resynced. */
  #settle(): void {
    if (this.#outage === undefined) return;
    const { over, noticed, back, attempts, keys } = this.#outage;
    if (noticed === undefined || back === undefined) return;
    if (attempts === undefined || keys === undefined) return;
    this.#outage = undefined;
    over.resolve({ noticed, back, attempts, keys });
  }
}

/** Starts an attempt to connect: events before it came over the old connection. */
function redial(outage: Outage): void {
  delete outage.back;
  // Queued events are read in this turn of the event loop; a new connection
  // delivers nothing that soon.
  setTimeout(() => {
    outage.isRedialling = true;
  });
}
