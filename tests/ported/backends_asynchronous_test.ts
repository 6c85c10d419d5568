/**
 * What t/unit/backends/test_asynchronous.py of Celery asks of the loop that
 * waits for results, asked of the one here. README.md says what became of each
 * test there.
 *
 * @module
 */

import {
  RedisConnectionError,
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
  ResultTimeoutError,
  RetryLimitError,
} from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { subscriptionsSettled } from "../support/channels.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { inboxOf } from "../support/results.ts";

const QUICK: ResultBackendOptions = {
  reconcile: 0,
  reconnect: { minTimeout: 1, maxTimeout: 10 },
};

function redisTest(name: string, fn: () => Promise<void>): void {
  Deno.test(needs("redis-server", { name, fn }));
}

// -- test_Drainer --------------------------------------------------------------------

redisTest(
  "test_drain_fulfils_promise: a wait goes on through states and other tasks' results, and ends with its own",
  async () => {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url, QUICK);
    await using writer = new ResultBackend(redis.url);
    const states: string[] = [];
    const wait = backend.result("task").get({
      onEvent: ({ taskId, state }) => states.push(`${taskId} ${state}`),
    });
    const other = backend.result("other").get();
    await subscriptionsSettled(backend);
    await writer.markAsStarted("task");
    await writer.markAsDone("other", "not this one");
    assertEquals(await other, "not this one");
    await writer.markAsDone("task", "done");
    assertEquals(await wait, "done");
    assertEquals(states, ["task STARTED", "task SUCCESS"]);
  },
);

redisTest(
  "test_drain_raises_timeout: a timeout of 0.2 seconds ends the wait after 0.2 seconds, not at the end of a turn of one",
  async () => {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url, QUICK);
    // Connected: what is measured is the wait alone.
    await backend.getMeta("task");
    const waits: number[] = [];
    // A busy machine may be late with its timers, but not again and again.
    while (waits.length < 10 && !waits.some((waited) => waited < 700)) {
      const start = performance.now();
      const error = await assertRejects(
        () => backend.result("task").get({ timeout: 200 }),
        ResultTimeoutError,
      );
      waits.push(performance.now() - start);
      assertEquals(error.lastState, undefined);
    }
    // Timers count whole milliseconds.
    assert(waits.every((waited) => waited >= 199), `${waits} ms`);
    assert(Math.min(...waits) < 700, `${waits} ms`);

    // The next wait for the same task is as good as the first.
    const next = backend.result("task").get();
    await backend.markAsDone("task", 42);
    assertEquals(await next, 42);
  },
);

redisTest(
  "test_drain_calls_on_interval: a wait takes no turns of its own: the caller's timers run meanwhile",
  async () => {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url, QUICK);
    let isWaiting = true;
    const wait = backend.result("task").get().finally(() => isWaiting = false);
    const ticked = Promise.withResolvers<void>();
    let ticks = 0;
    const interval = setInterval(() => {
      if (isWaiting && ++ticks === 3) ticked.resolve();
    }, 5);
    await ticked.promise;
    clearInterval(interval);
    await backend.markAsDone("task", 42);
    assertEquals(await wait, 42);
  },
);

redisTest(
  "test_drain_catches_oserror_and_logs: status() reports a connection that dies during a wait, and the wait goes on",
  async () => {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url, QUICK);
    const status = inboxOf(backend.status());
    const wait = backend.result("task").get();
    await status.until(({ type }) => type === "connected");
    await redis.kill();
    const lost = await status.until((event) =>
      event.type === "disconnected" && event.error !== null
    );
    assertInstanceOf(
      lost.type === "disconnected" && lost.error,
      RedisConnectionError,
    );
    // More than one attempt, each told with its reason.
    const retrying = await status.until((event) =>
      event.type === "retrying" && event.attempt === 2
    );
    assertInstanceOf(
      retrying.type === "retrying" && retrying.error,
      RedisConnectionError,
    );
    await redis.start();
    await status.until(({ type }) => type === "resynced");
    await backend.markAsDone("task", "done");
    assertEquals(await wait, "done");
  },
);

// -- test_BaseResultConsumer_reconnect -----------------------------------------------

redisTest(
  "test_reconnect_on_error_no_exception_passes_through: where nothing fails there is one attempt and one link",
  async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(redis.url);
    await using backend = new ResultBackend(proxy.url, QUICK);
    const status = inboxOf(backend.status());
    const wait = backend.result("task").get();
    await backend.markAsDone("task", "ok");
    assertEquals(await wait, "ok");
    // One connection for commands, one for messages.
    assertEquals(proxy.accepted, 2);
    await backend.close();
    assertEquals(
      status.all.map(({ type }) => type).filter((type) =>
        type === "retrying" || type === "resynced" || type === "failed"
      ),
      [],
    );
  },
);

redisTest(
  "test_reconnect_on_error_ignores_non_connection_error: what is no connection error reaches the waiter, and is not tried again",
  async () => {
    await using redis = await startRedis();
    await using client = await redis.client();
    await client.send("ACL", "SETUSER", "mute", "on", ">secret", "~*", "+@all");
    await using proxy = await FaultProxy.start(redis.url);
    await using backend = new ResultBackend(proxy.url, {
      ...QUICK,
      username: "mute",
      password: "secret",
    });
    const error = await assertRejects(
      () => backend.result("task").get(),
      RedisError,
    );
    assertEquals(error.code, "NOPERM");
    assertEquals(proxy.commands.get("SUBSCRIBE"), 1);
    assertEquals(proxy.accepted, 2);
  },
);

for (const which of ["subscribed", "command"] as const) {
  redisTest(
    `test_reconnect_on_error_calls_reconnect_on_connection_error: a ${which} connection that dies is reopened once`,
    async () => {
      await using redis = await startRedis();
      await using proxy = await FaultProxy.start(redis.url);
      await using backend = new ResultBackend(proxy.url, QUICK);
      await using writer = new ResultBackend(redis.url);
      const status = inboxOf(backend.status());
      const wait = backend.result("task").get();
      await status.until(({ type }) => type === "connected");
      await proxy.cut(which);
      await status.until(({ type }) => type === "resynced");
      // A link is two connections, and never half a one.
      assertEquals(proxy.accepted, 4);
      await writer.markAsDone("task", "done");
      assertEquals(await wait, "done");
    },
  );
}

redisTest(
  "test_reconnect_on_error_raises_runtime_when_reconnect_also_fails, test_reconnect_on_error_runtime_chained_from_connection_error: every waiter gets the end of retrying, with the last error as its cause",
  async () => {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url, {
      ...QUICK,
      reconnect: { maxAttempts: 2, minTimeout: 1 },
    });
    const status = inboxOf(backend.status());
    const waits = [
      backend.result("task").get(),
      backend.result("task").get(),
      backend.result("other").get(),
      Array.fromAsync(backend.stream("third")),
    ];
    await status.until(({ type }) => type === "connected");
    const ended = waits.map((wait) =>
      assertRejects(() => wait, RetryLimitError)
    );
    await redis.kill();
    const errors = await Promise.all(ended);
    const [first] = errors;
    for (const error of errors) assertStrictEquals(error.cause, first?.cause);
    assertInstanceOf(first?.cause, RedisConnectionError);
    assertStringIncludes(first.cause.message, `127.0.0.1:${redis.port}`);
  },
);
