import type { ResultEvent } from "../protocol/meta.ts";
import type { Latch } from "./latch.ts";

/** What awaits tasks: a stream, or a single wait. Its methods must not throw. */
export interface Reader {
  /** Its open waits, in no order. Maintained by the table. */
  readonly waits: Wait[];
  /** Receives an event, decoded from a document of `size` characters or bytes. */
  receive(event: ResultEvent, size: number): void;
  /** Called when nothing more will come. */
  fail(error: Error): void;
}

/** One reader's wait for one task. */
export class Wait {
  /** The reader that waits. */
  readonly reader: Reader;
  /** The watch it waits on. */
  readonly watch: Watch;
  /** When it began, in ticks: only a read sent later covers it. */
  readonly since: number;
  /** The wait on the same watch that began before. Maintained by the table. */
  older: Wait | undefined;
  /** The wait on the same watch that began after. Maintained by the table. */
  newer: Wait | undefined;
  /** Its index in its reader's waits. Maintained by the table. */
  index: number;
  #latch: Latch | undefined;
  #lastHash: number | undefined;

  /** Begins at tick `since`; `latch` counts down once the wait is attached or over. */
  constructor(reader: Reader, watch: Watch, since: number, latch: Latch) {
    this.reader = reader;
    this.watch = watch;
    this.since = since;
    this.older = undefined;
    this.newer = undefined;
    this.index = reader.waits.length;
    this.#latch = latch;
    this.#lastHash = undefined;
    latch.expect();
  }

  /** Whether it is still open. */
  get isOpen(): boolean {
    return this.reader.waits[this.index] === this;
  }

  /** Whether its key was subscribed and read since it began. */
  get isAttached(): boolean {
    return this.#latch === undefined;
  }

  /** Also counts `latch` down once this wait is attached or over. */
  alsoCountDown(latch: Latch): void {
    if (this.#latch !== latch) this.#latch?.alsoCountDown(latch);
  }

  /** Its key is subscribed and read, or the wait is over. */
  settle(): void {
    this.#latch?.countDown();
    this.#latch = undefined;
  }

  /** It never will be attached. */
  reject(error: Error): void {
    this.#latch?.reject(error);
  }

  /** Whether the last not-ready document its reader got has this hash. */
  hasReceived(hash: number): boolean {
    return this.#lastHash === hash;
  }

  /** Its reader gets a not-ready document. */
  setReceived(hash: number): void {
    this.#lastHash = hash;
  }
}

/** How far a watch has come on the current link. */
export type WatchPhase = "queued" | "subscribing" | "subscribed";

/**
 * A key that readers await. It outlives links.
 *
 * Times are ticks of the table's logical clock.
 */
export class Watch {
  /** The key, which is also the channel. */
  readonly key: string;
  /** The task that the key belongs to. */
  readonly taskId: string;
  /**
   * The newest wait, which leads to the others; undefined while the watch only
   * waits for its UNSUBSCRIBE. Maintained by the table. A list per watch would
   * cost each message two look-ups in cold memory.
   */
  newest: Wait | undefined = undefined;
  #phase: WatchPhase = "queued";
  #isLeaving = false;
  #lastMessage = 0;
  #publishedAfter = 0;
  #lastReadBy = 0;

  /** Begins without a wait. */
  constructor(key: string, taskId: string) {
    this.key = key;
    this.taskId = taskId;
  }

  /** Whether anybody waits for it. */
  get isAwaited(): boolean {
    return this.newest !== undefined;
  }

  /** How far it has come on the current link. */
  get phase(): WatchPhase {
    return this.#phase;
  }

  /** Whether its UNSUBSCRIBE is queued. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /**
   * A message that arrives now was published after this tick, so it is newer
   * than each wait that began before; 0 while nothing is known.
   */
  get publishedAfter(): number {
    return this.#publishedAfter;
  }

  /** The id of the attachment that read it last; 0 if none did. */
  get lastReadBy(): number {
    return this.#lastReadBy;
  }

  /** Every wait, the newest first. */
  *waits(): Generator<Wait> {
    for (let wait = this.newest; wait !== undefined; wait = wait.older) {
      yield wait;
    }
  }

  /** The newest wait that began before a tick; it leads to all the older ones. */
  waitBefore(tick: number): Wait | undefined {
    let wait = this.newest;
    while (wait !== undefined && wait.since >= tick) wait = wait.older;
    return wait;
  }

  /** Its SUBSCRIBE is to be sent on the current link. */
  queue(): void {
    this.#phase = "queued";
    this.#isLeaving = false;
  }

  /** Its SUBSCRIBE is sent. */
  startSubscribing(): void {
    this.#phase = "subscribing";
  }

  /** The server confirmed the subscription: messages from now on were published after tick `since`. */
  confirmSubscription(since: number): void {
    this.#phase = "subscribed";
    this.#isLeaving = false;
    this.#publishedAfter = since;
  }

  /** Its UNSUBSCRIBE is queued. */
  startLeaving(): void {
    this.#isLeaving = true;
  }

  /** Its UNSUBSCRIBE is no longer queued: it is about to be sent, or withdrawn. */
  stopLeaving(): void {
    this.#isLeaving = false;
  }

  /** A message arrived at a tick. */
  receiveMessage(tick: number): void {
    this.#lastMessage = tick;
  }

  /** Whether a message arrived after a tick. */
  hasMessageSince(tick: number): boolean {
    return this.#lastMessage > tick;
  }

  /**
   * A read sent at tick `sent`, on the link of an attachment, is
   * delivered, and its fence was answered: waits that began before are
   * attached, except those for which a message was left out that may be newer
   * than what was read. Returns whether there are any: then another read has to
   * decide.
   */
  completeRead(sent: number, attachmentId: number): boolean {
    this.#lastReadBy = attachmentId;
    const attached = this.hasMessageSince(sent)
      ? Math.min(this.#publishedAfter, sent)
      : sent;
    const newest = this.waitBefore(sent);
    // All waits older than an attached one are attached.
    for (
      let wait = this.waitBefore(attached);
      wait !== undefined && !wait.isAttached;
      wait = wait.older
    ) {
      wait.settle();
    }
    this.#publishedAfter = Math.max(this.#publishedAfter, sent);
    return newest !== undefined && newest.since >= attached;
  }
}
