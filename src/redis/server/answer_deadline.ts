import type { Runtime, Timer } from "../../runtime.ts";

/** Heartbeats within which the oldest command must be answered. */
const DEADLINE_HEARTBEATS = 2;
/**
 * From this rate of messages on, the answer may be queued behind them in the
 * server's output buffer, for so many heartbeats. By default, Redis disconnects
 * a subscriber that is 8 MB behind for 60 seconds.
 */
const BACKLOG_BYTES_PER_MS = 128;
const MAX_BACKLOG_HEARTBEATS = 6;
/**
 * Heartbeats that a reply, or a message, may take however slowly it arrives, and
 * the rate at which it must arrive if it takes longer.
 */
const SLOW_HEARTBEATS = 8;
const SLOW_BYTES_PER_MS = 1;
/** Timers round: they may be this early. */
const TIMER_SLACK_MS = 1;

/** What an {@linkcode AnswerDeadline} needs. */
export interface AnswerDeadlineOptions {
  /** The heartbeat, in milliseconds; 0 is off. */
  readonly heartbeat: number;
  /** Its clock and timers. */
  readonly runtime: Runtime;
  /** Called once when an answer is overdue, with what the peer failed to do within how many milliseconds. */
  onOverdue(failure: "answer" | "finish its answer to", ms: number): void;
}

/**
 * Limits how long the oldest unanswered command waits. A heartbeat cannot detect
 * a dead path to the server while messages still arrive.
 *
 * The answer must arrive, or begin to, within two heartbeats. A reply that is
 * arriving counts as progress, unless it only trickles. So do messages in such
 * numbers that the answer may be queued behind them in the server's output
 * buffer.
 */
export class AnswerDeadline {
  readonly #options: AnswerDeadlineOptions;
  #timer: Timer | undefined;
  // When the oldest command was sent, or last made progress; undefined while no
  // answer is awaited.
  #since: number | undefined;
  // The bytes of messages, and since when they are counted.
  #countedSince = 0;
  #messageBytes = 0;
  // What is incomplete, since when, and its bytes so far.
  #partial: "reply" | "message" | undefined;
  #partialSince = 0;
  #partialBytes = 0;

  /** Starts without a command. */
  constructor(options: AnswerDeadlineOptions) {
    this.#options = options;
  }

  /** Starts again: the oldest command made progress, or another one is the oldest now. */
  restart(): void {
    const { heartbeat, runtime } = this.#options;
    this.#since = this.#countedSince = runtime.now();
    this.#messageBytes = 0;
    this.#partial = undefined;
    // A timer per command would cost more than the command: one that fires too
    // early is set again.
    if (heartbeat > 0 && this.#timer === undefined) {
      this.#schedule(DEADLINE_HEARTBEATS * heartbeat);
    }
  }

  /** Stops waiting: every command is answered. */
  clear(): void {
    this.#since = undefined;
  }

  /**
   * Notes a read: its bytes, what they left incomplete, and whether they
   * completed a message.
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

  /** Checks in `ms` milliseconds. It does not keep the process alive. */
  #schedule(ms: number): void {
    const { runtime } = this.#options;
    const due = runtime.now() + ms;
    this.#timer = runtime.setTimer(() => this.#check(due), ms, false);
  }

  #check(due: number): void {
    const { heartbeat, runtime, onOverdue } = this.#options;
    this.#timer = undefined;
    if (this.#since === undefined) return;
    const now = runtime.now();
    const remaining = this.#remaining(now, this.#since);
    if (remaining > 0) {
      this.#schedule(remaining);
    } else if (now - due > heartbeat / 2) {
      // A timer that is this late means that the event loop was blocked: the
      // answer may not have been read yet.
      this.#schedule(heartbeat / 2);
    } else {
      const isSlow = this.#partial === "reply";
      onOverdue(
        isSlow ? "finish its answer to" : "answer",
        Math.round(now - (isSlow ? this.#partialSince : this.#since)),
      );
    }
  }

  /** How many milliseconds the answer may still take; 0: it is overdue. */
  #remaining(now: number, since: number): number {
    const { heartbeat } = this.#options;
    const deadline = DEADLINE_HEARTBEATS * heartbeat;
    const partialLeft = this.#partialSince + SLOW_HEARTBEATS * heartbeat +
      this.#partialBytes / SLOW_BYTES_PER_MS - now;
    if (this.#partial === "reply") {
      return partialLeft > TIMER_SLACK_MS
        ? Math.max(partialLeft, heartbeat / 10)
        : 0;
    }
    const left = this.#countedSince + deadline - now;
    if (left > TIMER_SLACK_MS) return left;
    const latest = since + MAX_BACKLOG_HEARTBEATS * heartbeat;
    const isBehind = this.#partial === "message"
      // No answer can arrive in the middle of it.
      ? this.#partialSince < latest && partialLeft > 0
      : now < latest &&
        this.#messageBytes >= BACKLOG_BYTES_PER_MS * (now - this.#countedSince);
    if (!isBehind) return 0;
    this.#countedSince = now;
    this.#messageBytes = 0;
    return deadline;
  }
}
