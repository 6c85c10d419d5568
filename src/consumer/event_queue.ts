import { Deque } from "../deps/deque.ts";
import type { ResultEvent } from "../protocol/meta.ts";

interface Cell {
  event: ResultEvent;
  size: number;
}

/**
 * What one reader has not taken yet. Every outcome is kept; of the not-ready
 * events beyond the high-water mark, or beyond the bytes that may be queued, the
 * newest of each task, in the place of the one before it.
 */
export class EventQueue {
  readonly #cells = new Deque<Cell>();
  readonly #highWaterMark: number;
  // Each task's last not-ready event that is still queued.
  readonly #last = new Map<string, Cell>();
  #notReady = 0;
  #bytes = 0;

  readonly #maxBytes: number;

  /**
   * Takes the number of not-ready events to queue before conflation, and the
   * bytes of documents to queue at most.
   */
  constructor(highWaterMark: number, maxBytes = Infinity) {
    this.#highWaterMark = highWaterMark;
    this.#maxBytes = maxBytes;
  }

  /** How many events are queued. */
  get length(): number {
    return this.#cells.length;
  }

  /** The size of the documents that they came from. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds an event that came from a document of `size` bytes. Returns false, and
   * adds nothing, if more bytes than allowed would be queued then.
   */
  push(event: ResultEvent, size: number): boolean {
    const bytes = this.#bytes + size;
    if (event.ready) {
      if (bytes > this.#maxBytes) return false;
      // A task may be awaited anew: its next events come behind this one.
      if (this.#last.size > 0) this.#last.delete(event.taskId);
      this.#cells.pushBack({ event, size });
      this.#bytes = bytes;
      return true;
    }
    const last = this.#last.get(event.taskId);
    const isFull = this.#notReady >= this.#highWaterMark ||
      bytes > this.#maxBytes;
    if (last !== undefined && isFull) {
      // What it replaces is not queued any more.
      if (bytes - last.size > this.#maxBytes) return false;
      this.#bytes = bytes - last.size;
      last.event = event;
      last.size = size;
      return true;
    }
    if (bytes > this.#maxBytes) return false;
    const cell = { event, size };
    this.#cells.pushBack(cell);
    this.#last.set(event.taskId, cell);
    this.#notReady++;
    this.#bytes = bytes;
    return true;
  }

  /** Takes the oldest event. */
  shift(): ResultEvent | undefined {
    const cell = this.#cells.popFront();
    if (cell === undefined) return undefined;
    this.#bytes -= cell.size;
    if (!cell.event.ready) {
      this.#notReady--;
      const { taskId } = cell.event;
      if (this.#last.get(taskId) === cell) this.#last.delete(taskId);
    }
    return cell.event;
  }

  /** Takes the oldest event, if it is an outcome of at most `maxSize` bytes. */
  shiftOutcome(maxSize: number): ResultEvent | undefined {
    const cell = this.#cells.peekFront();
    return cell !== undefined && cell.event.ready && cell.size <= maxSize
      ? this.shift()
      : undefined;
  }

  /** Forgets everything. */
  clear(): void {
    this.#cells.clear();
    this.#last.clear();
    this.#notReady = this.#bytes = 0;
  }
}
