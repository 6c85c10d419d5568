// The contract of every link, for the built-in driver: on a real server, also
// over TLS and a Unix socket, and on the one in memory.

import type { ConnectionOptions } from "../../src/redis/server/connection.ts";
import { TcpDriver } from "../../src/redis/server/driver.ts";
import { parseRedisUrl } from "../../src/redis/url/url.ts";
import { denoRuntime } from "../../src/runtime.ts";
import { MemoryRedis } from "../../testing.ts";
import { certificates } from "../support/certificates.ts";
import { connect } from "../support/client.ts";
import {
  type DriverChange,
  linkContract,
  type LinkFixture,
} from "../support/link_contract.ts";
import { needs } from "../support/needs.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";

/** The built-in driver, with a password and a database. */
function tcpFixture(
  serverUrl: string,
  rest: Omit<LinkFixture, "driver" | "client" | "program">,
): LinkFixture {
  const url = new URL(serverUrl);
  url.pathname = "/1";
  const { hostname, port, password, db } = parseRedisUrl(url);
  const options = {
    address: { hostname, port },
    db,
    password,
    connectTimeout: 5000,
    heartbeat: 10_000,
  };
  return {
    ...rest,
    driver: ({ port = options.address.port, ...change }: DriverChange = {}) =>
      new TcpDriver({
        ...options,
        ...change,
        address: { hostname, port },
        runtime: denoRuntime,
      }),
    client: () => connect(url),
    program: programOf(options),
  };
}

function programOf(options: Omit<ConnectionOptions, "runtime">): string {
  return `
    import { TcpDriver } from ${here("../../src/redis/server/driver.ts")};
    import { denoRuntime } from ${here("../../src/runtime.ts")};
    const driver = new TcpDriver({
      ...${JSON.stringify(options)},
      runtime: denoRuntime,
    });
  `;
}

/** The built-in driver, over another kind of connection. */
function reachedFixture(
  redis: RedisServer,
  way: Pick<ConnectionOptions, "address" | "tls">,
): LinkFixture {
  const fixture = tcpFixture(redis.url, {
    restart: () => redis.restart(),
    pause: () => redis.pause(),
    resume: () => redis.resume(),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  });
  const options = {
    db: 1,
    password: "s3cret",
    connectTimeout: 5000,
    heartbeat: 10_000,
    ...way,
  };
  return {
    ...fixture,
    driver: ({ port, ...change }: DriverChange = {}) =>
      new TcpDriver({
        ...options,
        ...change,
        // Some tests need a port where nothing listens or answers.
        address: port === undefined
          ? options.address
          : { hostname: "127.0.0.1", port },
        runtime: denoRuntime,
      }),
    program: programOf(options),
  };
}

function here(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href);
}

linkContract("TcpDriver:", async () => {
  const redis = await startRedis({ password: "s3cret" });
  return tcpFixture(redis.url, {
    restart: () => redis.restart(),
    pause: () => redis.pause(),
    resume: () => redis.resume(),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  });
}, { needs: (test) => needs("redis-server", test) });

linkContract("TcpDriver at MemoryRedis:", async () => {
  const redis = await MemoryRedis.start({ password: "s3cret" });
  return tcpFixture(redis.url, {
    restart: () => redis.restart(),
    connections: () => redis.connections,
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  });
}, { canPause: false });

linkContract("TcpDriver over TLS:", async () => {
  const { server, authority, client } = await certificates();
  const redis = await startRedis({
    password: "s3cret",
    tls: { server, authority },
  });
  return reachedFixture(redis, {
    address: { hostname: "localhost", port: redis.tlsPort },
    tls: {
      caFile: authority.cert,
      certFile: client.cert,
      keyFile: client.key,
    },
  });
}, {
  needs: (test) => needs(["redis-server", "openssl"], test),
  canHangUp: false,
});

linkContract("TcpDriver over a Unix socket:", async () => {
  const redis = await startRedis({ password: "s3cret" });
  return reachedFixture(redis, { address: { path: redis.socketPath } });
}, { needs: (test) => needs("redis-server", test) });
