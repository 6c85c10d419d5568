/** The queue behind a {@linkcode PullStream}. */
export interface PullSource<T> {
  /** The next item, or undefined when there is none yet. */
  next(): T | undefined;
  /**
   * The next item, if it may leave the queue before it is requested: it is
   * small, and nothing can replace it any more.
   */
  nextIfFinal?(): T | undefined;
  /** Whether the queue is empty. */
  isEmpty(): boolean;
  /** Called once, when the reader cancels. */
  cancel(reason: unknown): void;
}

/** The most items to enqueue for one request, if they are final. */
const MAX_AHEAD = 16;

/**
 * A ReadableStream over a queue that someone else owns. It takes an item from
 * the queue when a reader requests one, and with it a few that are final, which
 * halves their cost. A stream that errors loses what it holds, so `fail()` waits
 * until it holds nothing; `abort()` does not.
 */
export class PullStream<T> {
  /** The stream; its high-water mark is 0. */
  readonly readable: ReadableStream<T>;
  readonly #source: PullSource<T>;
  #controller!: ReadableStreamDefaultController<T>;
  // A request made while the queue was empty.
  #request: PromiseWithResolvers<void> | undefined;
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

  /** Notifies the stream that the queue may have an item. */
  notify(): void {
    const request = this.#request;
    if (request === undefined || this.#isClosed) return;
    const item = this.#source.next();
    if (item !== undefined) this.#enqueue(item);
    else if (this.#end === undefined) return;
    else this.#finish(this.#end);
    this.#request = undefined;
    request.resolve();
  }

  /** Closes the stream once the queue is empty. */
  close(): void {
    this.#endWith({});
  }

  /** Errors the stream once the queue is empty. */
  fail(error: unknown): void {
    this.#endWith({ error });
  }

  /** Errors the stream now; the queue keeps its items. */
  abort(error: unknown): void {
    if (this.#isClosed) return;
    this.#finish({ error });
    this.#request?.resolve();
    this.#request = undefined;
  }

  #pull(): Promise<void> | void {
    const item = this.#source.next();
    if (item !== undefined) {
      this.#enqueue(item);
      return;
    }
    if (this.#end !== undefined) {
      this.#finish(this.#end);
      return;
    }
    this.#request = Promise.withResolvers<void>();
    return this.#request.promise;
  }

  #enqueue(item: T): void {
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

  /** A reader that only waits for the end never requests an item. */
  #finishIfDone(): void {
    if (this.#end === undefined || !this.#source.isEmpty()) return;
    // A close lets the reader have what the stream holds; an error drops it.
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
