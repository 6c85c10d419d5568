/**
 * A queue of items that arrive in the background, for tests to await.
 *
 * @module
 */

/** How to wait for an item of an {@linkcode Inbox}. */
export interface InboxWaitOptions {
  /**
   * Milliseconds until the wait rejects and shows the items so far, so that a
   * test fails with a reason instead of hanging; 0 waits without limit.
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

/** Items in the order of their arrival. */
export class Inbox<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  readonly #waiters = new Set<Waiter<T>>();
  #taken = 0;
  #isClosed = false;
  #reason: unknown;

  /** All items, whether taken or not. */
  get all(): readonly T[] {
    return this.#items;
  }

  /** Adds an item, and resolves the waits for it. */
  push(item: T): void {
    this.#items.push(item);
    for (const waiter of [...this.#waiters]) {
      if (waiter.matches(item)) waiter.resolve(item);
    }
  }

  /** Closes the inbox: waits reject with `reason`, and iteration ends. */
  close(reason: unknown = new Error("The inbox was closed")): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reason = reason;
    for (const waiter of [...this.#waiters]) waiter.reject(reason);
  }

  /** Takes the next item; waits for it if there is none. */
  async next(options?: InboxWaitOptions): Promise<T> {
    const index = this.#taken++;
    if (index >= this.#items.length) {
      await this.#wait(() => this.#items.length > index, options);
    }
    return this.#items[index] as T;
  }

  /** The first item that `matches`, including past ones; waits for it. */
  until(
    matches: (item: T) => boolean,
    options?: InboxWaitOptions,
  ): Promise<T> {
    const index = this.#items.findIndex(matches);
    if (index >= 0) return Promise.resolve(this.#items[index] as T);
    return this.#wait(matches, options);
  }

  /** Takes items until the inbox is closed. */
  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    while (!this.#isClosed || this.#taken < this.#items.length) {
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
    if (this.#isClosed) return Promise.reject(this.#reason);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const waiter: Waiter<T> = { matches, resolve, reject };
    this.#waiters.add(waiter);
    const timer = timeout > 0
      ? setTimeout(() => {
        const last = this.#items.slice(-20).map((item) => Deno.inspect(item));
        reject(
          new Error(
            `No matching item within ${timeout} ms; ` +
              `got ${this.#items.length} items, the last of them:\n${
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
