import { ConfigurationError } from "../../errors.ts";
import { describeArgument } from "../../util/describe_argument.ts";
import {
  parseTlsQuery,
  QueryError,
  TLS_KEYS,
  type TlsQuery,
} from "../tls/query.ts";
import { maskUrl } from "./mask.ts";
import { parseUrlQuery, type UrlOptions } from "./query.ts";
import {
  CLUSTER_HINT,
  kindOfScheme,
  parseScheme,
  refusalOfScheme,
  type UrlKind,
} from "./scheme.ts";

/** What a Redis URL says; its query takes precedence over the rest. */
export interface RedisUrl extends UrlOptions {
  /** A host name or an IP address, IPv6 without brackets. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
  /** The path of a Unix socket; host and port are then meaningless. */
  readonly path?: string;
  /** How to use TLS; undefined: not at all. */
  readonly tls?: TlsQuery;
  /** The database number. */
  readonly db: number;
}

const FORM = "redis://[user][:password]@host[:port][/db][?query]";
const SENTINEL_FORM =
  "sentinel://[user][:password]@host[:port][/db];sentinel://host[:port];...";
const SOCKET_FORM = "redis+socket:///path[?virtual_host=db]";

const DEFAULT_HOST = "localhost";
const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26379;

const REDIS_ONLY = "Redis is the only Celery result backend supported";

/** The host and the port, or what is in their place. */
const HOSTS = /^[^/]*\/\/(?:[^@]*@)*([^/?#@]*)/;

/** A delimiter in the user name or password that is not percent-encoded. */
const EARLY_DELIMITER = /^[^/]*\/\/[^/?#\\]*([/?\\]).*@/s;

/** What comes before the host, the host, and the port; no match where they are malformed. */
const ADDRESS =
  /^((?:rediss?|valkeys?|redis\+socket|unix|socket|sentinel):\/\/(?:[^/?#]*@)?)(\[[^\]]*\]|[^:/?#]*)(?::(\d*))?(?=[/?#]|$)/i;

/**
 * Parses `redis://[user][:password]@host[:port][/db][?query]`. User, password
 * and database are percent-decoded. The defaults are host localhost, port 6379
 * and database 0. As in Celery, `redis` alone means `redis://`.
 *
 * With `rediss://`, the query may configure TLS. `redis+socket:///path` is a
 * Unix socket, with its database in `virtual_host` or `db`. Of a `sentinel://`
 * URL, this parses one part, with the default port 26379.
 *
 * @throws {ConfigurationError} if the URL is malformed: the message says what is
 * wrong, and shows no password.
 */
export function parseRedisUrl(input: string | URL): RedisUrl {
  checkIsUrl(input);
  const text = String(input);
  const kind = checkForm(text);
  const url = toUrl(text, kind);
  const username = decode(url.username, text, "user name");
  const password = decode(url.password, text, "password");
  return {
    hostname: decode(url.hostname.replace(/^\[|\]$/g, ""), text, "host"),
    port: parsePort(url.port, text),
    ...(kind === "socket" ? parseSocket(url, text) : {
      db: parseDatabase(decode(url.pathname, text, "database"), text),
    }),
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password }),
    ...parseQuery(url, text, kind === "tls" || isTlsSentinel(kind, url)),
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

/** The URL with a host and a port where it names none. A malformed URL stays as it is. */
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

/** Checks what the URL class would misread, or explain badly. Returns what the scheme names. */
function checkForm(text: string): UrlKind {
  const scheme = parseScheme(text);
  // Before the rest: the URL of several Sentinels would fail below.
  const refusal = refusalOfScheme(scheme);
  if (refusal !== undefined) {
    throw wrong(text, `its scheme is ${scheme}: ${refusal}`);
  }
  const delimiter = EARLY_DELIMITER.exec(text)?.[1];
  if (delimiter !== undefined) {
    // What follows it would be read, and shown, as a path or a query.
    throw wrong(
      text,
      `it contains \`${delimiter}\` before an \`@\`: in a user name or password, write it as ${
        encodeURIComponent(delimiter)
      }; after the host, write the \`@\` as %40`,
    );
  }
  const kind = kindOfScheme(scheme);
  // A colon may also precede a port.
  const isScheme = scheme !== undefined &&
    (kind !== undefined || text.startsWith("//", scheme.length + 1));
  if (!isScheme && text !== "redis") {
    throw wrong(
      text,
      `it is not a URL, because its scheme is missing: write redis://localhost:6379/0, for example; ${REDIS_ONLY}`,
    );
  }
  if (kind === undefined) throw wrong(text, `its scheme is ${scheme}`);
  if (HOSTS.exec(text)?.[1]?.includes(",")) {
    throw wrong(text, `it names several hosts: ${CLUSTER_HINT}`);
  }
  return kind;
}

function toUrl(text: string, kind: UrlKind): URL {
  const port = kind === "sentinel" ? DEFAULT_SENTINEL_PORT : DEFAULT_PORT;
  let url: URL;
  try {
    url = new URL(fillAddress(text, DEFAULT_HOST, port));
  } catch (cause) {
    throw wrong(
      text,
      "it is not a URL: check the port, and in a user name or password write " +
        "`/`, `?`, `#` and `%` as %2F, %3F, %23 and %25",
      cause,
    );
  }
  if (text !== "redis" && !/^[^:]*:\/\//.test(text)) {
    throw wrong(text, "`//` is missing after the scheme");
  }
  if (url.hash !== "" || text.includes("#")) {
    throw wrong(
      text,
      "it contains `#`: in a user name or password, write it as %23",
    );
  }
  return url;
}

function parsePort(port: string, text: string): number {
  const number = Number(port);
  if (number === 0) throw wrong(text, "its port is 0");
  return number;
}

/** Whether it names a Sentinel reached with TLS, for which there is no scheme. */
function isTlsSentinel(kind: UrlKind, url: URL): boolean {
  return kind === "sentinel" &&
    [...url.searchParams.keys()].some((key) => TLS_KEYS.has(key));
}

/** The path and the database of a Unix socket. */
function parseSocket(url: URL, text: string): { path: string; db: number } {
  const [, , host = "", port = ""] = ADDRESS.exec(text) ?? [];
  if (host !== "" || port !== "") {
    throw wrong(
      text,
      `it has a host before the path: write three slashes, as in ${SOCKET_FORM}`,
    );
  }
  const path = decode(url.pathname, text, "path");
  if (!/^\/+[^/]/.test(path) || path.includes("\0")) {
    throw wrong(text, `it names no socket, as in ${SOCKET_FORM}`);
  }
  const db = url.searchParams.getAll("virtual_host").findLast((value) =>
    value !== ""
  );
  return { path, db: parseDatabase(db ?? "", text) };
}

function parseQuery(
  url: URL,
  text: string,
  isTls: boolean,
): UrlOptions & { tls?: TlsQuery } {
  try {
    const options = parseUrlQuery(url.searchParams, isTls);
    return isTls
      ? { ...options, tls: parseTlsQuery(url.searchParams) }
      : options;
  } catch (error) {
    if (error instanceof QueryError) throw wrong(text, error.message);
    throw error;
  }
}

function parseDatabase(path: string, text: string): number {
  // As in Celery, trailing slashes do no harm.
  const name = path.replace(/^\/+|\/+$/g, "");
  if (name === "") return 0;
  if (!/^\d{1,9}$/.test(name)) {
    throw wrong(text, `its database ${JSON.stringify(name)} is not a number`);
  }
  return Number(name);
}

function decode(part: string, text: string, what: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw wrong(
      text,
      `its ${what} contains a % that begins no percent-encoded byte: write it as %25`,
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

/** Whether its scheme is unknown, such as that of another Celery result backend. */
function isForeign(text: string): boolean {
  const scheme = parseScheme(text);
  return scheme !== undefined && text.startsWith("//", scheme.length + 1) &&
    kindOfScheme(scheme) === undefined && refusalOfScheme(scheme) === undefined;
}

/** V8 and URL put the whole input into their messages, secrets included. */
function maskCause(cause: unknown): unknown {
  return cause instanceof Error ? new Error(cause.name) : undefined;
}
