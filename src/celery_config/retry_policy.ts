import type { GivenSettings } from "./names.ts";
import {
  booleanOf,
  millisecondsOf,
  numberOf,
  wholeOf,
  wrong,
} from "./values.ts";
import type { RetryOptions } from "../retry/policy.ts";

/** What the configuration says about trying again. */
export interface MappedRetry {
  /** For stores and reads. */
  readonly retry: RetryOptions;
  /** For the connection; none, and this module's own is left as it is. */
  readonly reconnect?: RetryOptions;
}

/**
 * Celery has two layers. The outer one, `result_backend_always_retry`, is for
 * stores and reads. The inner one, the `retry_policy`, is for stores and for
 * the connection of whoever waits; here, where the outer one is off, it is for
 * reads too.
 *
 * Without a `retry_policy` this module's own `reconnect` stays: Celery's
 * default gives up after 19 seconds, and whoever waits then loses results.
 *
 * @throws {ConfigurationError} if a value is out of its range.
 */
export function mapRetry(given: GivenSettings): MappedRetry {
  const isAlways = booleanOf(
    given.settings.get("result_backend_always_retry"),
  ) ?? false;
  const growing = growingRetry(given);
  const linear = linearRetry(given);
  const isGiven = given.policy.size > 0;
  if (isAlways) {
    return {
      // These outlive the end of reconnecting: the next try begins it anew.
      retry: growing,
      // Whoever asked to retry for ever means the first connection too.
      reconnect: isGiven ? linear : { maxAttempts: Infinity },
    };
  }
  return {
    retry: linear,
    ...(isGiven ? { reconnect: linear } : {}),
  };
}

/** The outer layer: random waits below 20, 40, 80, ... ms. */
function growingRetry({ settings }: GivenSettings): RetryOptions {
  const retries = wholeOf(settings.get("result_backend_max_retries"), 0);
  const base = finite(
    settings,
    "result_backend_base_sleep_between_retries_ms",
    10,
  );
  const max = finite(
    settings,
    "result_backend_max_sleep_between_retries_ms",
    10_000,
  );
  return {
    maxAttempts: (retries ?? Infinity) + 1,
    // Celery counts the retry before it looks up the wait.
    minTimeout: Math.min(2 * base, max),
    // With a first wait of 0 all are 0, whatever this is.
    maxTimeout: Math.max(max, 1),
  };
}

function finite(
  settings: GivenSettings["settings"],
  name:
    | "result_backend_base_sleep_between_retries_ms"
    | "result_backend_max_sleep_between_retries_ms",
  byDefault: number,
): number {
  const given = settings.get(name);
  const number = numberOf(given, 0) ?? byDefault;
  if (number === Infinity) {
    throw wrong(given?.name ?? name, number, "a number of milliseconds");
  }
  return number;
}

/** The inner layer: waits of 0, 1, 1, ... seconds, 20 of them, unless told otherwise. */
function linearRetry({ policy }: GivenSettings): RetryOptions {
  const retries = policy.get("max_retries");
  const timeout = millisecondsOf(policy.get("timeout"));
  return {
    // None stands for no end, which in Celery differs from no word of it.
    maxAttempts:
      (retries?.value === null ? Infinity : wholeOf(retries, 0) ?? 20) + 1,
    delay: linearDelay(
      numberOf(policy.get("interval_start"), 0) ?? 0,
      numberOf(policy.get("interval_step"), 0) ?? 1,
      numberOf(policy.get("interval_max"), 0) ?? 1,
    ),
    ...(timeout === undefined ? {} : { timeout }),
  };
}

/**
 * The waits of Celery's `retry_policy`, in milliseconds: `start`, then `step`
 * more each time, for as long as that is no more than `start + max`. Where
 * both are 0 it grows without end.
 */
export function linearDelay(
  start: number,
  step: number,
  max: number,
): (attempt: number) => number {
  // The little more makes 1 / 0.1 ten steps, whatever the fractions are.
  const steps = step === 0
    ? 0
    : start + max === 0
    ? Infinity
    : Math.floor(max / step + 1e-9);
  return (attempt) =>
    Math.round(1000 * (start + step * Math.min(attempt - 1, steps)));
}
