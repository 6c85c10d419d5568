/**
 * The reader whose connection is broken: one stream for all tasks, and a look
 * at how long it stood still after each fault.
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

/** How the stream came through a fault. Milliseconds count from the fault. */
export interface Recovery {
  /** When the backend knew that the connection was lost. */
  noticed: number;
  /** When the first event came over a new connection. */
  back: number;
  /** How many attempts to connect it took. */
  attempts: number;
  /** How many awaited tasks were subscribed and read again. */
  keys: number;
}

/** Milliseconds in which a stream closes that waits for nothing more. */
const CLOSE_TIMEOUT = 1000;

interface Outage extends Partial<Recovery> {
  readonly since: number;
  /** Whether what comes now can only come over a new connection. */
  isRedialling: boolean;
  readonly over: PromiseWithResolvers<Recovery>;
}

/** Reads every event of every task that it is told of. */
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
    // What errors the streams is told by `ended`.
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

  /** How many connections there were after the first. */
  get reconnects(): number {
    return Math.max(0, this.#connections - 1);
  }

  /** How many events came, outcomes and others. */
  get events(): number {
    return this.#events;
  }

  /** What the backend says of its connection. */
  get link(): string {
    return this.#link;
  }

  /** Awaits one more task: a task id goes in when the task is sent, as in any program. */
  async expect(taskId: string): Promise<void> {
    await this.#ids.write(taskId);
  }

  /**
   * Says that no more tasks come: then the stream is to close, since all have
   * their outcomes. Tells whether it does.
   */
  async close(): Promise<boolean> {
    const patience = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => patience.resolve(false), CLOSE_TIMEOUT);
    try {
      await this.#ids.close();
      const closed = this.#ended.then(() => true);
      return await Promise.race([closed, patience.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Takes the time from now, a fault, to the first event that comes over a new connection. */
  outage(signal: AbortSignal): Promise<Recovery> {
    const over = Promise.withResolvers<Recovery>();
    const abort = (): void => over.reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    this.#outage = { since: performance.now(), isRedialling: false, over };
    // Whoever is to await it may have something else to do before.
    over.promise.catch(() => {});
    return over.promise;
  }

  /** Ends the stream, whatever it still waits for. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer[Symbol.asyncDispose]();
  }

  async #read(events: ReadableStream<ResultEvent>): Promise<void> {
    for await (const event of events) {
      this.#events++;
      const outage = this.#outage;
      // Any other was on its way before the fault.
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

  /** An outage is over when an event has come, and the backend says that it is all there again. */
  #settle(): void {
    if (this.#outage === undefined) return;
    const { over, noticed, back, attempts, keys } = this.#outage;
    if (noticed === undefined || back === undefined) return;
    if (attempts === undefined || keys === undefined) return;
    this.#outage = undefined;
    over.resolve({ noticed, back, attempts, keys });
  }
}

/** An attempt to connect begins. What came before it came over the old connection. */
function redial(outage: Outage): void {
  delete outage.back;
  // Events that wait to be taken are taken in this turn of the event loop; over
  // a new connection, nothing comes so soon.
  setTimeout(() => {
    outage.isRedialling = true;
  });
}
