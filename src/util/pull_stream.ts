/** What an {@linkcode PullStream} takes from, and tells. */
export interface PullSource<T> {
  /** The next item, or undefined when there is none yet. */
  next(): T | undefined;
  /**
   * The next item, if it may as well be taken before it is asked for: nothing
   * can replace it any more, and it is small.
   */
  nextIfFinal?(): T | undefined;
  /** Whether there is nothing to take. */
  isEmpty(): boolean;
  /** Called once, when the reader cancels. */
  cancel(reason: unknown): void;
}

/** How many items are given for one request, if they can be taken ahead. */
const MAX_AHEAD = 16;

/**
 * A ReadableStream over a queue that someone else keeps. It takes an item when
 * a reader asks for one, and with it a few that can be taken ahead: these cost
 * half as much. What a stream holds is lost when it errors, so it errors only
 * when it holds nothing.
 */
export class PullStream<T> {
  /** The stream; its high-water mark is 0. */
  readonly readable: ReadableStream<T>;
  readonly #source: PullSource<T>;
  #controller!: ReadableStreamDefaultController<T>;
  // A reader that asked while there was nothing to take.
  #asked: PromiseWithResolvers<void> | undefined;
  #end: { error?: unknown } | undefined;
  #isClosed = false;

  /** Opens a stream over `source`. */
  constructor(source: PullSource<T>) {
    this.#source = source;
    this.readable = new ReadableStream<T>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: (reason) => {
        this.#isClosed = true;
        source.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }

  /** Says that there may be something to take. */
  notify(): void {
    const asked = this.#asked;
    if (asked === undefined || this.#isClosed) return;
    const item = this.#source.next();
    if (item !== undefined) this.#give(item);
    else if (this.#end === undefined) return;
    else this.#finish(this.#end);
    this.#asked = undefined;
    asked.resolve();
  }

  /** Closes the stream once everything is taken. */
  close(): void {
    this.#endWith({});
  }

  /** Errors the stream once everything is taken. */
  fail(error: unknown): void {
    this.#endWith({ error });
  }

  /** Errors the stream now: what is not taken stays with the source. */
  abort(error: unknown): void {
    if (this.#isClosed) return;
    this.#finish({ error });
    this.#asked?.resolve();
    this.#asked = undefined;
  }

  #pull(): Promise<void> | void {
    const item = this.#source.next();
    if (item !== undefined) {
      this.#give(item);
      return;
    }
    if (this.#end !== undefined) {
      this.#finish(this.#end);
      return;
    }
    this.#asked = Promise.withResolvers<void>();
    return this.#asked.promise;
  }

  #give(item: T): void {
    this.#controller.enqueue(item);
    for (let ahead = 1; ahead < MAX_AHEAD; ahead++) {
      const next = this.#source.nextIfFinal?.();
      if (next === undefined) break;
      this.#controller.enqueue(next);
    }
    this.#finishIfDone();
  }

  #endWith(end: { error?: unknown }): void {
    this.#end ??= end;
    this.notify();
    this.#finishIfDone();
  }

  /** Whoever only waits for the end never asks. */
  #finishIfDone(): void {
    if (this.#end === undefined || !this.#source.isEmpty()) return;
    // A close comes behind what the stream holds; an error drops it.
    if (!("error" in this.#end) || this.#controller.desiredSize === 0) {
      this.#finish(this.#end);
    }
  }

  #finish(end: { error?: unknown }): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if ("error" in end) this.#controller.error(end.error);
    else this.#controller.close();
  }
}
