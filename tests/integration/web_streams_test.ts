// Every operation of the Streams standard, on a consumer, with a real server:
// nothing is lost, and nothing stays subscribed.

import { ResultBackend, type ResultEvent } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import {
  type ResultFixture,
  startResultFixture,
} from "../support/result_fixture.ts";
import { collect } from "../support/results.ts";

/** A test with its own fixture. */
function staged(
  name: string,
  fn: (fixture: ResultFixture) => Promise<void>,
): void {
  Deno.test(needs("redis-server", {
    name,
    async fn() {
      await using fixture = await startResultFixture({ reconcile: 0 });
      await fn(fixture);
    },
  }));
}

/** A sink that records its chunks, and how it ended. */
class Sink {
  readonly got: string[] = [];
  end: unknown = "none";
  readonly writable: WritableStream<ResultEvent>;

  /** `onWrite` may throw. */
  constructor(onWrite: (taskId: string) => unknown = () => {}) {
    this.writable = new WritableStream({
      write: async ({ taskId }) => {
        await onWrite(taskId);
        this.got.push(taskId);
      },
      close: () => {
        this.end = "closed";
      },
      abort: (reason) => {
        this.end = reason;
      },
    });
  }
}

/** A source of ids that records its cancellation. */
class IdSource {
  /** The reason of the cancellation. */
  readonly canceled = Promise.withResolvers<unknown>();
  readonly readable: ReadableStream<string>;
  readonly #end = Promise.withResolvers<void>();

  /** Yields `ids`, and then stays open. */
  constructor(...ids: string[]) {
    this.readable = new ReadableStream({
      pull: async (controller) => {
        const id = ids.shift();
        if (id === undefined) await this.#end.promise;
        else controller.enqueue(id);
      },
      cancel: (reason) => {
        this.#end.resolve();
        this.canceled.resolve(reason);
      },
    });
  }
}

function idsOf(events: Iterable<ResultEvent>): string[] {
  return [...events].map(({ taskId }) => taskId).sort();
}

staged(
  "a pipe from ids to a sink delivers each outcome once, closes the sink, and leaves nothing subscribed",
  async (fixture) => {
    const { backend } = fixture;
    await fixture.done("before");
    const sink = new Sink();
    const piped = ReadableStream.from(["before", "a", "b", "a"])
      .pipeThrough(backend.consumer())
      .pipeTo(sink.writable);
    await fixture.subscribed(2);
    await fixture.done("b", "a");
    await piped;
    assertEquals(sink.got, ["before", "b", "a"]);
    assertEquals(sink.end, "closed");
    await fixture.subscribed(0);
  },
);

staged(
  "ids may come from an async generator, which is asked for at most maxPending at a time",
  async (fixture) => {
    const { backend } = fixture;
    const sent: string[] = [];
    async function* sendTasks(): AsyncGenerator<string> {
      for (let i = 0; i < 50; i++) {
        sent.push(`${i}`);
        yield `${i}`;
        // A task finishes only once its id was taken.
        await fixture.done(`${i}`);
      }
    }
    const sink = new Sink((taskId) => {
      // Two are awaited, one is held by the writable, and one by the pipe.
      assert(sent.length - sink.got.length <= 4, `${sent.length} ${taskId}`);
    });
    await ReadableStream.from(sendTasks())
      .pipeThrough(backend.consumer({ maxPending: 2 }))
      .pipeTo(sink.writable);
    assertEquals(sink.got.sort(), [...sent].sort());
    await fixture.subscribed(0);
  },
);

staged(
  "pipeTo({ preventClose }) leaves the sink open when all is done, and the consumer open when the ids end",
  async (fixture) => {
    const { backend } = fixture;
    const sink = new Sink();
    const consumer = backend.consumer();
    await ReadableStream.from(["a"])
      .pipeTo(consumer.writable, { preventClose: true });
    await ReadableStream.from(["b"]).pipeTo(consumer.writable);
    await fixture.done("a", "b");
    await consumer.readable.pipeTo(sink.writable, { preventClose: true });
    assertEquals(sink.end, "none");
    await backend.stream("a").pipeTo(sink.writable);
    assertEquals(sink.got.sort(), ["a", "a", "b"]);
    assertEquals(sink.end, "closed");
  },
);

staged(
  "pipeTo({ preventAbort }) leaves the sink usable when the consumer fails, and the consumer when the ids fail",
  async (fixture) => {
    const { backend } = fixture;
    const broken = new Error("no more ids");
    const source = new ReadableStream<string>({
      start: (controller) => controller.enqueue("a"),
      pull: (controller) => controller.error(broken),
    }, { highWaterMark: 0 });
    const consumer = backend.consumer();
    const piped = source.pipeTo(consumer.writable, { preventAbort: true });
    assertStrictEquals(await assertRejects(() => piped), broken);
    // The valid ids are still awaited; it closes once they are done.
    await consumer.writable.close();
    const sink = new Sink();
    const all = consumer.readable.pipeTo(sink.writable);
    await fixture.done("a");
    await all;
    assertEquals(sink.got, ["a"]);

    const other = new Sink();
    const disposed = backend.consumer();
    const failing = disposed.readable.pipeTo(other.writable, {
      preventAbort: true,
    });
    await disposed[Symbol.asyncDispose]();
    await assertRejects(() => failing, DOMException);
    assertEquals(other.end, "none");
  },
);

staged(
  "pipeTo({ preventCancel }) keeps the consumer when the sink fails: another reader gets the remaining events",
  async (fixture) => {
    const { backend } = fixture;
    const full = new Error("disk full");
    const sink = new Sink(() => {
      if (sink.got.length === 2) throw full;
    });
    const consumer = backend.consumer();
    await consumer.add(["a", "b", "c", "d", "e"]);
    const piped = consumer.readable.pipeTo(sink.writable, {
      preventCancel: true,
    });
    for (const id of ["a", "b", "c"]) await fixture.done(id);
    assertStrictEquals(await assertRejects(() => piped), full);
    assertEquals(consumer.pending, 2);
    await fixture.done("d", "e");
    await consumer.writable.close();
    // The third one is lost with the sink that refused it, as with any pipe.
    assertEquals([...sink.got, ...idsOf(await collect(consumer.readable))], [
      ...["a", "b", "d", "e"],
    ]);
  },
);

staged(
  "a sink that fails midway cancels the consumer, its subscriptions, and the source of the ids",
  async (fixture) => {
    const { backend } = fixture;
    const full = new Error("disk full");
    const sink = new Sink(() => {
      throw full;
    });
    const source = new IdSource("a", "b", "c");
    const piped = source.readable
      .pipeThrough(backend.consumer())
      .pipeTo(sink.writable);
    await fixture.subscribed(3);
    await fixture.done("b");
    assertStrictEquals(await assertRejects(() => piped), full);
    assertStrictEquals(await source.canceled.promise, full);
    await fixture.subscribed(0);
  },
);

staged(
  "a signal given to pipeTo ends everything, on either side of the consumer",
  async (fixture) => {
    const { backend } = fixture;
    const reason = new Error("shutting down");
    for (const side of ["ids", "events"]) {
      const abort = new AbortController();
      const { signal } = abort;
      const source = new IdSource("a", "b");
      const sink = new Sink();
      const piped = source.readable
        .pipeThrough(backend.consumer(), side === "ids" ? { signal } : {})
        .pipeTo(sink.writable, side === "events" ? { signal } : {});
      await fixture.subscribed(2);
      abort.abort(reason);
      assertStrictEquals(await assertRejects(() => piped), reason);
      assertStrictEquals(sink.end, reason);
      await source.canceled.promise;
      await fixture.subscribed(0);
    }
  },
);

staged(
  "the consumer's own signal ends a pipe at both ends",
  async (fixture) => {
    const { backend } = fixture;
    const reason = new Error("shutting down");
    const abort = new AbortController();
    const source = new IdSource("a");
    const sink = new Sink();
    const piped = source.readable
      .pipeThrough(backend.consumer({ signal: abort.signal }))
      .pipeTo(sink.writable);
    await fixture.subscribed(1);
    abort.abort(reason);
    assertStrictEquals(await assertRejects(() => piped), reason);
    assertStrictEquals(await source.canceled.promise, reason);
    assertStrictEquals(sink.end, reason);
    await fixture.subscribed(0);
  },
);

staged(
  "a source of ids that fails midway errors the stream, and leaves nothing subscribed",
  async (fixture) => {
    const { backend } = fixture;
    const broken = new Error("the database of ids is gone");
    async function* ids(): AsyncGenerator<string> {
      yield "a";
      yield "b";
      await fixture.subscribed(2);
      throw broken;
    }
    const events = ReadableStream.from(ids()).pipeThrough(backend.consumer());
    assertStrictEquals(await assertRejects(() => collect(events)), broken);
    await fixture.subscribed(0);
  },
);

staged(
  "an invalid id midway rejects its write and cancels the source; queued events are read before the error",
  async (fixture) => {
    const { backend } = fixture;
    const consumer = backend.consumer();
    await consumer.add(["a", "b", "c"]);
    await fixture.done("a", "b");
    // Both are queued: they were published before this one.
    await backend.result("a").get();
    await backend.result("b").get();
    const source = new IdSource("d", "", "e");
    const piped = source.readable.pipeTo(consumer.writable);
    const error = await assertRejects(() => piped, TypeError);
    assertStrictEquals(await source.canceled.promise, error);
    assertEquals(consumer.pending, 0);
    const got: string[] = [];
    const failure = await assertRejects(async () => {
      for await (const { taskId } of consumer.readable) got.push(taskId);
    });
    assertStrictEquals(failure, error);
    assertEquals(got, ["a", "b"]);
    await fixture.subscribed(0);
    // The others are not lost either: awaiting them again delivers them.
    await fixture.done("c", "d");
    assertEquals(idsOf(await collect(backend.stream(["c", "d"]))), ["c", "d"]);
  },
);

staged("a write of a bad id rejects, and says why", async ({ backend }) => {
  const writer = backend.consumer().writable.getWriter();
  const error = await assertRejects(() => writer.write(""), TypeError);
  assertStrictEquals(await assertRejects(() => writer.closed), error);
  assertStrictEquals(await assertRejects(() => writer.write("a")), error);
});

staged(
  "tee gives every event to both branches, and cancels when both are canceled",
  async (fixture) => {
    const { backend } = fixture;
    const [one, two] = ReadableStream.from(["a", "b", "c"])
      .pipeThrough(backend.consumer()).tee();
    await fixture.subscribed(3);
    await fixture.writer.markAsStarted("a");
    await fixture.done("a", "b", "c");
    const reading = collect(one);
    assertEquals(idsOf(await reading), ["a", "a", "b", "c"]);
    assertEquals(await collect(two), await reading);

    const [first, second] = backend.stream(["d", "e"]).tee();
    await fixture.subscribed(2);
    const canceled = first.cancel("not interested");
    assertEquals(await fixture.channels(), 2);
    await fixture.done("d");
    const reader = second.getReader();
    assertEquals((await reader.read()).value?.taskId, "d");
    await reader.cancel("nor this one");
    await canceled;
    await fixture.subscribed(0);
  },
);

staged(
  "a branch of tee that is not read buffers every event, where a consumer of its own conflates",
  async (fixture) => {
    const { backend } = fixture;
    const [read, unread] = backend.stream("a", { highWaterMark: 1 }).tee();
    const own = backend.stream("a", { highWaterMark: 1 });
    const states = read.getReader();
    await fixture.subscribed(1);
    for (let i = 0; i < 100; i++) {
      await fixture.writer.storeResult("a", i, "PROGRESS");
      assertEquals((await states.read()).value?.result, i);
    }
    await fixture.done("a");
    assertEquals((await states.read()).value?.state, "SUCCESS");
    assertEquals((await collect(unread)).length, 101);
    const newest = await collect(own);
    assertEquals(newest.at(-2)?.result, 99);
    assert(newest.length <= 3, `${newest.length} events`);
  },
);

staged(
  "leaving a for await loop, by break, throw or return, unsubscribes",
  async (fixture) => {
    const { backend } = fixture;
    async function leave(how: string): Promise<string> {
      for await (const event of backend.stream(["a", "b"])) {
        if (how === "break") break;
        if (how === "throw") throw new Error(event.taskId);
        return event.taskId;
      }
      return "left";
    }
    await fixture.done("a");
    assertEquals(await leave("break"), "left");
    await fixture.subscribed(0);
    assertEquals(
      (await assertRejects(() => leave("throw"))) instanceof Error,
      true,
    );
    await fixture.subscribed(0);
    assertEquals(await leave("return"), "a");
    await fixture.subscribed(0);
  },
);

staged(
  "values({ preventCancel }) leaves the stream to the next loop, which continues where the last one stopped",
  async (fixture) => {
    const { backend } = fixture;
    const ids = Array.from({ length: 100 }, (_, i) => `${i}`);
    await fixture.done(...ids);
    const stream = backend.stream(ids);
    const got: string[] = [];
    while (got.length < 100) {
      for await (const event of stream.values({ preventCancel: true })) {
        got.push(event.taskId);
        if (got.length % 7 === 0) break;
      }
      assert(!stream.locked);
    }
    assertEquals(got.sort(), ids.sort());
    assertEquals(await collect(stream), []);
  },
);

staged(
  "a reader that releases its lock during a read loses nothing: the next one gets the event",
  async (fixture) => {
    const { backend } = fixture;
    const stream = backend.stream(["a", "b", "c"]);
    const first = stream.getReader();
    const waiting = first.read();
    await fixture.subscribed(3);
    first.releaseLock();
    await assertRejects(() => waiting, TypeError);
    await fixture.done("a");
    await backend.result("a").get();
    const second = stream.getReader();
    assertEquals((await second.read()).value?.taskId, "a");
    second.releaseLock();
    await fixture.done("b", "c");
    assertEquals(idsOf(await collect(stream)), ["b", "c"]);
  },
);

staged(
  "a reader that releases its lock loses nothing when the retry limit is reached",
  async (fixture) => {
    await using backend = new ResultBackend(fixture.redis.url, {
      reconnect: { maxAttempts: 1 },
    });
    const stream = backend.stream(["a", "b"]);
    const first = stream.getReader();
    const waiting = first.read();
    await fixture.subscribed(2);
    first.releaseLock();
    await assertRejects(() => waiting, TypeError);
    await fixture.done("a");
    await backend.result("a").get();
    await fixture.redis.kill();
    await assertRejects(() => backend.result("b").get());
    const got: string[] = [];
    await assertRejects(async () => {
      for await (const { taskId } of stream) got.push(taskId);
    });
    assertEquals(got, ["a"]);
  },
);

staged(
  "cancelling the readable errors the writable with its reason, rejects a pending write, and unsubscribes",
  async (fixture) => {
    const { backend } = fixture;
    for (const reason of [new Error("enough"), undefined]) {
      const consumer = backend.consumer({ maxPending: 2 });
      const writer = consumer.writable.getWriter();
      await writer.write("a");
      const rejected = [writer.write("b"), writer.write("c"), writer.closed]
        .map((promise) => assertRejects(() => promise));
      await fixture.subscribed(2);
      await consumer.readable.cancel(reason);
      for (const error of await Promise.all(rejected)) {
        if (reason !== undefined) assertStrictEquals(error, reason);
        else assertInstanceOf(error, DOMException);
      }
      assertEquals(consumer.pending, 0);
      await fixture.subscribed(0);
    }
  },
);

staged(
  "aborting the writable errors the readable with its reason, and unsubscribes",
  async (fixture) => {
    const { backend } = fixture;
    const consumer = backend.consumer();
    await consumer.add(["a", "b"]);
    const reason = new Error("never mind");
    const reading = assertRejects(() => collect(consumer.readable));
    await consumer.writable.abort(reason);
    assertStrictEquals(await reading, reason);
    await fixture.subscribed(0);
  },
);
