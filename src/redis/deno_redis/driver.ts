import { ConfigurationError } from "../../errors.ts";
import { denoRuntime, type Runtime } from "../../runtime.ts";
import {
  checkIsObject,
  type OptionNames,
  optionNames,
  unknownOption,
} from "../../util/option_names.ts";
import type {
  DriverSettings,
  LinkEvents,
  RedisDriver,
  RedisLink,
} from "../link.ts";
import { isSentinelUrl } from "../url/scheme.ts";
import { heartbeatOf } from "../url/heartbeat.ts";
import { parseRedisUrl, type RedisUrl } from "../url/url.ts";
import { type ClientSettings, openClient } from "./client.ts";
import { DenoRedisCommands } from "./commands.ts";
import { DenoRedisLink } from "./link.ts";
import type { DenoRedisConnect } from "./types.ts";

/**
 * Where the server is, and who to be there, in the words of deno.land/x/redis:
 * what its `parseURL` gives is taken as it is. Durations are milliseconds.
 */
export interface DenoRedisOptions {
  /**
   * A `redis://` or `rediss://` URL; what the other options give is used in
   * place of its parts. Its query can name no files of certificates.
   */
  url?: string | URL | undefined;
  /**
   * A host name or an IP address, IPv6 without brackets.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string | undefined;
  /**
   * The port.
   *
   * @default {6379}
   */
  port?: number | string | undefined;
  /**
   * The database number.
   *
   * @default {0}
   */
  db?: number | undefined;
  /** The ACL user; none for the default user. */
  username?: string | undefined;
  /** The password; none, and the server is not asked to authenticate. */
  password?: string | undefined;
  /** The name that Redis's CLIENT LIST shows. */
  name?: string | undefined;
  /**
   * Whether to speak TLS.
   *
   * @default {false} without `caCerts`, and without a `rediss://` URL
   */
  tls?: boolean | undefined;
  /** PEM texts of certificate authorities; implies `tls`. Versions before 0.36 do not know it. */
  caCerts?: readonly string[] | undefined;
  /**
   * Milliseconds for one attempt to connect, from the dial to the last reply of
   * the set-up.
   *
   * @default {5000}
   */
  connectTimeout?: number | undefined;
  /**
   * Milliseconds of silence after which a connection is probed; it is given up
   * when nothing comes within as many again. The package hands on whole replies
   * only: one that takes longer than twice this is taken for silence.
   *
   * @default {10000}
   */
  heartbeat?: number | undefined;
  /**
   * Milliseconds after which a connection is closed that nobody waits for. The
   * package's sockets keep the process alive for so long.
   *
   * @default {1000}
   */
  idleTimeout?: number | undefined;
  /**
   * What the names of the channels begin with on which the driver tells by a
   * message of its own that a subscription was taken. A user's ACL must allow
   * it to subscribe and to publish there.
   *
   * @default {"deno-redis-probe:"}
   */
  probePrefix?: string | undefined;
  /** Replaces time, for tests; sockets are the package's. */
  runtime?: Runtime | undefined;
}

const KNOWN: OptionNames = optionNames<DenoRedisOptions>({
  url: true,
  hostname: true,
  port: true,
  db: true,
  username: true,
  password: true,
  name: true,
  tls: true,
  caCerts: true,
  connectTimeout: true,
  heartbeat: true,
  idleTimeout: true,
  probePrefix: true,
  runtime: true,
});
/** Options of the package's whose work is done here. */
const OURS: ReadonlyMap<string, string> = new Map([
  ["maxRetryCount", "the backend's `reconnect` and `retry` say how to retry"],
  ["backoff", "the backend's `reconnect` and `retry` say how to retry"],
  ["healthCheckInterval", "`heartbeat` does this"],
  ["signal", "`connectTimeout` does this"],
  ["noDelay", "it is always on"],
]);

/**
 * Reaches Redis by deno.land/x/redis, versions 0.32.1 to 0.41, for a
 * {@linkcode ResultBackend}: hand over the package's own `connect`. Where the
 * server is, and who to be there, comes from the backend's URL and options; what
 * these do not say may be given here. What is given in both places has to be
 * the same.
 *
 * Each link is a fresh pair of the package's clients. Its retries, its health
 * check and its resubscription are not used: the backend sees to these. In its
 * place, the driver subscribes to channels of its own (`probePrefix`), and
 * publishes there.
 *
 * The built-in driver is faster, and lets an idle process end at once.
 *
 * @throws {ConfigurationError} if `connect` is no function, or an option cannot
 * work.
 *
 * @example
 * ```ts ignore
 * import { connect } from "https://deno.land/x/redis@v0.41.2/mod.ts";
 *
 * await using backend = new ResultBackend("redis://redis.internal/1", {
 *   driver: denoRedis(connect),
 * });
 * ```
 */
export function denoRedis(
  connect: DenoRedisConnect,
  options: DenoRedisOptions = {},
): RedisDriver {
  if (typeof connect !== "function") {
    throw new ConfigurationError(
      `Cannot use ${
        connect === null ? "null" : typeof connect
      } as connect: hand over the function of this name from deno.land/x/redis`,
    );
  }
  checkIsObject(options, KNOWN);
  for (const name of Object.keys(options)) {
    if (KNOWN.has(name)) continue;
    const instead = OURS.get(name);
    throw new ConfigurationError(
      instead === undefined
        ? unknownOption(name, KNOWN)
        : `Cannot use the option ${
          JSON.stringify(name)
        } for deno.land/x/redis: ${instead}`,
    );
  }
  return new DenoRedisDriver(connect, options);
}

class DenoRedisDriver implements RedisDriver {
  readonly #connect: DenoRedisConnect;
  readonly #options: DenoRedisOptions;
  readonly #settings: ClientSettings;
  readonly #idleTimeout: number;
  readonly #probePrefix: string;

  constructor(
    connect: DenoRedisConnect,
    options: DenoRedisOptions,
    server: Server = serverOf(options),
  ) {
    this.#connect = connect;
    this.#options = options;
    this.#settings = {
      connect,
      address: {
        hostname: server.hostname ?? "127.0.0.1",
        port: integer("port", server.port, 6379, 1),
      },
      db: integer("db", server.db, 0, 0),
      username: server.username,
      password: server.password,
      clientName: server.name,
      tls: server.tls ?? options.caCerts !== undefined,
      caCerts: options.caCerts,
      connectTimeout: numberAtLeast(
        1,
        "connectTimeout",
        server.connectTimeout,
        5000,
      ),
      heartbeat: numberAtLeast(1, "heartbeat", server.heartbeat, 10_000),
      runtime: options.runtime ?? denoRuntime,
    };
    this.#idleTimeout = numberAtLeast(
      0,
      "idleTimeout",
      options.idleTimeout,
      1000,
    );
    this.#probePrefix = options.probePrefix ?? "deno-redis-probe:";
  }

  configure({ clientName, ...given }: DriverSettings): RedisDriver {
    const server = merged(
      serverOf(this.#options),
      serverOf({ ...given, name: clientName }),
    );
    return new DenoRedisDriver(this.#connect, this.#options, server);
  }

  async connect(events: LinkEvents, signal: AbortSignal): Promise<RedisLink> {
    const settings = this.#settings;
    const stray = Promise.withResolvers<Error>();
    const client = await openClient(settings, {
      onNotice: (notice) => events.onNotice(notice),
      onStray: stray.resolve,
    }, signal);
    const commands = new DenoRedisCommands(client, settings);
    stray.promise.then((reason) => commands.end(reason));
    return new DenoRedisLink(commands, {
      settings,
      probePrefix: this.#probePrefix,
      idleTimeout: this.#idleTimeout,
      events,
    });
  }
}

/** Where the server is, and who to be there, by whichever words; undefined: not said. */
type Server = Pick<
  DenoRedisOptions,
  | "hostname"
  | "port"
  | "db"
  | "username"
  | "password"
  | "name"
  | "tls"
  | "connectTimeout"
  | "heartbeat"
>;

/** What options and their URL say. */
function serverOf({ url, ...options }: DenoRedisOptions): Server {
  const said = url === undefined ? undefined : urlOf(url);
  return {
    hostname: options.hostname ?? said?.hostname,
    port: options.port === "" ? said?.port : options.port ?? said?.port,
    db: options.db ?? said?.db,
    username: options.username ?? said?.username,
    password: options.password ?? said?.password,
    name: options.name ?? said?.clientName,
    // A redis:// URL leaves it to the options.
    tls: options.tls ?? (said?.tls === undefined ? undefined : true),
    connectTimeout: options.connectTimeout ?? said?.connectTimeout,
    heartbeat: options.heartbeat ?? said?.heartbeat,
  };
}

function urlOf(url: string | URL): RedisUrl {
  if (isSentinelUrl(url)) {
    throw new ConfigurationError(
      "Cannot use Sentinels by deno.land/x/redis: use the built-in driver",
    );
  }
  const said = parseRedisUrl(url);
  refuseOthers(said);
  // The server is given up in time, as by the built-in driver.
  return said.socketTimeout === undefined
    ? said
    : { ...said, heartbeat: heartbeatOf(said) };
}

/** @throws {ConfigurationError} if both say something, and not the same. */
function merged(ours: Server, backends: Server): Server {
  const names: (keyof Server)[] = [
    "hostname",
    "port",
    "db",
    "username",
    "password",
    "name",
    "tls",
    "connectTimeout",
    "heartbeat",
  ];
  for (const name of names) {
    const [one, other] = [backends[name], ours[name]];
    if (one === undefined || other === undefined) continue;
    if (String(one) === String(other)) continue;
    const [shown, otherShown] = name === "password"
      ? ["one", "another"]
      : [JSON.stringify(one), JSON.stringify(other)];
    throw new ConfigurationError(
      `Cannot use two values as ${name}: the backend says ${shown}, and denoRedis() ${otherShown}; ` +
        "give it to the backend alone, by its URL and options",
    );
  }
  return { ...ours, ...definedOf(backends) };
}

function definedOf(server: Server): Server {
  return Object.fromEntries(
    Object.entries(server).filter(([, value]) => value !== undefined),
  );
}

/** What a URL may ask for, and the package cannot do. */
function refuseOthers({ path, tls = {} }: RedisUrl): void {
  const { caFile, certFile, certReqs, checkHostname } = tls;
  const refusals: [isAsked: boolean, what: string, instead: string][] = [
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
  for (const [isAsked, what, instead] of refusals) {
    if (!isAsked) continue;
    throw new ConfigurationError(
      `Cannot use ${what} by deno.land/x/redis: ${instead}`,
    );
  }
}

function integer(
  name: string,
  value: number | string | undefined,
  byDefault: number,
  least: number,
): number {
  const number = value === undefined || value === ""
    ? byDefault
    : Number(value);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new ConfigurationError(
    `Cannot use ${
      JSON.stringify(value)
    } as ${name}: expected a whole number from ${least}`,
  );
}

function numberAtLeast(
  least: number,
  name: string,
  value: number | undefined,
  byDefault: number,
): number {
  if (value === undefined) return byDefault;
  if (typeof value === "number" && value >= least) return value;
  throw new ConfigurationError(
    `Cannot use ${String(value)} as ${name}: expected a number from ${least}`,
  );
}
