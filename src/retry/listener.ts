import {
  BackendClosedError,
  ChordError,
  ConfigurationError,
} from "../errors.ts";
import { isRetriable } from "../redis/retriable.ts";
import type { StatusHub } from "../status.ts";
import { toError } from "../util/to_error.ts";

/** What `onRetry` is told before each wait. */
export interface RetryNotice {
  /** What is tried again: the connection, or a store or a read. */
  kind: "reconnect" | "command";
  /** How many tries have failed so far. */
  attempt: number;
  /** How many are made in all; may be `Infinity`. */
  maxAttempts: number;
  /** Milliseconds: the wait of a command, and the longest that one of a reconnect can be. */
  delay: number;
  /** Why the last try failed. */
  error: Error;
  /** The same as a line for a log, worded as Celery's. Until the first connection it says why, too. */
  message: string;
}

/** What a caller can say and hear about retries. */
export interface RetryCallbacks {
  /** Told before each wait. */
  readonly onRetry?: (retry: RetryNotice) => void | Promise<void>;
  /** Adds to what is tried again. */
  readonly isRetriable?: (error: Error) => boolean;
}

/** What is said of each kind, before `: Retry (n/max) when.` */
const FAILED: Record<RetryNotice["kind"], string> = {
  reconnect: "Connection to Redis lost",
  command: "Command to Redis failed",
};
/** What is said in place of a connection that was lost, where there never was one. */
const NEVER_CONNECTED = "Connection to Redis failed";

/**
 * Both layers of retries ask and tell the caller through this. Whatever the
 * caller's functions do, the retries go on; that one of them fails is told once
 * by `status()`, since an error that nobody catches would end the process.
 */
export class RetryListener {
  readonly #callbacks: RetryCallbacks;
  readonly #status: StatusHub;
  readonly #told = new Set<keyof RetryCallbacks>();

  /** Listens for the caller. */
  constructor(callbacks: RetryCallbacks, status: StatusHub) {
    this.#callbacks = callbacks;
    this.#status = status;
  }

  /** Whether another attempt may succeed, by this module's rule or the caller's. */
  isRetriable(error: Error): boolean {
    if (isRetriable(error)) return true;
    // No attempt mends a mistake, or opens what was closed; and what a chord may
    // have counted must not be sent again.
    if (
      error instanceof ConfigurationError ||
      error instanceof BackendClosedError || error instanceof ChordError
    ) return false;
    try {
      return this.#callbacks.isRetriable?.(error) === true;
    } catch (failure) {
      this.#failed("isRetriable", failure);
      return false;
    }
  }

  /**
   * Tells the caller of a wait, and gives the line for a log. The caller is not
   * waited for. Without `wasConnected`, there was no connection to lose.
   */
  notify(notice: Omit<RetryNotice, "message">, wasConnected = true): string {
    const message = retryMessage(notice, wasConnected);
    const { onRetry } = this.#callbacks;
    if (onRetry === undefined) return message;
    try {
      Promise.resolve(onRetry({ ...notice, message })).catch((failure) =>
        this.#failed("onRetry", failure)
      );
    } catch (failure) {
      this.#failed("onRetry", failure);
    }
    return message;
  }

  #failed(name: keyof RetryCallbacks, failure: unknown): void {
    if (this.#told.has(name)) return;
    this.#told.add(name);
    const cause = toError(failure);
    this.#status.emit({
      type: "degraded",
      error: new Error(
        `The option ${name} failed (the retries go on, and this is told once): ${cause.message}`,
        { cause },
      ),
    });
  }
}

/**
 * Celery's log line: `Connection to Redis lost: Retry (0/20) in 1.00 second.`
 * Where there was no connection yet, it says so, and why: nothing told of it
 * before.
 */
export function retryMessage(
  notice: Omit<RetryNotice, "message">,
  wasConnected = true,
): string {
  const { kind, attempt, maxAttempts, delay, error } = notice;
  const retries = maxAttempts === Infinity ? "Inf" : maxAttempts - 1;
  const isFirst = kind === "reconnect" && !wasConnected;
  const what = isFirst ? NEVER_CONNECTED : FAILED[kind];
  const line = `${what}: Retry (${attempt - 1}/${retries}) ${when(delay)}.`;
  return isFirst ? `${line} ${error.message}` : line;
}

const UNITS: readonly (readonly [name: string, seconds: number])[] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** `in 2.50 seconds`, or `now` for less than one. */
function when(ms: number): string {
  const seconds = Number((ms / 1000).toFixed(2));
  for (const [name, length] of UNITS) {
    if (seconds < length) continue;
    const count = seconds / length;
    return `in ${count.toFixed(2)} ${name}${count === 1 ? "" : "s"}`;
  }
  return "now";
}
