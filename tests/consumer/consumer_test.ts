import {
  type ConsumerContext,
  type ConsumerOptions,
  openStream,
  ResultConsumer,
} from "../../src/consumer/consumer.ts";
import { toIds } from "../../src/consumer/task_ids.ts";
import {
  BackendClosedError,
  RedisConnectionError,
  RedisError,
  RetryLimitError,
} from "../../src/errors.ts";
import type { ResultEvent } from "../../src/protocol/meta.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { documentOf, keyOf } from "../support/recording_reader.ts";
import {
  SourceFixture,
  type SourceFixtureOptions,
} from "../support/source_fixture.ts";
import { turn } from "../support/turn.ts";

class Fixture extends SourceFixture {
  readonly context: ConsumerContext = {
    source: this.source,
    highWaterMark: 16,
    maxQueueBytes: 2 ** 28,
    openReaders: new Set(),
  };

  constructor(options?: SourceFixtureOptions) {
    super(options);
  }

  consumer(options?: ConsumerOptions): ResultConsumer {
    return new ResultConsumer(this.context, options);
  }

  publish(taskId: string, state: string, result: unknown = null): void {
    this.driver.link.publish(keyOf(taskId), documentOf(state, result, taskId));
  }
}

/** Reads to the end or the error. */
async function readAll(
  readable: ReadableStream<ResultEvent>,
): Promise<{ got: string[]; error?: unknown }> {
  const got: string[] = [];
  try {
    for await (const event of readable) {
      got.push(`${event.taskId} ${event.state} ${event.result}`);
    }
    return { got };
  } catch (error) {
    return { got, error };
  }
}

Deno.test("ResultConsumer turns ids into events, and closes when each has its outcome", async () => {
  using fixture = new Fixture();
  for (const id of ["a", "b", "c"]) {
    fixture.driver.store.set(keyOf(id), documentOf("SUCCESS", id));
  }
  const { got } = await readAll(
    ReadableStream.from(["a", "b", "c"]).pipeThrough(fixture.consumer()),
  );
  assertEquals(got.sort(), [
    "a SUCCESS a",
    "b SUCCESS b",
    "c SUCCESS c",
  ]);
  await fixture.close();
});

Deno.test("ResultConsumer closes at once when no id was ever written", async () => {
  using fixture = new Fixture();
  const consumer = fixture.consumer();
  const piped = ReadableStream.from<string>([]).pipeTo(consumer.writable);
  assertEquals(await readAll(consumer.readable), { got: [] });
  await piped;
  await assertRejects(() => consumer.add("a"), DOMException);
  assertEquals(fixture.driver.attempts, 0);
  await fixture.close();
});

Deno.test("ResultConsumer.writable closes without error if every outcome is already known", async () => {
  using fixture = new Fixture();
  const consumer = fixture.consumer();
  const writer = consumer.writable.getWriter();
  await writer.write("a");
  await turn();
  fixture.publish("a", "SUCCESS", 1);
  await writer.close();
  await writer.closed;
  assertEquals(await readAll(consumer.readable), { got: ["a SUCCESS 1"] });
  await fixture.close();
});

Deno.test("ResultConsumer.writable resolves a write once the id is queued, before it is attached", async () => {
  using fixture = new Fixture();
  fixture.driver.isBlackHole = true;
  const consumer = fixture.consumer();
  const writer = consumer.writable.getWriter();
  await writer.write("a");
  await writer.write("b");
  assertEquals(consumer.pending, 2);
  await writer.abort();
  assertEquals(consumer.pending, 0);
  await fixture.close();
});

Deno.test("ResultConsumer.writable applies backpressure at maxAttaching", async () => {
  using fixture = new Fixture();
  fixture.driver.onLink = (link) => link.held.add("subscribe");
  const consumer = fixture.consumer({ maxAttaching: 2 });
  const writer = consumer.writable.getWriter();
  await writer.write("a");
  let isWritten = false;
  const written = writer.write("b").then(() => isWritten = true);
  await turn();
  assert(!isWritten);
  fixture.driver.link.free("subscribe");
  await written;
  await consumer[Symbol.asyncDispose]();
  await fixture.close();
});

Deno.test("ResultConsumer.writable applies backpressure at maxPending, until an outcome or remove()", async () => {
  using fixture = new Fixture();
  const consumer = fixture.consumer({ maxPending: 2 });
  const writer = consumer.writable.getWriter();
  await writer.write("a");
  let written = 0;
  const writes = ["b", "c", "d"].map((id) =>
    writer.write(id).then(() => written++)
  );
  await turn();
  assertEquals([written, consumer.pending], [0, 2]);
  fixture.publish("a", "STARTED");
  await turn();
  assertEquals([written, consumer.pending], [0, 2]);
  fixture.publish("a", "SUCCESS");
  await turn();
  assertEquals([written, consumer.pending], [1, 2]);
  consumer.remove("c");
  await turn();
  assertEquals([written, consumer.pending], [2, 2]);
  consumer.remove(["b", "d"]);
  await Promise.all(writes);
  await consumer[Symbol.asyncDispose]();
  await fixture.close();
});

Deno.test("ResultConsumer.writable can be aborted while a write is pending", async () => {
  for (const options of [{ maxPending: 1 }, { maxAttaching: 1 }]) {
    using fixture = new Fixture();
    fixture.driver.onLink = (link) => link.held.add("read");
    const consumer = fixture.consumer(options);
    const writer = consumer.writable.getWriter();
    const reason = new Error("enough");
    const written = assertRejects(() => writer.write("a"));
    await turn();
    let isOver = false;
    const aborted = writer.abort(reason).then(() => isOver = true);
    await turn();
    assert(isOver);
    assertStrictEquals(await written, reason);
    assertEquals(consumer.pending, 0);
    assertStrictEquals((await readAll(consumer.readable)).error, reason);
    await aborted;
    await fixture.close();
  }
});

Deno.test("ResultConsumer ends both streams and unsubscribes on cancel, abort, signal and dispose", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const cases: Record<
    string,
    [(consumer: ResultConsumer) => Promise<unknown>, unknown]
  > = {
    "readable.cancel": [({ readable }) => readable.cancel(reason), undefined],
    "writable.abort": [({ writable }) => writable.abort(reason), reason],
    "dispose": [
      (consumer) => consumer[Symbol.asyncDispose](),
      "AbortError",
    ],
    "signal": [() => Promise.resolve(controller.abort(reason)), reason],
  };
  for (const [name, [end, expected]] of Object.entries(cases)) {
    using fixture = new Fixture();
    const consumer = fixture.consumer({ signal: controller.signal });
    await consumer.add(["a", "b"]);
    fixture.publish("a", "SUCCESS");
    await end(consumer);
    await turn();
    assertEquals(consumer.pending, 0, name);
    assertEquals(fixture.driver.link.channels.size, 0);
    const { got, error } = await readAll(consumer.readable);
    assertEquals(got, []);
    if (expected === "AbortError") {
      assertInstanceOf(error, DOMException);
      assertEquals(error.name, "AbortError");
    } else {
      assertStrictEquals(error, expected);
    }
    await assertRejects(() => consumer.add("c"));
    await assertRejects(() => consumer.writable.getWriter().write("c"));
    await consumer[Symbol.asyncDispose]();
    await fixture.close();
  }
});

Deno.test("ResultConsumer ends at once if its signal has already aborted", async () => {
  using fixture = new Fixture();
  const reason = new Error("enough");
  const consumer = fixture.consumer({ signal: AbortSignal.abort(reason) });
  assertStrictEquals((await readAll(consumer.readable)).error, reason);
  assertStrictEquals(await assertRejects(() => consumer.add("a")), reason);
  await fixture.close();
});

Deno.test("ResultConsumer rejects a pending write when it ends", async () => {
  using fixture = new Fixture();
  const consumer = fixture.consumer({ maxPending: 1 });
  const writer = consumer.writable.getWriter();
  const written = assertRejects(() => writer.write("a"));
  await turn();
  await consumer.readable.cancel();
  await written;
  await assertRejects(() => writer.closed);
  await fixture.close();
});

Deno.test("ResultConsumer.add() refuses an invalid id, and the consumer continues", async () => {
  using fixture = new Fixture();
  const consumer = fixture.consumer();
  await assertRejects(() => consumer.add(["a", ""]), TypeError);
  await assertRejects(() => consumer.add(1 as never), TypeError);
  assertEquals(consumer.pending, 0);
  await consumer.add("a");
  assertThrows(() => consumer.remove(""), TypeError);
  fixture.publish("a", "SUCCESS", 1);
  consumer.writable.close();
  assertEquals(await readAll(consumer.readable), { got: ["a SUCCESS 1"] });
  await fixture.close();
});

Deno.test("ResultConsumer.writable errors both streams at an invalid id", async () => {
  using fixture = new Fixture();
  const consumer = fixture.consumer();
  const writer = consumer.writable.getWriter();
  writer.closed.catch(() => {});
  await writer.write("").catch(() => {});
  assertInstanceOf((await readAll(consumer.readable)).error, TypeError);
  await fixture.close();
});

Deno.test("ResultConsumer errors after its queued events when they exceed maxQueueBytes; others continue", async () => {
  using fixture = new Fixture();
  const size = documentOf("SUCCESS", 1, "a").length;
  const [greedy, other] = [
    fixture.consumer({ maxQueueBytes: 2 * size }),
    fixture.consumer(),
  ];
  const ids = ["a", "b", "c", "d"];
  await Promise.all([greedy.add(ids), other.add(ids)]);
  for (const id of ids) fixture.publish(id, "SUCCESS", 1);
  assertEquals([greedy.pending, other.pending], [0, 0]);
  other.writable.close();
  const { got, error } = await readAll(greedy.readable);
  assertEquals(got, ["a SUCCESS 1", "b SUCCESS 1"]);
  assertInstanceOf(error, RangeError);
  assert(error.message.includes("maxQueueBytes"));
  assertEquals((await readAll(other.readable)).got.length, 4);
  await fixture.close();
});

Deno.test("ResultConsumer conflates large progress reports to stay within maxQueueBytes", async () => {
  using fixture = new Fixture();
  for (const highWaterMark of [0, 16]) {
    const consumer = fixture.consumer({ highWaterMark, maxQueueBytes: 1e6 });
    await consumer.add("a");
    const reports = ["x", "y", "z"].map((each) => each.repeat(600_000));
    for (const report of reports) fixture.publish("a", "PROGRESS", report);
    consumer.writable.close();
    const reader = consumer.readable.getReader();
    assertEquals((await reader.read()).value?.result, reports[2]);
    fixture.publish("a", "SUCCESS", 1);
    assertEquals((await reader.read()).value?.result, 1);
    assertEquals((await reader.read()).done, true);
  }
  await fixture.close();
});

Deno.test("ResultConsumer awaits a task once, however often it is added, and resolves when it is attached", async () => {
  using fixture = new Fixture();
  fixture.driver.onLink = (link) => link.held.add("subscribe");
  const consumer = fixture.consumer();
  const first = consumer.add(["a", "a"]);
  let isAttached = false;
  const second = consumer.add("a").then(() => isAttached = true);
  await turn();
  assertEquals(consumer.pending, 1);
  assert(!isAttached);
  fixture.driver.link.free("subscribe");
  await Promise.all([first, second]);
  await consumer.add("a");
  assertEquals(fixture.driver.link.sizes.subscribe, [1]);
  fixture.publish("a", "SUCCESS", 1);
  // After its outcome it is a new wait.
  fixture.driver.store.set(keyOf("a"), documentOf("SUCCESS", 2, "a"));
  await consumer.add("a");
  consumer.writable.close();
  assertEquals(await readAll(consumer.readable), {
    got: ["a SUCCESS 1", "a SUCCESS 2"],
  });
  await fixture.close();
});

Deno.test("ResultConsumer errors with RetryLimitError after its queued events", async () => {
  // However the ids were added, and with one still in flight.
  for (const isWritten of [false, true]) {
    using fixture = new Fixture({ reconnect: { maxAttempts: 2 } });
    const consumer = fixture.consumer();
    const writer = consumer.writable.getWriter();
    writer.closed.catch(() => {});
    await consumer.add(["a", "b"]);
    await fixture.runtime.advance(2000);
    fixture.publish("a", "SUCCESS", 1);
    fixture.driver.onConnect = () => new RedisConnectionError("refused");
    fixture.driver.link.die();
    await turn();
    const added = isWritten
      ? writer.write("c")
      : assertRejects(() => consumer.add("c"), RetryLimitError);
    await fixture.runtime.advance(1000);
    await added;
    const { got, error } = await readAll(consumer.readable);
    assertEquals(got, ["a SUCCESS 1"]);
    assertInstanceOf(error, RetryLimitError);
    await assertRejects(() => consumer.add("d"), RetryLimitError);
    await fixture.close();
  }
});

Deno.test("ResultConsumer errors with BackendClosedError when the backend closes, and afterwards", async () => {
  using fixture = new Fixture();
  const consumer = fixture.consumer();
  await consumer.add(["a", "b"]);
  fixture.publish("a", "SUCCESS", 1);
  await fixture.close();
  const { got, error } = await readAll(consumer.readable);
  assertEquals(got, ["a SUCCESS 1"]);
  assertInstanceOf(error, BackendClosedError);
  // An empty stream would look complete.
  const late = fixture.consumer();
  await assertRejects(() => late.add("a"), BackendClosedError);
  const stream = openStream<unknown, never>(fixture.context, ["a"]);
  assertInstanceOf((await readAll(stream)).error, BackendClosedError);
});

Deno.test("ResultConsumer errors at once with a permanent error", async () => {
  using fixture = new Fixture();
  const refused = new RedisError("NOPERM no channel");
  fixture.driver.onConnect = () => refused;
  const consumer = fixture.consumer();
  const writer = consumer.writable.getWriter();
  writer.closed.catch(() => {});
  writer.write("a").catch(() => {});
  const { error } = await readAll(consumer.readable);
  assertInstanceOf(error, RedisError);
  assertEquals([error.message, error.code], [refused.message, refused.code]);
  await fixture.close();
});

Deno.test("ResultConsumer that is not read conflates, and does not delay another", async () => {
  using fixture = new Fixture();
  const slow = fixture.consumer({ highWaterMark: 2 });
  const fast = fixture.consumer();
  await Promise.all([slow.add(["a", "b"]), fast.add(["a", "b"])]);
  const reading = readAll(fast.readable);
  for (let i = 0; i < 100; i++) {
    fixture.publish("a", "PROGRESS", i);
    await Promise.resolve();
    if (i % 10 === 0) await turn();
  }
  fixture.publish("b", "SUCCESS", 1);
  fixture.publish("a", "SUCCESS", 1);
  slow.writable.close();
  fast.writable.close();
  const { got } = await reading;
  assertEquals(got.slice(-2), ["b SUCCESS 1", "a SUCCESS 1"]);
  assert(got.length > 20);
  assertEquals(await readAll(slow.readable), {
    got: ["a PROGRESS 0", "a PROGRESS 99", "b SUCCESS 1", "a SUCCESS 1"],
  });
  await fixture.close();
});

Deno.test("ResultConsumer leaves no listener on its signal", async () => {
  using fixture = new Fixture();
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  const consumer = fixture.consumer({ signal });
  assertEquals(listeners, 1);
  consumer.writable.close();
  assertEquals(await readAll(consumer.readable), { got: [] });
  assertEquals(listeners, 0);
  await fixture.close();
});

Deno.test("ResultConsumer refuses limits that are out of range", () => {
  using fixture = new Fixture();
  for (const value of [0, -1, NaN]) {
    assertThrows(() => fixture.consumer({ maxPending: value }), RangeError);
    assertThrows(() => fixture.consumer({ maxAttaching: value }), RangeError);
    assertThrows(() => fixture.consumer({ maxQueueBytes: value }), RangeError);
    if (value === 0) continue;
    assertThrows(() => fixture.consumer({ highWaterMark: value }), RangeError);
  }
});

Deno.test("toIds() treats a string as one id, never as its letters", () => {
  assertEquals([...toIds("abc")], ["abc"]);
  assertEquals([...toIds(new Set(["a", "b"]))], ["a", "b"]);
});
