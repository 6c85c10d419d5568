import type { ResultEvent } from "../protocol/meta.ts";

/** Whoever awaits tasks: a stream, or a single wait. Its methods must not throw. */
export interface Reader {
  /** What it still awaits, in no order. Kept by the table. */
  readonly waits: Wait[];
  /** Takes an event that came from a document of `size` bytes. */
  take(event: ResultEvent, size: number): void;
  /** Told that nothing more will come. */
  fail(error: Error): void;
}

/** One reader's wait for one task. */
export interface Wait {
  /** Who waits. */
  readonly reader: Reader;
  /** What for. */
  readonly watch: Watch;
  /** Who waits for the same, and came before. */
  next: Wait | undefined;
  /** Who waits for the same, and came after. */
  previous: Wait | undefined;
  /** Where it stands in its reader's waits. */
  index: number;
  /** When it began, in ticks: only a read that was sent later covers it. */
  readonly since: number;
  /** The hash of the not-ready document that was delivered last. */
  lastHash: number | undefined;
  /** Told when the wait is attached, or over. */
  latch: Latch | undefined;
}

/** How far a watch is on the present link. */
export type WatchPhase = "queued" | "subscribing" | "subscribed";

/** A key that readers await. It outlives connections. */
export interface Watch {
  /** The key, which is the channel too. */
  readonly key: string;
  /** The task whose key it is. */
  readonly taskId: string;
  /**
   * The first of those who wait for it, who leads to the others; undefined
   * while its UNSUBSCRIBE is still to be sent. A list of its own would cost
   * each message two look-ups in cold memory.
   */
  first: Wait | undefined;
  /** When its last message came in, in ticks; 0 is never. */
  lastMessage: number;
  /**
   * A message that comes in now was published after this tick: it is newer than
   * each wait that began before. 0 while nothing is known.
   */
  messagesSince: number;
  /** How far it is on the present link. */
  phase: WatchPhase;
  /** The link that read it last, as the tick of its beginning; 0 is none. */
  readBy: number;
  /** Its UNSUBSCRIBE is to be sent, unless somebody comes to wait for it. */
  isLeaving: boolean;
}

/** How many waits are compared one by one before an index is made. */
const FEW = 16;

/** Everybody who waits for a key, the last who came first. */
export function* waitsOf(watch: Watch): Generator<Wait> {
  for (let wait = watch.first; wait !== undefined; wait = wait.next) yield wait;
}

/** The last wait for a key that began before a tick; it leads to all the others that did. */
export function waitBefore(watch: Watch, tick: number): Wait | undefined {
  let wait = watch.first;
  while (wait !== undefined && wait.since >= tick) wait = wait.next;
  return wait;
}

/** Whether a wait is not over yet. */
export function isWaiting(wait: Wait): boolean {
  return wait.reader.waits[wait.index] === wait;
}

/** A promise that several waits are attached. */
export class Latch {
  readonly #settled = Promise.withResolvers<void>();
  #missing = 0;

  /** Begins without a wait: `expect` each, then ask for the promise. */
  constructor() {
    // Nobody has to listen.
    this.#settled.promise.catch(() => {});
  }

  /** Resolves when each expected wait is attached or over; rejects when the source failed. */
  get promise(): Promise<void> {
    if (this.#missing === 0) this.#settled.resolve();
    return this.#settled.promise;
  }

  /** One more wait counts. */
  expect(): void {
    this.#missing++;
  }

  /** Settles `other`, too, when all of this is settled: it was given for a wait that has this one. */
  alsoCountDown(other: Latch): void {
    other.expect();
    this.#settled.promise.then(
      () => other.countDown(),
      (error) => other.reject(error),
    );
  }

  /** One wait is attached, or over. */
  countDown(): void {
    if (--this.#missing === 0) this.#settled.resolve();
  }

  /** The source failed. */
  reject(error: Error): void {
    this.#settled.reject(error);
  }
}

/**
 * Every awaited key and who waits for it: the table that outlives links.
 */
export class WatchTable implements Iterable<Watch> {
  readonly #watches = new Map<string, Watch>();
  // Only for keys with many readers who await much: a key with one costs nothing.
  readonly #indexes = new Map<Watch, Map<Reader, Wait>>();
  #awaited = 0;
  #now = 0;

  /** How many keys are awaited: those that only wait for their UNSUBSCRIBE do not count. */
  get awaited(): number {
    return this.#awaited;
  }

  /** Every watch. An iterator must not be kept: it holds on to all that was deleted since. */
  [Symbol.iterator](): Iterator<Watch> {
    return this.#watches.values();
  }

  /** Takes `count` watches from the front, and puts them behind all others: each has its turn. */
  rotate(count: number): Watch[] {
    const watches = [...this.#watches.values().take(count)];
    for (const watch of watches) {
      this.#watches.delete(watch.key);
      this.#watches.set(watch.key, watch);
    }
    return watches;
  }

  /**
   * From the keys that were not read for the longest to those read last, as far
   * as `readBy` tells. An attach in this order resumes where an interrupted one
   * stopped, so that frequent cuts cannot starve the last key.
   */
  byReading(): Watch[] {
    const groups = Map.groupBy(this.#watches.values(), ({ readBy }) => readBy);
    return [...groups.keys()].sort((a, b) => a - b)
      .flatMap((readBy) => groups.get(readBy)!);
  }

  /** Moves this table's clock on: messages, reads and waits are put in order by it. */
  tick(): number {
    return ++this.#now;
  }

  /** The watch of a key that somebody awaits. */
  get(key: string): Watch | undefined {
    return this.#watches.get(key);
  }

  /**
   * The wait of a reader for a key, if it has one. It takes no longer where
   * thousands of readers wait for the same thousands of keys.
   */
  waitOf(watch: Watch, reader: Reader): Wait | undefined {
    const { waits } = reader;
    if (waits.length <= FEW) return waits.find((wait) => wait.watch === watch);
    const index = this.#indexes.get(watch);
    if (index !== undefined) return index.get(reader);
    let compared = 0;
    for (let wait = watch.first; wait !== undefined; wait = wait.next) {
      if (wait.reader === reader) return wait;
      if (++compared === FEW) return this.#indexOf(watch).get(reader);
    }
    return undefined;
  }

  /** Adds a wait; undefined if this reader waits for this task already. */
  add(
    reader: Reader,
    key: string,
    taskId: string,
    latch: Latch,
  ): { watch: Watch; isNew: boolean } | undefined {
    let watch = this.#watches.get(key);
    const isNew = watch === undefined;
    if (watch === undefined) {
      watch = {
        key,
        taskId,
        first: undefined,
        lastMessage: 0,
        messagesSince: 0,
        phase: "queued",
        readBy: 0,
        isLeaving: false,
      };
      this.#watches.set(key, watch);
    } else {
      const awaited = this.waitOf(watch, reader);
      if (awaited !== undefined) {
        if (awaited.latch !== latch) awaited.latch?.alsoCountDown(latch);
        return undefined;
      }
    }
    if (watch.first === undefined) this.#awaited++;
    latch.expect();
    const wait: Wait = {
      reader,
      watch,
      next: watch.first,
      previous: undefined,
      index: reader.waits.length,
      since: this.tick(),
      lastHash: undefined,
      latch,
    };
    if (watch.first !== undefined) watch.first.previous = wait;
    watch.first = wait;
    reader.waits.push(wait);
    if (this.#indexes.size > 0) this.#indexes.get(watch)?.set(reader, wait);
    return { watch, isNew };
  }

  /** Ends a wait. True if nobody waits for the key now. */
  leave(wait: Wait): boolean {
    const { reader, watch } = wait;
    // The reader's last wait takes the place: no list of a million is shifted.
    const last = reader.waits.pop()!;
    if (last !== wait) {
      reader.waits[wait.index] = last;
      last.index = wait.index;
    }
    wait.latch?.countDown();
    const { next, previous } = wait;
    if (next !== undefined) next.previous = previous;
    if (previous === undefined) watch.first = next;
    else previous.next = next;
    if (this.#indexes.size > 0) this.#unindex(wait);
    if (watch.first !== undefined) return false;
    this.#awaited--;
    return true;
  }

  /** Forgets a watch of this table that nobody waits for. */
  delete(watch: Watch): void {
    this.#watches.delete(watch.key);
  }

  /** Forgets every watch that nobody waits for. */
  sweep(): void {
    for (const watch of this.#watches.values()) {
      if (watch.first === undefined) this.#watches.delete(watch.key);
    }
  }

  /** Forgets everything, and tells every reader why. */
  fail(error: Error): void {
    const readers = new Set<Reader>();
    for (const watch of this.#watches.values()) {
      for (const { reader, latch } of waitsOf(watch)) {
        readers.add(reader);
        latch?.reject(error);
      }
      watch.first = undefined;
    }
    this.#watches.clear();
    this.#indexes.clear();
    this.#awaited = 0;
    for (const reader of readers) {
      reader.waits.length = 0;
      reader.fail(error);
    }
  }

  #indexOf(watch: Watch): ReadonlyMap<Reader, Wait> {
    const index = new Map<Reader, Wait>();
    for (const wait of waitsOf(watch)) index.set(wait.reader, wait);
    this.#indexes.set(watch, index);
    return index;
  }

  #unindex({ watch, reader }: Wait): void {
    if (watch.first === undefined) this.#indexes.delete(watch);
    else this.#indexes.get(watch)?.delete(reader);
  }
}
