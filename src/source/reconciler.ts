import type { Attachment } from "./attachment.ts";
import type { Runtime, Timer } from "../runtime.ts";
import type { StatusHub } from "../status.ts";
import type { WatchTable } from "./watch_table.ts";

/** How often keys are read, which also bounds a burst. */
const STEP_MS = 1000;
/** The most keys to read per second. */
const MAX_KEYS_PER_SECOND = 1000;

/** What a {@linkcode Reconciler} works with. */
export interface ReconcilerOptions {
  /** Who awaits what. */
  readonly table: WatchTable;
  /** What reads the keys. */
  readonly attachment: Attachment;
  /** Milliseconds in which every key is read once; 0 turns it off. */
  readonly period: number;
  /** Receives the outcome of each round. */
  readonly status: StatusHub;
  /** The clock and the timers. */
  readonly runtime: Runtime;
}

/**
 * Rereads every awaited key about once per period, spread out. Whatever the
 * messages missed (a writer that stores without publishing, a replica that was
 * promoted without the last writes) is then delayed by at most a period.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #step: number;
  #timer: Timer | undefined;
  // The number of keys that are due, with a fraction.
  #due = 0;
  #read = 0;
  #delivered = 0;
  #isStopped = false;

  /** Starts at once, unless the period is 0. */
  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#step = Math.min(STEP_MS, options.period);
    if (options.period > 0) this.#wait();
  }

  /** Stops without waiting for a read in progress. */
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
      MAX_KEYS_PER_SECOND * this.#step / 1000,
    );
    const watches = table.cycle(
      Math.min(Math.trunc(this.#due), table.awaitedCount),
    );
    if (watches.length === 0) return;
    this.#due -= watches.length;
    const delivered = await attachment.check(watches);
    // The link is over: what was not read is not reported.
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
