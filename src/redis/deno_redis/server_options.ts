import { ConfigurationError } from "../../errors.ts";
import { denoRuntime } from "../../runtime.ts";
import { resolveHeartbeat } from "../url/resolve_heartbeat.ts";
import { isSentinelUrl } from "../url/scheme.ts";
import { parseRedisUrl, type RedisUrl } from "../url/url.ts";
import type { ClientSettings } from "./client.ts";
import type { DenoRedisOptions } from "./options.ts";
import type { DenoRedisConnect } from "./types.ts";

const NAMES = [
  "hostname",
  "port",
  "db",
  "username",
  "password",
  "name",
  "tls",
  "connectTimeout",
  "heartbeat",
] as const;

/** Where the server is, and how to log in. Undefined means not given. */
export type ServerOptions = Pick<DenoRedisOptions, typeof NAMES[number]>;

/**
 * Collects what options and their URL say about the server.
 *
 * @throws {ConfigurationError} if the URL is malformed, or needs what the
 * package cannot do.
 */
export function readServerOptions(
  { url, ...options }: DenoRedisOptions,
): ServerOptions {
  const parsed = url === undefined ? undefined : parseUrl(url);
  return {
    hostname: options.hostname ?? parsed?.hostname,
    port: options.port === "" ? parsed?.port : options.port ?? parsed?.port,
    db: options.db ?? parsed?.db,
    username: options.username ?? parsed?.username,
    password: options.password ?? parsed?.password,
    name: options.name ?? parsed?.clientName,
    // A redis:// URL leaves TLS to the options.
    tls: options.tls ?? (parsed?.tls === undefined ? undefined : true),
    connectTimeout: options.connectTimeout ?? parsed?.connectTimeout,
    heartbeat: options.heartbeat ?? parsed?.heartbeat,
  };
}

/**
 * Combines the driver's own options with the backend's.
 *
 * @throws {ConfigurationError} if both have a value, and the values differ.
 */
export function mergeServerOptions(
  own: ServerOptions,
  backend: ServerOptions,
): ServerOptions {
  const merged = { ...own };
  for (const name of NAMES) {
    const [value, ownValue] = [backend[name], own[name]];
    if (value === undefined) continue;
    Object.assign(merged, { [name]: value });
    if (ownValue === undefined || String(value) === String(ownValue)) continue;
    const [shown, ownShown] = name === "password"
      ? ["one", "another"]
      : [JSON.stringify(value), JSON.stringify(ownValue)];
    throw new ConfigurationError(
      `Cannot use two values as ${name}: the backend says ${shown}, and denoRedis() ${ownShown}; ` +
        "give it to the backend alone, by its URL and options",
    );
  }
  return merged;
}

/**
 * Fills in the defaults.
 *
 * @throws {ConfigurationError} if a value is out of range.
 */
export function toClientSettings(
  connect: DenoRedisConnect,
  server: ServerOptions,
  { caCerts, runtime = denoRuntime }: DenoRedisOptions,
): ClientSettings {
  const { connectTimeout, heartbeat } = server;
  return {
    connect,
    address: {
      hostname: server.hostname ?? "127.0.0.1",
      port: integer("port", server.port, 6379, 1),
    },
    db: integer("db", server.db, 0, 0),
    username: server.username,
    password: server.password,
    clientName: server.name,
    tls: server.tls ?? caCerts !== undefined,
    caCerts,
    connectTimeout: numberAtLeast(1, "connectTimeout", connectTimeout, 5000),
    heartbeat: numberAtLeast(1, "heartbeat", heartbeat, 10_000),
    runtime,
  };
}

/** The value of an option, or its default. @throws {ConfigurationError} if it is less than `minimum`. */
export function numberAtLeast(
  minimum: number,
  name: string,
  value: number | undefined,
  defaultValue: number,
): number {
  if (value === undefined) return defaultValue;
  if (typeof value === "number" && value >= minimum) return value;
  throw new ConfigurationError(
    `Cannot use ${String(value)} as ${name}: expected a number from ${minimum}`,
  );
}

function integer(
  name: string,
  value: number | string | undefined,
  defaultValue: number,
  minimum: number,
): number {
  const number = value === undefined || value === ""
    ? defaultValue
    : Number(value);
  if (Number.isSafeInteger(number) && number >= minimum) return number;
  throw new ConfigurationError(
    `Cannot use ${
      JSON.stringify(value)
    } as ${name}: expected a whole number from ${minimum}`,
  );
}

function parseUrl(input: string | URL): RedisUrl {
  if (isSentinelUrl(input)) {
    throw new ConfigurationError(
      "Cannot use Sentinels with deno.land/x/redis: use the built-in driver",
    );
  }
  const url = parseRedisUrl(input);
  checkIsSupported(url);
  // As with the built-in driver, a silent server is given up within `socket_timeout`.
  return url.socketTimeout === undefined
    ? url
    : { ...url, heartbeat: resolveHeartbeat(url) };
}

/** Refuses what a URL may ask for, but the package cannot do. */
function checkIsSupported({ path, tls = {} }: RedisUrl): void {
  const { caFile, certFile, certReqs, checkHostname } = tls;
  const refusals: [isRequested: boolean, what: string, advice: string][] = [
    [path !== undefined, "a Unix socket", "use the built-in driver"],
    [caFile !== undefined, "ssl_ca_certs", "give the text, as `caCerts`"],
    [certFile !== undefined, "ssl_certfile", "use the built-in driver"],
    [
      certReqs === "none",
      "ssl_cert_reqs=none",
      "Deno verifies certificates: trust the server's authority, by `caCerts`",
    ],
    [
      checkHostname === false,
      "ssl_check_hostname=false",
      "use the built-in driver",
    ],
  ];
  for (const [isRequested, what, advice] of refusals) {
    if (!isRequested) continue;
    throw new ConfigurationError(
      `Cannot use ${what} with deno.land/x/redis: ${advice}`,
    );
  }
}
