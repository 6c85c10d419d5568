import { ConfigurationError } from "../../errors.ts";
import type {
  DriverSettings,
  LinkEvents,
  RedisDriver,
  RedisLink,
} from "../link.ts";
import { type ClientSettings, openClient } from "./client.ts";
import { DenoRedisCommands } from "./commands.ts";
import { DenoRedisLink } from "./link.ts";
import { checkDenoRedisOptions, type DenoRedisOptions } from "./options.ts";
import {
  mergeServerOptions,
  numberAtLeast,
  readServerOptions,
  type ServerOptions,
  toClientSettings,
} from "./server_options.ts";
import type { DenoRedisConnect } from "./types.ts";

/**
 * Creates a driver that reaches Redis through deno.land/x/redis, versions
 * 0.32.1 to 0.41: pass the package's own `connect`.
 *
 * The address and the login come from the backend's URL and options. Options
 * here may add to them, but must not contradict them.
 *
 * Each link is a new pair of the package's clients. Its retries, its health
 * check and its resubscription are not used: the backend does these. To confirm
 * subscriptions, the driver subscribes to channels of its own (`probePrefix`)
 * and publishes there.
 *
 * The built-in driver is faster, and lets an idle process end at once.
 *
 * @throws {TypeError} if `options` is not an object.
 * @throws {ConfigurationError} if `connect` is not a function, or an option is
 * unknown or cannot work.
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
      } as connect: pass the function of this name from deno.land/x/redis`,
    );
  }
  checkDenoRedisOptions(options);
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
    server: ServerOptions = readServerOptions(options),
  ) {
    const { idleTimeout, probePrefix = "deno-redis-probe:" } = options;
    this.#connect = connect;
    this.#options = options;
    this.#settings = toClientSettings(connect, server, options);
    this.#idleTimeout = numberAtLeast(0, "idleTimeout", idleTimeout, 1000);
    this.#probePrefix = probePrefix;
  }

  configure({ clientName, ...settings }: DriverSettings): RedisDriver {
    const server = mergeServerOptions(
      readServerOptions(this.#options),
      readServerOptions({ ...settings, name: clientName }),
    );
    return new DenoRedisDriver(this.#connect, this.#options, server);
  }

  async connect(events: LinkEvents, signal: AbortSignal): Promise<RedisLink> {
    const settings = this.#settings;
    const lost = Promise.withResolvers<Error>();
    const client = await openClient(settings, {
      onNotice: (notice) => events.onNotice(notice),
      onLost: lost.resolve,
    }, signal);
    const commands = new DenoRedisCommands(client, settings);
    lost.promise.then((reason) => commands.end(reason));
    return new DenoRedisLink(commands, {
      settings,
      probePrefix: this.#probePrefix,
      idleTimeout: this.#idleTimeout,
      events,
    });
  }
}
