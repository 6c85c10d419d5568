import { ConfigurationError } from "./errors.ts";
import {
  checkIsObject,
  type OptionNames,
  optionNames,
  unknownOption,
} from "./util/option_names.ts";
import type { FormatSet } from "./formats/format_set.ts";
import {
  type RedisOptions,
  type RedisSettings,
  resolveRedisOptions,
  type UrlDefaults,
} from "./redis/options.ts";
import { booleanOption, numberOption } from "./util/option_values.ts";
import {
  type RetryOptions,
  type RetryPolicy,
  retryPolicy,
} from "./retry/policy.ts";
import type { RetryNotice } from "./retry/listener.ts";
import { denoRuntime, longTimers, type Runtime } from "./runtime.ts";
import { resolveFormats, type SerializerOptions } from "./formats/options.ts";

/**
 * Options of a {@linkcode ResultBackend}. Durations are in milliseconds, except for `expires`.
 *
 * @category Options
 */
export interface ResultBackendOptions extends SerializerOptions, RedisOptions {
  /**
   * The prefix of every key and channel. Celery: `global_keyprefix`, with the
   * separator rule of Celery 5.5 and later.
   *
   * @default {""}
   */
  keyPrefix?: string;
  /**
   * Seconds until a stored result expires; each store restarts them. With
   * `null` or 0, results never expire. Fractions of a second are truncated.
   * Celery: `result_expires`.
   *
   * @default {86400}
   */
  expires?: number | null;
  /**
   * How to reconnect. Until it has connected once, a backend without
   * `maxAttempts` gives up after about 15 seconds in all.
   *
   * @default {{ maxAttempts: Infinity, minTimeout: 50, maxTimeout: 5000, multiplier: 2, jitter: 1 }}
   */
  reconnect?: RetryOptions;
  /**
   * How to retry each store and each read. Celery:
   * `result_backend_always_retry` and the settings that go with it.
   *
   * With Sentinel and Cluster, the default is 20 attempts. These take about a
   * minute, so that they outlast a failover, which takes 15 to 30 seconds.
   *
   * @default {{ maxAttempts: 10, minTimeout: 20, maxTimeout: 10000, multiplier: 2, jitter: 1 }}
   */
  retry?: RetryOptions;
  /**
   * Called before each wait between two attempts to connect, store or read. It
   * is not awaited. If it throws or rejects, retries go on, and `status()`
   * reports `degraded` once. Celery: `on_backend_retryable_error`.
   */
  onRetry?: (retry: RetryNotice) => void | Promise<void>;
  /**
   * Whether to retry after an error that this module takes to be permanent,
   * such as a RedisError with a code of some proxy. Stores and reads also pass it
   * a RetryLimitError: if it returns true, they go on after reconnecting has
   * been given up. A ConfigurationError and a BackendClosedError are never
   * retried. If it throws, the error is permanent, and `status()` reports
   * `degraded` once. Celery: `additional_connection_errors`.
   */
  isRetriable?: (error: Error) => boolean;
  /**
   * Milliseconds in which every awaited key is read again once; 0 turns this
   * off. The reads are spread out, at most 1,000 keys a second. They bound the
   * delay of a result whose message was lost. Below 100, `status()` warns that
   * you probably meant seconds.
   *
   * @default {30000}
   */
  reconcile?: number;
  /**
   * How many not-ready events a reader may have queued before events conflate:
   * a newer one then replaces the queued one of its task.
   *
   * @default {16}
   */
  highWaterMark?: number;
  /**
   * How many bytes of documents a reader may have queued. Beyond that, this
   * reader alone errors, after its queued events.
   *
   * @default {268435456}
   */
  maxQueueBytes?: number;
  /**
   * The type of integers beyond 2^53. `"bigint"` keeps their precision.
   *
   * @default {"bigint"}
   */
  integers?: "bigint" | "number";
  /**
   * The largest document to store, in bytes. The default is Redis's own limit
   * (`proto-max-bulk-len`).
   *
   * @default {536870912}
   */
  maxResultBytes?: number;
  /**
   * Whether to store the call with its result: `name`, `args`, `kwargs`,
   * `worker`, `retries`, `queue` and `stamps`, as far as they are given.
   * Celery: `result_extended`, false by default.
   *
   * @default {true}
   */
  resultExtended?: boolean;
  /**
   * Whether the parts of a chord are kept in a sorted set, by their index, or
   * in a list, as they return. It must be the same in every worker that returns
   * parts. Celery: `result_chord_ordered`.
   *
   * @default {true}
   */
  chordOrdered?: boolean;
  /**
   * Milliseconds to wait for the results of a chord whose header was saved as a
   * group, after all its parts have returned. Celery:
   * `result_chord_join_timeout`, in seconds.
   *
   * @default {3000}
   */
  chordJoinTimeout?: number;
  /**
   * Replaces sockets, time and randomness, for simulations. The back-off in
   * std/async's `retry` still uses the global `setTimeout` and `Math.random`:
   * see {@linkcode Runtime}.
   */
  runtime?: Partial<Runtime>;
}

/** The least milliseconds that are plausible: less was probably meant in seconds. */
const PLAUSIBLE_MS = { heartbeat: 50, reconcile: 100 };

/**
 * Warns of durations that are valid but probably in seconds, as Celery's are. A
 * heartbeat of 10 ms would drop the connection at each pause of a busy server.
 */
export function* durationWarnings(
  options: ResultBackendOptions,
): Generator<Error, void> {
  for (const name of ["heartbeat", "reconcile"] as const) {
    const given = options[name];
    if (given === undefined || given === 0 || given >= PLAUSIBLE_MS[name]) {
      continue;
    }
    yield new ConfigurationError(
      `The option ${name} is ${given} milliseconds: if you meant seconds, give ${
        given * 1000
      }`,
    );
  }
}

/** The options, checked and with every default filled in. */
export interface Settings extends RedisSettings {
  /** The prefix of every key and channel, without the separator. */
  readonly keyPrefix: string;
  /** Seconds until a result expires, a whole number; 0: never. */
  readonly expires: number;
  /** How to reconnect. */
  readonly reconnect: RetryPolicy;
  /** Milliseconds until the first connection; `Infinity` if the caller set a number of attempts. */
  readonly firstConnectTimeout: number;
  /** How to retry commands. */
  readonly retry: RetryPolicy;
  /** Milliseconds in which every awaited key is read again; 0: never. */
  readonly reconcile: number;
  /** Not-ready events in a queue before they conflate. */
  readonly highWaterMark: number;
  /** Bytes in a queue before its reader errors. */
  readonly maxQueueBytes: number;
  /** The type of integers beyond 2^53. */
  readonly integers: "bigint" | "number";
  /** The largest document that is stored, in bytes. */
  readonly maxResultBytes: number;
  /** The formats to write and read. */
  readonly formats: FormatSet;
  /** Whether to store the call with its result. */
  readonly resultExtended: boolean;
  /** Whether the parts of a chord are in a sorted set, by their index, or in a list. */
  readonly chordOrdered: boolean;
  /** Milliseconds to wait for the results of a chord's saved group. */
  readonly chordJoinTimeout: number;
  /** Sockets, time and randomness. */
  readonly runtime: Runtime;
}

/** The defaults that are not those of the connection. */
const DEFAULTS = {
  expires: 86_400,
  reconnect: { maxAttempts: Infinity, minTimeout: 50, maxTimeout: 5000 },
  firstConnectTimeout: 15_000,
  retry: { maxAttempts: 10, minTimeout: 20, maxTimeout: 10_000 },
  reconcile: 30_000,
  highWaterMark: 16,
  maxQueueBytes: 2 ** 28,
  integers: "bigint",
  maxResultBytes: 2 ** 29,
  resultExtended: true,
  chordOrdered: true,
  chordJoinTimeout: 3000,
} as const;

/** Attempts that outlast a failover. */
const FAILOVER_ATTEMPTS = 20;

type NumberOption =
  | "reconcile"
  | "highWaterMark"
  | "maxQueueBytes"
  | "maxResultBytes"
  | "chordJoinTimeout";

const BACKEND_OPTIONS: OptionNames = optionNames<ResultBackendOptions>({
  keyPrefix: true,
  expires: true,
  reconnect: true,
  retry: true,
  onRetry: true,
  isRetriable: true,
  connectTimeout: true,
  heartbeat: true,
  reconcile: true,
  highWaterMark: true,
  maxQueueBytes: true,
  integers: true,
  maxResultBytes: true,
  serializer: true,
  acceptContent: true,
  jsonTypes: true,
  resultExtended: true,
  chordOrdered: true,
  chordJoinTimeout: true,
  username: true,
  password: true,
  credentials: true,
  tls: true,
  sentinel: true,
  clientName: true,
  cluster: true,
  sharded: true,
  driver: true,
  runtime: true,
});

const ADDRESS_HINT = "the address goes in the URL: redis://host:6379/0";
const DATABASE_HINT = "the database goes in the URL: redis://host/1";
const PER_CALL_HINT = "give it to each call, such as get({ timeout, signal })";

/** Hints for names that are not misspelt options. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ["connect", "give a driver as { driver: denoRedis(connect) }"],
  ["database", DATABASE_HINT],
  ["db", DATABASE_HINT],
  ["host", ADDRESS_HINT],
  ["hostname", ADDRESS_HINT],
  ["path", "the socket goes in the URL: redis+socket:///path"],
  ["port", ADDRESS_HINT],
  ["prefix", "did you mean keyPrefix?"],
  ["signal", PER_CALL_HINT],
  ["ssl", "did you mean tls?"],
  ["timeout", PER_CALL_HINT],
  ["ttl", "did you mean expires?"],
  ["url", "the URL is the first argument: new ResultBackend(url)"],
]);

/**
 * Checks that the options of a backend are an object with known names. Call it
 * before reading any of them.
 *
 * @throws {TypeError} if they are not an object.
 * @throws {ConfigurationError} if a name is unknown.
 */
export function checkBackendOptions(options: ResultBackendOptions): void {
  checkIsObject(options, BACKEND_OPTIONS);
  // The `connect` of a driver, given in place of the options, is inherited.
  const names = "connect" in options ? ["connect"] : Object.keys(options);
  for (const name of names) {
    if (BACKEND_OPTIONS.has(name)) continue;
    const hint = HINTS.get(name);
    throw new ConfigurationError(
      hint === undefined
        ? unknownOption(name, BACKEND_OPTIONS)
        : `Unknown option ${JSON.stringify(name)}: ${hint}`,
    );
  }
}

/**
 * Checks the options, and fills in what the URL says and then the defaults.
 *
 * @throws {ConfigurationError} if an option is out of range.
 */
export function resolveOptions(
  options: ResultBackendOptions,
  url: UrlDefaults = {},
): Settings {
  function number(name: NumberOption, least: number): number {
    return numberOption(least, name, options[name], DEFAULTS[name]);
  }
  function flag(name: "resultExtended" | "chordOrdered"): boolean {
    return booleanOption(name, options[name], DEFAULTS[name]);
  }
  for (const name of ["onRetry", "isRetriable"] as const) {
    const given: unknown = options[name];
    if (given === undefined || typeof given === "function") continue;
    throw new ConfigurationError(
      `Cannot use ${String(given)} as ${name}: expected a function`,
    );
  }
  const connection = resolveRedisOptions(options, url);
  const { integers = DEFAULTS.integers } = options;
  if (integers !== "bigint" && integers !== "number") {
    throw new ConfigurationError(
      `Cannot use ${
        String(integers)
      } as integers: expected "bigint" or "number"`,
    );
  }
  return {
    ...connection,
    keyPrefix: options.keyPrefix ?? "",
    expires: resolveExpires(options.expires),
    reconnect: retryPolicy("reconnect", options.reconnect, DEFAULTS.reconnect),
    firstConnectTimeout: options.reconnect?.maxAttempts === undefined
      ? DEFAULTS.firstConnectTimeout
      : Infinity,
    retry: retryPolicy("retry", options.retry, {
      ...DEFAULTS.retry,
      ...(url.canFailOver === true ? { maxAttempts: FAILOVER_ATTEMPTS } : {}),
    }),
    reconcile: number("reconcile", 0),
    highWaterMark: number("highWaterMark", 0),
    maxQueueBytes: number("maxQueueBytes", 1),
    integers,
    maxResultBytes: number("maxResultBytes", 1),
    formats: resolveFormats(options, integers),
    resultExtended: flag("resultExtended"),
    chordOrdered: flag("chordOrdered"),
    chordJoinTimeout: number("chordJoinTimeout", 0),
    runtime: completeRuntime(options.runtime),
  };
}

/**
 * The given runtime, with Deno's own in place of missing members, and timers of
 * any length. The members are read one by one, since a class instance inherits
 * them.
 */
function completeRuntime(given: Partial<Runtime> = {}): Runtime {
  const { dial, readTextFile, now, date, random, setTimer, clearTimer } =
    denoRuntime;
  const runtime: Runtime = {
    dial: given.dial?.bind(given) ?? dial,
    readTextFile: given.readTextFile?.bind(given) ?? readTextFile,
    now: given.now?.bind(given) ?? now,
    date: given.date?.bind(given) ?? date,
    random: given.random?.bind(given) ?? random,
    setTimer: given.setTimer?.bind(given) ?? setTimer,
    clearTimer: given.clearTimer?.bind(given) ?? clearTimer,
  };
  return { ...runtime, ...longTimers(runtime) };
}

/**
 * The whole seconds of the option `expires`; 0 is no expiry.
 *
 * @throws {ConfigurationError} if it is negative, not a number, or less than a
 * second, which Celery truncates to 0: such a result would never expire.
 */
export function resolveExpires(expires: number | null | undefined): number {
  if (expires === undefined) return DEFAULTS.expires;
  if (expires === null || expires === 0) return 0;
  if (!Number.isFinite(expires) || expires < 1) {
    throw new ConfigurationError(
      `Cannot use ${
        String(expires)
      } as expires: expected at least 1 second, or null (or 0) for no expiry`,
    );
  }
  return Math.trunc(expires);
}
