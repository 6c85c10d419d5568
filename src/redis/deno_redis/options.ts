import { ConfigurationError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import {
  checkIsObject,
  type OptionNames,
  optionNames,
  unknownOption,
} from "../../util/option_names.ts";

/**
 * Where the server is, and how to log in, under the names of deno.land/x/redis:
 * the result of its `parseURL` can be used. Durations are in milliseconds.
 */
export interface DenoRedisOptions {
  /**
   * A `redis://` or `rediss://` URL. Other options override its parts. Its query
   * cannot name certificate files.
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
  /** The ACL user. Without it, the server's default user. */
  username?: string | undefined;
  /** The password. Without it, AUTH is not sent. */
  password?: string | undefined;
  /** The name that Redis's CLIENT LIST shows. */
  name?: string | undefined;
  /**
   * Whether to use TLS.
   *
   * @default {false} without `caCerts`, and without a `rediss://` URL
   */
  tls?: boolean | undefined;
  /** PEM texts of certificate authorities; implies `tls`. Versions before 0.36 ignore it. */
  caCerts?: readonly string[] | undefined;
  /**
   * Milliseconds for one attempt to connect, from the dial to the last reply of
   * the handshake.
   *
   * @default {5000}
   */
  connectTimeout?: number | undefined;
  /**
   * Milliseconds of silence after which a connection is probed. It is closed if
   * nothing arrives within as much time again. The package reports only whole
   * replies, so a reply that takes longer than twice this counts as silence.
   *
   * @default {10000}
   */
  heartbeat?: number | undefined;
  /**
   * Milliseconds after which an unused connection is closed. Until then, the
   * package's sockets keep the process alive.
   *
   * @default {1000}
   */
  idleTimeout?: number | undefined;
  /**
   * The prefix of the channels on which the driver publishes a message of its
   * own to confirm subscriptions. The user's ACL must allow SUBSCRIBE and
   * PUBLISH there.
   *
   * @default {"deno-redis-probe:"}
   */
  probePrefix?: string | undefined;
  /** Replaces time, for tests. Sockets are the package's. */
  runtime?: Runtime | undefined;
}

const NAMES: OptionNames = optionNames<DenoRedisOptions>({
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

/** Options of the package that this module replaces, and by what. */
const REPLACED: ReadonlyMap<string, string> = new Map([
  ["maxRetryCount", "set the backend's `reconnect` and `retry`"],
  ["backoff", "set the backend's `reconnect` and `retry`"],
  ["healthCheckInterval", "set `heartbeat`"],
  ["signal", "set `connectTimeout`"],
  ["noDelay", "it is always on"],
]);

/**
 * Checks that options are an object with known names.
 *
 * @throws {TypeError} if they are not an object.
 * @throws {ConfigurationError} if a name is unknown, or belongs to an option of
 * the package that this module replaces.
 */
export function checkDenoRedisOptions(options: DenoRedisOptions): void {
  checkIsObject(options, NAMES);
  for (const name of Object.keys(options)) {
    if (NAMES.has(name)) continue;
    const advice = REPLACED.get(name);
    throw new ConfigurationError(
      advice === undefined
        ? unknownOption(name, NAMES)
        : `Cannot use the option ${
          JSON.stringify(name)
        } for deno.land/x/redis: ${advice}`,
    );
  }
}
