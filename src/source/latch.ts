/** Resolves once a number of waits are attached or over. */
export class Latch {
  readonly #settled = Promise.withResolvers<void>();
  #pending = 0;

  /** Begins with no wait: `expect` each, then ask for the promise. */
  constructor() {
    // Nobody has to listen.
    this.#settled.promise.catch(() => {});
  }

  /** Resolves when each expected wait is attached or over; rejects when the source failed. */
  get promise(): Promise<void> {
    if (this.#pending === 0) this.#settled.resolve();
    return this.#settled.promise;
  }

  /** Counts one more wait. */
  expect(): void {
    this.#pending++;
  }

  /** Makes `other` expect one more wait, which settles as this latch does. */
  alsoCountDown(other: Latch): void {
    other.expect();
    this.#settled.promise.then(
      () => other.countDown(),
      (error) => other.reject(error),
    );
  }

  /** One wait is attached or over. */
  countDown(): void {
    if (--this.#pending === 0) this.#settled.resolve();
  }

  /** The source failed. */
  reject(error: Error): void {
    this.#settled.reject(error);
  }
}
