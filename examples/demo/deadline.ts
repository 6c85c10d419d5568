/**
 * Sees to it that the demo ends.
 *
 * @module
 */

/** Milliseconds to clean up in, when the demo has to end before its time. */
const CLEAN_UP = 5000;

/** Aborts when the time is up, and when somebody presses Ctrl-C. */
export class Deadline implements Disposable {
  /** Whether it was Ctrl-C. */
  isInterrupted = false;
  readonly #stop = new AbortController();
  readonly #timers: ReturnType<typeof setTimeout>[] = [];

  /** Starts the clock. */
  constructor(ms: number) {
    const seconds = Math.round(ms / 1000);
    const over = (): void =>
      this.stop(new Error(`it was not done within ${seconds} seconds`));
    this.#timers.push(setTimeout(over, ms));
    Deno.addSignalListener("SIGINT", this.#interrupt);
  }

  /** Aborts when the demo has to end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Ends the demo before its time. */
  stop(reason: unknown): void {
    if (this.signal.aborted) return;
    // Where even the end hangs, there is no other.
    const exit = (): never => Deno.exit(this.isInterrupted ? 130 : 1);
    this.#timers.push(setTimeout(exit, CLEAN_UP));
    this.#stop.abort(reason);
  }

  /** Stops the clock. */
  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
    Deno.removeSignalListener("SIGINT", this.#interrupt);
  }

  // May come twice: from the terminal, and from a `deno task` that passes it on.
  readonly #interrupt = (): void => {
    this.isInterrupted = true;
    this.stop(new Error("it was interrupted"));
  };
}
