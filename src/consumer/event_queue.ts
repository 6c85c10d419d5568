import { Deque } from "../deps/deque.ts";
import type { ResultEvent } from "../protocol/meta.ts";

interface Entry {
  event: ResultEvent;
  size: number;
}

/**
 * The events that a reader has not taken yet: every outcome, and, past the
 * high-water mark or the byte limit, the newest not-ready event of each task,
 * which replaces its predecessor in place.
 */
export class EventQueue {
  readonly #entries = new Deque<Entry>();
  readonly #highWaterMark: number;
  readonly #maxBytes: number;
  // Each task's last not-ready event that is still queued.
  readonly #lastNotReady = new Map<string, Entry>();
  #notReadyCount = 0;
  #bytes = 0;

  /**
   * Queues up to `highWaterMark` not-ready events before it conflates, and at
   * most `maxBytes` of documents.
   */
  constructor(highWaterMark: number, maxBytes = Infinity) {
    this.#highWaterMark = highWaterMark;
    this.#maxBytes = maxBytes;
  }

  /** How many events are queued. */
  get length(): number {
    return this.#entries.length;
  }

  /** The size of the documents that the queued events came from. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds an event that came from a document of `size` bytes. Returns false, and
   * adds nothing, if that would exceed the byte limit.
   */
  push(event: ResultEvent, size: number): boolean {
    const bytes = this.#bytes + size;
    if (event.ready) {
      if (bytes > this.#maxBytes) return false;
      // A task may be awaited again: its next events come after this one.
      if (this.#lastNotReady.size > 0) this.#lastNotReady.delete(event.taskId);
      this.#entries.pushBack({ event, size });
      this.#bytes = bytes;
      return true;
    }
    const last = this.#lastNotReady.get(event.taskId);
    const isFull = this.#notReadyCount >= this.#highWaterMark ||
      bytes > this.#maxBytes;
    if (last !== undefined && isFull) {
      const bytesAfter = bytes - last.size;
      if (bytesAfter > this.#maxBytes) return false;
      this.#bytes = bytesAfter;
      last.event = event;
      last.size = size;
      return true;
    }
    if (bytes > this.#maxBytes) return false;
    const entry = { event, size };
    this.#entries.pushBack(entry);
    this.#lastNotReady.set(event.taskId, entry);
    this.#notReadyCount++;
    this.#bytes = bytes;
    return true;
  }

  /** Takes the oldest event. */
  shift(): ResultEvent | undefined {
    const entry = this.#entries.popFront();
    if (entry === undefined) return undefined;
    this.#bytes -= entry.size;
    if (!entry.event.ready) {
      this.#notReadyCount--;
      const { taskId } = entry.event;
      if (this.#lastNotReady.get(taskId) === entry) {
        this.#lastNotReady.delete(taskId);
      }
    }
    return entry.event;
  }

  /** Takes the oldest event if it is an outcome of at most `maxSize` bytes. */
  shiftOutcome(maxSize: number): ResultEvent | undefined {
    const entry = this.#entries.peekFront();
    return entry !== undefined && entry.event.ready && entry.size <= maxSize
      ? this.shift()
      : undefined;
  }

  /** Drops everything. */
  clear(): void {
    this.#entries.clear();
    this.#lastNotReady.clear();
    this.#notReadyCount = this.#bytes = 0;
  }
}
