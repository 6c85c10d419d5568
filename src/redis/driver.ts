import { describeArgument } from "../util/describe_argument.ts";
import { ConfigurationError } from "../errors.ts";
import type {
  ResultBackendOptions,
  Settings,
  UrlDefaults,
} from "../options.ts";
import { KeySpace } from "../protocol/keys.ts";
import { ClusterDriver } from "./cluster/driver.ts";
import { isClusterUrl, parseClusterUrl } from "./cluster/url.ts";
import type { ConnectionOptions } from "./server/connection.ts";
import { sharingCalls } from "./server/credentials.ts";
import type { RedisDriver } from "./link.ts";
import { escapePattern } from "./server/acl.ts";
import { SentinelDriver } from "./sentinel/driver.ts";
import {
  maskSentinelUrl,
  parseSentinelUrl,
  type SentinelUrl,
} from "./sentinel/url.ts";
import { TcpDriver } from "./server/link.ts";
import { isSentinelUrl } from "./url/scheme.ts";
import { tlsSources } from "./tls/tls.ts";
import {
  checkIsUrl,
  maskUrl,
  parseRedisUrl,
  type RedisUrl,
} from "./url/url.ts";
import { formatAddress } from "./address.ts";

/** The way to reach Redis that a URL and the options lead to. */
export interface DriverChoice {
  /** What makes the links. */
  readonly driver: RedisDriver;
  /** How it is called in messages: without secrets. */
  readonly address: string;
}

const DEFAULT_URL = "redis://127.0.0.1:6379/0";

/** What the URL says where the options do not; beside a driver, it is the driver that reads it. */
export function urlOptions(
  url: string | URL = DEFAULT_URL,
  options: ResultBackendOptions,
): UrlDefaults {
  checkIsUrl(url);
  if (options.driver !== undefined) return {};
  if (isSentinelUrl(url)) return { ...parseSentinelUrl(url), failsOver: true };
  return isCluster(url, options)
    ? { ...parseClusterUrl(url)[0], failsOver: true }
    : parseRedisUrl(url);
}

/**
 * Chooses the way to reach Redis.
 *
 * @throws {ConfigurationError} if the URL or an option cannot work.
 */
export function createDriver(
  given: string | URL | undefined,
  options: ResultBackendOptions,
  settings: Settings,
): DriverChoice {
  const { driver, sentinel } = options;
  if (driver !== undefined) return wayByDriver(driver, given, options);
  const url = given ?? DEFAULT_URL;
  if (isSentinelUrl(url)) return createSentinelDriver(url, options, settings);
  if (sentinel !== undefined) {
    throw new ConfigurationError(
      `Cannot use sentinel with the URL ${
        JSON.stringify(maskUrl(url))
      }: it is for one such as sentinel://host:26379/0;sentinel://host:26379`,
    );
  }
  return isCluster(url, options)
    ? createClusterDriver(url, options, settings)
    : createServerDriver(url, options, settings);
}

/** The driver that was handed in, told where to go as far as that was said. */
function wayByDriver(
  driver: RedisDriver,
  url: string | URL | undefined,
  options: ResultBackendOptions,
): DriverChoice {
  const { username, password, clientName, connectTimeout, heartbeat } = options;
  const address = url === undefined ? "its driver" : maskUrl(url);
  if (driver.configure !== undefined) {
    return {
      driver: driver.configure({
        url,
        username,
        password,
        clientName,
        connectTimeout,
        heartbeat,
      }),
      address,
    };
  }
  const refused = Object.entries({
    url,
    username,
    password,
    clientName,
    heartbeat,
  }).find(([, value]) => value !== undefined);
  if (refused === undefined) return { driver, address };
  const [name] = refused;
  throw new ConfigurationError(
    `Cannot use ${
      name === "url"
        ? `the URL ${JSON.stringify(address)}`
        : `the option ${name}`
    } together with the driver ${
      describeArgument(driver)
    }: it has no configure() that would take it; give it to the driver itself, or leave it out`,
  );
}

function createServerDriver(
  input: string | URL,
  options: ResultBackendOptions,
  settings: Settings,
): DriverChoice {
  const url = parseRedisUrl(input);
  return {
    driver: new TcpDriver({
      ...connectionOptions(url, options, settings),
      address: url.path === undefined
        ? { hostname: url.hostname, port: url.port }
        : { path: url.path },
    }),
    address: maskUrl(input),
  };
}

function createClusterDriver(
  input: string | URL,
  options: ResultBackendOptions,
  settings: Settings,
): DriverChoice {
  const urls = parseClusterUrl(input);
  const seeds = urls.map(({ hostname, port }) => ({ hostname, port }));
  return {
    driver: new ClusterDriver({
      ...connectionOptions(urls[0], options, settings),
      seeds,
    }),
    address: `the cluster of ${seeds.map(formatAddress).join(", ")}`,
  };
}

function createSentinelDriver(
  input: string | URL,
  options: ResultBackendOptions,
  settings: Settings,
): DriverChoice {
  if (options.cluster === true) {
    throw new ConfigurationError(
      `Cannot use cluster with the URL ${
        JSON.stringify(maskSentinelUrl(input))
      }: a Redis Cluster has no Sentinels; name some of its nodes, as in redis://host1:7000,host2:7000`,
    );
  }
  const url = parseSentinelUrl(input);
  const connection = connectionOptions(url, options, settings);
  const { tls, ...sentinel } = options.sentinel ?? {};
  return {
    driver: new SentinelDriver({
      connection,
      sentinels: url.sentinels,
      ...sentinel,
      tls: tls === undefined
        ? connection.tls
        : tls === false
        ? undefined
        : tlsSources(tls, {}),
    }),
    address: maskSentinelUrl(input),
  };
}

/** Who to be at a server, and how to speak with it. */
function connectionOptions(
  url: RedisUrl | SentinelUrl,
  options: ResultBackendOptions,
  settings: Settings,
): Omit<ConnectionOptions, "address"> {
  return {
    ...settings,
    db: url.db,
    // As in Celery, a provider takes the place of what the URL says.
    credentials: options.credentials &&
      sharingCalls(
        options.credentials,
        settings.runtime,
        settings.connectTimeout,
      ),
    username: options.username ?? url.username,
    password: options.password ?? url.password,
    keyPatterns: new KeySpace(settings.keyPrefix).prefixes.map((prefix) =>
      `${escapePattern(prefix)}*`
    ),
    clientName: options.clientName ?? url.clientName,
    tls: tlsSources(options.tls, url),
  };
}

/** Whether the way leads to a cluster: the option says so, or else the URL. */
function isCluster(
  url: string | URL,
  { cluster = isClusterUrl(url) }: ResultBackendOptions,
): boolean {
  return cluster;
}
