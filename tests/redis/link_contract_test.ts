// What every link keeps, over the built-in driver: at a real server, and at
// the one in memory.

import { TcpDriver } from "../../src/redis/tcp_link.ts";
import { parseRedisUrl } from "../../src/redis/url.ts";
import { denoRuntime } from "../../src/runtime.ts";
import { MemoryRedis } from "../../testing.ts";
import { connect } from "../support/client.ts";
import {
  type DriverChange,
  linkContract,
  type LinkStage,
} from "../support/link_contract.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";

/** The built-in driver, with a password and a database. */
function tcpStage(
  serverUrl: string,
  rest: Omit<LinkStage, "driver" | "client" | "program">,
): LinkStage {
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
    program: `
      import { TcpDriver } from ${here("../../src/redis/tcp_link.ts")};
      import { denoRuntime } from ${here("../../src/runtime.ts")};
      const driver = new TcpDriver({
        ...${JSON.stringify(options)},
        runtime: denoRuntime,
      });
    `,
  };
}

function here(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href);
}

linkContract("TcpDriver:", async () => {
  const redis = await startRedis({ password: "s3cret" });
  return tcpStage(redis.url, {
    restart: () => redis.restart(),
    pause: () => redis.pause(),
    resume: () => redis.resume(),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  });
}, { needs: (test) => needs("redis-server", test) });

linkContract("TcpDriver at MemoryRedis:", async () => {
  const redis = await MemoryRedis.start({ password: "s3cret" });
  return tcpStage(redis.url, {
    restart: () => redis.restart(),
    connections: () => redis.connections,
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  });
}, { canPause: false });
