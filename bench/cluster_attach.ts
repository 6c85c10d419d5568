// deno-lint-ignore-file no-console -- the benchmark prints

// Measures what 100,000 awaited tasks cost: on one server, on a cluster of three
// nodes, and there with sharded channels. It starts the servers itself. Run with
// `deno run -A --v8-flags=--expose-gc bench/cluster_attach.ts`.

import { ResultBackend, type ResultBackendOptions } from "../mod.ts";
import { startCluster } from "../tests/support/redis_cluster.ts";
import { type RedisServer, startRedis } from "../tests/support/redis_server.ts";
import { untilStatus } from "../tests/support/results.ts";

const TASKS = 100_000;
const ROUNDS = 5;

/** Measures how many milliseconds a promise takes. */
async function timed(wait: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await wait();
  return Math.round(performance.now() - start);
}

/** Mebibytes in use after garbage collection. */
function heap(): number {
  // Available with the flag above.
  const { gc } = globalThis as { gc?: () => void };
  gc?.();
  return Math.round(Deno.memoryUsage().heapUsed / 2 ** 20);
}

/** How many commands the nodes refused because their keys were in different slots. */
async function crossSlots(nodes: readonly RedisServer[]): Promise<number> {
  let count = 0;
  for (const node of nodes) {
    await using client = await node.client();
    const stats = String(await client.send("INFO", "errorstats"));
    count += Number(/CROSSSLOT:count=(\d+)/.exec(stats)?.[1] ?? 0);
  }
  return count;
}

async function measure(
  name: string,
  url: string,
  nodes: readonly RedisServer[],
  options: ResultBackendOptions,
): Promise<void> {
  const ids = Array.from({ length: TASKS }, () => crypto.randomUUID());
  await using backend = new ResultBackend(url, { ...options, reconcile: 0 });
  await using writer = new ResultBackend(url, options);
  await using consumer = backend.consumer();
  const empty = heap();
  const attach = await timed(() => consumer.add(ids));
  const attached = heap();
  const again: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const resynced = untilStatus(backend.status(), "resynced");
    again.push(
      await timed(async () => {
        for (const node of nodes) {
          await using client = await node.client();
          await client.send("CLIENT", "KILL", "TYPE", "pubsub");
        }
        await resynced;
      }),
    );
  }
  const reattached = heap();
  const drained = await timed(async () => {
    const outcomes = (async () => {
      let count = 0;
      for await (const _ of consumer.readable) if (++count === TASKS) break;
    })();
    for (let i = 0; i < TASKS; i += 1000) {
      await Promise.all(
        ids.slice(i, i + 1000).map((id) => writer.markAsDone(id, i)),
      );
    }
    await outcomes;
  });
  console.log(
    [
      name,
      `attach ${attach} ms`,
      `attach again ${again.toSorted((a, b) => a - b).join(" ")} ms`,
      `store and stream ${Math.round(TASKS / drained * 1000)}/s`,
      `heap ${empty} -> ${attached} -> ${reattached} -> ${heap()} MiB`,
      `CROSSSLOT ${await crossSlots(nodes)}`,
    ].join(" | "),
  );
}

{
  await using redis = await startRedis();
  await measure("one server", redis.url, [redis], {});
}
{
  await using cluster = await startCluster({ replicas: 0 });
  const { nodes, urlOfAll } = cluster;
  await measure("three nodes", urlOfAll, nodes, { cluster: true });
  const options = { cluster: true, sharded: true };
  await measure("three nodes, sharded", urlOfAll, nodes, options);
}
