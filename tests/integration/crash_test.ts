// Every outcome arrives once, whatever fails in between.

import { ResultBackend } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { startFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import {
  collect,
  countOutcomes,
  inboxOf,
  taskIds,
  untilStatus,
} from "../support/results.ts";

/** Stores a success for each id, and retries until it is stored. */
async function storeAll(
  writer: ResultBackend,
  ids: readonly string[],
): Promise<void> {
  await Promise.all(ids.map(async (id) => {
    for (;;) {
      try {
        return await writer.markAsDone(id, id);
      } catch (error) {
        if (error instanceof Error && error.name === "BackendStoreError") {
          continue;
        }
        throw error;
      }
    }
  }));
}

function once(ids: readonly string[]): Map<string, number> {
  return new Map(ids.map((id) => [id, 1]));
}

Deno.test(needs("redis-server", {
  name:
    "10,000 results stored before, during and after kill -9 and restart arrive once each, in a stream and in get()",
  async fn() {
    await using redis = await startRedis({ appendonly: true });
    const retry = { maxTimeout: 200, maxAttempts: 1000 };
    const reconnect = { maxTimeout: 200 };
    await using backend = new ResultBackend(redis.url, { reconnect });
    await using writer = new ResultBackend(redis.url, { retry, reconnect });
    const ids = taskIds(10_000);
    const [before, during, after] = [
      ids.slice(0, 4000),
      ids.slice(4000, 7000),
      ids.slice(7000),
    ];

    const events = collect(backend.stream(ids));
    const waited = ids.filter((_, index) => index % 100 === 0);
    const gets = Promise.all(
      waited.map((id) => backend.result<string>(id).get()),
    );
    await untilStatus(backend.status(), "connected");

    await storeAll(writer, before.slice(0, 2000));
    // The rest is in flight when the server dies.
    const onTheWay = storeAll(writer, before.slice(2000));
    await redis.kill();
    const meanwhile = storeAll(writer, during);
    const status = inboxOf(backend.status());
    await redis.start();
    await status.until(({ type }) => type === "resynced");
    await Promise.all([onTheWay, meanwhile, storeAll(writer, after)]);

    assertEquals(countOutcomes(await events), once(ids));
    assertEquals(await gets, waited);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "20,000 results published under CLIENT KILL every 30 ms arrive once each",
  async fn() {
    await using redis = await startRedis();
    const fast = { maxTimeout: 100, maxAttempts: 10_000 };
    await using backend = new ResultBackend(redis.url, {
      reconnect: { maxTimeout: 100 },
    });
    await using writer = new ResultBackend(redis.url, {
      retry: fast,
      reconnect: { maxTimeout: 100 },
    });
    await using killer = await redis.client();
    const ids = taskIds(20_000);
    const events = collect(backend.stream(ids));
    await untilStatus(backend.status(), "connected");

    let kills = 0;
    let isStoring = true;
    const killing = (async () => {
      while (isStoring) {
        await killer.send("CLIENT", "KILL", "TYPE", "pubsub");
        await killer.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        kills++;
        // Not a wait for a condition: the interval of the fault.
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    })();
    for (let i = 0; i < ids.length; i += 500) {
      await storeAll(writer, ids.slice(i, i + 500));
    }
    isStoring = false;
    await killing;

    assertEquals(countOutcomes(await events), once(ids));
    assertEquals(kills > 10, true, `only ${kills} kills`);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a result of 40 MB, for which Redis disconnects the subscriber, arrives, and the stream continues",
  async fn() {
    await using fixture = await startFixture();
    const { backend, writer } = fixture;
    const [large, small] = taskIds(2) as [string, string];
    const status = inboxOf(backend.status());
    const reader = backend.stream([large, small]).getReader();
    const first = reader.read();
    await status.until(({ type }) => type === "connected");

    const text = "x".repeat(40 * 1024 * 1024);
    await writer.markAsDone(large, text);
    const { value } = await first;
    assertEquals([value?.taskId, value?.state], [large, "SUCCESS"]);
    // Compared without printing a difference of 80 MB.
    assertEquals(value?.result === text, true);
    // Redis did disconnect it: otherwise this test shows nothing.
    await status.until(({ type }) => type === "resynced");

    await writer.markAsDone(small, "small");
    assertEquals((await reader.read()).value?.result, "small");
    assertEquals((await reader.read()).done, true);
  },
}));
