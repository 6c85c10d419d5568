import { retry, RetryError } from "../deps/async.ts";
import { ConfigurationError } from "../errors.ts";
import {
  type OptionNames,
  optionNames,
  unknownOption,
} from "../util/option_names.ts";
import { pause } from "../util/pause.ts";
import { isRetriable } from "../redis/retriable.ts";
import type { Runtime } from "../runtime.ts";

/**
 * How often, and after which waits, something is tried again: std/async's
 * words. The wait after attempt `n` (0, 1, ...) is
 * `min(maxTimeout, minTimeout * multiplier ** n)`, times a random part when
 * there is jitter.
 */
export interface RetryOptions {
  /**
   * How many calls are made in all: Celery's `max_retries` plus one. `Infinity`
   * never gives up.
   */
  maxAttempts?: number;
  /** The ceiling of the first wait, in milliseconds. Celery: twice `result_backend_base_sleep_between_retries_ms`. */
  minTimeout?: number;
  /** The ceiling of every wait, in milliseconds. Celery: `result_backend_max_sleep_between_retries_ms`. */
  maxTimeout?: number;
  /** By how much the ceiling grows from wait to wait. @default {2} */
  multiplier?: number;
  /** The random part of a wait: 0 is none, 1 is full jitter. @default {1} */
  jitter?: number;
  /**
   * Replaces the schedule: milliseconds to wait after the failure of call
   * number `attempt` (1, 2, ...). Celery's linear one for reconnects is
   * `(attempt) => attempt === 1 ? 0 : 1000`.
   */
  delay?: (attempt: number) => number;
  /**
   * Milliseconds since the first call after which a failure is the last one. A
   * call or a wait under way is not cut short. Celery: `timeout` in the
   * `retry_policy`.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** {@linkcode RetryOptions} with every default filled in. */
export interface RetryPolicy {
  /** How many calls are made in all; may be `Infinity`. */
  readonly maxAttempts: number;
  /** The ceiling of the first wait, in milliseconds. */
  readonly minTimeout: number;
  /** The ceiling of every wait, in milliseconds. */
  readonly maxTimeout: number;
  /** By how much the ceiling grows from wait to wait. */
  readonly multiplier: number;
  /** The random part of a wait, from 0 to 1. */
  readonly jitter: number;
  /** The schedule that replaces the other fields, if any. */
  readonly delay: ((attempt: number) => number) | undefined;
  /** Milliseconds since the first call after which a failure is the last one; may be `Infinity`. */
  readonly timeout: number;
}

const KNOWN: OptionNames = optionNames<RetryOptions>({
  maxAttempts: true,
  minTimeout: true,
  maxTimeout: true,
  multiplier: true,
  jitter: true,
  delay: true,
  timeout: true,
});

/**
 * Fills in the defaults, and checks what was given before anything is done.
 *
 * @throws {ConfigurationError} if a field is unknown, or out of its range.
 */
export function retryPolicy(
  name: string,
  options: RetryOptions | undefined,
  defaults: Pick<RetryPolicy, "maxAttempts" | "minTimeout" | "maxTimeout">,
): RetryPolicy {
  const given = options ?? {};
  for (const option of Object.keys(given)) {
    if (KNOWN.has(option)) continue;
    throw new ConfigurationError(unknownOption(option, KNOWN, `${name}.`));
  }
  const minTimeout = given.minTimeout ?? defaults.minTimeout;
  const policy: RetryPolicy = {
    maxAttempts: given.maxAttempts ?? defaults.maxAttempts,
    minTimeout,
    // Whoever raises only the first wait means the later ones to be no shorter.
    maxTimeout: given.maxTimeout ?? Math.max(defaults.maxTimeout, minTimeout),
    multiplier: given.multiplier ?? 2,
    jitter: given.jitter ?? 1,
    delay: given.delay,
    timeout: given.timeout ?? Infinity,
  };
  const { maxAttempts, maxTimeout, multiplier, jitter, timeout } = policy;
  check(
    maxAttempts === Infinity ||
      (Number.isSafeInteger(maxAttempts) && maxAttempts >= 1),
    `${name}.maxAttempts`,
    "a whole number from 1, or Infinity",
    maxAttempts,
  );
  check(
    Number.isFinite(minTimeout) && minTimeout >= 0,
    `${name}.minTimeout`,
    "milliseconds from 0",
    minTimeout,
  );
  check(
    Number.isFinite(maxTimeout) && maxTimeout > 0 && maxTimeout >= minTimeout,
    `${name}.maxTimeout`,
    `milliseconds above 0, and no less than minTimeout (${minTimeout})`,
    maxTimeout,
  );
  check(
    Number.isFinite(multiplier) && multiplier >= 1,
    `${name}.multiplier`,
    "a number from 1",
    multiplier,
  );
  check(
    jitter >= 0 && jitter <= 1,
    `${name}.jitter`,
    "a number from 0 to 1",
    jitter,
  );
  check(
    policy.delay === undefined || typeof policy.delay === "function",
    `${name}.delay`,
    "a function of the attempt's number",
    policy.delay,
  );
  check(
    typeof timeout === "number" && timeout > 0,
    `${name}.timeout`,
    "milliseconds above 0, or Infinity",
    timeout,
  );
  return policy;
}

function check(
  holds: boolean,
  name: string,
  expected: string,
  value: unknown,
): void {
  if (holds) return;
  throw new ConfigurationError(
    `Cannot use ${String(value)} as ${name}: expected ${expected}`,
  );
}

/** What a retried call may want to know, and to say. */
export interface RetryHooks {
  /** Ends the waits between calls; hand it to the call as well. */
  readonly signal: AbortSignal;
  /**
   * Told of each failure that another call will follow, with the number of
   * calls made, and the milliseconds within which the next one comes.
   */
  readonly onFailure?: (error: Error, attempt: number, within: number) => void;
  /** Whether a failure is worth another call; on top of that, none may be left. */
  readonly isRetriable?: (error: Error) => boolean;
  /**
   * Whether the waits are drawn here, in whole milliseconds as Celery does, and
   * made by the runtime. If not, they are std's own unless the policy has a
   * schedule, and only their ceiling is known.
   *
   * @default {false}
   */
  readonly drawsWaits?: boolean;
  /**
   * Ends a wait early by resolving; it does so, too, when its signal aborts.
   * Needs `drawsWaits`, since std's waits cannot be ended.
   */
  readonly wakeUp?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** The clock, the timers and the chance that waits are made of. */
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
  /** How many calls were made. */
  readonly attempts: number;

  /** Takes the last failure, and how many calls were made. */
  constructor(cause: Error, attempts: number) {
    super(`Failed ${attempts} times`);
    this.cause = cause;
    this.attempts = attempts;
  }
}

/**
 * Calls `call` by std/async's `retry`, until it succeeds or `policy` is
 * exhausted.
 *
 * @throws {AttemptsExhausted} if every allowed call has failed.
 * @throws {Error} the failure itself, if it is not worth another call; the
 * signal's reason, if it aborts.
 */
export async function runWithRetry<T>(
  policy: RetryPolicy,
  call: (attempt: number) => Promise<T>,
  hooks: RetryHooks,
): Promise<T> {
  const { signal, onFailure, drawsWaits = false, runtime } = hooks;
  const isWorthRetrying = hooks.isRetriable ?? isRetriable;
  // Such waits are made here, and std's own are 0.
  const ownWaits = policy.delay !== undefined || drawsWaits;
  const end = runtime.now() + policy.timeout;
  let attempt = 0;
  let wait = 0;
  const once = async (): Promise<T> => {
    if (wait > 0) await pauseForNews(wait, hooks);
    attempt++;
    return await call(attempt);
  };
  try {
    return await retry(once, {
      // std's `retry` takes no Infinity, and a first wait of 0 never grows.
      maxAttempts: Math.min(policy.maxAttempts, Number.MAX_SAFE_INTEGER),
      minTimeout: ownWaits ? 0 : policy.minTimeout,
      maxTimeout: policy.maxTimeout,
      multiplier: policy.multiplier,
      jitter: policy.jitter,
      signal,
      isRetriable: (failure) => {
        if (signal.aborted || !(failure instanceof Error)) return false;
        if (!isWorthRetrying(failure)) return false;
        // With none left, std ends it.
        if (attempt >= policy.maxAttempts) return true;
        if (runtime.now() > end) throw new AttemptsExhausted(failure, attempt);
        const within = drawsWaits
          ? backoff(policy, attempt, () => runtime.random())
          : backoffCeiling(policy, attempt);
        if (ownWaits) wait = within;
        onFailure?.(failure, attempt, within);
        return true;
      },
    });
  } catch (error) {
    if (error instanceof RetryError && error.cause instanceof Error) {
      throw new AttemptsExhausted(error.cause, attempt);
    }
    // Only the abort kept this failure from another call.
    if (signal.aborted && error instanceof Error && isWorthRetrying(error)) {
      throw signal.reason;
    }
    throw error;
  }
}

/** Waits, but not after there is news. */
async function pauseForNews(
  ms: number,
  { wakeUp: news, runtime, signal }: RetryHooks,
): Promise<void> {
  const over = new AbortController();
  const abort = (): void => over.abort();
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  const told = news?.(over.signal);
  try {
    const paused = pause(ms, runtime, over.signal, { persistent: true });
    await Promise.race(told === undefined ? [paused] : [paused, told]);
  } finally {
    signal.removeEventListener("abort", abort);
    over.abort();
    await told;
  }
  signal.throwIfAborted();
}

/**
 * The wait after call number `attempt` (1, 2, ...): whole milliseconds, each
 * from what jitter leaves of the ceiling to the ceiling itself equally likely.
 * With full jitter it is Celery's `get_exponential_backoff_interval`.
 */
export function backoff(
  policy: RetryPolicy,
  attempt: number,
  random: () => number,
): number {
  const ceiling = backoffCeiling(policy, attempt);
  if (policy.delay !== undefined) return ceiling;
  const most = Math.trunc(ceiling);
  const least = Math.trunc(ceiling * (1 - policy.jitter));
  return least + Math.floor(random() * (most - least + 1));
}

/**
 * The ceiling of the wait after call number `attempt` (1, 2, ...), in
 * milliseconds; the wait itself where the policy has a schedule of its own.
 *
 * @throws {ConfigurationError} if that schedule gives no number.
 */
export function backoffCeiling(policy: RetryPolicy, attempt: number): number {
  const { minTimeout, maxTimeout, multiplier } = policy;
  if (policy.delay !== undefined) {
    const ms: unknown = policy.delay(attempt);
    if (typeof ms === "number" && !Number.isNaN(ms)) {
      return Math.max(0, ms);
    }
    throw new ConfigurationError(
      `Cannot wait ${
        String(ms)
      } ms after attempt ${attempt}: \`delay\` has to give a number`,
    );
  }
  // 0 times the Infinity of a late attempt is no number.
  if (minTimeout === 0) return 0;
  return Math.min(maxTimeout, minTimeout * multiplier ** (attempt - 1));
}
