import { type CeleryConfig, resolveNames, type Setting } from "./names.ts";
import { mapRetry } from "./retry_policy.ts";
import { mapSentinel } from "./sentinel.ts";
import {
  invalidSetting,
  toBoolean,
  toInteger,
  toMilliseconds,
  toNumber,
  toText,
} from "./values.ts";
import { ConfigurationError } from "../errors.ts";
import type { ResultBackendOptions } from "../options.ts";
import { resolveHeartbeat } from "../redis/url/heartbeat.ts";
import { TLS_KEYS } from "../redis/tls/query.ts";
import { parseSentinelUrl, type SentinelUrl } from "../redis/sentinel/url.ts";
import { isSentinelUrl } from "../redis/url/scheme.ts";
import { fillAddress, parseRedisUrl, type RedisUrl } from "../redis/url/url.ts";

/** The options that a Celery configuration maps to. */
export type CeleryOptions = Omit<ResultBackendOptions, "serializer"> & {
  /** Celery's `result_serializer`. The backend checks whether it knows the name. */
  serializer?: string;
};

/** The arguments of a backend. */
export interface CeleryMapping {
  /** The URL. */
  readonly url: string;
  /** The options that differ from the defaults. */
  readonly options: CeleryOptions;
}

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

/** The formats of results, by kombu's names for them. */
const FORMATS: ReadonlyMap<string, string> = new Map([
  ["json", "json"],
  ["application/json", "json"],
  ["msgpack", "msgpack"],
  ["application/x-msgpack", "msgpack"],
  ["yaml", "yaml"],
  ["application/x-yaml", "yaml"],
]);

/**
 * Maps Celery's settings to a URL and options. `settings.ts` lists what each
 * setting maps to.
 *
 * @throws {ConfigurationError} if a name is unknown, a setting has two values, or
 * a value is out of range or not supported.
 */
export function mapCeleryConfig(
  config: Record<string, unknown>,
): CeleryMapping {
  const celery = resolveNames(config);
  const { settings, transport } = celery;
  refuseUnsupported(celery);
  const url = addTls(mapUrl(settings), settings.get("redis_backend_use_ssl"));
  const hasSentinels = isSentinelUrl(url);
  const parsed = hasSentinels ? parseSentinelUrl(url) : parseRedisUrl(url);
  const sentinel = hasSentinels
    ? mapSentinel(celery, parsed.tls !== undefined)
    : undefined;
  const { retry, reconnect } = mapRetry(celery);
  const expires = mapExpires(settings.get("result_expires"));
  const keyPrefix = toText(transport.get("global_keyprefix"));
  const serializer = mapSerializer(settings.get("result_serializer"));
  const acceptContent = mapAcceptContent(settings, serializer);
  const isExtended = toBoolean(settings.get("result_extended"));
  const isOrdered = toBoolean(transport.get("result_chord_ordered"));
  const joinTimeout = toNumber(settings.get("result_chord_join_timeout"), 0);
  return {
    url,
    options: {
      retry,
      ...(reconnect === undefined ? {} : { reconnect }),
      ...(expires === undefined ? {} : { expires }),
      ...(keyPrefix === undefined ? {} : { keyPrefix }),
      ...mapConnection(settings, parsed),
      ...(sentinel === undefined ? {} : { sentinel }),
      ...(serializer === "json" ? {} : { serializer }),
      ...(acceptContent === undefined ? {} : { acceptContent }),
      resultExtended: isExtended ?? false,
      ...(isOrdered === false ? { chordOrdered: false } : {}),
      ...(joinTimeout === undefined || joinTimeout === 3
        ? {}
        : { chordJoinTimeout: joinTimeout * 1000 }),
    },
  };
}

/** The connection settings that the URL leaves out. */
function mapConnection(
  settings: CeleryConfig["settings"],
  parsed: RedisUrl | SentinelUrl,
): Omit<ResultBackendOptions, "serializer"> {
  const options: Omit<ResultBackendOptions, "serializer"> = {};
  const username = toText(settings.get("redis_username"));
  const password = toText(settings.get("redis_password"));
  const clientName = toText(settings.get("redis_client_name"));
  const connectTimeout = toMilliseconds(
    settings.get("redis_socket_connect_timeout"),
  );
  const heartbeat = resolveHeartbeat({
    heartbeat: parsed.heartbeat ??
      toMilliseconds(settings.get("redis_backend_health_check_interval")),
    socketTimeout: parsed.socketTimeout ?? readSocketTimeout(settings),
  });
  if (username !== undefined && parsed.username === undefined) {
    options.username = username;
  }
  if (password !== undefined && parsed.password === undefined) {
    options.password = password;
  }
  if (clientName !== undefined && parsed.clientName === undefined) {
    options.clientName = clientName;
  }
  if (connectTimeout !== undefined && parsed.connectTimeout === undefined) {
    options.connectTimeout = connectTimeout;
  }
  if (heartbeat !== resolveHeartbeat(parsed)) options.heartbeat = heartbeat;
  return options;
}

function readSocketTimeout(
  settings: CeleryConfig["settings"],
): number | undefined {
  const setting = settings.get("redis_socket_timeout");
  const timeout = toMilliseconds(setting);
  if (
    setting === undefined || setting.value === null || timeout !== undefined
  ) {
    return timeout;
  }
  // With 0, redis-py waits for no reply at all.
  throw invalidSetting(setting, "seconds above 0, or null");
}

/** The URL, completed from the settings as Celery does. */
function mapUrl(settings: CeleryConfig["settings"]): string {
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
  if (setting === undefined || isEmpty(setting.value)) return url;
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

function mapExpires(setting: Setting | undefined): number | null | undefined {
  if (setting === undefined) return undefined;
  // Python's None is no expiry, not the default.
  if (setting.value === null) return null;
  const expected =
    "at least 1 second (the total_seconds() of a timedelta), or null (or 0) for no expiry";
  if (typeof setting.value === "object") {
    throw invalidSetting(setting, expected);
  }
  const seconds = toNumber(setting, 0);
  if (seconds === 0 || (seconds !== undefined && seconds >= 1)) return seconds;
  throw invalidSetting(setting, expected);
}

function mapSerializer(setting: Setting | undefined): string {
  const name = toText(setting) ?? "json";
  const format = FORMATS.get(name);
  if (setting === undefined || format !== undefined) return format ?? name;
  const why = name === "pickle" || name === "application/x-python-serialize"
    ? ": pickles are never read, since reading one can run any code"
    : "";
  throw invalidSetting(setting, `json, msgpack or yaml${why}`);
}

/** The accepted formats, of results or else of all messages; undefined for json alone. */
function mapAcceptContent(
  settings: CeleryConfig["settings"],
  serializer: string,
): string[] | undefined {
  const own = settings.get("result_accept_content");
  const isOwn = own !== undefined && own.value !== null;
  const setting = isOwn ? own : settings.get("accept_content");
  if (setting === undefined || setting.value === null) return undefined;
  const { name, value } = setting;
  if (!Array.isArray(value)) {
    throw invalidSetting(setting, "a list of formats");
  }
  const names: unknown[] = value;
  const formats = new Set<string>();
  for (const each of names) {
    const format = typeof each === "string" ? FORMATS.get(each) : undefined;
    // Messages may have formats that results do not.
    if (format !== undefined) formats.add(format);
  }
  if (formats.size === 0) {
    throw new ConfigurationError(
      `Cannot use ${name}: it accepts none of json, msgpack and yaml, the formats that results can have`,
    );
  }
  // Many applications accept messages in YAML but store no results in it, and
  // Celery reads results in their own format only.
  if (!isOwn && formats.has(serializer) && serializer !== "yaml") {
    formats.delete("yaml");
  }
  return formats.size === 1 && formats.has("json") ? undefined : [...formats];
}

/** Rejects settings that name Python classes. */
function refuseUnsupported({ settings }: CeleryConfig): void {
  const provider = settings.get("redis_backend_credential_provider");
  if (provider !== undefined && !isEmpty(provider.value)) {
    throw new ConfigurationError(
      `Cannot use ${provider.name}: it is a Python class; leave it out, and pass the option credentials, a function, as an override`,
    );
  }
  const classes = settings.get("override_backends");
  if (
    classes !== undefined && typeof classes.value === "object" &&
    classes.value !== null && Object.hasOwn(classes.value, "redis")
  ) {
    throw new ConfigurationError(
      `Cannot use ${classes.name}: it replaces redis with a Python class`,
    );
  }
}

/** Whether Python treats the value as false. */
function isEmpty(value: unknown): boolean {
  return !value ||
    (typeof value === "object" && Object.keys(value).length === 0);
}
