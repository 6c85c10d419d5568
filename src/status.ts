import { PullStream } from "./util/pull_stream.ts";

/**
 * A change in the state of a backend's connection to Redis.
 *
 * @category Backend
 */
export type StatusEvent =
  | {
    /** An attempt to connect starts. */
    type: "connecting";
    /** The number of the attempt since the last connection, from 1. */
    attempt: number;
  }
  | {
    /** The backend is connected, and has subscribed to and read every awaited key. */
    type: "connected";
  }
  | {
    /** The connection was lost, or has not been made yet. */
    type: "disconnected";
    /** The cause; null if there was no error. */
    error: Error | null;
  }
  | {
    /** An attempt to connect failed, and another one follows. */
    type: "retrying";
    /** How many attempts have failed since the last connection. */
    attempt: number;
    /** How many attempts there are in all; may be `Infinity`. */
    maxAttempts: number;
    /** Milliseconds within which the next attempt starts. */
    delay: number;
    /** Why the attempt failed. */
    error: Error;
    /**
     * A line for a log, worded as Celery's: `Connection to Redis lost: Retry
     * (0/20) now.` Until the first connection, it includes the error.
     */
    message: string;
  }
  | {
    /**
     * The backend has reconnected, and has subscribed to and read every awaited
     * key again. No outcome was missed; a not-ready state that was stored and
     * overwritten in between was.
     */
    type: "resynced";
    /** How many keys were read. */
    keys: number;
  }
  | {
    /** Every awaited key was read again, in case a message was lost. */
    type: "reconciled";
    /** How many keys were read. */
    keys: number;
    /** How many events the reads delivered that no message had. */
    delivered: number;
  }
  | {
    /**
     * The backend works, but with a limitation: the server refuses an optional
     * command, a callback in the options throws, a duration in the options is
     * so short that you probably meant seconds, or a server that worked before
     * presents an invalid certificate or does not answer like Redis.
     */
    type: "degraded";
    /** The limitation. */
    error: Error;
  }
  | {
    /** The backend gave up reconnecting. It can still be used: the next call reconnects. */
    type: "failed";
    /** The cause. */
    error: Error;
  }
  | {
    /** The backend was closed. The status stream ends. */
    type: "closed";
  };

/** How many events an unread stream keeps. Older ones are dropped. */
const MAX_UNREAD_EVENTS = 256;

/** Sends status events to any number of streams. */
export class StatusHub {
  readonly #listeners = new Set<(event: StatusEvent) => void>();
  readonly #warnings: StatusEvent[] = [];
  #current: StatusEvent = { type: "disconnected", error: null };

  /** The type of the current state. */
  get current(): StatusEvent["type"] {
    return this.#current.type;
  }

  /** Keeps a `degraded` event for the first stream, which may be opened later. */
  warn(error: Error): void {
    this.#warnings.push({ type: "degraded", error });
  }

  /** A stream that begins with the current state. Unread, it keeps only the newest events. */
  stream(): ReadableStream<StatusEvent> {
    const unread: StatusEvent[] = [this.#current, ...this.#warnings.splice(0)];
    const listener = (event: StatusEvent): void => {
      unread.push(event);
      if (unread.length > MAX_UNREAD_EVENTS) unread.shift();
      stream.notify();
      if (event.type === "closed") stream.close();
    };
    const stream = new PullStream<StatusEvent>({
      next: () => unread.shift(),
      isEmpty: () => unread.length === 0,
      cancel: () => this.#listeners.delete(listener),
    });
    if (this.#current.type === "closed") stream.close();
    else this.#listeners.add(listener);
    return stream.readable;
  }

  /** Sends an event to every stream. After `closed`, events are dropped. */
  emit(event: StatusEvent): void {
    if (this.#current.type === "closed") return;
    // These events do not change the state.
    const isTransient = event.type === "degraded" ||
      event.type === "reconciled" ||
      event.type === "resynced";
    if (!isTransient) this.#current = event;
    for (const listener of this.#listeners) listener({ ...event });
    if (event.type === "closed") this.#listeners.clear();
  }
}
