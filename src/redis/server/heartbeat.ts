import type { Runtime, Timer } from "../../runtime.ts";

/** What a {@linkcode Heartbeat} needs. */
export interface HeartbeatOptions {
  /** Milliseconds of silence before a probe; after as many again, the peer is dead. 0 is off. */
  readonly period: number;
  /** Its clock and timers. */
  readonly runtime: Runtime;
  /** Sends a request that the peer must answer. */
  probe(): void;
  /** Called once if no answer arrives, with the milliseconds of silence. */
  onSilence(ms: number): void;
}

/**
 * Detects a silent peer. Nothing else distinguishes a dead connection from an
 * idle one.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #lastSign: number;
  #isProbed = false;
  #timer: Timer | undefined;

  /** Starts at once, and runs until stopped or the peer is dead. It does not keep the process alive. */
  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#lastSign = options.runtime.now();
    if (options.period > 0) this.#schedule(options.period);
  }

  /** Notes a sign of life: the peer sent or accepted a byte. */
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

  /** Checks in `ms` milliseconds. */
  #schedule(ms: number): void {
    const { runtime } = this.#options;
    const due = runtime.now() + ms;
    this.#timer = runtime.setTimer(() => this.#check(due), ms, false);
  }

  #check(due: number): void {
    const { period, runtime, probe, onSilence } = this.#options;
    const now = runtime.now();
    const silence = now - this.#lastSign;
    if (this.#isProbed) {
      // A timer that is this late means that the event loop was blocked: the
      // answer may not have been read yet.
      if (now - due > period / 2) this.#schedule(period / 2);
      else onSilence(Math.round(silence));
      return;
    }
    // Timers round: they may be a millisecond early.
    if (silence < period - 1) {
      this.#schedule(period - silence);
      return;
    }
    this.#isProbed = true;
    probe();
    this.#schedule(period);
  }
}
