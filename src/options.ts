import { describeArgument } from "./util/describe_argument.ts";
import { ConfigurationError } from "./errors.ts";
import {
  checkIsObject,
  type OptionNames,
  optionNames,
  unknownOption,
} from "./util/option_names.ts";
import type { Formats } from "./formats/formats.ts";
import type { CredentialsProvider } from "./redis/server/credentials.ts";
import type { RedisDriver } from "./redis/link.ts";
import {
  checkSentinelOptions,
  type SentinelOptions,
} from "./redis/sentinel/options.ts";
import { heartbeatOf } from "./redis/url/heartbeat.ts";
import type { TlsOptions } from "./redis/tls/tls.ts";
import type { UrlOptions } from "./redis/url/query.ts";
import type { RetryNotice } from "./retry/listener.ts";
import { denoRuntime, longTimers, type Runtime } from "./runtime.ts";
import { formatsOf, type SerializerOptions } from "./formats/options.ts";
import { memberOf } from "./util/member_of.ts";
import type { RetryOptions, RetryPolicy } from "./retry/policy.ts";
import { retryPolicy } from "./retry/policy.ts";

/** What a {@linkcode ResultBackend} can be told. Durations are milliseconds, except `expires`. */
export interface ResultBackendOptions extends SerializerOptions {
  /**
   * Put before every key and channel: Celery's `global_keyprefix`, with the
   * separator rule of Celery 5.5 and later.
   *
   * @default {""}
   */
  keyPrefix?: string;
  /**
   * Seconds that a stored result is kept, counted anew by each store; `null` or
   * 0 keeps it for ever. Parts of a second are cut off. Celery:
   * `result_expires`.
   *
   * @default {86400}
   */
  expires?: number | null;
  /**
   * How the connection is made anew. Until a backend's first success, and
   * unless `maxAttempts` is given, it gives up after about 15 seconds in all.
   *
   * @default {{ maxAttempts: Infinity, minTimeout: 50, maxTimeout: 5000, multiplier: 2, jitter: 1 }}
   */
  reconnect?: RetryOptions;
  /**
   * How each store and each read is tried again. Celery:
   * `result_backend_always_retry` and its family.
   *
   * With Sentinel and Cluster there are 20 attempts by default: these take about
   * a minute, which a fail-over with its usual 15 or 30 seconds does not.
   *
   * @default {{ maxAttempts: 10, minTimeout: 20, maxTimeout: 10000, multiplier: 2, jitter: 1 }}
   */
  retry?: RetryOptions;
  /**
   * Called before each wait between two tries, of the connection and of each
   * store and read. It is not waited for; if it throws or rejects, nothing
   * breaks, and `status()` says `degraded` once. Celery:
   * `on_backend_retryable_error`.
   */
  onRetry?: (retry: RetryNotice) => void | Promise<void>;
  /**
   * Adds to what is tried again: asked of each error that this module would not
   * retry, such as a RedisError with a code that a proxy made up. A
   * RetryLimitError is asked about by stores and reads: true lets them outlive
   * it. A ConfigurationError and a BackendClosedError are never retried. If it
   * throws, the answer is no, and `status()` says `degraded` once. Celery:
   * `additional_connection_errors`.
   */
  isRetriable?: (error: Error) => boolean;
  /**
   * Milliseconds for one attempt to connect, from the dial to the last reply of
   * the set-up; the URL's, if not given. Celery: `redis_socket_connect_timeout`.
   *
   * @default {5000}
   */
  connectTimeout?: number;
  /**
   * Milliseconds of silence after which a connection is probed; it is given up
   * when no byte comes within as many again, or when a command is not answered
   * within twice as many. A reply that is arriving is waited for. The URL's, if
   * not given, and at most half of its `socket_timeout`. Below 50, `status()`
   * warns that seconds were probably meant. Celery:
   * `redis_backend_health_check_interval`, `redis_socket_timeout`.
   *
   * @default {10000}
   */
  heartbeat?: number;
  /**
   * Milliseconds within which every awaited key is read again once, spread out,
   * at most 1,000 a second; 0 turns it off. It bounds the delay of a result
   * whose message nothing brought. Below 100, `status()` warns that seconds were
   * probably meant.
   *
   * @default {30000}
   */
  reconcile?: number;
  /**
   * How many not-ready events a reader may have queued before a newer one takes
   * the place of its task's last.
   *
   * @default {16}
   */
  highWaterMark?: number;
  /**
   * How many bytes of documents a reader may have queued; past it, that reader
   * alone errors, after its queued events.
   *
   * @default {268435456}
   */
  maxQueueBytes?: number;
  /**
   * What an integer beyond 2^53 becomes: `"bigint"` loses nothing.
   *
   * @default {"bigint"}
   */
  integers?: "bigint" | "number";
  /**
   * How many bytes a document may have to be stored. Redis takes no more than
   * this by default (`proto-max-bulk-len`).
   *
   * @default {536870912}
   */
  maxResultBytes?: number;
  /**
   * Whether a stored result tells of its call: `name`, `args`, `kwargs`,
   * `worker`, `retries`, `queue` and `stamps`, as far as they are given. If
   * not, these are left out. Celery: `result_extended`, false by default.
   *
   * @default {true}
   */
  resultExtended?: boolean;
  /**
   * Whether the parts of a chord are kept by their place in it, in a sorted
   * set, or in a list as they come. It has to be the same for everybody who
   * returns parts. Celery: `result_chord_ordered`.
   *
   * @default {true}
   */
  chordOrdered?: boolean;
  /**
   * Milliseconds to wait for the results of a chord whose header was saved as a
   * group, once all its parts have returned. Celery:
   * `result_chord_join_timeout`, in seconds.
   *
   * @default {3000}
   */
  chordJoinTimeout?: number;
  /** The ACL user; the URL's, if not given. */
  username?: string;
  /** The password; the URL's, if not given. */
  password?: string;
  /**
   * Gives user and password for each connection that is made, in place of
   * those of the URL: tokens that run out, passwords that change. A refused
   * password is then tried again with what it gives next. With `expiresAt`,
   * fresh connections take the place of the old ones in time, in use as they
   * are. If it throws, the attempt to connect has failed, and another follows;
   * a ConfigurationError is the end. It has `connectTimeout` to answer.
   * Celery: `redis_backend_credential_provider`.
   */
  credentials?: CredentialsProvider;
  /**
   * Speaks TLS, also where the URL is `redis://`, with these certificates; `{}`
   * takes the authorities that Deno trusts. What it holds goes before the files
   * that the URL names. Celery: `redis_backend_use_ssl`.
   */
  tls?: TlsOptions;
  /** What a `sentinel://` URL does not say: the master's name, and who to be at the Sentinels. */
  sentinel?: SentinelOptions;
  /** The name that Redis's CLIENT LIST shows; the URL's, if not given. Celery: `redis_client_name`. */
  clientName?: string;
  /**
   * Whether the URL leads to a Redis Cluster. It names one node or more,
   * separated by commas (`redis://host1:7000,host2:7000`), and database 0; the
   * others are found, and Deno has to be allowed to reach them, too. A URL that
   * begins with `redis+cluster://` or `rediss+cluster://` says the same. With
   * TLS, the nodes have to announce names that their certificates are for.
   *
   * No result is lost or comes twice when a slot moves, a node dies or a replica
   * takes over, except what Redis itself loses: a store that the master had
   * confirmed, and the replica not got yet. What is not an outcome may come
   * twice or late while its slot moves; `reconcile` bounds the delay. Results
   * at a master that cannot be reached come when it can be, or when a replica
   * has its place; those of the other masters do not wait for them, and
   * `status()` says `degraded`.
   *
   * The keys of a chord are at several nodes. A hash tag in `keyPrefix`, such as
   * `{celery}`, keeps them together, and with them all results at one node.
   *
   * @default {false}
   */
  cluster?: boolean;
  /**
   * Whether results are published on sharded channels, by SPUBLISH, and
   * awaited there: in a cluster, a message then goes to one shard, and not to
   * every node. For Redis 7 and later, and only where every writer and every
   * reader is this module with this option: Celery's workers publish on plain
   * channels.
   *
   * @default {false}
   */
  sharded?: boolean;
  /**
   * Another way to reach Redis than the one built in, such as `denoRedis()`. It
   * is handed the URL, `username`, `password`, `clientName`, `connectTimeout`
   * and `heartbeat`, as far as they are given; a driver that cannot take them
   * (see `RedisDriver.configure`) has its own, and a URL or one of the others
   * is refused beside it. `tls`, `credentials`, `sentinel`, `cluster` and
   * `sharded` are refused beside any driver.
   */
  driver?: RedisDriver;
  /**
   * Replaces sockets, time and chance, for simulations. What std/async's `retry`
   * does itself stays on the global `setTimeout` and `Math.random`: see
   * {@linkcode Runtime}.
   */
  runtime?: Partial<Runtime>;
}

/** What the way to Redis says where the options do not. */
export interface UrlDefaults extends UrlOptions {
  /** Whether a server there may be replaced by another, which takes its time. */
  readonly failsOver?: boolean;
}

/** Shorter than these, in milliseconds, and seconds were probably meant. */
const SHORTEST = { heartbeat: 50, reconcile: 100 };

/**
 * What is allowed, and probably meant otherwise: Celery's durations are seconds.
 * A heartbeat of 10 ms would take each pause of a busy server for its end.
 */
export function* doubtsAbout(
  options: ResultBackendOptions,
): Generator<Error, void> {
  for (const name of ["heartbeat", "reconcile"] as const) {
    const given = options[name];
    if (given === undefined || given === 0 || given >= SHORTEST[name]) continue;
    yield new ConfigurationError(
      `The option ${name} is ${given} milliseconds: if you meant seconds, give ${
        given * 1000
      }`,
    );
  }
}

/** The options as the rooms use them: checked, and with every default filled in. */
export interface Settings {
  /** Put before every key and channel, without the separator. */
  readonly keyPrefix: string;
  /** Whole seconds that a result is kept; 0 is for ever. */
  readonly expires: number;
  /** How the connection is made anew. */
  readonly reconnect: RetryPolicy;
  /** Milliseconds for the attempts before the first success; `Infinity` where the caller set a number of attempts. */
  readonly firstConnectTimeout: number;
  /** How commands are tried again. */
  readonly retry: RetryPolicy;
  /** Milliseconds for one attempt to connect. */
  readonly connectTimeout: number;
  /** Milliseconds of silence before a probe. */
  readonly heartbeat: number;
  /** Milliseconds per round of re-reading; 0 is off. */
  readonly reconcile: number;
  /** Not-ready events in a queue before conflation. */
  readonly highWaterMark: number;
  /** Bytes in a queue before its reader errors. */
  readonly maxQueueBytes: number;
  /** What integers beyond 2^53 become. */
  readonly integers: "bigint" | "number";
  /** The largest document that is stored, in bytes. */
  readonly maxResultBytes: number;
  /** The formats that are written and read. */
  readonly formats: Formats;
  /** Whether a stored result tells of its call. */
  readonly resultExtended: boolean;
  /** Whether the parts of a chord are kept by their place in it. */
  readonly chordOrdered: boolean;
  /** Milliseconds to wait for the results of a chord's saved group. */
  readonly chordJoinTimeout: number;
  /** Whether channels are sharded ones. */
  readonly sharded: boolean;
  /** The world outside. */
  readonly runtime: Runtime;
}

const KNOWN: OptionNames = optionNames<ResultBackendOptions>({
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

const IN_URL = "the address goes in the URL: redis://host:6379/0";
const DATABASE = "the database goes in the URL: redis://host/1";
const PER_CALL = "give it to each call, such as get({ timeout, signal })";

/** What to do instead of names that are no slips of others. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ["connect", "give a driver as { driver: denoRedis(connect) }"],
  ["database", DATABASE],
  ["db", DATABASE],
  ["host", IN_URL],
  ["hostname", IN_URL],
  ["path", "the socket goes in the URL: redis+socket:///path"],
  ["port", IN_URL],
  ["prefix", "did you mean keyPrefix?"],
  ["signal", PER_CALL],
  ["ssl", "did you mean tls?"],
  ["timeout", PER_CALL],
  ["ttl", "did you mean expires?"],
  ["url", "the URL is the first argument: new ResultBackend(url)"],
]);

/**
 * Checks that the options of a backend are options at all: before anything is
 * read from them.
 *
 * @throws {TypeError} if they are no object.
 * @throws {ConfigurationError} if a name is unknown.
 */
export function checkBackendOptions(options: ResultBackendOptions): void {
  checkIsObject(options, KNOWN);
  // A driver's own `connect` is in its prototype.
  const names = "connect" in options ? ["connect"] : Object.keys(options);
  for (const name of names) {
    if (KNOWN.has(name)) continue;
    const instead = INSTEAD.get(name);
    throw new ConfigurationError(
      instead === undefined
        ? unknownOption(name, KNOWN)
        : `Unknown option ${JSON.stringify(name)}: ${instead}`,
    );
  }
}

/**
 * Checks what options say, and fills in what the URL says and then the defaults.
 *
 * @throws {ConfigurationError} if an option is out of its range.
 */
export function resolveOptions(
  options: ResultBackendOptions,
  url: UrlDefaults = {},
): Settings {
  for (const name of ["onRetry", "isRetriable", "credentials"] as const) {
    const given: unknown = options[name];
    if (given === undefined || typeof given === "function") continue;
    throw new ConfigurationError(
      `Cannot use ${
        // It may be the secret itself.
        name === "credentials"
          ? `a value of type ${typeof given}`
          : String(given)} as ${name}: expected a function`,
    );
  }
  for (const name of ["tls", "cluster", "sharded"] as const) {
    const given = options[name];
    if (given === undefined || given === false) continue;
    if (options.driver === undefined) continue;
    throw new ConfigurationError(
      `Cannot use ${name} together with driver: a driver makes its own connections, tell it`,
    );
  }
  if (options.credentials !== undefined) {
    const other = (["driver", "username", "password"] as const).find((name) =>
      options[name] !== undefined
    );
    if (other !== undefined) {
      throw new ConfigurationError(
        `Cannot use credentials together with ${other}: ${
          other === "driver"
            ? "a driver makes its own connections, tell it"
            : "let credentials() give it"
        }`,
      );
    }
  }
  boolean("cluster", options.cluster);
  if (options.sentinel !== undefined) {
    checkSentinelOptions(options.sentinel);
    if (options.driver !== undefined) {
      throw new ConfigurationError(
        "Cannot use sentinel together with driver: a driver finds its own way, tell it",
      );
    }
  }
  if (options.driver !== undefined) checkDriver(options.driver);
  const { integers = "bigint" } = options;
  if (integers !== "bigint" && integers !== "number") {
    throw new ConfigurationError(
      `Cannot use ${
        String(integers)
      } as integers: expected "bigint" or "number"`,
    );
  }
  return {
    keyPrefix: options.keyPrefix ?? "",
    expires: expiry(options.expires),
    reconnect: retryPolicy("reconnect", options.reconnect, {
      maxAttempts: Infinity,
      minTimeout: 50,
      maxTimeout: 5000,
    }),
    firstConnectTimeout: options.reconnect?.maxAttempts === undefined
      ? 15_000
      : Infinity,
    retry: retryPolicy("retry", options.retry, {
      maxAttempts: url.failsOver === true ? 20 : 10,
      minTimeout: 20,
      maxTimeout: 10_000,
    }),
    connectTimeout: numberAtLeast(
      1,
      "connectTimeout",
      options.connectTimeout ?? url.connectTimeout,
      5000,
    ),
    heartbeat: numberAtLeast(
      1,
      "heartbeat",
      options.heartbeat,
      heartbeatOf(url),
    ),
    reconcile: numberAtLeast(0, "reconcile", options.reconcile, 30_000),
    highWaterMark: numberAtLeast(0, "highWaterMark", options.highWaterMark, 16),
    maxQueueBytes: numberAtLeast(
      1,
      "maxQueueBytes",
      options.maxQueueBytes,
      2 ** 28,
    ),
    integers,
    maxResultBytes: numberAtLeast(
      1,
      "maxResultBytes",
      options.maxResultBytes,
      2 ** 29,
    ),
    formats: formatsOf(options, integers),
    resultExtended: boolean("resultExtended", options.resultExtended),
    chordOrdered: boolean("chordOrdered", options.chordOrdered),
    chordJoinTimeout: numberAtLeast(
      0,
      "chordJoinTimeout",
      options.chordJoinTimeout,
      3000,
    ),
    sharded: boolean("sharded", options.sharded, false),
    runtime: completeRuntime(options.runtime),
  };
}

function checkDriver(driver: unknown): void {
  if (typeof memberOf(driver, "connect") === "function") return;
  throw new ConfigurationError(
    `Cannot use ${describeArgument(driver)} as driver: ${
      typeof driver === "function"
        ? "wrap `connect` of deno.land/x/redis, as in { driver: denoRedis(connect) }"
        : "expected a RedisDriver, such as denoRedis(connect)"
    }`,
  );
}

/**
 * The members that were given, and the real ones for the rest. An instance of a
 * class has them in its prototype. Timers may be of any length from here on.
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
 * Whole seconds of a `expires` value; 0 is for ever.
 *
 * @throws {ConfigurationError} if it is negative, no number, or less than a
 * second: Celery cuts that to 0, and so keeps the result for ever.
 */
export function expiry(expires: number | null | undefined): number {
  if (expires === undefined) return 86_400;
  if (expires === null || expires === 0) return 0;
  if (!Number.isFinite(expires) || expires < 1) {
    throw new ConfigurationError(
      `Cannot use ${
        String(expires)
      } as expires: expected seconds from 1, or null (or 0) to keep results for ever`,
    );
  }
  return Math.trunc(expires);
}

function numberAtLeast(
  least: number,
  name: string,
  value: number | undefined,
  byDefault: number,
): number {
  if (value === undefined) return byDefault;
  if (typeof value !== "number" || !(value >= least)) {
    throw new ConfigurationError(
      `Cannot use ${String(value)} as ${name}: expected a number from ${least}`,
    );
  }
  return value;
}

function boolean(
  name: string,
  value: boolean | undefined,
  byDefault = true,
): boolean {
  if (value === undefined) return byDefault;
  if (typeof value === "boolean") return value;
  throw new ConfigurationError(
    `Cannot use ${String(value)} as ${name}: expected true or false`,
  );
}
