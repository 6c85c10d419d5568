import { ConfigurationError } from "../errors.ts";
import type { TcpAddress } from "../runtime.ts";
import { formatAddress } from "./address.ts";
import { isClusterUrl, parseClusterUrl } from "./cluster/url.ts";
import type { RedisDriver } from "./link.ts";
import type { RedisOptions, UrlDefaults } from "./options.ts";
import {
  maskSentinelUrl,
  parseSentinelUrl,
  type SentinelUrl,
} from "./sentinel/url.ts";
import { maskUrl } from "./url/mask.ts";
import { isSentinelUrl } from "./url/scheme.ts";
import { checkIsUrl, parseRedisUrl, type RedisUrl } from "./url/url.ts";

/** What a backend connects to: what its URL says, parsed, by the kind of server. */
export type RedisTarget =
  & {
    /** How messages name it: without secrets. */
    readonly address: string;
    /** What the URL says, for options that are not given. */
    readonly defaults: UrlDefaults;
  }
  & (
    | {
      readonly kind: "driver";
      readonly driver: RedisDriver;
      /** Left for the driver to parse. */
      readonly url: string | URL | undefined;
    }
    | { readonly kind: "server"; readonly url: RedisUrl }
    | {
      readonly kind: "cluster";
      readonly url: RedisUrl;
      readonly seeds: readonly TcpAddress[];
    }
    | { readonly kind: "sentinel"; readonly url: SentinelUrl }
  );

const DEFAULT_URL = "redis://127.0.0.1:6379/0";

/**
 * Finds out what a URL and the options lead to. The URL is parsed here, once.
 *
 * @throws {ConfigurationError} if the URL is malformed, or contradicts an option.
 */
export function parseTarget(
  url: string | URL | undefined,
  options: RedisOptions,
): RedisTarget {
  const { driver } = options;
  if (url !== undefined) checkIsUrl(url);
  if (driver !== undefined) {
    const address = url === undefined ? "its driver" : maskUrl(url);
    return { kind: "driver", driver, url, address, defaults: {} };
  }
  return parseOwnTarget(url ?? DEFAULT_URL, options);
}

/** The target of the built-in drivers. */
function parseOwnTarget(
  input: string | URL,
  { sentinel, cluster }: RedisOptions,
): RedisTarget {
  if (isSentinelUrl(input)) {
    const url = parseSentinelUrl(input);
    const address = maskSentinelUrl(input);
    if (cluster === true) {
      throw new ConfigurationError(
        `Cannot use cluster with the URL ${
          JSON.stringify(address)
        }: a Redis Cluster has no Sentinels; name some of its nodes, as in redis://host1:7000,host2:7000`,
      );
    }
    const defaults = { ...url, canFailOver: true };
    return { kind: "sentinel", url, address, defaults };
  }
  const target = cluster ?? isClusterUrl(input)
    ? parseClusterTarget(input)
    : parseServerTarget(input);
  if (sentinel !== undefined) {
    throw new ConfigurationError(
      `Cannot use sentinel with the URL ${
        JSON.stringify(maskUrl(input))
      }: it needs one such as sentinel://host:26379/0;sentinel://host:26379`,
    );
  }
  return target;
}

function parseServerTarget(input: string | URL): RedisTarget {
  const url = parseRedisUrl(input);
  return { kind: "server", url, address: maskUrl(input), defaults: url };
}

function parseClusterTarget(input: string | URL): RedisTarget {
  const urls = parseClusterUrl(input);
  const [url] = urls;
  const seeds = urls.map(({ hostname, port }) => ({ hostname, port }));
  return {
    kind: "cluster",
    url,
    seeds,
    address: `the cluster of ${seeds.map(formatAddress).join(", ")}`,
    defaults: { ...url, canFailOver: true },
  };
}
