import { RetryLimitError } from "../errors.ts";
import type { RedisDriver } from "../redis/link.ts";
import type { RetryListener } from "../retry/listener.ts";
import type { RetryPolicy } from "../retry/policy.ts";
import { AttemptsExhausted, runWithRetry } from "../retry/retry.ts";
import type { Runtime } from "../runtime.ts";
import type { StatusHub } from "../status.ts";
import { Deadline } from "../util/deadline.ts";
import type { ConnectionHistory } from "./connection_history.ts";

/** How {@linkcode connectWithRetry} tries again. */
export interface ConnectOptions {
  /** How to reach Redis. */
  readonly driver: RedisDriver;
  /** Its name in messages: a URL without secrets. */
  readonly address: string;
  /** How many times, and after which waits, to try again. */
  readonly reconnect: RetryPolicy;
  /** Says which errors are retriable, and is notified of each retry. */
  readonly retries: RetryListener;
  /** Milliseconds for all attempts before the first success; may be `Infinity`. */
  readonly firstConnectTimeout: number;
  /** Receives each failed attempt. */
  readonly status: StatusHub;
  /** The clock, timers and randomness. */
  readonly runtime: Runtime;
}

/**
 * Connects by as many attempts as it takes.
 *
 * @throws {RetryLimitError} if every allowed attempt has failed, or none has
 * succeeded in time.
 * @throws {Error} the failure itself, if it is not retriable; the signal's
 * reason, if it aborts.
 */
export async function connectWithRetry(
  options: ConnectOptions,
  history: ConnectionHistory,
  attemptOnce: (attempt: number, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const { driver, reconnect, retries, runtime, status } = options;
  const { firstConnectTimeout } = options;
  const { maxAttempts } = reconnect;
  const giveUp = new AbortController();
  using budget = history.hasConnected || firstConnectTimeout === Infinity
    ? undefined
    : new Deadline(runtime, firstConnectTimeout);
  budget?.passed.then(() => giveUp.abort());
  const either = AbortSignal.any([signal, giveUp.signal]);
  let attempts = 0;
  try {
    await runWithRetry(reconnect, (attempt) => {
      attempts = attempt;
      return attemptOnce(attempt, either);
    }, {
      signal: either,
      isRetriable: (error) => retries.isRetriable(error),
      runtime,
      // std's own waits cannot be ended early.
      drawsWaits: driver.topologyChanged !== undefined,
      wakeUp: driver.topologyChanged?.bind(driver),
      onFailure: (error, attempt, delay) => {
        const failure = { attempt, maxAttempts, delay, error };
        const message = retries.notify(
          { kind: "reconnect", ...failure },
          history.hasConnected,
        );
        status.emit({ type: "retrying", ...failure, message });
      },
    });
  } catch (error) {
    const isExhausted = error instanceof AttemptsExhausted;
    const isLate = budget?.isPassed === true && !signal.aborted;
    if (!isExhausted && !isLate) throw error;
    const cause = history.lastError;
    throw new RetryLimitError(
      `Gave up connecting to ${options.address} after ${attempts} ${
        attempts === 1 ? "attempt" : "attempts"
      }${
        isExhausted
          ? ""
          : ` and ${firstConnectTimeout} ms, never having reached it`
      }: ${cause?.message ?? "no answer"}. The next call tries afresh`,
      attempts,
      cause === undefined ? undefined : { cause },
    );
  }
}
