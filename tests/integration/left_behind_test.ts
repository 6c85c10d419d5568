// Nothing is left behind: no socket, timer, subscription or pending promise.
// The test sanitizers check this side.

import { BackendClosedError, ResultBackend } from "../../mod.ts";
import {
  assertEquals,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { startFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { collect, taskIds, untilStatus } from "../support/results.ts";

Deno.test(needs("redis-server", {
  name:
    "close() ends waits and streams with BackendClosedError, and leaves no connection",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    const backend = new ResultBackend(redis.url);
    const [id] = taskIds(1) as [string];
    const wait = backend.result(id).get();
    const stream = collect(backend.stream(id));
    await untilStatus(backend.status(), "connected");
    const ended = Promise.all([
      assertRejects(() => wait, BackendClosedError),
      assertRejects(() => stream, BackendClosedError),
    ]);
    await Promise.all([backend.close(), backend.close()]);
    await backend.close();
    await ended;

    assertEquals(await client.send("PUBSUB", "CHANNELS"), []);
    const clients = String(await client.send("CLIENT", "LIST"));
    assertEquals(clients.trim().split("\n").length, 1);
    await assertRejects(() => backend.getMeta(id), BackendClosedError);
    await assertRejects(() => backend.markAsDone(id, 1), BackendClosedError);
    await assertRejects(() => backend.result(id).get(), BackendClosedError);
    await assertRejects(
      () => collect(backend.stream(id)),
      BackendClosedError,
    );
  },
}));

Deno.test(needs("redis-server", {
  name: "close() lets stores that were sent finish",
  async fn() {
    await using redis = await startRedis();
    const backend = new ResultBackend(redis.url);
    const ids = taskIds(100);
    await backend.getMeta("connect");
    const stored = Promise.all(ids.map((id) => backend.markAsDone(id, 1)));
    // They are sent in this turn of the event loop.
    await new Promise((resolve) => setTimeout(resolve));
    await backend.close();
    assertEquals((await stored).every(Boolean), true);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "no channel stays subscribed after results, timeouts, aborts, forget and cancel",
  async fn() {
    await using fixture = await startFixture();
    const { redis, backend, writer } = fixture;
    await using client = await redis.client();
    const ids = taskIds(50);
    const gets = ids.map((id) => backend.result(id).get());
    await untilStatus(backend.status(), "connected");
    assertEquals(
      (await client.send("PUBSUB", "CHANNELS") as unknown[]).length,
      50,
    );
    await Promise.all(ids.map((id) => writer.markAsDone(id, 1)));
    await Promise.all(gets);

    const [other] = taskIds(1) as [string];
    await backend.result(other).get({ timeout: 20 }).catch(() => {});
    const abort = new AbortController();
    const aborted = backend.result(other).get({ signal: abort.signal });
    abort.abort();
    await aborted.catch(() => {});
    const reader = backend.stream(other).getReader();
    await reader.cancel();
    for await (const _ of backend.stream(ids[0]!)) break;
    await using consumer = backend.consumer();
    await consumer.add([other, ...taskIds(3)]);
    assertEquals(consumer.pending, 4);
    await consumer[Symbol.asyncDispose]();

    // A fence: once it is attached, the UNSUBSCRIBE has been processed.
    await backend.consumer().add(ids[0]!);
    await backend.getMeta(other);
    assertEquals(await client.send("PUBSUB", "CHANNELS"), []);
  },
}));

Deno.test(needs("redis-server", {
  name: "a script that forgets close() but awaits nothing more still ends",
  async fn() {
    await using redis = await startRedis();
    const program = `
      import { ResultBackend } from ${
      JSON.stringify(new URL("../../mod.ts", import.meta.url).href)
    };
      const backend = new ResultBackend(${JSON.stringify(redis.url)});
      await backend.markAsDone("task", "done");
      console.log(await backend.result("task").get());
    `;
    await using child = new ChildDeno(["eval", program], ".");
    assertEquals(await child.end(), ["done"]);
  },
}));

Deno.test("a backend that is never used has nothing to close", async () => {
  await using backend = new ResultBackend("redis://127.0.0.1:1/0");
  assertThrows(() => backend.result(""), TypeError);
});
