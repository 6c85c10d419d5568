import type { CeleryConfig } from "./names.ts";
import { withoutUndefined } from "../util/without_undefined.ts";
import {
  invalidSetting,
  toBoolean,
  toInteger,
  toMilliseconds,
  toNumber,
} from "./values.ts";
import type { RetryOptions } from "../retry/policy.ts";

/** The retries that a configuration maps to. */
export interface MappedRetry {
  /** For stores and reads. */
  readonly retry: RetryOptions;
  /** For the connection; undefined for this module's defaults. */
  readonly reconnect?: RetryOptions;
}

/**
 * Maps Celery's two layers of retries. The outer one,
 * `result_backend_always_retry`, is for stores and reads. The inner one, the
 * `retry_policy`, is for stores and for the connection that awaits results; here
 * it is also for reads if the outer one is off.
 *
 * Without a `retry_policy`, `reconnect` keeps its defaults: Celery's policy gives
 * up after 19 seconds, and would then lose results that are awaited.
 *
 * @throws {ConfigurationError} if a value is out of range.
 */
export function mapRetry(celery: CeleryConfig): MappedRetry {
  const alwaysRetries = toBoolean(
    celery.settings.get("result_backend_always_retry"),
  ) ?? false;
  const growing = mapAlwaysRetry(celery);
  const linear = mapRetryPolicy(celery);
  const hasPolicy = celery.policy.size > 0;
  if (alwaysRetries) {
    return {
      // These go on after reconnecting was given up: the next attempt reconnects.
      retry: growing,
      // Retrying without limit includes the first connection.
      reconnect: hasPolicy ? linear : { maxAttempts: Infinity },
    };
  }
  return {
    retry: linear,
    ...(hasPolicy ? { reconnect: linear } : {}),
  };
}

/** The outer layer: random waits of up to 20, 40, 80, ... ms. */
function mapAlwaysRetry({ settings }: CeleryConfig): RetryOptions {
  const retries = toInteger(settings.get("result_backend_max_retries"), 0);
  const base = toFinite(
    settings,
    "result_backend_base_sleep_between_retries_ms",
    10,
  );
  const max = toFinite(
    settings,
    "result_backend_max_sleep_between_retries_ms",
    10_000,
  );
  return {
    maxAttempts: (retries ?? Infinity) + 1,
    // Celery counts the retry before it looks up the wait.
    minTimeout: Math.min(2 * base, max),
    // If the first wait is 0, all are.
    maxTimeout: Math.max(max, 1),
  };
}

function toFinite(
  settings: CeleryConfig["settings"],
  name:
    | "result_backend_base_sleep_between_retries_ms"
    | "result_backend_max_sleep_between_retries_ms",
  byDefault: number,
): number {
  const setting = settings.get(name);
  const number = toNumber(setting, 0) ?? byDefault;
  if (number === Infinity) {
    throw invalidSetting(
      { name: setting?.name ?? name, value: number },
      "a number of milliseconds",
    );
  }
  return number;
}

/** The inner layer: 20 waits of 0, 1, 1, ... seconds by default. */
function mapRetryPolicy({ policy }: CeleryConfig): RetryOptions {
  const retries = policy.get("max_retries");
  return withoutUndefined({
    // To Celery, None is no limit, and a missing value the default.
    maxAttempts:
      (retries?.value === null ? Infinity : toInteger(retries, 0) ?? 20) + 1,
    delay: linearDelay(
      toNumber(policy.get("interval_start"), 0) ?? 0,
      toNumber(policy.get("interval_step"), 0) ?? 1,
      toNumber(policy.get("interval_max"), 0) ?? 1,
    ),
    timeout: toMilliseconds(policy.get("timeout")),
  });
}

/**
 * The waits of Celery's `retry_policy`, in milliseconds, from its seconds:
 * `start`, then `step` more each time, up to `start + max`. If both are 0, the
 * waits grow without limit.
 */
export function linearDelay(
  start: number,
  step: number,
  max: number,
): (attempt: number) => number {
  // The epsilon makes up for rounding: 1 / 0.1 is ten steps.
  const steps = step === 0
    ? 0
    : start + max === 0
    ? Infinity
    : Math.floor(max / step + 1e-9);
  return (attempt) =>
    Math.round(1000 * (start + step * Math.min(attempt - 1, steps)));
}
