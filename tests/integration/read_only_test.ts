// A master that becomes a replica, as behind a name that points to another server
// after a fail-over.

import { BackendStoreError, ResultBackend } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import { freePort, startRedis } from "../support/redis_server.ts";
import { inboxOf } from "../support/results.ts";

Deno.test(needs("redis-server", {
  name:
    "a store on a server that became a replica succeeds once a new connection reaches a master",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url, {
      retry: { maxAttempts: Infinity, minTimeout: 5, maxTimeout: 20 },
      reconnect: { minTimeout: 5, maxTimeout: 20 },
    });
    await backend.markAsStarted("script");
    const result = backend.result("script").get();
    const status = inboxOf(backend.status());
    await status.until(({ type }) => type === "connected");
    await client.send("REPLICAOF", "127.0.0.1", String(freePort()));
    const script = backend.markAsDone("script", 1);
    const transaction = backend.saveGroup("transaction", ["script"]);
    const command = backend.forget("nothing");
    for (let times = 1; times <= 2; times++) {
      const seen = status.all.length;
      const lost = await status.until((event) =>
        event.type === "disconnected" && status.all.indexOf(event) >= seen
      );
      const words = lost.type === "disconnected" ? lost.error?.message : "";
      assert(words?.includes("READONLY You can't write"), words);
      assert(words?.includes("it is a replica now"), words);
    }
    await client.send("REPLICAOF", "NO", "ONE");
    assertEquals(await script, true);
    await transaction;
    await command;
    assertEquals(await result, 1);
    const group = await backend.restoreGroup("transaction");
    assertEquals(await group?.join(), [1]);
  },
}));

Deno.test(needs("redis-server", {
  name: "a store on a replica that remains one says to use the master",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await client.send("REPLICAOF", "127.0.0.1", String(freePort()));
    await using backend = new ResultBackend(redis.url, {
      retry: { maxAttempts: 2, minTimeout: 1 },
      reconnect: { minTimeout: 1 },
    });
    for (
      const store of [
        () => backend.markAsDone("script", 1),
        () => backend.saveGroup("transaction", []),
      ]
    ) {
      const error = await assertRejects(
        store,
        BackendStoreError,
        "READONLY You can't write against a read only replica.",
      );
      assert(
        error.message.includes("give the address of the master"),
        error.message,
      );
    }
  },
}));
