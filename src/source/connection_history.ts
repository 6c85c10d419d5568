import { RedisConnectionError } from "../errors.ts";
import { isPossiblyTransient } from "../redis/retriable.ts";
import type { RetryListener } from "../retry/listener.ts";
import type { StatusHub } from "../status.ts";

/** An attempt to connect. */
export interface Attempt {
  /** Whether it is still connecting; a link may report steps later, too. */
  isConnecting: boolean;
  /** What it waits for, such as `dialling redis.test:6379`. */
  step: string | undefined;
}

/** What is known about a source's connections; it outlives them. */
export class ConnectionHistory {
  readonly #retries: RetryListener;
  readonly #status: StatusHub;
  readonly #reported = new Set<string>();
  #hasConnected = false;
  #lastError: Error | undefined;
  // The transient fault that was reported in this outage.
  #reportedFault: string | undefined;
  #attempt: Attempt = { isConnecting: false, step: undefined };

  /** Reports to `status`; `retries` says which errors are retriable. */
  constructor(retries: RetryListener, status: StatusHub) {
    this.#retries = retries;
    this.#status = status;
  }

  /** Whether an attempt to connect has ever succeeded. */
  get hasConnected(): boolean {
    return this.#hasConnected;
  }

  /** The last error of a link or of an attempt to connect; undefined while all is well. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** The newest attempt to connect. */
  get attempt(): Readonly<Attempt> {
    return this.#attempt;
  }

  /** Begins an attempt, which its caller keeps up to date. */
  beginAttempt(): Attempt {
    return this.#attempt = { isConnecting: true, step: undefined };
  }

  /** Records that a link is attached. */
  connected(): void {
    this.#hasConnected = true;
    this.#lastError = this.#reportedFault = undefined;
  }

  /** Records why a link, or an attempt to connect, has ended. */
  failed(error: Error): void {
    this.#lastError = error;
  }

  /**
   * Makes a fault that may pass retriable, if an attempt has succeeded before:
   * what used to work gets time to recover. Such a fault is reported once per
   * outage.
   */
  asRetriable(error: Error): Error {
    if (
      !this.#hasConnected || this.#retries.isRetriable(error) ||
      !isPossiblyTransient(error)
    ) return error;
    const loss = new RedisConnectionError(
      `${error.message}; it worked before, so it is tried again`,
      { cause: error },
    );
    if (this.#reportedFault !== loss.message) {
      this.#reportedFault = loss.message;
      this.#status.emit({ type: "degraded", error: loss });
    }
    return loss;
  }

  /** Reports something that does not work as it should, once: every link may meet the same refusal. */
  reportOnce(error: Error): void {
    if (this.#reported.has(error.message)) return;
    this.#reported.add(error.message);
    this.#status.emit({ type: "degraded", error });
  }
}
