import { retry, RetryError } from "../deps/retry.ts";
import { isRetriable } from "../redis/retriable.ts";
import type { Runtime } from "../runtime.ts";
import { onAbort } from "../util/on_abort.ts";
import { pause } from "../util/pause.ts";
import { backoff, backoffCeiling, type RetryPolicy } from "./policy.ts";

/** How {@linkcode runWithRetry} decides, reports and waits. */
export interface RetryHooks {
  /** Ends the waits between calls; pass it to the call as well. */
  readonly signal: AbortSignal;
  /**
   * Called with each failure that another call will follow, the number of calls
   * made, and the milliseconds after which the next call comes at the latest.
   */
  readonly onFailure?: (error: Error, attempt: number, delay: number) => void;
  /** Whether to call again after a failure. @default {isRetriable} */
  readonly isRetriable?: (error: Error) => boolean;
  /**
   * Whether waits are drawn here, in whole milliseconds as Celery does, and made
   * by the runtime. Otherwise they are std's own, of which only the ceiling is
   * known, unless the policy has its own schedule.
   *
   * @default {false}
   */
  readonly drawsWaits?: boolean;
  /**
   * Resolves to end a wait early, and also when its signal aborts. Needs
   * `drawsWaits`, since std's waits cannot be ended.
   */
  readonly wakeUp?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Whether the waits made by the runtime keep the process alive. @default {true} */
  readonly persistent?: boolean;
  /** The clock, timers and randomness to use. */
  readonly runtime: Pick<
    Runtime,
    "now" | "random" | "setTimer" | "clearTimer"
  >;
}

/** The last allowed call has failed. */
export class AttemptsExhausted extends Error {
  /** The name of the class. */
  override readonly name = "AttemptsExhausted";
  /** The last failure. */
  override readonly cause: Error;
  /** The number of calls made. */
  readonly attempts: number;

  /** Wraps the last failure of `attempts` calls. */
  constructor(cause: Error, attempts: number) {
    super(`Failed ${attempts} times`);
    this.cause = cause;
    this.attempts = attempts;
  }
}

/**
 * Calls `call` through std/async's `retry` until it succeeds or `policy` is
 * exhausted.
 *
 * @throws {AttemptsExhausted} if every allowed call has failed.
 * @throws {Error} the failure itself, if it is not retriable; the signal's
 * reason, if it aborts.
 */
export async function runWithRetry<T>(
  policy: RetryPolicy,
  call: (attempt: number) => Promise<T>,
  hooks: RetryHooks,
): Promise<T> {
  const { signal, onFailure, drawsWaits = false, runtime } = hooks;
  const shouldRetry = hooks.isRetriable ?? isRetriable;
  // Such waits are made here, and std's are 0.
  const ownWaits = policy.delay !== undefined || drawsWaits;
  const end = runtime.now() + policy.timeout;
  let attempt = 0;
  let wait = 0;
  const once = async (): Promise<T> => {
    if (wait > 0) await waitOrWakeUp(wait, hooks);
    attempt++;
    return await call(attempt);
  };
  try {
    return await retry(once, {
      // std's `retry` does not accept Infinity, and a first wait of 0 never grows.
      maxAttempts: Math.min(policy.maxAttempts, Number.MAX_SAFE_INTEGER),
      minTimeout: ownWaits ? 0 : policy.minTimeout,
      maxTimeout: policy.maxTimeout,
      multiplier: policy.multiplier,
      jitter: policy.jitter,
      signal,
      isRetriable: (failure) => {
        if (signal.aborted || !(failure instanceof Error)) return false;
        if (!shouldRetry(failure)) return false;
        // With no attempt left, std ends it.
        if (attempt >= policy.maxAttempts) return true;
        if (runtime.now() > end) throw new AttemptsExhausted(failure, attempt);
        const delay = drawsWaits
          ? backoff(policy, attempt, () => runtime.random())
          : backoffCeiling(policy, attempt);
        if (ownWaits) wait = delay;
        onFailure?.(failure, attempt, delay);
        return true;
      },
    });
  } catch (error) {
    if (error instanceof RetryError && error.cause instanceof Error) {
      throw new AttemptsExhausted(error.cause, attempt);
    }
    // Only the abort kept this failure from another call.
    if (signal.aborted && error instanceof Error && shouldRetry(error)) {
      throw signal.reason;
    }
    throw error;
  }
}

async function waitOrWakeUp(
  ms: number,
  { wakeUp, runtime, signal, persistent = true }: RetryHooks,
): Promise<void> {
  const over = new AbortController();
  using _abort = onAbort(signal, () => over.abort());
  const wokenUp = wakeUp?.(over.signal);
  try {
    const paused = pause(ms, runtime, over.signal, { persistent });
    await Promise.race(wokenUp === undefined ? [paused] : [paused, wokenUp]);
  } finally {
    over.abort();
    await wokenUp;
  }
  signal.throwIfAborted();
}
