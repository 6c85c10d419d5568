import { PullStream } from "./util/pull_stream.ts";

/** A change in how the backend stands with Redis. */
export type StatusEvent =
  | {
    /** An attempt to connect begins. */
    type: "connecting";
    /** The number of the attempt since the last success, from 1. */
    attempt: number;
  }
  | {
    /** The connection is made, and every awaited key is subscribed and read. */
    type: "connected";
  }
  | {
    /** The connection was lost, or there is none yet. */
    type: "disconnected";
    /** Why; null if nothing went wrong. */
    error: Error | null;
  }
  | {
    /** An attempt failed, and another one follows. */
    type: "retrying";
    /** How many attempts have failed since the last success. */
    attempt: number;
    /** How many are made in all; may be `Infinity`. */
    maxAttempts: number;
    /** The next attempt starts within this many milliseconds. */
    delay: number;
    /** Why the attempt failed. */
    error: Error;
    /**
     * The same as a line for a log, in Celery's words: `Connection to Redis
     * lost: Retry (0/20) now.` Until the first connection it says why, too.
     */
    message: string;
  }
  | {
    /**
     * After an interruption, every awaited key was subscribed and read again.
     * Not-ready states that were stored and overwritten meanwhile are not to be
     * had.
     */
    type: "resynced";
    /** How many keys that were. */
    keys: number;
  }
  | {
    /** Every awaited key was read again, as a precaution. */
    type: "reconciled";
    /** How many keys that were. */
    keys: number;
    /** How many events this brought that no message had. */
    delivered: number;
  }
  | {
    /**
     * Something works less well than it should: the server refused what is not
     * needed, a function of the options failed, a duration in them is so short
     * that seconds were probably meant, or a server that worked before shows a
     * certificate that is not accepted, or answers as no Redis does.
     */
    type: "degraded";
    /** What was refused, or failed. */
    error: Error;
  }
  | {
    /** The connection was given up. The next call starts afresh. */
    type: "failed";
    /** Why. */
    error: Error;
  }
  | {
    /** The backend was closed. The stream ends. */
    type: "closed";
  };

/** How many events an unread stream keeps; older ones are dropped. */
const MAX_UNREAD = 256;

/** Tells any number of readers how things stand. */
export class StatusHub {
  readonly #readers = new Set<(event: StatusEvent) => void>();
  readonly #warnings: StatusEvent[] = [];
  #present: StatusEvent = { type: "disconnected", error: null };

  /** How things stand. */
  get present(): StatusEvent["type"] {
    return this.#present.type;
  }

  /** Tells the first reader, whenever it comes, of something that is wrong from the beginning. */
  warn(error: Error): void {
    this.#warnings.push({ type: "degraded", error });
  }

  /** A stream that begins with the present state. Unread, it keeps the newest events only. */
  stream(): ReadableStream<StatusEvent> {
    const unread: StatusEvent[] = [this.#present, ...this.#warnings.splice(0)];
    const add = (event: StatusEvent): void => {
      unread.push(event);
      if (unread.length > MAX_UNREAD) unread.shift();
      outlet.notify();
      if (event.type === "closed") outlet.close();
    };
    const outlet = new PullStream<StatusEvent>({
      next: () => unread.shift(),
      isEmpty: () => unread.length === 0,
      cancel: () => this.#readers.delete(add),
    });
    if (this.#present.type === "closed") outlet.close();
    else this.#readers.add(add);
    return outlet.readable;
  }

  /** Tells every reader. */
  emit(event: StatusEvent): void {
    if (this.#present.type === "closed") return;
    // These come and go while the state is what it was.
    const passing = event.type === "degraded" || event.type === "reconciled" ||
      event.type === "resynced";
    if (!passing) this.#present = event;
    for (const reader of this.#readers) reader({ ...event });
    if (event.type === "closed") this.#readers.clear();
  }
}
