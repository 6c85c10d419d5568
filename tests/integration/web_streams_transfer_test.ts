// Streams and events that are transferred to another thread.

import {
  BackendClosedError,
  datetimeText,
  type ResultEvent,
  toJsonSafe,
} from "../../mod.ts";
import { assert, assertEquals, assertInstanceOf } from "../support/assert.ts";
import { Inbox } from "../support/inbox.ts";
import { needs } from "../support/needs.ts";
import { startResultFixture } from "../support/result_fixture.ts";
import { collect } from "../support/results.ts";
import type { StreamOrder, StreamReport } from "../support/stream_worker.ts";

/** Milliseconds for a thread to start; it may have to check types first. */
const START_LIMIT = 300_000;

/** A Worker that reads the streams transferred to it. */
class StreamWorker implements Disposable {
  /** What it reports. */
  readonly told = new Inbox<StreamReport>();
  readonly #worker = new Worker(
    new URL("../support/stream_worker.ts", import.meta.url),
    { type: "module" },
  );

  private constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<StreamReport>) =>
      this.told.push(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.told.close(new Error(event.message));
    };
  }

  /** Starts a Worker; resolves when it listens, before anything is timed. */
  static async start(): Promise<StreamWorker> {
    const worker = new StreamWorker();
    try {
      const told = await worker.told.next({ timeout: START_LIMIT });
      assertEquals(told, { type: "ready" });
      return worker;
    } catch (error) {
      worker.terminate();
      throw error;
    }
  }

  /** Transfers streams. */
  post(order: StreamOrder): void {
    const { readable, writable } = order;
    const transfer: Transferable[] = [readable];
    if (writable !== undefined) transfer.push(writable);
    this.#worker.postMessage(order, transfer);
  }

  /** Lets it continue to read. */
  step(): void {
    this.#worker.postMessage("step");
  }

  /** The next event. */
  async event(): Promise<ResultEvent> {
    const told = await this.told.next();
    assert(told.type === "event", `It told ${Deno.inspect(told)}`);
    return told.event;
  }

  /** Terminates the thread. */
  terminate(): void {
    this.#worker.terminate();
  }

  [Symbol.dispose](): void {
    this.terminate();
  }
}

/** Values that JSON cannot express. */
const VALUES = {
  at: new Date("2026-01-02T03:04:05.678Z"),
  large: 2n ** 70n,
  bytes: new Uint8Array([0, 255]),
  numbers: [NaN, Infinity, -Infinity, -0, 0.1],
  text: "\u{1f600}\0",
  nested: { list: [[]], none: null },
};

Deno.test(needs("redis-server", {
  name:
    "a stream that is transferred to a Worker delivers every kind of value, and closes there",
  async fn() {
    await using fixture = await startResultFixture();
    using worker = await StreamWorker.start();
    await fixture.writer.markAsStarted("a", VALUES);
    worker.post({ readable: fixture.backend.stream(["a", "b"]) });
    assertEquals((await worker.event()).result, VALUES);
    await fixture.writer.markAsDone("a", VALUES);
    const event = await worker.event();
    assertEquals([event.state, event.result], ["SUCCESS", VALUES]);
    assertInstanceOf(event.dateDone, Date);
    await fixture.writer.markAsFailure("b", new RangeError("no"));
    const { state, result } = await worker.event();
    assertEquals(state, "FAILURE");
    assertEquals((result as { message: string }).message, "no");
    assertEquals(await worker.told.next(), { type: "closed" });
    await fixture.subscribed(0);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a transferred stream requests an event only when its Worker does: unread events are conflated here",
  async fn() {
    await using fixture = await startResultFixture();
    using worker = await StreamWorker.start();
    const consumer = fixture.backend.consumer({ highWaterMark: 1 });
    await consumer.add("a");
    worker.post({ readable: consumer.readable, byStep: true });
    await fixture.writer.storeResult("a", 0, "PROGRESS");
    assertEquals((await worker.event()).result, 0);
    for (let i = 1; i <= 200; i++) {
      await fixture.writer.storeResult("a", i, "PROGRESS");
    }
    await fixture.done("a");
    await consumer.writable.close();
    const results: unknown[] = [];
    for (;;) {
      worker.step();
      const { state, result } = await worker.event();
      if (state === "SUCCESS") break;
      results.push(result);
    }
    assertEquals(results.at(-1), 200);
    // Besides the newest, the transfer itself holds one or two.
    assert(results.length <= 4, `${results.length} events`);
    worker.step();
    assertEquals(await worker.told.next(), { type: "closed" });
  },
}));

Deno.test(needs("redis-server", {
  name: "a Worker that cancels a transferred stream unsubscribes",
  async fn() {
    await using fixture = await startResultFixture();
    using worker = await StreamWorker.start();
    worker.post({ readable: fixture.backend.stream(["a", "b"]), take: 1 });
    await fixture.subscribed(2);
    await fixture.done("a");
    assertEquals((await worker.event()).taskId, "a");
    assertEquals(await worker.told.next(), { type: "closed" });
    await fixture.subscribed(0);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a Worker that is terminated does not cancel its stream: the consumer's signal ends it",
  async fn() {
    await using fixture = await startResultFixture();
    using worker = await StreamWorker.start();
    const abort = new AbortController();
    const { signal } = abort;
    worker.post({ readable: fixture.backend.stream(["a", "b"], { signal }) });
    await fixture.subscribed(2);
    await fixture.done("a");
    await worker.event();
    worker.terminate();
    abort.abort();
    await fixture.subscribed(0);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "both ends of a consumer can be transferred: the Worker writes ids, and reads events",
  async fn() {
    await using fixture = await startResultFixture();
    using worker = await StreamWorker.start();
    const ids = Array.from({ length: 100 }, (_, i) => `${i}`);
    const { readable, writable } = fixture.backend.consumer({ maxPending: 10 });
    worker.post({ readable, writable, ids });
    await fixture.done(...ids);
    const got: string[] = [];
    while (got.length < ids.length) got.push((await worker.event()).taskId);
    assertEquals(got.sort(), ids.sort());
    assertEquals(await worker.told.next(), { type: "closed" });
    await fixture.subscribed(0);
  },
}));

Deno.test(needs("redis-server", {
  name: "an error arrives in the Worker with its message",
  async fn() {
    await using fixture = await startResultFixture();
    using worker = await StreamWorker.start();
    worker.post({ readable: fixture.backend.stream("a") });
    await fixture.subscribed(1);
    await fixture.backend.close();
    const told = await worker.told.next();
    assert(told.type === "failed");
    assertInstanceOf(told.error, Error);
    assertEquals(told.error.message, new BackendClosedError().message);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "every kind of event survives structuredClone, and toJsonSafe survives JSON",
  async fn() {
    await using fixture = await startResultFixture();
    const { writer, backend, client } = fixture;
    const options = {
      parentId: "p",
      groupId: "g",
      children: [[["c", null], null]],
      traceback: "Traceback",
    };
    for (const state of ["RECEIVED", "STARTED", "REJECTED", "PROGRESS"]) {
      await writer.storeResult(state, VALUES, state, options);
    }
    await writer.markAsRetry("RETRY", new Error("again"), options);
    await writer.markAsDone("SUCCESS", VALUES, options);
    await writer.markAsFailure("FAILURE", {
      excType: "KeyError",
      excModule: "builtins",
      excArgs: [VALUES],
    }, options);
    await writer.markAsRevoked("REVOKED", "terminated");
    await client.send("SET", "celery-task-meta-UNDECODABLE", "\x80\x04");
    await client.send(
      ...["SET", "celery-task-meta-PENDING", '{"status": "PENDING", "x": 1}'],
    );
    const states = [
      ...["PENDING", "RECEIVED", "STARTED", "REJECTED", "PROGRESS", "RETRY"],
      ...["SUCCESS", "FAILURE", "REVOKED", "UNDECODABLE"],
    ];
    const consumer = backend.consumer();
    await consumer.add(states);
    // So that each has its outcome, and the stream closes.
    for (const state of states.slice(0, 6)) consumer.remove(state);
    await consumer.writable.close();
    const events = await collect(consumer.readable);
    assertEquals(
      events.map(({ state }) => state as string).sort(),
      states.sort(),
    );
    for (const event of events) {
      assertEquals(event.taskId, event.state);
      assertEquals(structuredClone(event), event);
      const safe = toJsonSafe(event);
      assertEquals(JSON.parse(JSON.stringify(safe)), safe);
      // The dates of a copy have lost their text, which is made again.
      assertEquals(
        JSON.parse(JSON.stringify(toJsonSafe(structuredClone(event)))).taskId,
        event.taskId,
      );
      if (event.dateDone !== null) {
        assertEquals(
          (safe as { dateDone: string }).dateDone,
          datetimeText(event.dateDone) ?? event.dateDone.toISOString(),
        );
      }
    }
  },
}));
