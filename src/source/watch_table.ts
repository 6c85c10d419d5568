import type { Latch } from "./latch.ts";
import { type Reader, Wait, Watch } from "./watch.ts";

/** How many waits are compared one by one before an index is built. */
const MAX_COMPARED = 16;

/** Every awaited key and the waits for it. It outlives links. */
export class WatchTable implements Iterable<Watch> {
  readonly #watches = new Map<string, Watch>();
  // Only for keys with many readers that await many keys: a key with one
  // reader costs nothing.
  readonly #indexes = new Map<Watch, Map<Reader, Wait>>();
  #awaitedCount = 0;
  #now = 0;

  /** How many keys are awaited: those that only wait for their UNSUBSCRIBE do not count. */
  get awaitedCount(): number {
    return this.#awaitedCount;
  }

  /** Every watch. Do not keep an iterator: it retains everything deleted since. */
  [Symbol.iterator](): Iterator<Watch> {
    return this.#watches.values();
  }

  /** Moves `count` watches from the front to the back, and returns them: each gets its turn. */
  cycle(count: number): Watch[] {
    const watches = [...this.#watches.values().take(count)];
    for (const watch of watches) {
      this.#watches.delete(watch.key);
      this.#watches.set(watch.key, watch);
    }
    return watches;
  }

  /**
   * Every watch, the least recently read first, as far as `lastReadBy` tells.
   * An attach in this order resumes where an interrupted one stopped, so that
   * frequent disconnects cannot starve the last key.
   */
  leastRecentlyRead(): Watch[] {
    const groups = Map.groupBy(
      this.#watches.values(),
      ({ lastReadBy }) => lastReadBy,
    );
    return [...groups.keys()].sort((a, b) => a - b)
      .flatMap((link) => groups.get(link)!);
  }

  /** Advances the logical clock, which orders messages, reads and waits. */
  tick(): number {
    return ++this.#now;
  }

  /** The watch of a key, if there is one. */
  get(key: string): Watch | undefined {
    return this.#watches.get(key);
  }

  /**
   * The wait of a reader for a key, if it has one. Takes constant time, even
   * where thousands of readers wait for the same thousands of keys.
   */
  findWait(watch: Watch, reader: Reader): Wait | undefined {
    const { waits } = reader;
    if (waits.length <= MAX_COMPARED) {
      return waits.find((wait) => wait.watch === watch);
    }
    const index = this.#indexes.get(watch);
    if (index !== undefined) return index.get(reader);
    let compared = 0;
    for (let wait = watch.newest; wait !== undefined; wait = wait.older) {
      if (wait.reader === reader) return wait;
      if (++compared === MAX_COMPARED) {
        return this.#buildIndex(watch).get(reader);
      }
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
      watch = new Watch(key, taskId);
      this.#watches.set(key, watch);
    } else {
      const existing = this.findWait(watch, reader);
      if (existing !== undefined) {
        existing.alsoCountDown(latch);
        return undefined;
      }
    }
    if (!watch.isAwaited) this.#awaitedCount++;
    const wait = new Wait(reader, watch, this.tick(), latch);
    wait.older = watch.newest;
    if (watch.newest !== undefined) watch.newest.newer = wait;
    watch.newest = wait;
    reader.waits.push(wait);
    if (this.#indexes.size > 0) this.#indexes.get(watch)?.set(reader, wait);
    return { watch, isNew };
  }

  /** Ends a wait. Returns whether nobody waits for the key now. */
  leave(wait: Wait): boolean {
    const { reader, watch } = wait;
    // The reader's last wait moves into the gap: no list of a million shifts.
    const last = reader.waits.pop()!;
    if (last !== wait) {
      reader.waits[wait.index] = last;
      last.index = wait.index;
    }
    wait.settle();
    const { older, newer } = wait;
    if (older !== undefined) older.newer = newer;
    if (newer === undefined) watch.newest = older;
    else newer.older = older;
    if (this.#indexes.size > 0) this.#removeFromIndex(wait);
    if (watch.isAwaited) return false;
    this.#awaitedCount--;
    return true;
  }

  /** Deletes a watch that nobody waits for. */
  delete(watch: Watch): void {
    this.#watches.delete(watch.key);
  }

  /** Deletes every watch that nobody waits for. */
  deleteAbandoned(): void {
    for (const watch of this.#watches.values()) {
      if (!watch.isAwaited) this.#watches.delete(watch.key);
    }
  }

  /** Deletes everything, and fails every reader. */
  fail(error: Error): void {
    const readers = new Set<Reader>();
    for (const watch of this.#watches.values()) {
      for (const wait of watch.waits()) {
        readers.add(wait.reader);
        wait.reject(error);
      }
      watch.newest = undefined;
    }
    this.#watches.clear();
    this.#indexes.clear();
    this.#awaitedCount = 0;
    for (const reader of readers) {
      reader.waits.length = 0;
      reader.fail(error);
    }
  }

  #buildIndex(watch: Watch): ReadonlyMap<Reader, Wait> {
    const index = new Map<Reader, Wait>();
    for (const wait of watch.waits()) index.set(wait.reader, wait);
    this.#indexes.set(watch, index);
    return index;
  }

  #removeFromIndex({ watch, reader }: Wait): void {
    if (watch.isAwaited) this.#indexes.get(watch)?.delete(reader);
    else this.#indexes.delete(watch);
  }
}
