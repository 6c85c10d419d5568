import type { Runtime, Timer } from "../runtime.ts";

/** The most and the least time to leave for a renewal. */
const MAX_MARGIN_MS = 300_000;
const MIN_MARGIN_MS = 5000;
/** No link is replaced sooner: dates that are too near must not cause a busy loop. */
const MIN_DELAY_MS = 1000;

/**
 * Computes after how many milliseconds to replace a link that may live for
 * `lifetime` milliseconds.
 *
 * As with any lease, a tenth of the lifetime is left for the renewal, so that a
 * token service or a server that is down is tried more than once. That is at
 * most five minutes, to make use of a token; at least five seconds, since
 * connecting and attaching take time; and never more than half of the lifetime.
 */
export function renewalDelay(lifetime: number): number {
  const margin = Math.min(
    MAX_MARGIN_MS,
    Math.max(MIN_MARGIN_MS, lifetime / 10),
  );
  return Math.max(MIN_DELAY_MS, lifetime - Math.min(margin, lifetime / 2));
}

/** The renewal timer of one link. Of several dates the earliest counts. It fires once. */
export class RenewalTimer {
  readonly #runtime: Runtime;
  readonly #onPast: () => void;
  #at: Date | undefined;
  #onDue: (() => void) | undefined;
  #timer: Timer | undefined;
  #hasFired = false;

  /** `onPast` is called for a date that has already passed: such a date is ignored. */
  constructor(runtime: Runtime, onPast: () => void) {
    this.#runtime = runtime;
    this.#onPast = onPast;
  }

  /** Adds the date on which some credentials expire. */
  add(at: Date): void {
    if (at <= this.#runtime.date()) return this.#onPast();
    if (this.#at !== undefined && this.#at <= at) return;
    this.#at = at;
    this.#arm();
  }

  /** Starts the timer: `onDue` is called when it is time to replace the link. */
  start(onDue: () => void): void {
    this.#onDue = onDue;
    this.#arm();
  }

  /** Stops the timer, for good unless it is started again. */
  stop(): void {
    this.#onDue = undefined;
    this.#disarm();
  }

  #arm(): void {
    const onDue = this.#onDue;
    if (this.#at === undefined || onDue === undefined || this.#hasFired) return;
    this.#disarm();
    const lifetime = this.#at.getTime() - this.#runtime.date().getTime();
    this.#timer = this.#runtime.setTimer(
      () => {
        this.stop();
        this.#hasFired = true;
        onDue();
      },
      renewalDelay(lifetime),
      false,
    );
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#runtime.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}
