import { ConfigurationError } from "../errors.ts";
import {
  type OptionNames,
  optionNames,
  unknownOption,
} from "../util/option_names.ts";

/**
 * How many times, and after which waits, to try again, in std/async's terms. The
 * wait after attempt `n` (0, 1, ...) is
 * `min(maxTimeout, minTimeout * multiplier ** n)`, of which `jitter` makes a
 * part random.
 *
 * @category Options
 */
export interface RetryOptions {
  /**
   * The number of calls in all: Celery's `max_retries` plus one. `Infinity`
   * never gives up.
   */
  maxAttempts?: number;
  /** The ceiling of the first wait, in milliseconds. Celery: twice `result_backend_base_sleep_between_retries_ms`. */
  minTimeout?: number;
  /** The ceiling of every wait, in milliseconds. Celery: `result_backend_max_sleep_between_retries_ms`. */
  maxTimeout?: number;
  /** The factor by which the ceiling grows from wait to wait. @default {2} */
  multiplier?: number;
  /** The random part of a wait, from 0 (none) to 1 (full jitter). @default {1} */
  jitter?: number;
  /**
   * Replaces the schedule: milliseconds to wait after the failure of call
   * number `attempt` (1, 2, ...). Celery's linear one for reconnects is
   * `(attempt) => attempt === 1 ? 0 : 1000`.
   */
  delay?: (attempt: number) => number;
  /**
   * Milliseconds since the first call after which a failure is final. A call or
   * a wait in progress is not cut short. Celery: `timeout` in the
   * `retry_policy`.
   *
   * @default {Infinity}
   */
  timeout?: number;
}

/** {@linkcode RetryOptions} with every default filled in. */
export interface RetryPolicy {
  /** The number of calls in all; may be `Infinity`. */
  readonly maxAttempts: number;
  /** The ceiling of the first wait, in milliseconds. */
  readonly minTimeout: number;
  /** The ceiling of every wait, in milliseconds. */
  readonly maxTimeout: number;
  /** The factor by which the ceiling grows from wait to wait. */
  readonly multiplier: number;
  /** The random part of a wait, from 0 to 1. */
  readonly jitter: number;
  /** The schedule that replaces the other fields, if any. */
  readonly delay: ((attempt: number) => number) | undefined;
  /** Milliseconds since the first call after which a failure is final; may be `Infinity`. */
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
 * Fills in the defaults of the option called `name`, and validates it.
 *
 * @throws {ConfigurationError} if a field is unknown or out of range.
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
    // If only the first wait is raised, later ones must not be shorter.
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
  isValid: boolean,
  name: string,
  expected: string,
  value: unknown,
): void {
  if (isValid) return;
  throw new ConfigurationError(
    `Cannot use ${String(value)} as ${name}: expected ${expected}`,
  );
}

/**
 * Draws the wait after call number `attempt` (1, 2, ...), in whole
 * milliseconds: uniformly from the part of the ceiling that jitter leaves up to
 * the ceiling. With full jitter this is Celery's
 * `get_exponential_backoff_interval`.
 *
 * @throws {ConfigurationError} if the policy's own schedule returns no number.
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
 * Returns the ceiling of the wait after call number `attempt` (1, 2, ...), in
 * milliseconds; the wait itself if the policy has its own schedule.
 *
 * @throws {ConfigurationError} if that schedule returns no number.
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
      } ms after attempt ${attempt}: \`delay\` must return a number`,
    );
  }
  // 0 * Infinity, after many attempts, would be NaN.
  if (minTimeout === 0) return 0;
  return Math.min(maxTimeout, minTimeout * multiplier ** (attempt - 1));
}
