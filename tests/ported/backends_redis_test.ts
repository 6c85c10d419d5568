/**
 * What t/unit/backends/test_redis.py of Celery asks of its backend, asked of
 * this one, on a real Redis. README.md says what became of each test there.
 *
 * @module
 */

import {
  BackendStoreError,
  ResultBackend,
  type ResultBackendOptions,
  ResultTimeoutError,
  RetryLimitError,
  type RetryOptions,
  type StatusEvent,
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
import {
  channelsOf,
  subscribersOf,
  subscriptionsSettled,
  untilChannels,
} from "../support/channels.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { collect, inboxOf, taskIds, untilStatus } from "../support/results.ts";

const KEY = "celery-task-meta-";

/** Short waits, and no reconciling, so that results arrive only by the mechanism under test. */
const QUICK: ResultBackendOptions = {
  reconcile: 0,
  reconnect: { minTimeout: 1, maxTimeout: 10 },
  retry: { minTimeout: 1, maxTimeout: 10 },
};

function redisTest(name: string, fn: () => Promise<void>): void {
  Deno.test(needs("redis-server", { name, fn }));
}

/** The result of FAILURE, REVOKED and RETRY is an exception. */
function resultFor(state: string): unknown {
  return /^(FAILURE|REVOKED|RETRY)$/.test(state) ? new Error(state) : state;
}

// -- test_RedisResultConsumer ------------------------------------------------------

redisTest(
  "test_on_state_change: a ready state ends the subscription, others do not",
  async () => {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url, QUICK);
    await using writer = new ResultBackend(redis.url);
    for (const ready of ["SUCCESS", "FAILURE", "REVOKED"]) {
      const [id] = taskIds(1) as [string];
      const events = inboxOf(backend.stream(id));
      await subscriptionsSettled(backend);
      for (
        const state of [
          ...["PENDING", "RECEIVED", "STARTED", "RETRY"],
          ...["REJECTED", "IGNORED", "PROGRESS"],
        ]
      ) {
        await writer.storeResult(id, resultFor(state), state);
        await events.until((event) => event.state === state);
        await subscriptionsSettled(backend);
        assertEquals(await subscribersOf(client, KEY + id), 1, state);
      }
      await writer.storeResult(id, resultFor(ready), ready);
      await events.until((event) => event.state === ready);
      await untilChannels(client, []);
    }
  },
);

redisTest(
  "test_drain_events_before_start: reading before anything is awaited dials nothing, and misses nothing",
  async () => {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url);
    await using writer = new ResultBackend(redis.url);
    await using consumer = backend.consumer();
    const first = consumer.readable.getReader().read();
    const clients = String(await client.send("CLIENT", "LIST"));
    assertEquals(clients.trim().split("\n").length, 1, clients);

    await consumer.add("task");
    await writer.markAsDone("task", 42);
    assertEquals((await first).value?.result, 42);
  },
);

redisTest(
  "test_consume_from_connection_error: a SUBSCRIBE that is lost is made good, and all tasks are subscribed",
  async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(redis.url);
    await using client = await redis.client();
    await using backend = new ResultBackend(proxy.url, QUICK);
    await using writer = new ResultBackend(redis.url);
    await using consumer = backend.consumer();
    await consumer.add("initial");

    using hold = proxy.hold("SUBSCRIBE");
    const added = consumer.add("some-task");
    await hold.reached;
    proxy.reset("subscribed");
    hold.release();
    await added;
    assertEquals(
      await channelsOf(client),
      [`${KEY}initial`, `${KEY}some-task`],
    );

    await consumer.writable.close();
    await writer.markAsDone("initial", 1);
    await writer.markAsDone("some-task", 2);
    const events = await collect(consumer.readable);
    assertEquals(events.map(({ taskId, result }) => [taskId, result]), [
      ["initial", 1],
      ["some-task", 2],
    ]);
  },
);

redisTest(
  "test_cancel_for_connection_error: an UNSUBSCRIBE that is lost leaves the key out of the next connection",
  async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(redis.url);
    await using client = await redis.client();
    await using backend = new ResultBackend(proxy.url, QUICK);
    await using consumer = backend.consumer();
    await consumer.add(["initial", "some-task"]);
    const status = inboxOf(backend.status());

    using hold = proxy.hold("UNSUBSCRIBE");
    consumer.remove("some-task");
    await hold.reached;
    assertEquals((await channelsOf(client)).length, 2);
    proxy.reset("subscribed");
    const resynced = await status.until(isResynced);
    assertEquals(resynced, { type: "resynced", keys: 1 });
    await untilChannels(client, [`${KEY}initial`]);
  },
);

redisTest(
  "test_drain_events_connection_error, test_drain_events_connection_error_no_patch: a message torn in two is read from its key, which is then subscribed no more",
  async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(redis.url);
    await using client = await redis.client();
    await using backend = new ResultBackend(proxy.url, QUICK);
    await using writer = new ResultBackend(redis.url);
    const events = inboxOf(backend.stream(["initial", "other"]));
    await untilStatus(backend.status(), "connected");

    const torn = proxy.truncate("subscribed");
    await writer.markAsDone("initial", 42);
    await torn;
    const event = await events.next();
    assertEquals([event.taskId, event.result], ["initial", 42]);
    assertEquals(event.origin, "snapshot");
    await untilChannels(client, [`${KEY}other`]);
    await writer.markAsDone("other", 43);
    assertEquals((await events.next()).origin, "live");
  },
);

redisTest(
  "test__reconnect_pubsub_no_subscribed: where nothing is awaited a lost connection is not redialled, and the next one reads and subscribes nothing",
  async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(redis.url);
    await using client = await redis.client();
    await using backend = new ResultBackend(proxy.url, QUICK);
    await backend.markAsDone("initial", 1);
    await backend.result("initial").get();
    await untilChannels(client, []);
    const before = new Map(proxy.commands);
    const { accepted } = proxy;

    const status = inboxOf(backend.status());
    await proxy.cut();
    await status.until(({ type }) => type === "disconnected");
    // Enough time for a connection attempt.
    for (let i = 0; i < 50; i++) await client.send("PING");
    assertEquals(status.all.at(-1)?.type, "disconnected");
    assertEquals((await backend.getMeta("initial")).result, 1);
    // One connection, for the GET.
    assertEquals(proxy.accepted, accepted + 1);
    for (const command of ["SUBSCRIBE", "UNSUBSCRIBE", "MGET"]) {
      assertEquals(proxy.commands.get(command), before.get(command), command);
    }
  },
);

redisTest(
  "test__reconnect_pubsub_with_state_change: what finished meanwhile is delivered, and its key let go",
  async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(redis.url);
    await using client = await redis.client();
    await using backend = new ResultBackend(proxy.url, QUICK);
    await using writer = new ResultBackend(redis.url);
    await writer.markAsStarted("initial");
    const events = inboxOf(backend.stream("initial"));
    await events.until(({ state }) => state === "STARTED");

    await proxy.refuse();
    await proxy.cut();
    await writer.markAsDone("initial", 42);
    await proxy.accept();
    await events.until(({ ready }) => ready);
    assertEquals(events.all.map(({ state }) => state), ["STARTED", "SUCCESS"]);
    await untilChannels(client, []);
  },
);

redisTest(
  "test__reconnect_pubsub_without_state_change: one SUBSCRIBE and one MGET for all that is awaited, and no state twice",
  async () => {
    await using redis = await startRedis();
    await using proxy = await FaultProxy.start(redis.url);
    await using client = await redis.client();
    await using backend = new ResultBackend(proxy.url, QUICK);
    await using writer = new ResultBackend(redis.url);
    const ids = ["initial", "pending", "second"];
    await writer.markAsStarted("initial");
    await writer.markAsStarted("second");
    const events = inboxOf(backend.stream(ids));
    await events.until(({ taskId }) => taskId === "initial");
    await events.until(({ taskId }) => taskId === "second");
    const before = new Map(proxy.commands);

    const status = inboxOf(backend.status());
    await proxy.cut();
    await status.until(isResynced);
    for (const command of ["SUBSCRIBE", "MGET"]) {
      assertEquals(
        proxy.commands.get(command),
        (before.get(command) ?? 0) + 1,
        command,
      );
    }
    await untilChannels(client, ids.map((id) => KEY + id));
    for (const id of ids) await writer.markAsDone(id, id);
    await events.until(({ taskId, ready }) => taskId === "second" && ready);
    assertEquals(
      events.all.map(({ taskId, state }) => `${taskId} ${state}`).sort(),
      [
        ...["initial STARTED", "initial SUCCESS", "pending SUCCESS"],
        ...["second STARTED", "second SUCCESS"],
      ],
    );
  },
);

for (const kind of ["success", "failure"] as const) {
  redisTest(
    `test_on_wait_for_pending_cleans_up_leaked_${kind}_messages: nothing that was delivered is kept: forgotten, it is gone`,
    async () => {
      await using redis = await startRedis();
      await using backend = new ResultBackend(redis.url, QUICK);
      await using writer = new ResultBackend(redis.url);
      const state = kind.toUpperCase();
      // The second one leaves at the moment the message arrives.
      const abort = new AbortController();
      const waits = [
        backend.result("task").get({
          propagate: false,
          onEvent: () => abort.abort(),
        }),
        backend.result("task").get({ signal: abort.signal }).catch(() => {}),
      ];
      await untilStatus(backend.status(), "connected");
      await writer.storeResult("task", resultFor(state), state);
      await Promise.all(waits);

      await writer.forget("task");
      const error = await assertRejects(
        () => backend.result("task").get({ timeout: 50 }),
        ResultTimeoutError,
      );
      assertEquals(error.lastState, undefined);
    },
  );
}

// -- test_RedisBackend -------------------------------------------------------------

redisTest(
  "test_url, test_backend_redis_client_name: user, password, database and client name reach both connections",
  async () => {
    await using redis = await startRedis();
    await using client = await redis.client();
    await client.send(
      ...["ACL", "SETUSER", "us:er", "on", ">p@s/s"],
      ...["~*", "&*", "+@all"],
    );
    await using backend = new ResultBackend(
      `redis://us%3Aer:p%40s%2Fs@127.0.0.1:${redis.port}/3`,
      { clientName: "my-app" },
    );
    await using consumer = backend.consumer();
    await consumer.add("task");
    const clients = String(await client.send("CLIENT", "LIST"));
    const lines = clients.trim().split("\n")
      .filter((line) => line.includes(" name=my-app "));
    assertEquals(lines.length, 2, clients);
    for (const line of lines) {
      assertStringIncludes(line, " db=3 ");
      assertStringIncludes(line, " user=us:er ");
    }
  },
);

redisTest(
  "test_on_connection_error, test_retry_policy_conf: each failed attempt is reported with its number, the limit and the wait; options not given keep their defaults",
  async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const cases: [RetryOptions, number[][]][] = [
      [{ maxAttempts: 3, delay: (attempt) => attempt }, [[1, 3, 1], [2, 3, 2]]],
      [{ maxAttempts: 3, minTimeout: 2 }, [[1, 3, 2], [2, 3, 4]]],
      // 50 ms, the default.
      [{ maxAttempts: 2 }, [[1, 2, 50]]],
    ];
    for (const [reconnect, expected] of cases) {
      await using backend = new ResultBackend(`redis://127.0.0.1:${port}`, {
        reconnect,
      });
      const status = inboxOf(backend.status());
      const error = await assertRejects(
        () => backend.result("task").get(),
        RetryLimitError,
      );
      const failed = await status.until(({ type }) => type === "failed");
      assert(failed.type === "failed", failed.type);
      // The wait has its own error, with its caller in the stack.
      assertEquals(failed.error.message, error.message);
      assertStrictEquals(failed.error.cause, error.cause);
      const retries = status.all.filter(({ type }) => type === "retrying");
      assertEquals(retries.map(attemptOf), expected);
      for (const event of retries) {
        assertInstanceOf(event.type === "retrying" && event.error, Error);
      }
    }
  },
);

redisTest(
  "test_expires_is_None, test_expires_defaults_to_config: without an expiry results are kept for a day, with null forever",
  async () => {
    assertEquals(await ttlWith({}), 86_400);
    // In Celery, the argument None means the setting, and the setting None means no expiry.
    assertEquals(await ttlWith({ expires: null }), -1);
  },
);

redisTest(
  "test_expires_is_int, test_set_expires: results are kept for as many seconds as given",
  async () => {
    assertEquals(await ttlWith({ expires: 48 }), 48);
    assertEquals(await ttlWith({ expires: 512 }), 512);
  },
);

redisTest(
  "test_expires_is_timedelta: parts of a second are cut off",
  async () => {
    assertEquals(await ttlWith({ expires: 60.9 }), 60);
  },
);

redisTest(
  "test_set_no_expire, test_set_expires: each store resets the expiry, or removes it",
  async () => {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url, { expires: 512 });
    await using forEver = new ResultBackend(redis.url, { expires: 0 });
    await backend.markAsStarted("task");
    await client.send("EXPIRE", `${KEY}task`, 10);
    await backend.markAsRetry("task");
    assertEquals(await client.send("TTL", `${KEY}task`), 512);
    await forEver.markAsDone("task", 42);
    assertEquals(await client.send("TTL", `${KEY}task`), -1);
    // A SUCCESS is unchanged, including its expiry.
    assertEquals(await backend.markAsDone("task", 43), false);
    assertEquals(await client.send("TTL", `${KEY}task`), -1);
  },
);

redisTest(
  "test_get_set_forget: a result is stored, read and forgotten",
  async () => {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url);
    await backend.storeResult("task", 42, "SUCCESS");
    const result = backend.result("task");
    assertEquals([await result.state(), await result.get()], ["SUCCESS", 42]);
    await backend.forget("task");
    assertEquals(await result.state(), "PENDING");
    assertEquals(await client.send("KEYS", "*"), []);
    // Nothing is left to forget, which is not an error.
    await backend.forget("task");
  },
);

redisTest(
  "test_set_raises_error_on_large_value: a document as large as the limit is stored, one byte more is refused, and nothing published",
  async () => {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url);
    await backend.markAsDone("task", "x");
    const size = Number(await client.send("STRLEN", `${KEY}task`));
    await backend.forget("task");

    await using limited = new ResultBackend(redis.url, {
      maxResultBytes: size,
    });
    await client.send("SUBSCRIBE", `${KEY}task`);
    const error = await assertRejects(
      () => limited.markAsDone("task", "xx"),
      BackendStoreError,
    );
    assertEquals([error.taskId, error.state], ["task", "SUCCESS"]);
    assertEquals(await backend.exists("task"), false);
    assertEquals(await limited.markAsDone("task", "y"), true);
    const { payload } = await client.messages.next();
    assertStringIncludes(String(payload), '"result": "y"');
  },
);

// -- helpers -------------------------------------------------------------------------

function isResynced({ type }: StatusEvent): boolean {
  return type === "resynced";
}

function attemptOf(event: StatusEvent): number[] {
  return event.type === "retrying"
    ? [event.attempt, event.maxAttempts, event.delay]
    : [];
}

/** The TTL of a result stored by a backend with these options. */
async function ttlWith(options: ResultBackendOptions): Promise<unknown> {
  await using redis = await startRedis();
  await using client = await redis.client();
  await using backend = new ResultBackend(redis.url, options);
  await backend.storeResult("task", 42, "SUCCESS");
  return await client.send("TTL", `${KEY}task`);
}
