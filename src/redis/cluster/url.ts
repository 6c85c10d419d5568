import { ConfigurationError } from "../../errors.ts";
import { maskUrl } from "../url/mask.ts";
import { parseRedisUrl, type RedisUrl } from "../url/url.ts";

/** Captures three parts: scheme, user and password; hosts; database and query. */
const PARTS = /^([^/]*\/\/(?:.*@)?)([^/?#]*)(.*)$/s;

/** A scheme that means `cluster: true`, as in other client libraries. */
const SCHEME = /^(redis|valkey)(s?)\+cluster:/i;

/** Whether the scheme of a URL says that it leads to a cluster. */
export function isClusterUrl(input: string | URL): boolean {
  return SCHEME.test(String(input));
}

/**
 * Parses `redis://[user][:password]@host[:port][,host[:port]...][/0][?query]`
 * into one URL for each node, equal except for the host and port. `+cluster` may
 * follow the scheme.
 *
 * @throws {ConfigurationError} if the URL is malformed, or names a Unix socket
 * or a database other than 0.
 */
export function parseClusterUrl(
  input: string | URL,
): [RedisUrl, ...RedisUrl[]] {
  const text = String(input).replace(SCHEME, "$1$2:");
  const [, before = "", hosts = text, after = ""] = PARTS.exec(text) ?? [];
  const names = hosts.split(",");
  if (names.length > 1 && names.includes("")) {
    throw wrong(text, "one of its hosts is empty");
  }
  const [first = "", ...others] = names;
  function parse(host: string): RedisUrl {
    const url = parseRedisUrl(`${before}${host}${after}`);
    if (url.path !== undefined) {
      throw wrong(
        text,
        "it names a Unix socket, but the nodes of a Redis Cluster are reached by host and port",
      );
    }
    if (url.db === 0) return url;
    throw wrong(
      text,
      `it names database ${url.db}, but a Redis Cluster has database 0 only`,
    );
  }
  return [parse(first), ...others.map(parse)];
}

function wrong(text: string, what: string): ConfigurationError {
  return new ConfigurationError(
    `Cannot use the Redis URL ${JSON.stringify(maskUrl(text))}: ${what}`,
  );
}
