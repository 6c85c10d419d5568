import type { Runtime, Timer } from "../../runtime.ts";

/** What a heartbeat watches over, and what it does. */
export interface HeartbeatOptions {
  /** Milliseconds of silence before a probe; as many again, and the peer is dead. 0 is off. */
  readonly period: number;
  /** The world outside. */
  readonly runtime: Runtime;
  /** Asks the peer for a sign of life. */
  probe(): void;
  /** Told once that none came, and how long the silence was, in milliseconds. */
  onSilence(ms: number): void;
}

/**
 * Notices a silent peer. A connection that is open and carries nothing tells of
 * itself in no other way.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #lastSign: number;
  #isProbed = false;
  #timer: Timer | undefined;

  /** Starts at once, and runs until it is stopped or the peer is dead. It keeps no process alive. */
  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#lastSign = options.runtime.now();
    if (options.period > 0) this.#watch(options.period);
  }

  /** The peer gave a sign of life: a byte that came, or one that it took. */
  reset(): void {
    this.#lastSign = this.#options.runtime.now();
    this.#isProbed = false;
  }

  /** Stops watching. */
  stop(): void {
    if (this.#timer !== undefined) {
      this.#options.runtime.clearTimer(this.#timer);
    }
  }

  /** Looks again in `ms`. */
  #watch(ms: number): void {
    const { runtime } = this.#options;
    const due = runtime.now() + ms;
    this.#timer = runtime.setTimer(() => this.#look(due), ms, false);
  }

  #look(due: number): void {
    const { period, runtime, probe, onSilence } = this.#options;
    const now = runtime.now();
    const quiet = now - this.#lastSign;
    if (this.#isProbed) {
      // A timer that comes this late tells of a blocked event loop: the answer
      // may lie unread.
      if (now - due > period / 2) this.#watch(period / 2);
      else onSilence(Math.round(quiet));
      return;
    }
    // Timers round: a millisecond early is on time.
    if (quiet < period - 1) {
      this.#watch(period - quiet);
      return;
    }
    this.#isProbed = true;
    probe();
    this.#watch(period);
  }
}
