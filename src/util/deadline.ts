import type { Runtime, Timer } from "../runtime.ts";

/**
 * A time limit, on the runtime's clock. Disposing it clears the timer.
 *
 * ```ts ignore
 * using deadline = new Deadline(runtime, connectTimeout);
 * await deadline.orThrow(reply, () => new RedisConnectionError("No answer"));
 * ```
 */
export class Deadline implements Disposable {
  /** Resolves when the time is up; never, once disposed. */
  readonly passed: Promise<void>;
  readonly #runtime: Pick<Runtime, "clearTimer">;
  readonly #timer: Timer;
  #isPassed = false;

  /**
   * Starts a timer of `ms` milliseconds. Unless it is `persistent`, it does not
   * keep the process alive.
   */
  constructor(
    runtime: Pick<Runtime, "setTimer" | "clearTimer">,
    ms: number,
    persistent = true,
  ) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.passed = promise;
    this.#runtime = runtime;
    this.#timer = runtime.setTimer(
      () => {
        this.#isPassed = true;
        resolve();
      },
      ms,
      persistent,
    );
  }

  /** Whether the time is up. */
  get isPassed(): boolean {
    return this.#isPassed;
  }

  /** Settles as `work` does, or rejects with `late()` if the time is up first. */
  async orThrow<T>(work: Promise<T>, late: () => Error): Promise<T> {
    return await Promise.race([
      work,
      this.passed.then((): never => {
        throw late();
      }),
    ]);
  }

  /** Clears the timer. */
  [Symbol.dispose](): void {
    this.#runtime.clearTimer(this.#timer);
  }
}
