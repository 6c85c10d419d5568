import type { Runtime, Timer } from "../../runtime.ts";

/** Heartbeats within which the oldest command has to be answered. */
const DEADLINE = 2;
/**
 * Bytes per millisecond of messages at which the answer may be behind them in
 * the server's output buffer, and heartbeats that it may be so. By default,
 * Redis ends a subscriber that is behind by 8 MB for 60 seconds.
 */
const BACKLOG_PACE = 128;
const LONGEST_BACKLOG = 6;
/**
 * Heartbeats that a reply, or a message, may take however slowly it arrives,
 * and bytes per millisecond at which it has to arrive if it takes longer.
 */
const SLOWEST = 8;
const SLOW_PACE = 1;
/** Timers round: so many milliseconds early is on time. */
const EARLY = 1;

/** What an {@linkcode AnswerDeadline} watches over, and what it does. */
export interface AnswerDeadlineOptions {
  /** The heartbeat, in milliseconds; 0 is off. */
  readonly heartbeat: number;
  /** The world outside. */
  readonly runtime: Runtime;
  /** Called once when an answer is overdue: what the peer did not do, and within how many milliseconds. */
  onOverdue(failure: "answer" | "finish its answer to", ms: number): void;
}

/**
 * Bounds how long the oldest unanswered command waits. A heartbeat does not
 * see a way to the server that is dead while messages still come in.
 *
 * The answer has to come, or to begin, within two heartbeats. A reply that is
 * arriving is progress, unless it only trickles. So are messages in such
 * numbers that the answer may be behind them in the server's output buffer.
 */
export class AnswerDeadline {
  readonly #options: AnswerDeadlineOptions;
  #timer: Timer | undefined;
  // When the oldest command was sent, or last made progress; undefined while
  // every command is answered.
  #since: number | undefined;
  // Since when messages are counted, and their bytes.
  #countedSince = 0;
  #messageBytes = 0;
  // What has begun and is not complete, since when, and its bytes.
  #partial: "reply" | "message" | undefined;
  #partialSince = 0;
  #partialBytes = 0;

  /** Starts with nothing to wait for. */
  constructor(options: AnswerDeadlineOptions) {
    this.#options = options;
  }

  /** The oldest command made progress, or another one is the oldest now. */
  restart(): void {
    const { heartbeat, runtime } = this.#options;
    this.#since = this.#countedSince = runtime.now();
    this.#messageBytes = 0;
    this.#partial = undefined;
    // Setting a timer for each command would cost more than the command: one
    // that goes off early is set again.
    if (heartbeat > 0 && this.#timer === undefined) {
      this.#watch(DEADLINE * heartbeat);
    }
  }

  /** Every command is answered. */
  clear(): void {
    this.#since = undefined;
  }

  /**
   * Takes how many bytes came, what they began or went on with and did not
   * complete, and whether they completed a message.
   */
  received(
    bytes: number,
    partial: "reply" | "message" | undefined,
    hasMessage: boolean,
  ): void {
    if (this.#since === undefined) return;
    this.#messageBytes += bytes;
    if (hasMessage || this.#partial === undefined) {
      this.#partialSince = this.#options.runtime.now();
      this.#partialBytes = 0;
    }
    this.#partial = partial;
    this.#partialBytes += bytes;
  }

  /** Stops watching. */
  stop(): void {
    this.#since = undefined;
    if (this.#timer === undefined) return;
    this.#options.runtime.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  /** Looks again in `ms`. It keeps no process alive. */
  #watch(ms: number): void {
    const { runtime } = this.#options;
    const due = runtime.now() + ms;
    this.#timer = runtime.setTimer(() => this.#look(due), ms, false);
  }

  #look(due: number): void {
    const { heartbeat, runtime, onOverdue } = this.#options;
    this.#timer = undefined;
    if (this.#since === undefined) return;
    const now = runtime.now();
    const left = this.#left(now, this.#since);
    if (left > 0) {
      this.#watch(left);
    } else if (now - due > heartbeat / 2) {
      // A timer that comes this late shows a blocked event loop: the answer may
      // not have been read yet.
      this.#watch(heartbeat / 2);
    } else {
      const isSlow = this.#partial === "reply";
      onOverdue(
        isSlow ? "finish its answer to" : "answer",
        Math.round(now - (isSlow ? this.#partialSince : this.#since)),
      );
    }
  }

  /** How long the answer may still take, in milliseconds; 0: it is overdue. */
  #left(now: number, since: number): number {
    const { heartbeat } = this.#options;
    const deadline = DEADLINE * heartbeat;
    const partialLeft = this.#partialSince + SLOWEST * heartbeat +
      this.#partialBytes / SLOW_PACE - now;
    if (this.#partial === "reply") {
      return partialLeft > EARLY ? Math.max(partialLeft, heartbeat / 10) : 0;
    }
    const left = this.#countedSince + deadline - now;
    if (left > EARLY) return left;
    const latest = since + LONGEST_BACKLOG * heartbeat;
    const isBehind = this.#partial === "message"
      // Nothing is answered in the middle of it.
      ? this.#partialSince < latest && partialLeft > 0
      : now < latest &&
        this.#messageBytes >= BACKLOG_PACE * (now - this.#countedSince);
    if (!isBehind) return 0;
    this.#countedSince = now;
    this.#messageBytes = 0;
    return deadline;
  }
}
