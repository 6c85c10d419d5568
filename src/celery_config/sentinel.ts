import { ConfigurationError } from "../errors.ts";
import type { SentinelOptions } from "../redis/sentinel/options.ts";
import { TLS_KEYS } from "../redis/tls/query.ts";
import type { Given, GivenSettings } from "./names.ts";
import { booleanOf, toText, wholeOf } from "./values.ts";

/** Keys of `sentinel_kwargs` that mean nothing here: the options about connections hold for Sentinels, too. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
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
 * The option `sentinel` that transport options become; undefined: they say
 * nothing. Celery speaks TLS with Sentinels only if `sentinel_kwargs` says so,
 * whatever it speaks with the servers.
 *
 * @throws {ConfigurationError} if a value is out of its range, or asks for what
 * there is not. No password is shown.
 */
export function sentinelOf(
  { transport, settings }: GivenSettings,
  isTls: boolean,
): SentinelOptions | undefined {
  const masterName = toText(transport.get("master_name"));
  const minOtherSentinels = wholeOf(transport.get("min_other_sentinels"), 0);
  const kwargs = kwargsOf(transport.get("sentinel_kwargs"));
  const username = toText(kwargs.get("username"));
  const password = toText(kwargs.get("password"));
  const tls = tlsOf(kwargs, settings.get("redis_backend_use_ssl"), isTls);
  const options: SentinelOptions = {
    ...(masterName === undefined ? {} : { masterName }),
    ...(minOtherSentinels === undefined ? {} : { minOtherSentinels }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
  return Object.keys(options).length === 0 ? undefined : options;
}

function kwargsOf(given: Given | undefined): Map<string, Given> {
  const parts = new Map<string, Given>();
  if (given === undefined || given.value === null) return parts;
  const { name, value } = given;
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new ConfigurationError(
      `Cannot use ${name}: expected an object of names and values`,
    );
  }
  for (const [key, each] of Object.entries(value)) {
    if (
      !["username", "password", "ssl"].includes(key) &&
      !WITHOUT_EFFECT.has(key) && !TLS_KEYS.has(key)
    ) {
      throw new ConfigurationError(
        `Cannot use ${name}.${key}: there is no such thing here, expected username, password, ssl or one of ${
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

/** undefined: as with the servers. */
function tlsOf(
  kwargs: Map<string, Given>,
  server: Given | undefined,
  isTls: boolean,
): SentinelOptions["tls"] {
  if (booleanOf(kwargs.get("ssl")) !== true) return isTls ? false : undefined;
  const asked = [...kwargs].filter(([key, { value }]) =>
    TLS_KEYS.has(key) && value !== null
  );
  // Without any, the authorities that Deno trusts: that can be said without a file.
  if (asked.length === 0 || !isTls) {
    const [first] = asked;
    if (first === undefined) return {};
    throw unlike(first[1].name);
  }
  const ours = new Map<string, unknown>(
    Object.entries(Object(server?.value)),
  );
  for (const [key, { name, value }] of asked) {
    if (ours.get(key) !== value) throw unlike(name);
  }
  return undefined;
}

function unlike(name: string): ConfigurationError {
  return new ConfigurationError(
    `Cannot use ${name}: certificates are named for servers and Sentinels together, by redis_backend_use_ssl; ` +
      "leave the ssl_ names out of sentinel_kwargs, and give the option `sentinel.tls` where they differ",
  );
}
