/**
 * Makes sure that the demo ends.
 *
 * @module
 */

/** How long the clean-up may take when the demo is aborted. */
const CLEAN_UP_MS = 5000;

/** Aborts when the time is up or when you press Ctrl-C. */
export class Deadline implements Disposable {
  /** Whether Ctrl-C was pressed. */
  isInterrupted = false;
  readonly #stop = new AbortController();
  readonly #timers: ReturnType<typeof setTimeout>[] = [];

  /** Starts the clock. */
  constructor(ms: number) {
    const seconds = Math.round(ms / 1000);
    const over = (): void =>
      this.stop(new Error(`it did not finish within ${seconds} seconds`));
    this.#timers.push(setTimeout(over, ms));
    Deno.addSignalListener("SIGINT", this.#interrupt);
  }

  /** Aborts when the demo must end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts the demo. */
  stop(reason: unknown): void {
    if (this.signal.aborted) return;
    // If the clean-up hangs too, only this ends the process.
    const exit = (): never => Deno.exit(this.isInterrupted ? 130 : 1);
    this.#timers.push(setTimeout(exit, CLEAN_UP_MS));
    this.#stop.abort(reason);
  }

  /** Stops the clock. */
  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
    Deno.removeSignalListener("SIGINT", this.#interrupt);
  }

  // May be called twice: for the terminal's signal, and for the one that `deno task`
  // forwards.
  readonly #interrupt = (): void => {
    this.isInterrupted = true;
    this.stop(new Error("it was interrupted"));
  };
}
