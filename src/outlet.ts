/** What an {@linkcode Outlet} takes from, and tells. */
export interface OutletSource<T> {
  /** The next item, or undefined when there is none yet. */
  take(): T | undefined;
  /** Whether there is nothing to take. */
  isEmpty(): boolean;
  /** Called once, when the reader cancels. */
  cancel(reason: unknown): void;
}

/**
 * A ReadableStream over a queue that someone else keeps. The stream itself
 * holds nothing: it takes an item when a reader asks for one. (What a stream
 * holds in its own queue is lost when it errors.)
 */
export class Outlet<T> {
  /** The stream; its high-water mark is 0. */
  readonly readable: ReadableStream<T>;
  readonly #source: OutletSource<T>;
  #controller!: ReadableStreamDefaultController<T>;
  // A reader that asked while there was nothing to take.
  #asked: PromiseWithResolvers<void> | undefined;
  #end: { error?: unknown } | undefined;
  #isClosed = false;

  /** Opens a stream over `source`. */
  constructor(source: OutletSource<T>) {
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
  wake(): void {
    const asked = this.#asked;
    if (asked === undefined || this.#isClosed) return;
    const item = this.#source.take();
    if (item !== undefined) this.#controller.enqueue(item);
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
    const item = this.#source.take();
    if (item !== undefined) {
      this.#controller.enqueue(item);
      return;
    }
    if (this.#end !== undefined) {
      this.#finish(this.#end);
      return;
    }
    this.#asked = Promise.withResolvers<void>();
    return this.#asked.promise;
  }

  #endWith(end: { error?: unknown }): void {
    this.#end ??= end;
    this.wake();
    // Whoever only waits for the end never asks.
    if (this.#source.isEmpty()) this.#finish(this.#end);
  }

  #finish(end: { error?: unknown }): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if ("error" in end) this.#controller.error(end.error);
    else this.#controller.close();
  }
}
