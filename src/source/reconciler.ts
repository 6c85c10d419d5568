import type { Attachment } from "./attachment.ts";
import type { Runtime, Timer } from "../runtime.ts";
import type { StatusHub } from "../status.ts";
import type { WatchTable } from "./watch_table.ts";

/** How often it looks, in milliseconds, and so the burst that it may make. */
const STEP = 1000;
/** Keys read in a second at most. */
const MAX_RATE = 1000;

/** What a reconciler works on. */
export interface ReconcilerOptions {
  /** Who awaits what. */
  readonly table: WatchTable;
  /** What reads. */
  readonly attachment: Attachment;
  /** Milliseconds in which every key is read once; 0 is off. */
  readonly period: number;
  /** Told of each round. */
  readonly status: StatusHub;
  /** The world outside. */
  readonly runtime: Runtime;
}

/**
 * Reads every awaited key again, about once per period, spread out. Whatever
 * the messages missed (a writer that stores without publishing, a replica that
 * was promoted without the last writes) becomes a delay of at most a period.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #step: number;
  #timer: Timer | undefined;
  // Keys that are due, and the part of one that is not yet.
  #due = 0;
  #read = 0;
  #delivered = 0;
  #isStopped = false;

  /** Starts at once, and runs until it is stopped. */
  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#step = Math.min(STEP, options.period);
    if (options.period > 0) this.#wait();
  }

  /** Stops; a read on its way is not waited for. */
  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== undefined) {
      this.#options.runtime.clearTimer(this.#timer);
    }
  }

  #wait(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.runtime.setTimer(
      () => void this.#check().then(() => this.#wait()),
      this.#step,
      false,
    );
  }

  async #check(): Promise<void> {
    const { table, attachment, period, status } = this.#options;
    this.#due = Math.min(
      this.#due + table.awaitedCount * this.#step / period,
      MAX_RATE * this.#step / 1000,
    );
    const watches = table.cycle(
      Math.min(Math.trunc(this.#due), table.awaitedCount),
    );
    if (watches.length === 0) return;
    this.#due -= watches.length;
    const delivered = await attachment.check(watches);
    // The link is over: what was not read is not told of.
    if (this.#isStopped) return;
    this.#read += watches.length;
    this.#delivered += delivered;
    if (delivered === 0 && this.#read < table.awaitedCount) return;
    status.emit({
      type: "reconciled",
      keys: this.#read,
      delivered: this.#delivered,
    });
    this.#read = this.#delivered = 0;
  }
}
