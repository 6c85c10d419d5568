import { describeArgument } from "../../util/describe_argument.ts";
import { ConfigurationError } from "../../errors.ts";
import { QueryError } from "../tls/query_error.ts";
import { TLS_KEYS, tlsOf, type TlsQuery } from "../tls/query.ts";
import { parseUrlQuery, type UrlOptions } from "./query.ts";

/** What a Redis URL says; what its query says wins over the rest. */
export interface RedisUrl extends UrlOptions {
  /** A host name or an IP address, IPv6 without brackets. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
  /** A Unix socket's path: then host and port mean nothing. */
  readonly path?: string;
  /** With it, TLS is spoken, and how. */
  readonly tls?: TlsQuery;
  /** The database number. */
  readonly db: number;
}

const FORM = "redis://[user][:password]@host[:port][/db][?query]";
const SENTINEL_FORM =
  "sentinel://[user][:password]@host[:port][/db];sentinel://host[:port];...";
const SOCKET_FORM = "redis+socket:///path[?virtual_host=db]";

type Kind = "tcp" | "tls" | "socket" | "sentinel";

/** Which of them is meant by a scheme. */
const SCHEMES: Readonly<Record<string, Kind>> = {
  redis: "tcp",
  valkey: "tcp",
  rediss: "tls",
  valkeys: "tls",
  "redis+socket": "socket",
  // As redis-py has it.
  unix: "socket",
  // As Celery documents it, and does not take it.
  socket: "socket",
  // One part of such a URL, which names one Sentinel.
  sentinel: "sentinel",
};

const REDIS_ONLY = "of Celery's result backends, only Redis can be read";

const CLUSTER = "a Redis Cluster needs the option `cluster: true`";

/** Why a scheme cannot be used that others have. */
const OTHER_SCHEMES: Readonly<Record<string, string>> = {
  "redis+sentinel":
    "Celery takes that for a plain Redis server at the port of the Sentinel; " +
    "write sentinel://host:26379/0;sentinel://...",
  "redis+cluster": CLUSTER,
  "rediss+cluster": CLUSTER,
  "valkey+cluster": CLUSTER,
  "valkeys+cluster": CLUSTER,
};

/** The host and the port, or what there is instead. */
const HOSTS = /^[^/]*\/\/(?:[^@]*@)*([^/?#@]*)/;

/** What comes before the host, the host, and the port; it matches nothing where they are malformed. */
const ADDRESS =
  /^((?:rediss?|valkeys?|redis\+socket|unix|socket|sentinel):\/\/(?:[^/?#]*@)?)(\[[^\]]*\]|[^:/?#]*)(?::(\d*))?(?=[/?#]|$)/i;

/**
 * Reads `redis://[user][:password]@host[:port][/db][?query]`. User, password
 * and database are percent-decoded; the host is localhost, the port 6379 and
 * the database 0 where the URL does not say. As in Celery, `redis` alone is
 * `redis://`. With `rediss://` the query may speak of TLS, too;
 * `redis+socket:///path` is a Unix socket, its database `virtual_host` or `db`.
 * Of a `sentinel://` URL this reads one part, whose port is 26379 where it does
 * not say.
 *
 * @throws {ConfigurationError} if the URL is of another form: the message
 * names what is wrong, and shows no password.
 */
export function parseRedisUrl(input: string | URL): RedisUrl {
  checkIsUrl(input);
  const text = String(input);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  // Before the rest: the URL of several Sentinels is none.
  if (scheme !== undefined && Object.hasOwn(OTHER_SCHEMES, scheme)) {
    throw wrong(text, `its scheme is ${scheme}: ${OTHER_SCHEMES[scheme]}`);
  }
  const cut = /^[^/]*\/\/[^/?#\\]*([/?\\]).*@/s.exec(text)?.[1];
  if (cut !== undefined) {
    // What follows would be read as a path or a query, and shown as such.
    throw wrong(
      text,
      `it contains \`${cut}\` before an \`@\`: in a user name or password, write it as ${
        encodeURIComponent(cut)
      }; behind the host, write the \`@\` as %40`,
    );
  }
  const kind = kindOf(scheme);
  // A colon may stand before a port, too.
  const isScheme = scheme !== undefined &&
    (kind !== undefined || text.startsWith("//", scheme.length + 1));
  if (!isScheme && text !== "redis") {
    throw wrong(
      text,
      `it is no URL, since its scheme is missing: write redis://localhost:6379/0, say; ${REDIS_ONLY}`,
    );
  }
  if (kind === undefined) throw wrong(text, `its scheme is ${scheme}`);
  if (HOSTS.exec(text)?.[1]?.includes(",")) {
    throw wrong(text, `it names several hosts: ${CLUSTER}`);
  }
  let url: URL;
  try {
    url = new URL(
      fillAddress(text, "localhost", kind === "sentinel" ? 26379 : 6379),
    );
  } catch (cause) {
    throw wrong(
      text,
      "it is no URL: check the port, and in a user name or password write " +
        "`/`, `?`, `#` and `%` as %2F, %3F, %23 and %25",
      cause,
    );
  }
  if (
    scheme !== undefined &&
    !text.slice(scheme.length + 1).startsWith("//")
  ) {
    throw wrong(text, "`//` is missing behind the scheme");
  }
  if (url.hash !== "" || text.includes("#")) {
    throw wrong(
      text,
      "it contains `#`: in a user name or password, write it as %23",
    );
  }
  const username = decode(url.username, text, "user name");
  const password = decode(url.password, text, "password");
  return {
    hostname: decode(url.hostname.replace(/^\[|\]$/g, ""), text, "host"),
    port: portOf(url.port, text),
    ...(kind === "socket" ? socketOf(url, text) : {
      db: dbOf(decode(url.pathname, text, "database"), text),
    }),
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password }),
    ...queryOf(url, text, kind === "tls" || isTlsPart(kind, url)),
  };
}

/** @throws {ConfigurationError} if it is neither text nor a URL. */
export function checkIsUrl(url: unknown): void {
  if (typeof url === "string" || url instanceof URL) return;
  throw new ConfigurationError(
    `Cannot use ${
      describeArgument(url)
    } as the URL: expected text (or a URL) of the form ${FORM}, which holds host, port and database`,
  );
}

/** The URL with a host and a port where it names none. What is malformed stays as it is. */
export function fillAddress(
  text: string,
  hostname: string,
  port: number,
): string {
  const url = text === "redis" ? "redis://" : text;
  return url.replace(
    ADDRESS,
    (_, before: string, host: string, ownPort: string | undefined) =>
      `${before}${
        host !== "" ? host : hostname.includes(":") ? `[${hostname}]` : hostname
      }:${ownPort || port}`,
  );
}

/** The URL without its secrets: `**` stands for the password. */
export function maskUrl(input: string | URL): string {
  const text = String(input);
  // To the last `@`: a password may hold others, and slashes.
  const at = text.lastIndexOf("@");
  const scheme =
    /^(?:rediss?|valkeys?|redis\+socket|unix|socket|redis\+sentinel|sentinel):?\/\//i
      .exec(
        text,
      )?.[0];
  let shown: string;
  if (at < 0) {
    // A colon begins a port, or a password whose `@` was forgotten.
    shown = text.replace(
      /^([^/]*\/\/(?:\[[^\]]*\]|[^:/[]*)):(?!(?<!\/:)\d{1,5}(?:[/?#]|$)).*$/s,
      "$1:**",
    );
  } else if (scheme === undefined || at < scheme.length) {
    shown = `**${text.slice(at)}`;
  } else {
    const userinfo = text.slice(scheme.length, at);
    const colon = userinfo.indexOf(":");
    shown = colon < 0
      ? text
      : `${scheme}${userinfo.slice(0, colon)}:**${text.slice(at)}`;
  }
  return shown.replace(/\?.*$/s, "?**");
}

function portOf(port: string, text: string): number {
  const number = Number(port);
  if (number === 0) throw wrong(text, "its port is 0");
  return number;
}

function kindOf(scheme = "redis"): Kind | undefined {
  return Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined;
}

/** Whether it names a Sentinel, and speaks of TLS: there is no scheme for that. */
function isTlsPart(kind: Kind, url: URL): boolean {
  return kind === "sentinel" &&
    [...url.searchParams.keys()].some((key) => TLS_KEYS.has(key));
}

/** Path and database of a Unix socket. */
function socketOf(url: URL, text: string): { path: string; db: number } {
  const [, , host = "", port = ""] = ADDRESS.exec(text) ?? [];
  if (host !== "" || port !== "") {
    throw wrong(
      text,
      `its path begins behind a host: write three slashes, as in ${SOCKET_FORM}`,
    );
  }
  const path = decode(url.pathname, text, "path");
  if (!/^\/+[^/]/.test(path) || path.includes("\0")) {
    throw wrong(text, `it names no socket, as in ${SOCKET_FORM}`);
  }
  const db = url.searchParams.getAll("virtual_host").findLast((each) =>
    each !== ""
  );
  return { path, db: dbOf(db ?? "", text) };
}

function queryOf(
  url: URL,
  text: string,
  isTls: boolean,
): UrlOptions & { tls?: TlsQuery } {
  try {
    const options = parseUrlQuery(url.searchParams, isTls);
    return isTls ? { ...options, tls: tlsOf(url.searchParams) } : options;
  } catch (error) {
    if (error instanceof QueryError) throw wrong(text, error.message);
    throw error;
  }
}

function dbOf(path: string, text: string): number {
  // As Celery does: slashes behind it do no harm.
  const name = path.replace(/^\/+|\/+$/g, "");
  if (name === "") return 0;
  if (!/^\d{1,9}$/.test(name)) {
    throw wrong(text, `its database ${JSON.stringify(name)} is no number`);
  }
  return Number(name);
}

function decode(part: string, text: string, what: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw wrong(
      text,
      `its ${what} holds a % that begins no percent-encoded byte: write it as %25`,
      cause,
    );
  }
}

function wrong(text: string, what: string, cause?: unknown): Error {
  return new ConfigurationError(
    `Cannot use the Redis URL ${
      JSON.stringify(maskUrl(text))
    }: ${what} (expected ${
      /^(redis\+)?sentinel:/i.test(text) ? SENTINEL_FORM : FORM
    }${isForeign(text) ? `; ${REDIS_ONLY}` : ""})`,
    cause === undefined ? undefined : { cause: maskCause(cause) },
  );
}

/** Whether its scheme is none that Redis is reached by, such as that of another backend of Celery's. */
function isForeign(text: string): boolean {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  return scheme !== undefined && kindOf(scheme) === undefined &&
    !Object.hasOwn(OTHER_SCHEMES, scheme);
}

/** V8 and URL put the whole input, secrets and all, into their messages. */
function maskCause(cause: unknown): unknown {
  return cause instanceof Error ? new Error(cause.name) : undefined;
}
