/**
 * What arrives while nobody may be looking: kept in order, and awaitable.
 *
 * @module
 */

/** How to wait for an item of an {@linkcode Inbox}. */
export interface InboxWaitOptions {
  /**
   * How long to wait, in milliseconds, before the wait rejects and shows what
   * has come in so far: a test then fails with a reason and does not hang.
   *
   * @default {60000}
   */
  timeout?: number;
}

interface Waiter<T> {
  matches: (item: T) => boolean;
  resolve: (item: T) => void;
  reject: (reason: unknown) => void;
}

/** Items in the order of their arrival: to be taken one by one, or waited for. */
export class Inbox<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();
  #taken = 0;
  #closed = false;
  #reason: unknown;

  /** Everything that has come in, taken or not. */
  get all(): readonly T[] {
    return this.#items;
  }

  /** Puts an item in, and ends the waits for it. */
  push(item: T): void {
    this.#items.push(item);
    for (const waiter of [...this.#waiters]) {
      if (waiter.matches(item)) waiter.resolve(item);
    }
  }

  /** Ends the inbox: waits reject with `reason`, iteration ends. */
  close(reason: unknown = new Error("The inbox was closed")): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reason = reason;
    for (const waiter of [...this.#waiters]) waiter.reject(reason);
  }

  /** The first item not yet taken; waits for one if there is none. */
  async next(options?: InboxWaitOptions): Promise<T> {
    const place = this.#taken++;
    if (place >= this.#items.length) {
      await this.#wait(() => this.#items.length > place, options);
    }
    return this.#items[place] as T;
  }

  /** The first item of all, past ones included, that `matches`; waits for it. */
  until(
    matches: (item: T) => boolean,
    options?: InboxWaitOptions,
  ): Promise<T> {
    const index = this.#items.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.#items[index] as T);
    return this.#wait(matches, options);
  }

  /** Takes item after item until the inbox is closed. */
  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    while (!this.#closed || this.#taken < this.#items.length) {
      try {
        yield await this.next({ timeout: 0 });
      } catch (error) {
        if (error === this.#reason) return;
        throw error;
      }
    }
  }

  #wait(
    matches: (item: T) => boolean,
    { timeout = 60_000 }: InboxWaitOptions = {},
  ): Promise<T> {
    if (this.#closed) return Promise.reject(this.#reason);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const waiter: Waiter<T> = { matches, resolve, reject };
    this.#waiters.add(waiter);
    const timer = timeout > 0
      ? setTimeout(() => {
        const last = this.#items.slice(-20).map((item) => Deno.inspect(item));
        reject(
          new Error(
            `Nothing that was waited for came in within ${timeout} ms; ` +
              `${this.#items.length} items did, the last of them:\n${
                last.join("\n")
              }`,
          ),
        );
      }, timeout)
      : undefined;
    return promise.finally(() => {
      this.#waiters.delete(waiter);
      clearTimeout(timer);
    });
  }
}
