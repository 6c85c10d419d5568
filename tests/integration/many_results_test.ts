// Sets and trees of results, with a real server: what they cost it, and what
// happens when it goes away.

import {
  BackendStoreError,
  ResultBackend,
  RetryLimitError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import type { TestClient } from "../support/client.ts";
import { startFixture, startProxiedFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { taskIds, untilStatus } from "../support/results.ts";

/** How often the server ran a command. */
async function callsOf(client: TestClient, command: string): Promise<number> {
  const stats = String(await client.send("INFO", "commandstats"));
  return Number(
    new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0,
  );
}

Deno.test(needs("redis-server", {
  name:
    "ResultSet.get() attaches to 20,000 results once, and puts each in its place",
  async fn() {
    await using fixture = await startFixture();
    const { redis, backend, writer } = fixture;
    await using client = await redis.client();
    const ids = taskIds(20_000);
    const half = ids.length / 2;
    await Promise.all(
      ids.slice(0, half).map((id, i) => writer.markAsDone(id, i)),
    );
    const wait = backend.resultSet<number>(ids).get();
    await untilStatus(backend.status(), "connected");
    await Promise.all(
      ids.slice(half).map((id, i) => writer.markAsDone(id, half + i)),
    );
    assertEquals(await wait, ids.map((_, i) => i));
    const subscribes = await callsOf(client, "subscribe");
    assertEquals(subscribes, 20);
    assert(await callsOf(client, "mget") < 40);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "ResultSet.ready() and AsyncResult.dependencies() read each level with one MGET",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url);
    const ids = taskIds(300);
    await Promise.all(ids.map((id) => backend.markAsDone(id, 1)));
    assertEquals(await backend.resultSet([...ids, ...ids]).ready(), true);
    assertEquals(await callsOf(client, "mget"), 1);
    await backend.markAsDone("root", 0, {
      children: [...ids, [["group", null], ids.slice(0, 5)]],
    });
    const found: string[] = [];
    for await (const { result } of backend.result("root").dependencies()) {
      found.push(result.id);
    }
    assertEquals(found, ["root", ...ids, "group"]);
    assertEquals(await callsOf(client, "mget"), 3);
    assertEquals(await callsOf(client, "subscribe"), 0);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "AsyncResult.get() subscribes to its parents, and unsubscribes when it ends",
  async fn() {
    await using fixture = await startFixture({ reconcile: 0 });
    const { redis, backend, writer } = fixture;
    await using client = await redis.client();
    const parent = backend.fromTuple([["g", "root"], ["x", "y"]]);
    const result = backend.result("t", { parent });
    const wait = result.get();
    await untilStatus(backend.status(), "connected");
    const channels = await client.send("PUBSUB", "CHANNELS") as string[];
    assertEquals(
      channels.sort(),
      ["root", "t", "x", "y"].map((id) => `celery-task-meta-${id}`),
    );
    await writer.markAsDone("t", 1);
    assertEquals(await wait, 1);
    await using fence = backend.consumer();
    await fence.add("fence");
    assertEquals(await client.send("PUBSUB", "CHANNELS"), [
      "celery-task-meta-fence",
    ]);
    assert(await callsOf(client, "mget") <= 3);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "ResultSet.get() and AsyncResult.collect() survive lost connections, and lose and repeat nothing",
  async fn() {
    await using fixture = await startProxiedFixture({
      reconcile: 0,
      reconnect: { minTimeout: 1, maxTimeout: 20 },
    });
    const { proxy, backend, writer } = fixture;
    const ids = taskIds(500);
    const outcomes = new Map<string, number>();
    const values = backend.resultSet<number>(ids).get({
      onEvent({ taskId, ready }): void {
        if (!ready) return;
        outcomes.set(taskId, (outcomes.get(taskId) ?? 0) + 1);
      },
    });
    const collected = Array.fromAsync(backend.result("root").collect());
    await untilStatus(backend.status(), "connected");
    await writer.markAsDone("root", "root", { children: ids });
    for (const [i, id] of ids.entries()) {
      await writer.markAsDone(id, i);
      if (i % 100 === 50) await proxy.cut();
    }
    assertEquals(await values, ids.map((_, i) => i));
    assertEquals(outcomes.size, 500);
    assert(outcomes.values().every((count) => count === 1));
    assertEquals(
      (await collected).map(([{ id }, value]) => [id, value]),
      [["root", "root"], ...ids.map((id, i) => [id, i])],
    );
  },
}));

Deno.test(needs("redis-server", {
  name:
    "ResultSet.get(), its iteration and collect() reject with RetryLimitError",
  async fn() {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url, {
      reconnect: { maxAttempts: 2, minTimeout: 1, maxTimeout: 1 },
    });
    const set = backend.resultSet(["a", "b"]);
    const ended = Promise.all([
      assertRejects(() => set.get(), RetryLimitError),
      assertRejects(() => Array.fromAsync(set), RetryLimitError),
      assertRejects(
        () => Array.fromAsync(backend.result("a").collect()),
        RetryLimitError,
      ),
    ]);
    await untilStatus(backend.status(), "connected");
    await redis.kill();
    await ended;
  },
}));

Deno.test(needs("redis-server", {
  name:
    "ResultBackend.saveGroup() stores the group even if a reply is lost, or rejects",
  async fn() {
    await using fixture = await startProxiedFixture({
      retry: { maxAttempts: 3, minTimeout: 1, maxTimeout: 1 },
      reconnect: { minTimeout: 1, maxTimeout: 1 },
    });
    const { redis, proxy, backend } = fixture;
    await backend.exists("connect");
    using hold = proxy.holdReply("EXEC");
    const saved = backend.saveGroup("g", ["a"]);
    await hold.reached;
    await proxy.cut();
    hold.release();
    assertEquals((await saved).ids, ["a"]);
    assertEquals((await backend.restoreGroup("g"))?.ids, ["a"]);
    await redis.kill();
    const error = await assertRejects(
      () => backend.saveGroup("g", ["b"]),
      BackendStoreError,
      "Failed to save group g: tried 3 times",
    );
    assertEquals(error.groupId, "g");
    assert(error.cause instanceof Error);
    await redis.start();
  },
}));
