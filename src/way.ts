import type { ResultBackendOptions, Settings } from "./options.ts";
import { KeySpace } from "./protocol/keys.ts";
import { ClusterDriver } from "./redis/cluster/cluster_driver.ts";
import { isClusterUrl, parseClusterUrl } from "./redis/cluster/cluster_url.ts";
import { nameOf } from "./redis/dial.ts";
import type { RedisDriver } from "./redis/link.ts";
import { escapePattern } from "./redis/permission.ts";
import { TcpDriver } from "./redis/tcp_link.ts";
import { tlsSources } from "./redis/tls.ts";
import { maskUrl, parseRedisUrl } from "./redis/url.ts";
import type { UrlOptions } from "./redis/url_query.ts";

/** The way to reach Redis that a URL and the options lead to. */
export interface Way {
  /** What makes the links. */
  readonly driver: RedisDriver;
  /** How it is called in messages: without secrets. */
  readonly address: string;
}

/** What the URL says where the options do not; beside a driver it is not read. */
export function urlOptionsOf(
  url: string | URL,
  options: ResultBackendOptions,
): UrlOptions {
  if (options.driver !== undefined) return {};
  return isCluster(url, options) ? parseClusterUrl(url)[0] : parseRedisUrl(url);
}

/**
 * Chooses the way to reach Redis.
 *
 * @throws {ConfigurationError} if the URL or an option cannot work.
 */
export function wayTo(
  input: string | URL,
  options: ResultBackendOptions,
  settings: Settings,
): Way {
  const { driver } = options;
  if (driver !== undefined) return { driver, address: "its driver" };
  const urls = isCluster(input, options) ? parseClusterUrl(input) : undefined;
  const [url] = urls ?? [parseRedisUrl(input)];
  const connection = {
    ...settings,
    // As in Celery, a provider takes the place of what the URL says.
    credentials: options.credentials,
    username: options.username ?? url.username,
    password: options.password ?? url.password,
    keyPatterns: new KeySpace(settings.keyPrefix).prefixes.map((prefix) =>
      `${escapePattern(prefix)}*`
    ),
    clientName: options.clientName ?? url.clientName,
    tls: tlsSources(options.tls, url),
  };
  if (urls !== undefined) {
    const seeds = urls.map(({ hostname, port }) => ({ hostname, port }));
    return {
      driver: new ClusterDriver({ ...connection, seeds }),
      address: `the cluster of ${seeds.map(nameOf).join(", ")}`,
    };
  }
  return {
    driver: new TcpDriver({
      ...connection,
      address: url.path === undefined
        ? { hostname: url.hostname, port: url.port }
        : { path: url.path },
      db: url.db,
    }),
    address: maskUrl(input),
  };
}

/** Whether the way leads to a cluster: the option says so, or else the URL. */
function isCluster(
  url: string | URL,
  { cluster = isClusterUrl(url) }: ResultBackendOptions,
): boolean {
  return cluster;
}
