import { ConfigurationError } from "../../errors.ts";
import { maskUrl } from "../url/mask.ts";
import { parseRedisUrl, type RedisUrl } from "../url/url.ts";

/** Scheme, user and password; hosts; database and query. */
const PARTS = /^([^/]*\/\/(?:.*@)?)([^/?#]*)(.*)$/s;

/** A scheme that says what `cluster: true` says, as other libraries have it. */
const SCHEME = /^(redis|valkey)(s?)\+cluster:/i;

/** Whether the URL itself says that it leads to a cluster. */
export function isClusterUrl(input: string | URL): boolean {
  return SCHEME.test(String(input));
}

/**
 * Reads `redis://[user][:password]@host[:port][,host[:port]...][/0][?query]`:
 * one URL for each node that is named, all the same in the rest. The scheme may
 * have `+cluster` behind it.
 *
 * @throws {ConfigurationError} if the URL is of another form, names a database
 * other than 0, or a Unix socket.
 */
export function parseClusterUrl(
  input: string | URL,
): [RedisUrl, ...RedisUrl[]] {
  const text = String(input).replace(SCHEME, "$1$2:");
  const [, before = "", hosts = text, after = ""] = PARTS.exec(text) ?? [];
  const names = hosts.split(",");
  if (names.length > 1 && names.includes("")) {
    throw wrong(text, "it names several hosts, and one of them is missing");
  }
  const [first = "", ...others] = names;
  function parse(host: string): RedisUrl {
    const url = parseRedisUrl(`${before}${host}${after}`);
    if (url.path !== undefined) {
      throw wrong(
        text,
        "it names a Unix socket, and the nodes of a Redis Cluster are reached by host and port",
      );
    }
    if (url.db === 0) return url;
    throw wrong(
      text,
      `it names database ${url.db}, and a Redis Cluster has database 0 only`,
    );
  }
  return [parse(first), ...others.map(parse)];
}

function wrong(text: string, what: string): ConfigurationError {
  return new ConfigurationError(
    `Cannot use the Redis URL ${JSON.stringify(maskUrl(text))}: ${what}`,
  );
}
