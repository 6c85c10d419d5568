import type { Runtime, Timer } from "../runtime.ts";
import type { Watch } from "./watch.ts";

/** The first wait; each one is twice as long as the one before. */
const MIN_WAIT_MS = 250;
const MAX_WAIT_MS = 5000;

/**
 * Keys whose cluster node cannot be reached. They are tried again after growing
 * waits, so that the keys of other nodes need not wait for them.
 */
export class UnreachableKeys {
  readonly #runtime: Runtime;
  readonly #retry: (watches: readonly Watch[]) => void;
  #watches: Watch[] = [];
  #timer: Timer | undefined;
  #wait = MIN_WAIT_MS;
  #error: Error | undefined;

  /** `retry` is called when it is time to try keys again. */
  constructor(runtime: Runtime, retry: (watches: readonly Watch[]) => void) {
    this.#runtime = runtime;
    this.#retry = retry;
  }

  /** Why keys are not attached; undefined if every node can be reached. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Records why a node could not be reached. */
  setError(error: Error): void {
    this.#error = error;
  }

  /** A SUBSCRIBE reached every node: unless keys still wait, all is well again. */
  reached(): void {
    if (this.#watches.length > 0) return;
    this.#error = undefined;
    this.#wait = MIN_WAIT_MS;
  }

  /** Adds a key, to be tried again with the others. */
  add(watch: Watch): void {
    this.#watches.push(watch);
    if (this.#timer !== undefined) return;
    this.#timer = this.#runtime.setTimer(() => this.#due(), this.#wait, false);
    this.#wait = Math.min(2 * this.#wait, MAX_WAIT_MS);
  }

  /** Stops the timer. */
  stop(): void {
    if (this.#timer !== undefined) this.#runtime.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #due(): void {
    const watches = this.#watches;
    this.#timer = undefined;
    this.#watches = [];
    if (!watches.some((watch) => watch.isAwaited)) this.#error = undefined;
    this.#retry(watches);
  }
}
