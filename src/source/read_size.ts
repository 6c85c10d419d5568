/** Keys in the largest read: the reply stays far below every limit. */
const MAX_KEYS = 1000;
/** Reads in flight, once the size of documents is known. */
const MAX_IN_FLIGHT = 4;
/** The size of a reply that is large enough. */
const TARGET_REPLY_BYTES = 4 * 1024 * 1024;
/** Keys in the first read, while the size of documents is unknown. */
const FIRST_KEYS = 16;
/** The factor by which one read may be larger than the one before. */
const MAX_GROWTH = 8;

/** How many keys a read may ask for, learned from what earlier reads found. It outlives links. */
export class ReadSize {
  readonly #first: number;
  #keys: number;
  #isKnown = false;

  /** Begins with reads of `first` keys. */
  constructor(first = FIRST_KEYS) {
    this.#first = this.#keys = first;
  }

  /** The number of keys to ask for in one read. */
  get keys(): number {
    return this.#keys;
  }

  /** The number of reads that may be in flight: one, until the size of documents is known. */
  get inFlight(): number {
    return this.#isKnown ? MAX_IN_FLIGHT : 1;
  }

  /**
   * Begins small again, as after an outage: keys that held nothing before may
   * all hold large documents now.
   */
  restart(): void {
    this.#keys = Math.min(this.#keys, this.#first);
    this.#isKnown = false;
  }

  /**
   * Learns from a read that found `count` documents of `bytes` bytes in all. A
   * read that found none counts as small documents, so attaching many tasks
   * without a result takes few reads.
   */
  learn(count: number, bytes: number): void {
    const fitting = bytes === 0 ? MAX_KEYS : Math.min(
      MAX_KEYS,
      Math.max(1, Math.trunc(TARGET_REPLY_BYTES / (bytes / count))),
    );
    // Down at once, up in steps: the next documents may be larger.
    const most = this.#keys * MAX_GROWTH;
    this.#keys = Math.min(fitting, most);
    this.#isKnown ||= fitting <= most;
  }
}
