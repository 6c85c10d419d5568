import {
  BackendClosedError,
  ChordError,
  ConfigurationError,
} from "../errors.ts";
import { isRetriable } from "../redis/retriable.ts";
import type { StatusHub } from "../status.ts";
import { toError } from "../util/to_error.ts";

/**
 * What `onRetry` receives before each wait.
 *
 * @category Options
 */
export interface RetryNotice {
  /** What is retried: the connection, or a command (a store or a read). */
  kind: "reconnect" | "command";
  /** The number of attempts that have failed so far. */
  attempt: number;
  /** The number of attempts in all; may be `Infinity`. */
  maxAttempts: number;
  /** Milliseconds until the next attempt; for a reconnect, at most. */
  delay: number;
  /** Why the last attempt failed. */
  error: Error;
  /** A log line, worded as Celery's. Until the first connection succeeds, it includes the error. */
  message: string;
}

/** The user's part in retries. */
export interface RetryCallbacks {
  /** Called before each wait; not awaited. */
  readonly onRetry?: (retry: RetryNotice) => void | Promise<void>;
  /** Returns true for errors that are to be retried on top of the built-in ones. */
  readonly isRetriable?: (error: Error) => boolean;
}

/** How each kind of log line begins, before `: Retry (n/max) when.` */
const FAILED: Record<RetryNotice["kind"], string> = {
  reconnect: "Connection to Redis lost",
  command: "Command to Redis failed",
};
/** The same before the first connection, which cannot be lost yet. */
const NEVER_CONNECTED = "Connection to Redis failed";

/**
 * Calls the user's functions for both layers of retries. Whatever these do, the
 * retries go on: an error in one is reported once by `status()`, because an
 * uncaught one would end the process.
 */
export class RetryListener {
  readonly #callbacks: RetryCallbacks;
  readonly #status: StatusHub;
  readonly #reported = new Set<keyof RetryCallbacks>();

  /** Reports failures of `callbacks` to `status`. */
  constructor(callbacks: RetryCallbacks, status: StatusHub) {
    this.#callbacks = callbacks;
    this.#status = status;
  }

  /** Whether another attempt may succeed, by this module's rules or the user's. */
  isRetriable(error: Error): boolean {
    if (isRetriable(error)) return true;
    // Another attempt fixes no mistake and reopens no backend; and a chord part
    // that may have been counted must not be sent again.
    if (
      error instanceof ConfigurationError ||
      error instanceof BackendClosedError || error instanceof ChordError
    ) return false;
    try {
      return this.#callbacks.isRetriable?.(error) === true;
    } catch (failure) {
      this.#reportFailure("isRetriable", failure);
      return false;
    }
  }

  /**
   * Calls `onRetry`, without awaiting it, and returns the log line.
   * `hasConnected` says whether there was a connection to lose.
   */
  notify(notice: Omit<RetryNotice, "message">, hasConnected = true): string {
    const message = retryMessage(notice, hasConnected);
    const { onRetry } = this.#callbacks;
    if (onRetry === undefined) return message;
    try {
      Promise.resolve(onRetry({ ...notice, message })).catch((failure) =>
        this.#reportFailure("onRetry", failure)
      );
    } catch (failure) {
      this.#reportFailure("onRetry", failure);
    }
    return message;
  }

  #reportFailure(name: keyof RetryCallbacks, failure: unknown): void {
    if (this.#reported.has(name)) return;
    this.#reported.add(name);
    const cause = toError(failure);
    this.#status.emit({
      type: "degraded",
      error: new Error(
        `The option ${name} failed (retries go on, and this is reported once): ${cause.message}`,
        { cause },
      ),
    });
  }
}

/**
 * Formats Celery's log line: `Connection to Redis lost: Retry (0/20) in 1.00
 * second.` Before the first connection it says so, with the error, which has not
 * been reported before.
 */
export function retryMessage(
  notice: Omit<RetryNotice, "message">,
  hasConnected = true,
): string {
  const { kind, attempt, maxAttempts, delay, error } = notice;
  const retries = maxAttempts === Infinity ? "Inf" : maxAttempts - 1;
  const isFirst = kind === "reconnect" && !hasConnected;
  const what = isFirst ? NEVER_CONNECTED : FAILED[kind];
  const line = `${what}: Retry (${attempt - 1}/${retries}) ${
    formatDelay(delay)
  }.`;
  return isFirst ? `${line} ${error.message}` : line;
}

const UNITS: readonly (readonly [name: string, seconds: number])[] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** `in 2.50 seconds`, or `now` for less than one. */
function formatDelay(ms: number): string {
  const seconds = Number((ms / 1000).toFixed(2));
  for (const [name, length] of UNITS) {
    if (seconds < length) continue;
    const count = seconds / length;
    return `in ${count.toFixed(2)} ${name}${count === 1 ? "" : "s"}`;
  }
  return "now";
}
