import { ConfigurationError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { describeArgument } from "../util/describe_argument.ts";
import { ClusterDriver } from "./cluster/driver.ts";
import type { RedisDriver } from "./link.ts";
import type { RedisOptions, RedisSettings } from "./options.ts";
import { SentinelDriver } from "./sentinel/driver.ts";
import type { SentinelUrl } from "./sentinel/url.ts";
import type { ConnectionOptions } from "./server/connection.ts";
import { shareCalls } from "./server/credentials.ts";
import { TcpDriver } from "./server/driver.ts";
import type { RedisTarget } from "./target.ts";
import { tlsSources } from "./tls/tls.ts";

/** What the built-in drivers need besides the options. */
export interface DriverContext extends RedisSettings {
  /** ACL patterns of the keys and channels in use, for advice on a refusal. */
  readonly keyPatterns: readonly string[];
  /** Sockets, time and randomness. */
  readonly runtime: Runtime;
}

/**
 * Creates the driver for a target.
 *
 * @throws {ConfigurationError} if an option cannot be used with it.
 */
export function createDriver(
  target: RedisTarget,
  options: RedisOptions,
  context: DriverContext,
): RedisDriver {
  if (target.kind === "driver") return configureDriver(target, options);
  const { url } = target;
  const connection = {
    ...context,
    db: url.db,
    // As in Celery, a provider takes the place of what the URL says.
    credentials: options.credentials &&
      shareCalls(options.credentials, context.runtime, context.connectTimeout),
    username: options.username ?? url.username,
    password: options.password ?? url.password,
    clientName: options.clientName ?? url.clientName,
    tls: tlsSources(options.tls, url),
  };
  switch (target.kind) {
    case "server": {
      const { path, hostname, port } = target.url;
      return new TcpDriver({
        ...connection,
        address: path === undefined ? { hostname, port } : { path },
      });
    }
    case "cluster":
      return new ClusterDriver({ ...connection, seeds: target.seeds });
    case "sentinel":
      return createSentinelDriver(target.url.sentinels, connection, options);
  }
}

function createSentinelDriver(
  sentinels: SentinelUrl["sentinels"],
  connection: Omit<ConnectionOptions, "address">,
  options: RedisOptions,
): SentinelDriver {
  const { tls, ...sentinel } = options.sentinel ?? {};
  return new SentinelDriver({
    connection,
    sentinels,
    ...sentinel,
    tls: tls === undefined
      ? connection.tls
      : tls === false
      ? undefined
      : tlsSources(tls, {}),
  });
}

/** Hands the URL and the options to a driver that the caller brought, as far as they are given. */
function configureDriver(
  { driver, url, address }: RedisTarget & { kind: "driver" },
  options: RedisOptions,
): RedisDriver {
  const { username, password, clientName, connectTimeout, heartbeat } = options;
  const settings = { url, username, password, clientName, heartbeat };
  if (driver.configure !== undefined) {
    return driver.configure({ ...settings, connectTimeout });
  }
  const refused = Object.entries(settings).find(([, value]) =>
    value !== undefined
  );
  if (refused === undefined) return driver;
  const [name] = refused;
  throw new ConfigurationError(
    `Cannot use ${
      name === "url"
        ? `the URL ${JSON.stringify(address)}`
        : `the option ${name}`
    } together with the driver ${
      describeArgument(driver)
    }: it has no configure() to receive it; pass it to the driver itself, or leave it out`,
  );
}
