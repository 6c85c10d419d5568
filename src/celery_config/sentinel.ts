import { ConfigurationError } from "../errors.ts";
import type { SentinelOptions } from "../redis/sentinel/options.ts";
import { TLS_KEYS } from "../redis/tls/query.ts";
import type { CeleryConfig, Setting } from "./names.ts";
import { toBoolean, toInteger, toText } from "./values.ts";
import { withoutUndefined } from "../util/without_undefined.ts";

/** Keys of `sentinel_kwargs` without effect: the connection options hold for Sentinels, too. */
const IGNORED_KEYS: ReadonlySet<string> = new Set([
  "socket_timeout",
  "socket_connect_timeout",
  "socket_keepalive",
  "socket_keepalive_options",
  "socket_type",
  "retry",
  "retry_on_error",
  "retry_on_timeout",
  "health_check_interval",
  "max_connections",
  "client_name",
  "db",
  "decode_responses",
  "encoding",
  "encoding_errors",
]);

/**
 * Maps the transport options to the option `sentinel`; undefined if they do not
 * mention Sentinels. Celery uses TLS with Sentinels only if `sentinel_kwargs`
 * says so, even if it does with the servers.
 *
 * @throws {ConfigurationError} if a value is out of range, or not supported. The
 * message shows no password.
 */
export function mapSentinel(
  { transport, settings }: CeleryConfig,
  isTls: boolean,
): SentinelOptions | undefined {
  const kwargs = readSentinelKwargs(transport.get("sentinel_kwargs"));
  const options = withoutUndefined({
    masterName: toText(transport.get("master_name")),
    minOtherSentinels: toInteger(transport.get("min_other_sentinels"), 0),
    username: toText(kwargs.get("username")),
    password: toText(kwargs.get("password")),
    tls: mapSentinelTls(kwargs, settings.get("redis_backend_use_ssl"), isTls),
  });
  return Object.keys(options).length === 0 ? undefined : options;
}

function readSentinelKwargs(
  setting: Setting | undefined,
): Map<string, Setting> {
  const parts = new Map<string, Setting>();
  if (setting === undefined || setting.value === null) return parts;
  const { name, value } = setting;
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new ConfigurationError(
      `Cannot use ${name}: expected an object of names and values`,
    );
  }
  for (const [key, each] of Object.entries(value)) {
    if (
      !["username", "password", "ssl"].includes(key) &&
      !IGNORED_KEYS.has(key) && !TLS_KEYS.has(key)
    ) {
      throw new ConfigurationError(
        `Unknown setting ${name}.${key}: expected username, password, ssl or one of ${
          [...TLS_KEYS].join(", ")
        }`,
      );
    }
    if (each !== undefined) {
      parts.set(key, { name: `${name}.${key}`, value: each });
    }
  }
  return parts;
}

/** The TLS options; undefined: the same as for the servers. */
function mapSentinelTls(
  kwargs: Map<string, Setting>,
  server: Setting | undefined,
  isTls: boolean,
): SentinelOptions["tls"] {
  if (toBoolean(kwargs.get("ssl")) !== true) return isTls ? false : undefined;
  const given = [...kwargs].filter(([key, { value }]) =>
    TLS_KEYS.has(key) && value !== null
  );
  // Without files, Sentinels can have TLS of their own: with the authorities that
  // Deno trusts.
  if (given.length === 0 || !isTls) {
    const [first] = given;
    if (first === undefined) return {};
    throw differingTlsError(first[1].name);
  }
  const serverTls = new Map<string, unknown>(
    Object.entries(Object(server?.value)),
  );
  for (const [key, { name, value }] of given) {
    if (serverTls.get(key) !== value) throw differingTlsError(name);
  }
  return undefined;
}

function differingTlsError(name: string): ConfigurationError {
  return new ConfigurationError(
    `Cannot use ${name}: redis_backend_use_ssl names the certificates for both servers and Sentinels; ` +
      "leave the ssl_ names out of sentinel_kwargs, and pass the option `sentinel.tls` if they differ",
  );
}
