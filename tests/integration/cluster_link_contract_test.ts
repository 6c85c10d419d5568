// The contract of links, for a real cluster. It has one node, because the
// contract inspects one server. cluster_test.ts covers several nodes.

import { ClusterDriver } from "../../src/redis/cluster/driver.ts";
import { denoRuntime } from "../../src/runtime.ts";
import {
  type DriverChange,
  linkContract,
  type LinkFixture,
} from "../support/link_contract.ts";
import { needs } from "../support/needs.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { until } from "../support/until.ts";

/** Resolves once the node serves its slots. */
async function untilOk(redis: RedisServer): Promise<void> {
  await using client = await redis.client();
  await until(
    async () =>
      String(await client.send("CLUSTER", "INFO")).includes("state:ok"),
    { what: "the cluster to be ok" },
  );
}

/** A fixture on a server that other fixtures share. */
async function clusterFixture(
  redis: RedisServer,
  sharded: boolean,
): Promise<LinkFixture> {
  await using client = await redis.client();
  await client.send("FLUSHALL");
  const { hostname, port, password } = {
    hostname: redis.hostname,
    port: redis.port,
    password: "s3cret",
  };
  const options = {
    password,
    sharded,
    connectTimeout: 5000,
    heartbeat: 10_000,
  };
  return {
    driver: ({ port: other = port, db: _, ...change }: DriverChange = {}) =>
      new ClusterDriver({
        ...options,
        ...change,
        seeds: [{ hostname, port: other }],
        runtime: denoRuntime,
      }),
    client: () => redis.client(),
    program: `
      import { ClusterDriver } from ${
      here("../../src/redis/cluster/driver.ts")
    };
      import { denoRuntime } from ${here("../../src/runtime.ts")};
      const driver = new ClusterDriver({
        ...${JSON.stringify({ ...options, seeds: [{ hostname, port }] })},
        runtime: denoRuntime,
      });
    `,
    restart: async () => {
      await redis.restart();
      await untilOk(redis);
    },
    pause: () => redis.pause(),
    resume: () => redis.resume(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function here(path: string): string {
  return JSON.stringify(import.meta.resolve(path));
}

for (const sharded of [false, true]) {
  Deno.test(needs("redis-server", {
    name: `ClusterDriver keeps the contract of links, sharded: ${sharded}`,
    async fn(t) {
      await using redis = await startRedis({
        password: "s3cret",
        args: ["--cluster-enabled", "yes"],
      });
      {
        await using client = await redis.client();
        await client.send("CLUSTER", "ADDSLOTSRANGE", 0, 16_383);
      }
      await untilOk(redis);
      const tests: Deno.TestDefinition[] = [];
      linkContract("ClusterDriver:", () => clusterFixture(redis, sharded), {
        register: (test) => tests.push(test),
        hasDatabases: false,
        sharded,
      });
      for (const { name, fn, ignore = false } of tests) {
        await t.step({
          name,
          ignore,
          // The steps share one server, so that effects between them show.
          sanitizeOps: false,
          sanitizeResources: false,
          fn: () => fn(t),
        });
      }
    },
  }));
}
