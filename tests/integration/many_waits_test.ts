// Thousands of waits, and everything that can happen to one.

import {
  BackendClosedError,
  BackendGetMetaError,
  ResultBackend,
  type ResultEvent,
  ResultTimeoutError,
  TaskError,
} from "../../mod.ts";
import { denoRuntime } from "../../src/runtime.ts";
import { FaultProxy } from "../../testing.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import type { Inbox } from "../support/inbox.ts";
import { needs } from "../support/needs.ts";
import {
  type ResultFixture,
  startResultFixture,
} from "../support/result_fixture.ts";
import { collect, taskIds } from "../support/results.ts";
import { until } from "../support/until.ts";

/** A test with its own fixture. */
function withFixture(
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

/** How often the server ran each command since `from`, according to MONITOR. */
function countsOf(lines: Inbox<string>, from = 0): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of lines.all.slice(from)) {
    const name = /\] "([A-Za-z]+)"/.exec(line)?.[1];
    if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

withFixture(
  "ten thousand get() calls in one turn take ten SUBSCRIBE commands, about as many MGETs, and as many UNSUBSCRIBEs",
  async (fixture) => {
    const { backend, redis } = fixture;
    await using client = await redis.client();
    const lines = await client.monitor();
    for (const isFirst of [true, false]) {
      const from = lines.all.length;
      const ids = taskIds(10_000);
      const abort = new AbortController();
      const waits = ids.map((id) =>
        assertRejects(() => backend.result(id).get({ signal: abort.signal }))
      );
      // Added last, so attached last.
      await backend.consumer().add(ids.at(-1)!);
      await fixture.subscribed(10_000 + (isFirst ? 0 : 1));
      await fixture.client.send("ECHO", `attached ${isFirst}`);
      await lines.until((line) => line.includes(`attached ${isFirst}`));
      const { SUBSCRIBE, MGET = 0, GET } = countsOf(lines, from);
      assertEquals([SUBSCRIBE, GET], [10, undefined]);
      // The first read of a backend is small: it shows how large documents are.
      assert(MGET >= 10 && MGET <= (isFirst ? 13 : 11), `${MGET} MGETs`);

      const since = lines.all.length;
      abort.abort(new Error("enough"));
      await Promise.all(waits);
      await fixture.subscribed(isFirst ? 1 : 2);
      await fixture.client.send("ECHO", `left ${isFirst}`);
      await lines.until((line) => line.includes(`left ${isFirst}`));
      const { UNSUBSCRIBE = 0, ...others } = countsOf(lines, since);
      assert(UNSUBSCRIBE >= 10 && UNSUBSCRIBE <= 11, `${UNSUBSCRIBE}`);
      assertEquals(Object.keys(others).sort(), ["ECHO", "PUBSUB"]);
    }
  },
);

withFixture(
  "ten thousand get() calls for one task share one channel, and each gets its own copy of the result",
  async (fixture) => {
    const { backend, client, writer } = fixture;
    const gets = Array.from(
      { length: 10_000 },
      () => backend.result<{ n: number }>("a").get(),
    );
    await backend.consumer().add("b");
    assertEquals(
      await client.send("PUBSUB", "NUMSUB", "celery-task-meta-a"),
      ["celery-task-meta-a", 1],
    );
    await writer.markAsDone("a", { n: 1 });
    const results = await Promise.all(gets);
    assertEquals(new Set(results).size, 10_000);
    assert(results.every(({ n }) => n === 1));
    await fixture.subscribed(1);
  },
);

withFixture(
  "when one of several waits for a task ends early, by its signal or timeout, the channel is unsubscribed after the last",
  async (fixture) => {
    const { backend, writer } = fixture;
    const abort = new AbortController();
    const aborted = assertRejects(() =>
      backend.result("a").get({ signal: abort.signal })
    );
    const late = assertRejects(
      () => backend.result("a").get({ timeout: 50 }),
      ResultTimeoutError,
    );
    const other = backend.result("a").get();
    await fixture.subscribed(1);
    abort.abort();
    await Promise.all([aborted, late]);
    // An UNSUBSCRIBE would have arrived by now.
    await backend.consumer().add("b");
    await fixture.subscribed(2);
    await writer.markAsDone("a", "here");
    assertEquals(await other, "here");
    await fixture.subscribed(1);
  },
);

withFixture(
  "get() resolves to the first outcome that it sees; a later call reads the newest",
  async (fixture) => {
    const { backend, writer } = fixture;
    const early = backend.result("a").get({ propagate: false });
    const stream = collect(backend.stream("a"));
    await fixture.subscribed(1);
    await writer.markAsFailure("a", new RangeError("lost its worker"));
    assertInstanceOf(await early, TaskError);
    await assertRejects(() => backend.result("a").get(), TaskError);
    // Delivered again, as with acks_late, and done.
    await writer.markAsStarted("a");
    await writer.markAsDone("a", "the second time");
    assertEquals((await stream).map(({ state }) => state), ["FAILURE"]);
    assertEquals(await backend.result("a").get(), "the second time");
    assertEquals(
      await backend.result("a").get({ timeout: 0 }),
      "the second time",
    );
    // SUCCESS is final.
    assertEquals(
      await writer.markAsFailure("a", new RangeError("late")),
      false,
    );
    assertEquals(await backend.result("a").get(), "the second time");
  },
);

withFixture(
  "get({ timeout }) rejects when the time is up, neither before nor a second later",
  async (fixture) => {
    const runtime = new FakeRuntime({ dial: denoRuntime.dial });
    await using backend = new ResultBackend(fixture.redis.url, { runtime });
    let isOver = false;
    const seen = Promise.withResolvers<ResultEvent>();
    const wait = assertRejects(
      () => backend.result("a").get({ timeout: 200, onEvent: seen.resolve }),
      ResultTimeoutError,
    ).finally(() => isOver = true);
    await fixture.subscribed(1);
    await fixture.writer.storeResult("a", 5, "PROGRESS");
    await seen.promise;
    await runtime.advance(199);
    assert(!isOver);
    await runtime.advance(1);
    const error = await wait;
    assertEquals([error.taskId, error.lastState], ["a", "PROGRESS"]);
    assert(error.message.includes("200 ms"), error.message);
    await fixture.subscribed(0);
  },
);

withFixture(
  "get({ timeout: 200 }) takes 200 ms of real time, and a long one as long as it says",
  async ({ backend }) => {
    await backend.getMeta("a");
    const since = performance.now();
    await assertRejects(
      () => backend.result("a").get({ timeout: 200 }),
      ResultTimeoutError,
    );
    const elapsed = performance.now() - since;
    // Never early. How late it is depends on how busy the machine is.
    assert(elapsed > 199 && elapsed < 10_000, `${elapsed} ms`);
    // A platform timer would fire at once.
    const abort = new AbortController();
    const month = backend.result("a").get({
      timeout: 31 * 86_400_000,
      signal: abort.signal,
    });
    const reason = new Error("enough");
    const ended = assertRejects(() => month);
    await backend.consumer().add("a");
    abort.abort(reason);
    assertStrictEquals(await ended, reason);
  },
);

withFixture(
  "get({ timeout: 0 }) reads once, and does not subscribe",
  async (fixture) => {
    const { backend, writer } = fixture;
    const look = (): Promise<unknown> =>
      backend.result("a").get({ timeout: 0 });
    const missing = await assertRejects(look, ResultTimeoutError);
    assertEquals(missing.lastState, "PENDING");
    await writer.markAsStarted("a");
    assertEquals(
      (await assertRejects(look, ResultTimeoutError)).lastState,
      "STARTED",
    );
    await writer.markAsDone("a", 1);
    assertEquals(await look(), 1);
    assertEquals(await fixture.channels(), 0);
    for (const timeout of [-1, NaN]) {
      await assertRejects(
        () => backend.result("a").get({ timeout }),
        RangeError,
      );
    }
  },
);

withFixture(
  "a timeout during an outage rejects in time, and says why Redis is unreachable; one of 0 fails as a read does",
  async (fixture) => {
    await using backend = new ResultBackend(fixture.redis.url, {
      reconnect: { minTimeout: 10, maxTimeout: 20 },
      retry: { maxAttempts: 2, minTimeout: 1 },
    });
    await backend.getMeta("a");
    await fixture.redis.kill();
    const error = await assertRejects(
      () => backend.result("a").get({ timeout: 1000 }),
      ResultTimeoutError,
    );
    assertInstanceOf(error.lastConnectionError, Error);
    assertStrictEquals(error.cause, error.lastConnectionError);
    assert(error.message.includes("Redis is not connected"), error.message);
    await assertRejects(
      () => backend.result("a").get({ timeout: 0 }),
      BackendGetMetaError,
    );
    await fixture.redis.start();
    const wait = backend.result("a").get();
    await fixture.done("a");
    assertEquals(await wait, "a");
  },
);

withFixture(
  "get({ signal }) rejects with the signal's reason if it aborts before or during the wait, and not afterwards",
  async (fixture) => {
    const { backend } = fixture;
    const reason = new Error("changed my mind");
    const before = AbortSignal.abort(reason);
    for (const timeout of [0, 1000]) {
      const wait = backend.result("a").get({ signal: before, timeout });
      assertStrictEquals(await assertRejects(() => wait), reason);
    }
    assertEquals(await fixture.channels(), 0);
    const abort = new AbortController();
    const { signal } = abort;
    const meanwhile = assertRejects(() => backend.result("a").get({ signal }));
    await fixture.subscribed(1);
    abort.abort(reason);
    assertStrictEquals(await meanwhile, reason);
    await fixture.subscribed(0);
    const other = new AbortController();
    const after = backend.result("b").get({ signal: other.signal });
    await fixture.done("b");
    assertEquals(await after, "b");
    other.abort(reason);
    await fixture.subscribed(0);
  },
);

withFixture(
  "an error that onEvent throws is reported, and ends neither this wait nor others",
  async (fixture) => {
    const { backend, writer } = fixture;
    const errors: unknown[] = [];
    const listener = (event: ErrorEvent): void => {
      event.preventDefault();
      errors.push(event.error);
    };
    globalThis.addEventListener("error", listener);
    try {
      const bad = new Error("not my day");
      const seen: string[] = [];
      const wait = backend.result("a").get({
        onEvent: () => {
          throw bad;
        },
      });
      const other = backend.result("a").get({
        onEvent: ({ state }: ResultEvent) => seen.push(state),
      });
      await fixture.subscribed(1);
      await backend.consumer().add("a");
      await writer.markAsStarted("a");
      await writer.markAsDone("a", 1);
      assertEquals(await Promise.all([wait, other]), [1, 1]);
      assertEquals(errors, [bad, bad]);
      assertEquals(seen, ["STARTED", "SUCCESS"]);
    } finally {
      globalThis.removeEventListener("error", listener);
    }
  },
);

Deno.test(needs("redis-server", {
  name: "a get() in the same turn as close() rejects, on either side of it",
  async fn() {
    await using fixture = await startResultFixture();
    for (const isUsed of [false, true]) {
      await using backend = new ResultBackend(fixture.redis.url);
      if (isUsed) await backend.getMeta("a");
      const before = backend.result("a").get();
      const closed = backend.close();
      const after = backend.result("a").get();
      const stream = collect(backend.stream("a"));
      for (const wait of [before, after, stream]) {
        await assertRejects(() => wait, BackendClosedError);
      }
      await closed;
    }
    assertEquals(await fixture.channels(), 0);
  },
}));

Deno.test(needs("redis-server", {
  name: "ten thousand waits survive a cut, and each ends once with its result",
  async fn() {
    await using fixture = await startResultFixture();
    await using proxy = await FaultProxy.start(fixture.redis.url);
    await using backend = new ResultBackend(proxy.url, { reconcile: 0 });
    const ids = taskIds(10_000);
    const events = new Map<string, number>();
    const gets = ids.map((id) =>
      backend.result(id).get({
        onEvent: ({ taskId }) =>
          events.set(taskId, (events.get(taskId) ?? 0) + 1),
      })
    );
    await backend.consumer().add(ids.at(-1)!);
    const storing = fixture.done(...ids);
    await until(() => events.size > 0, { what: "the first result" });
    proxy.reset();
    await storing;
    assertEquals(await Promise.all(gets), ids);
    assertEquals(Math.max(...events.values()), 1);
    await fixture.subscribed(0);
  },
}));
