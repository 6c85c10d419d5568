// Sharded channels on one server: they do not need a cluster.

import { MemoryRedis } from "../../testing.ts";
import { ResultBackend } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import {
  collect,
  countOutcomes,
  inboxOf,
  taskIds,
  untilStatus,
} from "../support/results.ts";
import { within } from "../support/until.ts";

const LOSS = { what: "the outcome of every task" };

async function streamAll(url: string): Promise<void> {
  const ids = taskIds(2000);
  const options = { sharded: true, reconcile: 0 };
  await using backend = new ResultBackend(url, options);
  await using writer = new ResultBackend(url, options);
  const events = within(collect(backend.stream(ids)), LOSS);
  await untilStatus(backend.status(), "connected");
  for (const id of ids.slice(0, 10)) await writer.markAsStarted(id, { pid: 1 });
  await Promise.all(ids.map((id) => writer.markAsDone(id, id)));
  const got = await events;
  assertEquals(countOutcomes(got), new Map(ids.map((id) => [id, 1])));
  assertEquals(got.length, 2010);
  assertEquals(got.every(({ origin }) => origin === "live"), true);
}

Deno.test(needs("redis-server", {
  name: "results are published and awaited on sharded channels, only there",
  async fn() {
    await using redis = await startRedis();
    await streamAll(redis.url);
    await using client = await redis.client();
    await client.send("SUBSCRIBE", "celery-task-meta-a");
    await using writer = new ResultBackend(redis.url, { sharded: true });
    await writer.markAsDone("a", 1);
    await client.send("PING");
    assertEquals(client.messages.all, []);
  },
}));

Deno.test(needs("redis-server", {
  name: "results are published on sharded channels even if scripts are refused",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await client.send("ACL", "SETUSER", "default", "-@scripting");
    await streamAll(redis.url);
  },
}));

Deno.test(needs("redis-server", {
  name: "a wait on sharded channels survives a server with too many clients",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url, {
      sharded: true,
      reconnect: { minTimeout: 5, maxTimeout: 20 },
    });
    const status = inboxOf(backend.status());
    const result = within(backend.result("a").get(), LOSS);
    await status.until(({ type }) => type === "connected");
    await client.send("CONFIG", "SET", "maxclients", "1");
    await client.send("CLIENT", "KILL", "TYPE", "pubsub");
    await client.send("CLIENT", "KILL", "TYPE", "normal");
    const refused = await status.until((event) =>
      event.type === "failed" ||
      event.type === "retrying" && event.error.message.includes("max number")
    );
    assertEquals(refused.type, "retrying");
    await client.send("CONFIG", "SET", "maxclients", "100");
    await using writer = new ResultBackend(redis.url, { sharded: true });
    await writer.markAsDone("a", 1);
    assertEquals(await result, 1);
  },
}));

Deno.test("MemoryRedis supports sharded channels", async () => {
  await using redis = await MemoryRedis.start();
  await streamAll(redis.url);
});
