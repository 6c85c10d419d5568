import { ConfigurationError } from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import type { TlsQuery } from "../tls/query.ts";
import type { UrlOptions } from "../url/query.ts";
import { maskUrl } from "../url/mask.ts";
import { parseRedisUrl } from "../url/url.ts";

/** What a `sentinel://` URL says: where the Sentinels are, and how to log in to the master. */
export interface SentinelUrl extends UrlOptions {
  /** The Sentinels, without duplicates. */
  readonly sentinels: readonly TcpAddress[];
  /** The database number. */
  readonly db: number;
  /** How to use TLS; undefined means plain TCP. */
  readonly tls?: TlsQuery;
}

/** Separates the parts. Another `;` may be a mistake within a password, and is masked with it. */
const SEPARATOR = /(?<!;);+(?=sentinel:\/\/)/i;

/**
 * Parses `sentinel://[user][:password]@host[:port][/db];sentinel://host[:port]`.
 *
 * As in Celery, user, password and database are those of the Redis servers, and
 * belong to the first part. The default port is 26379 (Celery's is 6379). Any
 * part may have a query; for each key, the first part that has it counts.
 *
 * @throws {ConfigurationError} if a part is malformed. The message says what is
 * wrong, and shows no password.
 */
export function parseSentinelUrl(input: string | URL): SentinelUrl {
  const parts = splitParts(String(input)).map((part) => {
    checkSeparators(part);
    return parseRedisUrl(part);
  });
  const sentinels = new Map<string, TcpAddress>();
  let shared: UrlOptions & { tls?: TlsQuery } = {};
  for (const part of parts) {
    const { hostname, port, db: _db, username: _, password: __, ...rest } =
      part;
    sentinels.set(`${hostname}:${port}`, { hostname, port });
    shared = { ...rest, ...shared };
  }
  // Splitting any text gives at least one part.
  const { db, username, password } = parts[0]!;
  return {
    ...shared,
    sentinels: [...sentinels.values()],
    db,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

/** The URL with each part's password replaced by `**`. */
export function maskSentinelUrl(input: string | URL): string {
  return splitParts(String(input)).map(maskUrl).join(";");
}

function splitParts(text: string): string[] {
  let end = text.length;
  // A loop, because /;+$/ takes quadratic time where text follows many semicolons.
  while (text[end - 1] === ";") end--;
  return text.slice(0, end).split(SEPARATOR);
}

/** Refuses separators that other clients use between the hosts. */
function checkSeparators(part: string): void {
  const authority = /^[^/]*\/\/([^/?#]*)/.exec(part)?.[1] ?? "";
  const isInPassword = part.lastIndexOf("@") > part.lastIndexOf(";");
  const advice = part.includes(";")
    ? isInPassword
      ? "in a user name or password, write `;` as %3B"
      : "each part begins with sentinel://"
    : authority.slice(authority.lastIndexOf("@") + 1).includes(",")
    ? "separate the parts with `;`, and begin each with sentinel://"
    : undefined;
  if (advice === undefined) return;
  throw new ConfigurationError(
    `Cannot use the part ${
      JSON.stringify(maskUrl(part))
    } of a sentinel URL: ${advice} (expected sentinel://[user][:password]@host[:port][/db];sentinel://host[:port];...)`,
  );
}
