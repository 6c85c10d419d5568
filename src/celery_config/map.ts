import { type Given, type GivenSettings, givenSettings } from "./names.ts";
import { mapRetry } from "./retry_policy.ts";
import { sentinelOf } from "./sentinel.ts";
import {
  booleanOf,
  millisecondsOf,
  numberOf,
  toText,
  wholeOf,
  wrong,
} from "./values.ts";
import { ConfigurationError } from "../errors.ts";
import type { ResultBackendOptions } from "../options.ts";
import { heartbeatOf } from "../redis/url/heartbeat.ts";
import { isSentinelUrl } from "../redis/url/scheme.ts";
import { TLS_KEYS } from "../redis/tls/query.ts";
import { parseSentinelUrl, type SentinelUrl } from "../redis/sentinel/url.ts";
import { fillAddress, parseRedisUrl, type RedisUrl } from "../redis/url/url.ts";

/** The options that a configuration can become. */
export type CeleryOptions = Omit<ResultBackendOptions, "serializer"> & {
  /** Celery's `result_serializer`: the backend tells whether it can be used by name. */
  serializer?: string;
};

/** What a backend is made of. */
export interface CeleryMapping {
  /** A URL that the backend takes. */
  readonly url: string;
  /** Those that differ from the defaults. */
  readonly options: CeleryOptions;
}

/** How Celery names its Redis backend without a URL. */
const BARE: ReadonlySet<string> = new Set([
  "redis",
  "celery.backends.redis:RedisBackend",
  "celery.backends.redis.RedisBackend",
]);

/** What the URL parser knows, if only to say why it cannot be used. */
const REDIS =
  /^(redis|rediss|valkey|valkeys|sentinel|socket|unix|redis\+[a-z]+):/i;

const SOCKET = /^(socket|unix|redis\+socket):/i;

/** What names a backend and is no URL: an alias, or a module and its class. */
const NAME = /^([\w+-]+|\w+(\.\w+)+:\w+)$/;

/** The numbers of Python's `ssl.CERT_NONE` and its kin. */
const CERT_REQS: readonly string[] = ["none", "optional", "required"];

/** The formats that results can have, by the names that kombu has for them. */
const FORMATS: ReadonlyMap<string, string> = new Map([
  ["json", "json"],
  ["application/json", "json"],
  ["msgpack", "msgpack"],
  ["application/x-msgpack", "msgpack"],
  ["yaml", "yaml"],
  ["application/x-yaml", "yaml"],
]);

/**
 * Makes a URL and options of Celery's settings. What becomes of each is listed
 * in `celery/settings.ts`.
 *
 * @throws {ConfigurationError} if a name is unknown, a setting was given two
 * values, a value is out of its range, or it asks for what there is not.
 */
export function mapCeleryConfig(
  config: Record<string, unknown>,
): CeleryMapping {
  const given = givenSettings(config);
  const { settings, transport } = given;
  refuse(given);
  const url = secured(urlOf(settings), settings.get("redis_backend_use_ssl"));
  const bySentinels = isSentinelUrl(url);
  const said = bySentinels ? parseSentinelUrl(url) : parseRedisUrl(url);
  const sentinel = bySentinels
    ? sentinelOf(given, said.tls !== undefined)
    : undefined;
  const { retry, reconnect } = mapRetry(given);
  const expires = expiresOf(settings.get("result_expires"));
  const keyPrefix = toText(transport.get("global_keyprefix"));
  const serializer = serializerOf(settings.get("result_serializer"));
  const acceptContent = acceptOf(settings, serializer);
  const isExtended = booleanOf(settings.get("result_extended"));
  const isOrdered = booleanOf(transport.get("result_chord_ordered"));
  const joinTimeout = numberOf(settings.get("result_chord_join_timeout"), 0);
  return {
    url,
    options: {
      retry,
      ...(reconnect === undefined ? {} : { reconnect }),
      ...(expires === undefined ? {} : { expires }),
      ...(keyPrefix === undefined ? {} : { keyPrefix }),
      ...connectionOf(settings, said),
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

/** What the URL does not say, and the settings do. */
function connectionOf(
  settings: GivenSettings["settings"],
  said: RedisUrl | SentinelUrl,
): Omit<ResultBackendOptions, "serializer"> {
  const options: Omit<ResultBackendOptions, "serializer"> = {};
  const username = toText(settings.get("redis_username"));
  const password = toText(settings.get("redis_password"));
  const clientName = toText(settings.get("redis_client_name"));
  const connectTimeout = millisecondsOf(
    settings.get("redis_socket_connect_timeout"),
  );
  const heartbeat = heartbeatOf({
    heartbeat: said.heartbeat ??
      millisecondsOf(settings.get("redis_backend_health_check_interval")),
    socketTimeout: said.socketTimeout ?? socketTimeoutOf(settings),
  });
  if (username !== undefined && said.username === undefined) {
    options.username = username;
  }
  if (password !== undefined && said.password === undefined) {
    options.password = password;
  }
  if (clientName !== undefined && said.clientName === undefined) {
    options.clientName = clientName;
  }
  if (connectTimeout !== undefined && said.connectTimeout === undefined) {
    options.connectTimeout = connectTimeout;
  }
  if (heartbeat !== heartbeatOf(said)) options.heartbeat = heartbeat;
  return options;
}

function socketTimeoutOf(
  settings: GivenSettings["settings"],
): number | undefined {
  const given = settings.get("redis_socket_timeout");
  const timeout = millisecondsOf(given);
  if (given === undefined || given.value === null || timeout !== undefined) {
    return timeout;
  }
  // Which would have redis-py wait for no reply at all.
  throw wrong(given.name, given.value, "seconds above 0, or null");
}

/** The URL, with what Celery takes from the settings where it does not say. */
function urlOf(settings: GivenSettings["settings"]): string {
  const host = hostOf(settings.get("redis_host"));
  const given = wholeOf(settings.get("redis_port"), 0) || undefined;
  const port = given ?? 6379;
  const db = wholeOf(settings.get("redis_db"), 0) ?? 0;
  const backend = settings.get("result_backend");
  const text = toText(backend);
  if (backend === undefined || text === undefined) {
    throw new ConfigurationError(
      "Cannot use a Celery configuration without result_backend: Celery stores no results then; " +
        "set it to a URL such as redis://localhost:6379/0",
    );
  }
  if (BARE.has(text)) return fillAddress(`redis:///${db}`, host, port);
  // A socket has neither host nor port.
  if (SOCKET.test(text)) return fillDatabase(text, db);
  if (isSentinelUrl(text)) {
    // As Celery does, part by part; but for the port that is missing.
    return text.split(";").map((part) =>
      fillAddress(part, host, given ?? 26379)
    )
      .join(";");
  }
  if (REDIS.test(text)) return fillAddress(text, host, port);
  // No more of it is shown: a URL may hold a password.
  const kind = /^[\w+.-]*(?=:\/\/)/.exec(text)?.[0] ??
    NAME.exec(text)?.[0] ?? "this kind";
  throw new ConfigurationError(
    `Cannot use a ${backend.name} of ${kind}: this module reads results from Redis only, ` +
      "expected redis or a URL such as redis://localhost:6379/0",
  );
}

/** The URL of a socket with a database, where its query names none. */
function fillDatabase(url: string, db: number): string {
  const [, query = ""] = splitOnce(url, "?");
  const said = new URLSearchParams(query);
  const isSaid = ["db", "virtual_host"].some((key) =>
    said.getAll(key).some((value) => value !== "")
  );
  if (isSaid || db === 0) return url;
  return `${url}${url.includes("?") ? "&" : "?"}virtual_host=${db}`;
}

/** The URL with TLS, if the setting asks for it: what the URL says itself goes before that. */
function secured(url: string, given: Given | undefined): string {
  if (given === undefined || isEmpty(given.value)) return url;
  const { name, value } = given;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(
      name,
      value,
      'a dict such as { ssl_cert_reqs: "required" }, as Celery does, or false',
    );
  }
  // What is wrong with the URL as it was given is told of that one.
  if (isSentinelUrl(url)) parseSentinelUrl(url);
  else if (parseRedisUrl(url).path !== undefined) {
    throw new ConfigurationError(
      `Cannot use ${name} with a Unix socket: what goes through it stays on this machine`,
    );
  }
  const query = new URLSearchParams();
  for (const [key, each] of Object.entries(value)) {
    query.append(key, sslText(`${name}.${key}`, key, each));
  }
  if (isSentinelUrl(url)) {
    // It has no scheme for TLS: what the query says of it is enough.
    const [first, rest] = splitOnce(url, ";");
    const [address, own] = splitOnce(first, "?");
    return `${address}?ssl_cert_reqs=required&${query}${
      own === undefined ? "" : `&${own}`
    }${rest === undefined ? "" : `;${rest}`}`;
  }
  const [address, own = ""] = splitOnce(url, "?");
  const scheme = address.replace(/^(redis|valkey)s?:/i, "$1s:");
  // Of a key given twice, the last one counts.
  return `${scheme}?${query}${own === "" ? "" : `&${own}`}`;
}

function sslText(name: string, key: string, value: unknown): string {
  if (!TLS_KEYS.has(key)) {
    throw new ConfigurationError(
      `Cannot use ${name}: there is no such thing here, expected one of ${
        [...TLS_KEYS].join(", ")
      }`,
    );
  }
  if (value === null || value === undefined) return "";
  if (key === "ssl_cert_reqs" && typeof value === "number") {
    const word = CERT_REQS[value];
    if (word !== undefined) return word;
  }
  if (key === "ssl_check_hostname" && typeof value === "boolean") {
    return String(value);
  }
  if (typeof value === "string") return value;
  throw wrong(name, value, "text");
}

function splitOnce(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + mark.length)];
}

function hostOf(given: Given | undefined): string {
  const host = toText(given) ?? "localhost";
  if (given === undefined || /^[^\s/?#@\\[\]%]+$/.test(host)) return host;
  throw wrong(given.name, host, "a host name or an IP address");
}

function expiresOf(given: Given | undefined): number | null | undefined {
  if (given === undefined) return undefined;
  // Python's None stands for ever, and not for the default.
  if (given.value === null) return null;
  const expected =
    "seconds from 1 (the total_seconds() of a timedelta), or null (or 0) to keep results for ever";
  if (typeof given.value === "object") {
    throw wrong(given.name, given.value, expected);
  }
  const seconds = numberOf(given, 0);
  if (seconds === 0 || (seconds !== undefined && seconds >= 1)) return seconds;
  throw wrong(given.name, given.value, expected);
}

function serializerOf(given: Given | undefined): string {
  const name = toText(given) ?? "json";
  const format = FORMATS.get(name);
  if (given === undefined || format !== undefined) return format ?? name;
  const why = name === "pickle" || name === "application/x-python-serialize"
    ? ": no pickle is ever read, since reading one runs what it says"
    : "";
  throw wrong(given.name, name, `json, msgpack or yaml${why}`);
}

/** The formats that are accepted: of results, or else of everything; none, if json alone is. */
function acceptOf(
  settings: GivenSettings["settings"],
  serializer: string,
): string[] | undefined {
  const own = settings.get("result_accept_content");
  const isOwn = own !== undefined && own.value !== null;
  const given = isOwn ? own : settings.get("accept_content");
  if (given === undefined || given.value === null) return undefined;
  const { name, value } = given;
  if (!Array.isArray(value)) throw wrong(name, value, "a list of formats");
  const names: unknown[] = value;
  const formats = new Set<string>();
  for (const each of names) {
    const format = typeof each === "string" ? FORMATS.get(each) : undefined;
    // What else messages may be is no matter here.
    if (format !== undefined) formats.add(format);
  }
  if (formats.size === 0) {
    throw new ConfigurationError(
      `Cannot use ${name}: it accepts none of json, msgpack and yaml, and results have no other format here`,
    );
  }
  // Many accept messages in YAML that never stored a result in it, and Celery
  // reads results in their own format alone.
  if (!isOwn && formats.has(serializer) && serializer !== "yaml") {
    formats.delete("yaml");
  }
  return formats.size === 1 && formats.has("json") ? undefined : [...formats];
}

/** What asks for something that there is not, or that only Python has. */
function refuse({ settings }: GivenSettings): void {
  const provider = settings.get("redis_backend_credential_provider");
  if (provider !== undefined && !isEmpty(provider.value)) {
    throw new ConfigurationError(
      `Cannot use ${provider.name}: it is a Python class; leave it out, and give the option credentials, a function, as an override`,
    );
  }
  const classes = settings.get("override_backends");
  if (
    classes !== undefined && typeof classes.value === "object" &&
    classes.value !== null && Object.hasOwn(classes.value, "redis")
  ) {
    throw new ConfigurationError(
      `Cannot use ${classes.name}: it replaces redis by a Python class`,
    );
  }
}

/** What Python calls false. */
function isEmpty(value: unknown): boolean {
  return !value ||
    (typeof value === "object" && Object.keys(value).length === 0);
}
