import { ConfigurationError } from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import type { TlsQuery } from "../tls/query.ts";
import { maskUrl, parseRedisUrl } from "../url/url.ts";
import type { UrlOptions } from "../url/query.ts";

/** What a `sentinel://` URL says: who the Sentinels are, and who to be at the master. */
export interface SentinelUrl extends UrlOptions {
  /** The Sentinels, each once. */
  readonly sentinels: readonly TcpAddress[];
  /** The database number. */
  readonly db: number;
  /** With it, TLS is spoken, and how. */
  readonly tls?: TlsQuery;
}

/** Where a part ends. A password may hold a `;` by mistake: it is shown as part of that. */
const BETWEEN = /(?<!;);+(?=sentinel:\/\/)/i;

/**
 * Reads `sentinel://[user][:password]@host[:port][/db];sentinel://host[:port]`.
 * User, password and database are those of the Redis servers; as in Celery,
 * the first part has them. A missing port is 26379: Celery takes 6379. What a
 * query says may stand in any part; the first one that says it counts.
 *
 * @throws {ConfigurationError} if a part is of another form: the message names
 * what is wrong, and shows no password.
 */
export function parseSentinelUrl(input: string | URL): SentinelUrl {
  const parts = partsOf(String(input)).map((part) => {
    checkMarks(part);
    return parseRedisUrl(part);
  });
  const sentinels = new Map<string, TcpAddress>();
  let said: UrlOptions & { tls?: TlsQuery } = {};
  for (const part of parts) {
    const { hostname, port, tls } = part;
    const { clientName, connectTimeout, heartbeat, socketTimeout } = part;
    sentinels.set(`${hostname}:${port}`, { hostname, port });
    said = {
      ...(clientName === undefined ? {} : { clientName }),
      ...(connectTimeout === undefined ? {} : { connectTimeout }),
      ...(heartbeat === undefined ? {} : { heartbeat }),
      ...(socketTimeout === undefined ? {} : { socketTimeout }),
      ...(tls === undefined ? {} : { tls }),
      ...said,
    };
  }
  // There is a first part, whatever the text.
  const { db, username, password } = parts[0]!;
  return {
    ...said,
    sentinels: [...sentinels.values()],
    db,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

/** The URL without its secrets, part by part: `**` stands for a password. */
export function maskSentinelUrl(input: string | URL): string {
  return partsOf(String(input)).map(maskUrl).join(";");
}

function partsOf(text: string): string[] {
  let end = text.length;
  // The pattern /;+$/ takes the square of as many semicolons before other text.
  while (text[end - 1] === ";") end--;
  return text.slice(0, end).split(BETWEEN);
}

/** What other clients put between the hosts. */
function checkMarks(part: string): void {
  const authority = /^[^/]*\/\/([^/?#]*)/.exec(part)?.[1] ?? "";
  const isPassword = part.lastIndexOf("@") > part.lastIndexOf(";");
  const what = part.includes(";")
    ? isPassword
      ? "in a user name or password, write `;` as %3B"
      : "each part begins with sentinel://"
    : authority.slice(authority.lastIndexOf("@") + 1).includes(",")
    ? "between the parts stands `;`, and each begins with sentinel://"
    : undefined;
  if (what === undefined) return;
  throw new ConfigurationError(
    `Cannot use the part ${
      JSON.stringify(maskUrl(part))
    } of a sentinel URL: ${what} (expected sentinel://[user][:password]@host[:port][/db];sentinel://host[:port];...)`,
  );
}
