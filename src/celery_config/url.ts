import type { CeleryConfig, Setting } from "./names.ts";
import { invalidSetting, isFalsy, toInteger, toText } from "./values.ts";
import { ConfigurationError } from "../errors.ts";
import { parseSentinelUrl } from "../redis/sentinel/url.ts";
import { TLS_KEYS } from "../redis/tls/query.ts";
import { isSentinelUrl } from "../redis/url/scheme.ts";
import { fillAddress, parseRedisUrl } from "../redis/url/url.ts";

/** Celery's names for its Redis backend without a URL. */
const BACKEND_NAMES: ReadonlySet<string> = new Set([
  "redis",
  "celery.backends.redis:RedisBackend",
  "celery.backends.redis.RedisBackend",
]);

/** The URLs that the parser knows, even if only to explain why one cannot be used. */
const REDIS_URL =
  /^(redis|rediss|valkey|valkeys|sentinel|socket|unix|redis\+[a-z]+):/i;

const SOCKET_URL = /^(socket|unix|redis\+socket):/i;

/** The name of a backend: an alias, or a module and its class. */
const BACKEND_NAME = /^([\w+-]+|\w+(\.\w+)+:\w+)$/;

/** By number, Python's `ssl.CERT_NONE`, `ssl.CERT_OPTIONAL` and `ssl.CERT_REQUIRED`. */
const CERT_REQS: readonly string[] = ["none", "optional", "required"];

/**
 * The URL of the backend: `result_backend`, with what Celery adds from other
 * settings.
 *
 * @throws {ConfigurationError} if the URL or one of these settings is invalid.
 * The message shows no password.
 */
export function mapUrl(settings: CeleryConfig["settings"]): string {
  return addTls(
    completeUrl(settings),
    settings.get("redis_backend_use_ssl"),
  );
}

/** The URL, completed from the settings as Celery does. */
function completeUrl(settings: CeleryConfig["settings"]): string {
  const host = readHost(settings.get("redis_host"));
  const givenPort = toInteger(settings.get("redis_port"), 0) || undefined;
  const port = givenPort ?? 6379;
  const db = toInteger(settings.get("redis_db"), 0) ?? 0;
  const backend = settings.get("result_backend");
  const text = toText(backend);
  if (backend === undefined || text === undefined) {
    throw new ConfigurationError(
      "Cannot use a Celery configuration without result_backend, with which Celery stores no results: " +
        "set it to a URL such as redis://localhost:6379/0",
    );
  }
  if (BACKEND_NAMES.has(text)) return fillAddress(`redis:///${db}`, host, port);
  // A socket has no host and no port.
  if (SOCKET_URL.test(text)) return fillDatabase(text, db);
  if (isSentinelUrl(text)) {
    // Part by part, as Celery does, except for the default port.
    return text.split(";").map((part) =>
      fillAddress(part, host, givenPort ?? 26379)
    )
      .join(";");
  }
  if (REDIS_URL.test(text)) return fillAddress(text, host, port);
  // Only the kind is shown, since a URL may hold a password.
  const kind = /^[\w+.-]*(?=:\/\/)/.exec(text)?.[0] ??
    BACKEND_NAME.exec(text)?.[0] ?? "this kind";
  throw new ConfigurationError(
    `Cannot use a ${backend.name} of ${kind}: this module reads results from Redis only, ` +
      "expected redis or a URL such as redis://localhost:6379/0",
  );
}

/** The URL of a socket, with the database if its query names none. */
function fillDatabase(url: string, db: number): string {
  const [, query = ""] = splitOnce(url, "?");
  const parsed = new URLSearchParams(query);
  const hasDatabase = ["db", "virtual_host"].some((key) =>
    parsed.getAll(key).some((value) => value !== "")
  );
  if (hasDatabase || db === 0) return url;
  return `${url}${url.includes("?") ? "&" : "?"}virtual_host=${db}`;
}

/** The URL with TLS, if the setting asks for it. The URL's own query takes precedence. */
function addTls(url: string, setting: Setting | undefined): string {
  if (setting === undefined || isFalsy(setting.value)) return url;
  const { name, value } = setting;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidSetting(
      setting,
      'an object such as { ssl_cert_reqs: "required" }, or false',
    );
  }
  // First, so that an error in the URL is reported for the URL as it was given.
  if (isSentinelUrl(url)) parseSentinelUrl(url);
  else if (parseRedisUrl(url).path !== undefined) {
    throw new ConfigurationError(
      `Cannot use ${name} with a Unix socket: it does not leave this machine, so there is no TLS`,
    );
  }
  const query = new URLSearchParams();
  for (const [key, each] of Object.entries(value)) {
    query.append(key, formatTlsValue(`${name}.${key}`, key, each));
  }
  if (isSentinelUrl(url)) {
    // There is no sentinel scheme for TLS: the query turns it on.
    const [first, rest] = splitOnce(url, ";");
    const [address, own] = splitOnce(first, "?");
    return `${address}?ssl_cert_reqs=required&${query}${
      own === undefined ? "" : `&${own}`
    }${rest === undefined ? "" : `;${rest}`}`;
  }
  const [address, own = ""] = splitOnce(url, "?");
  const scheme = address.replace(/^(redis|valkey)s?:/i, "$1s:");
  // If a key is given twice, the last one counts.
  return `${scheme}?${query}${own === "" ? "" : `&${own}`}`;
}

function formatTlsValue(name: string, key: string, value: unknown): string {
  if (!TLS_KEYS.has(key)) {
    throw new ConfigurationError(
      `Unknown setting ${name}: expected one of ${[...TLS_KEYS].join(", ")}`,
    );
  }
  if (value === null || value === undefined) return "";
  if (key === "ssl_cert_reqs" && typeof value === "number") {
    const text = CERT_REQS[value];
    if (text !== undefined) return text;
  }
  if (key === "ssl_check_hostname" && typeof value === "boolean") {
    return String(value);
  }
  if (typeof value === "string") return value;
  throw invalidSetting({ name, value }, "text");
}

function splitOnce(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + mark.length)];
}

function readHost(setting: Setting | undefined): string {
  const host = toText(setting) ?? "localhost";
  if (setting === undefined || /^[^\s/?#@\\[\]%]+$/.test(host)) return host;
  throw invalidSetting(setting, "a host name or an IP address");
}
