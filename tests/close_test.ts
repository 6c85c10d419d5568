// How a backend closes, and how it drains first.

import { BackendClosedError, ResultBackend } from "../mod.ts";
import { MemoryRedis } from "../testing.ts";
import { assertEquals, assertRejects } from "./support/assert.ts";
import { collect } from "./support/results.ts";

/** A server with a backend that reads, and one that writes. */
async function start() {
  const redis = await MemoryRedis.start();
  const backend = new ResultBackend(redis.url);
  const writer = new ResultBackend(redis.url);
  return {
    backend,
    writer,
    async [Symbol.asyncDispose](): Promise<void> {
      await backend.close();
      await writer.close();
      await redis[Symbol.asyncDispose]();
    },
  };
}

Deno.test("close({ drain }) lets waits and streams end by themselves, and then closes at once", async () => {
  await using fixture = await start();
  const { backend, writer } = fixture;
  const value = backend.result("a").get();
  const events = collect(backend.stream(["a", "b"]));
  const consumer = backend.consumer();
  await consumer.add("b");
  const began = performance.now();
  const closed = backend.close({ drain: 60_000 });
  await writer.markAsDone("a", 1);
  await writer.markAsDone("b", 2);
  assertEquals(await value, 1);
  assertEquals((await events).map(({ result }) => result), [1, 2]);
  await closed;
  assertEquals(performance.now() - began < 30_000, true);
  await assertRejects(() => backend.getMeta("a"), BackendClosedError);
  // What is queued is still read.
  const reader = consumer.readable.getReader();
  assertEquals((await reader.read()).value?.result, 2);
  await assertRejects(() => reader.read(), BackendClosedError);
});

Deno.test("close({ drain }) ends with BackendClosedError what is left when the time is up", async () => {
  await using fixture = await start();
  const { backend, writer } = fixture;
  const wait = backend.result("never").get();
  const events = collect(backend.stream(["a", "never"]));
  const ended = Promise.all([
    assertRejects(() => wait, BackendClosedError),
    assertRejects(() => events, BackendClosedError),
  ]);
  const began = performance.now();
  const closed = backend.close({ drain: 100 });
  await writer.markAsDone("a", 1);
  await closed;
  assertEquals(performance.now() - began >= 99, true);
  await ended;
});

Deno.test("close({ drain }) lets a walk go on to its next level", async () => {
  await using fixture = await start();
  const { backend, writer } = fixture;
  await writer.markAsDone("child", 2);
  const leaf = backend.result("root").leaf();
  const closed = backend.close({ drain: 60_000 });
  const children = [[["child", null], null]];
  await writer.markAsDone("root", 1, { children });
  assertEquals(await leaf, 2);
  await closed;
});

Deno.test("close() ends a drain, and is idempotent", async () => {
  await using fixture = await start();
  const { backend } = fixture;
  const wait = backend.result("never").get();
  const ended = assertRejects(() => wait, BackendClosedError);
  const drained = backend.close({ drain: Infinity });
  await backend.close();
  await drained;
  await ended;
  await backend.close({ drain: 60_000 });
});

Deno.test("close({ drain }) takes no time where nothing waits", async () => {
  const backend = new ResultBackend();
  await backend.close({ drain: Infinity });
});

Deno.test("close() refuses a drain that is out of range", async () => {
  await using backend = new ResultBackend();
  for (const drain of [-1, NaN]) {
    await assertRejects(
      () => backend.close({ drain }),
      RangeError,
      `Cannot use ${drain} as drain: expected a number from 0`,
    );
  }
});

Deno.test("close() errors the streams of a consumer that awaits nothing", async () => {
  await using fixture = await start();
  const { backend } = fixture;
  const consumer = backend.consumer();
  const read = consumer.readable.getReader().read();
  const writer = consumer.writable.getWriter();
  const ended = Promise.all([
    assertRejects(() => read, BackendClosedError),
    assertRejects(() => writer.closed, BackendClosedError),
  ]);
  await backend.close();
  await ended;
});
