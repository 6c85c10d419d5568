// Bounds on memory, queued events and pending ids, on a real server.

import { ResultBackend, type ResultEvent } from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import type { TestClient } from "../support/client.ts";
import { needs } from "../support/needs.ts";
import { startResultFixture } from "../support/result_fixture.ts";
import { collect, countOutcomes, taskIds } from "../support/results.ts";
import { turn } from "../support/turn.ts";
import { until, within } from "../support/until.ts";

/** Publishes progress `from` to `to - 1` of task "a", `size` bytes each, faster than any client could. */
const FLOOD = `
  local pad = string.rep("x", tonumber(ARGV[3]))
  for i = ARGV[1], ARGV[2] - 1 do
    redis.call("PUBLISH", KEYS[1], '{"status": "PROGRESS", "result": ' .. string.format("%d", i) ..
      ', "pad": "' .. pad .. '"}')
  end`;

/** Stores and publishes an outcome for each key: its index. */
const FINISH = `
  for i, key in ipairs(KEYS) do
    local document = '{"status": "SUCCESS", "result": ' .. string.format("%d", i + ARGV[1]) .. '}'
    redis.call("SET", key, document)
    redis.call("PUBLISH", key, document)
  end`;

/** As many as fit on Lua's stack, with a margin. */
const KEYS_PER_SCRIPT = 5000;

function keyOf(taskId: string): string {
  return `celery-task-meta-${taskId}`;
}

async function finish(
  client: TestClient,
  ids: readonly string[],
): Promise<void> {
  for (let i = 0; i < ids.length; i += KEYS_PER_SCRIPT) {
    const keys = ids.slice(i, i + KEYS_PER_SCRIPT).map(keyOf);
    await client.send("EVAL", FINISH, keys.length, ...keys, i);
  }
}

/** The results of a task's events, outcomes included, in their order. */
function resultsOf(events: ResultEvent[], taskId: string): unknown[] {
  return events.filter((event) => event.taskId === taskId)
    .map(({ result }) => result);
}

Deno.test(needs("redis-server", {
  name:
    "100,000 reports to a reader that does not read cost no memory: it finds highWaterMark of them, with the newest last",
  async fn() {
    await using fixture = await startResultFixture({ highWaterMark: 8 });
    const { backend, client } = fixture;
    const unread = [backend.consumer(), backend.consumer({ highWaterMark: 0 })];
    for (const consumer of unread) {
      await consumer.add(["a", "b"]);
      await consumer.writable.close();
    }
    let seen = 0;
    let reached = Promise.withResolvers<void>();
    const swift = backend.result("a").get({
      onEvent: () => {
        if (++seen % 2000 === 0) reached.resolve();
      },
    });
    await backend.consumer().add("a");
    const heap = Deno.memoryUsage().heapUsed;
    let most = 0;
    for (let i = 0; i < 100_000; i += 2000) {
      reached = Promise.withResolvers();
      await client.send("EVAL", FLOOD, 1, keyOf("a"), i, i + 2000, 1000);
      await within(reached.promise, { what: `report ${i + 2000}` });
      most = Math.max(most, Deno.memoryUsage().heapUsed - heap);
    }
    // If kept, they would take more than 100 MB for each reader.
    assert(most < 64 * 1024 * 1024, `The heap grew by ${most} bytes`);
    await fixture.done("a", "b");
    await swift;
    assertEquals(seen, 100_001);
    const [one, other] = await Promise.all(
      unread.map(({ readable }) => collect(readable)),
    ) as [ResultEvent[], ResultEvent[]];
    assertEquals(resultsOf(one, "a"), [
      ...[0, 1, 2, 3, 4, 5, 6],
      99_999,
      "a",
    ]);
    assertEquals(resultsOf(other, "a"), [99_999, "a"]);
    assertEquals(resultsOf(other, "b"), ["b"]);
  },
}));

Deno.test(needs("redis-server", {
  name: "a reader that does not read delays no other, and keeps every outcome",
  async fn() {
    await using fixture = await startResultFixture();
    const { backend, client } = fixture;
    const ids = taskIds(5000);
    const unread = backend.consumer();
    await unread.add(ids);
    await unread.writable.close();
    const swift = backend.stream(ids);
    await finish(client, ids);
    const outcomes = countOutcomes(await collect(swift));
    assertEquals([outcomes.size, Math.max(...outcomes.values())], [5000, 1]);
    assertEquals(await collect(unread.readable).then(countOutcomes), outcomes);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a reader that does not read errors beyond maxQueueBytes, after its queued events; others continue",
  async fn() {
    await using fixture = await startResultFixture({ maxQueueBytes: 1000 });
    const { backend, writer } = fixture;
    const ids = ["a", "b", "c"];
    const small = backend.stream(ids);
    const large = backend.stream(ids, { maxQueueBytes: 10_000 });
    await backend.consumer().add(ids);
    for (const id of ids) await writer.markAsDone(id, id.repeat(300));
    await backend.result("c").get();
    const got: string[] = [];
    const error = await assertRejects(async () => {
      for await (const { taskId } of small) got.push(taskId);
    }, RangeError);
    assert(error.message.includes("1000 bytes"), error.message);
    assertEquals(got, ["a", "b"]);
    assertEquals(
      (await collect(large)).map(({ taskId }) => taskId).sort(),
      ids,
    );
  },
}));

/** An endless source of ids, which counts those that were requested. */
class EndlessIds {
  taken = 0;
  readonly readable = ReadableStream.from(this.#ids());

  async *#ids(): AsyncGenerator<string> {
    for (;;) yield `${this.taken++}`;
  }
}

Deno.test(needs("redis-server", {
  name:
    "maxPending applies backpressure to an endless source of ids: each outcome admits one more",
  async fn() {
    await using fixture = await startResultFixture();
    const { backend } = fixture;
    const source = new EndlessIds();
    const consumer = backend.consumer({ maxPending: 100 });
    const events = source.readable.pipeThrough(consumer).getReader();
    await fixture.subscribed(100);
    await turn();
    assertEquals([consumer.pending, source.taken], [100, 100]);
    await fixture.done("0", "1", "2");
    for (let i = 0; i < 3; i++) await events.read();
    await until(() => source.taken >= 103, { what: "three more ids" });
    await fixture.subscribed(100);
    await turn();
    assertEquals([consumer.pending, source.taken], [100, 103]);
    await events.cancel();
    await fixture.subscribed(0);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "maxAttaching applies backpressure to an endless source of ids while Redis does not confirm, by default at 10,000",
  async fn() {
    await using fixture = await startResultFixture();
    for (const maxAttaching of [50, undefined]) {
      await using proxy = await FaultProxy.start(fixture.redis.url);
      await using backend = new ResultBackend(proxy.url);
      const source = new EndlessIds();
      const consumer = backend.consumer(
        maxAttaching === undefined ? {} : { maxAttaching, maxPending: 20_000 },
      );
      using hold = proxy.hold("SUBSCRIBE");
      const events = source.readable.pipeThrough(consumer).getReader();
      const most = maxAttaching ?? 10_000;
      await hold.reached;
      await until(() => source.taken >= most, { what: `${most} ids` });
      await turn();
      assertEquals([consumer.pending, source.taken], [most, most]);
      if (maxAttaching !== undefined) {
        // From here on, maxPending is the limit.
        hold.release();
        await until(() => consumer.pending >= 20_000, { what: "20,000 ids" });
        await turn();
        assertEquals([consumer.pending, source.taken], [20_000, 20_000]);
      }
      await events.cancel();
      await assertRejects(() => consumer.add("a"), DOMException);
      await backend.close();
    }
    await fixture.subscribed(0);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "100,000 ids in one call yield 100,000 outcomes, once each, in one stream",
  async fn() {
    await using fixture = await startResultFixture();
    const { backend, client } = fixture;
    const ids = taskIds(100_000);
    const stream = backend.stream(ids);
    const reading = collect(stream);
    await backend.consumer().add(ids.at(-1)!);
    await finish(client, ids);
    const events = await reading;
    assertEquals(events.length, ids.length);
    const results = new Map(
      events.map(({ taskId, result }) => [taskId, result]),
    );
    assertEquals(results.size, ids.length);
    assertEquals(results.get(ids[99_999]!), 100_000);
    const metas = await backend.getMetas(ids);
    assert(
      metas.every(({ taskId, result }, i) =>
        taskId === ids[i] && result === i + 1
      ),
    );
    await fixture.subscribed(0);
  },
}));
