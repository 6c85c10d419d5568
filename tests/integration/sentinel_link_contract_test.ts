// The contract of links, for a master found through a Sentinel.

import {
  SentinelDriver,
  type SentinelDriverOptions,
} from "../../src/redis/sentinel/driver.ts";
import { denoRuntime } from "../../src/runtime.ts";
import { connect } from "../support/client.ts";
import { type DriverChange, linkContract } from "../support/link_contract.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { TcpSentinel } from "../support/tcp_sentinel.ts";

function here(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href);
}

linkContract("SentinelDriver:", async () => {
  const redis = await startRedis({ password: "s3cret" });
  const sentinel = new TcpSentinel(redis.port);
  const connection = {
    db: 1,
    password: "s3cret",
    connectTimeout: 5000,
    heartbeat: 10_000,
  };
  function optionsOf(
    { port = sentinel.port, ...change }: DriverChange = {},
  ): Omit<SentinelDriverOptions, "connection"> & {
    connection: Omit<SentinelDriverOptions["connection"], "runtime">;
  } {
    return {
      sentinels: [{ hostname: "127.0.0.1", port }],
      connection: { ...connection, ...change },
    };
  }
  return {
    driver(change) {
      const options = optionsOf(change);
      return new SentinelDriver({
        ...options,
        connection: { ...options.connection, runtime: denoRuntime },
      });
    },
    client: () => connect(redis.url.replace(/\/0$/, "/1")),
    program: `
      import { SentinelDriver } from ${
      here("../../src/redis/sentinel/driver.ts")
    };
      import { denoRuntime } from ${here("../../src/runtime.ts")};
      const options = ${JSON.stringify(optionsOf())};
      options.connection.runtime = denoRuntime;
      const driver = new SentinelDriver(options);
    `,
    restart: () => redis.restart(),
    pause: () => redis.pause(),
    resume: () => redis.resume(),
    async [Symbol.asyncDispose](): Promise<void> {
      await sentinel[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}, { needs: (test) => needs("redis-server", test) });
