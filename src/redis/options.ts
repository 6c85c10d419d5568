import { ConfigurationError } from "../errors.ts";
import { describeArgument } from "../util/describe_argument.ts";
import { memberOf } from "../util/member_of.ts";
import { booleanOption, numberOption } from "../util/option_values.ts";
import type { RedisDriver } from "./link.ts";
import {
  checkSentinelOptions,
  type SentinelOptions,
} from "./sentinel/options.ts";
import type { CredentialsProvider } from "./server/credentials.ts";
import type { TlsOptions } from "./tls/tls.ts";
import { resolveHeartbeat } from "./url/resolve_heartbeat.ts";
import type { UrlOptions } from "./url/query.ts";

/**
 * How to connect to Redis. What an option leaves out, the URL may say.
 * Durations are milliseconds.
 *
 * @category Options
 */
export interface RedisOptions {
  /**
   * Milliseconds for one attempt to connect, from dialling to the last reply of
   * the handshake. Celery: `redis_socket_connect_timeout`.
   *
   * @default {5000}
   */
  connectTimeout?: number;
  /**
   * Milliseconds of silence after which a connection is probed with a PING. It
   * is closed if no byte arrives within the same time again, or if a command is
   * not answered within twice that time. A reply that is still arriving is
   * waited for. At most half of the URL's `socket_timeout`. Below 50, `status()`
   * warns that you probably meant seconds. Celery:
   * `redis_backend_health_check_interval`, `redis_socket_timeout`.
   *
   * @default {10000}
   */
  heartbeat?: number;
  /** The ACL user. */
  username?: string;
  /** The password. */
  password?: string;
  /**
   * Returns the user and password for each new connection, in place of those in
   * the URL: for tokens that expire and passwords that change. A refused
   * password is retried with whatever it returns next. With `expiresAt`, fresh
   * connections replace the old ones in time, without interrupting readers. If
   * it throws, that attempt to connect fails and is retried, except for a
   * ConfigurationError, which is permanent. It must answer within
   * `connectTimeout`. Celery: `redis_backend_credential_provider`.
   */
  credentials?: CredentialsProvider;
  /**
   * Uses TLS, even where the URL is `redis://`, with these certificates; `{}`
   * trusts the certificate authorities that Deno trusts. Takes precedence over
   * the files named in the URL. Celery: `redis_backend_use_ssl`.
   */
  tls?: TlsOptions;
  /** What a `sentinel://` URL leaves out: the master's name, and how to log in to the Sentinels. */
  sentinel?: SentinelOptions;
  /** The name shown by Redis's CLIENT LIST. Celery: `redis_client_name`. */
  clientName?: string;
  /**
   * Whether the URL leads to a Redis Cluster. It names one or more nodes,
   * separated by commas (`redis://host1:7000,host2:7000`), and database 0. The
   * other nodes are discovered; Deno needs the permission to reach them too. A
   * URL with the scheme `redis+cluster://` or `rediss+cluster://` implies it.
   * With TLS, the nodes must announce names that their certificates cover.
   *
   * No outcome is lost or repeated when a slot moves, a node dies or a replica
   * takes over, except for what Redis itself loses: a write that the master
   * acknowledged but had not replicated yet. Other states may be repeated or
   * late while their slot moves; `reconcile` bounds the delay. Results on an
   * unreachable master arrive once it is back or a replica has replaced it;
   * those on other masters are not held up, and `status()` reports `degraded`.
   *
   * The keys of a chord lie on several nodes. A hash tag in `keyPrefix`, such as
   * `{celery}`, keeps them together, but puts every result on the same node.
   *
   * @default {false}
   */
  cluster?: boolean;
  /**
   * Whether results are published to sharded channels, with SPUBLISH, and
   * awaited there. In a cluster, a message then goes to one shard instead of to
   * every node. Requires Redis 7, and works only where every writer and every
   * reader is this module with this option: Celery's workers publish to plain
   * channels.
   *
   * @default {false}
   */
  sharded?: boolean;
  /**
   * Replaces the built-in Redis driver, with `denoRedis()` for example. It
   * receives the URL, `username`, `password`, `clientName`, `connectTimeout` and
   * `heartbeat`, as far as they are given. A driver without
   * `RedisDriver.configure` brings its own: a URL or one of these options is
   * then refused. `tls`, `credentials`, `sentinel`, `cluster` and `sharded`
   * cannot be combined with any driver.
   */
  driver?: RedisDriver;
}

/** What a URL says, used where the options say nothing. */
export interface UrlDefaults extends UrlOptions {
  /** Whether another server may take over there, which takes its time. */
  readonly canFailOver?: boolean;
}

/** The options that hold for every connection: checked, with defaults filled in. */
export interface RedisSettings {
  /** Milliseconds for one attempt to connect. */
  readonly connectTimeout: number;
  /** Milliseconds of silence before a probe. */
  readonly heartbeat: number;
  /** Whether to use sharded channels. */
  readonly sharded: boolean;
}

/**
 * Checks the options, and fills in what the URL says and then the defaults.
 *
 * @throws {ConfigurationError} if an option is out of range, or cannot be
 * combined with another.
 */
export function resolveRedisOptions(
  options: RedisOptions,
  url: UrlDefaults,
): RedisSettings {
  checkCombinations(options);
  booleanOption("cluster", options.cluster, false);
  if (options.sentinel !== undefined) checkSentinelOptions(options.sentinel);
  if (options.driver !== undefined) checkDriver(options.driver);
  return {
    connectTimeout: numberOption(
      1,
      "connectTimeout",
      options.connectTimeout ?? url.connectTimeout,
      5000,
    ),
    heartbeat: numberOption(
      1,
      "heartbeat",
      options.heartbeat,
      resolveHeartbeat(url),
    ),
    sharded: booleanOption("sharded", options.sharded, false),
  };
}

function checkCombinations(options: RedisOptions): void {
  const { credentials, driver } = options;
  if (credentials !== undefined) {
    if (typeof credentials !== "function") {
      // The value may be the secret itself.
      throw new ConfigurationError(
        `Cannot use a value of type ${typeof credentials} as credentials: expected a function`,
      );
    }
    for (const name of ["username", "password"] as const) {
      if (options[name] === undefined) continue;
      throw new ConfigurationError(
        `Cannot use credentials together with ${name}: return it from credentials() instead`,
      );
    }
  }
  if (driver === undefined) return;
  for (
    const name of [
      "tls",
      "cluster",
      "sharded",
      "credentials",
      "sentinel",
    ] as const
  ) {
    if (options[name] === undefined || options[name] === false) continue;
    throw new ConfigurationError(
      `Cannot use ${name} together with driver: a driver makes its own connections, configure it there`,
    );
  }
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
