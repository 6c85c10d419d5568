// Storing: set and publish are atomic, a stored SUCCESS is final, and stores of
// one task keep their order.

import {
  BackendStoreError,
  RedisError,
  ResultBackend,
  type StatusEvent,
} from "../../mod.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { startProxiedFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { inboxOf, taskIds } from "../support/results.ts";

const KEY = "celery-task-meta-";

/** The README's permissions for reading and storing. */
const FULL_ACL = [
  "~celery-task-meta-*",
  "&celery-task-meta-*",
  "+ping",
  "+select",
  "+get",
  "+mget",
  "+exists",
  "+subscribe",
  "+unsubscribe",
  "+pubsub|numsub",
  "+eval",
  "+evalsha",
  "+getrange",
  "+set",
  "+setex",
  "+publish",
  "+del",
];
/** The README's permissions for reading. */
const READ_ACL = [
  "%R~celery-task-meta-*",
  "&celery-task-meta-*",
  "+ping",
  "+select",
  "+get",
  "+mget",
  "+exists",
  "+subscribe",
  "+unsubscribe",
  "+pubsub|numsub",
];

async function urlOf(
  redis: RedisServer,
  user: string,
  rules: readonly string[],
): Promise<string> {
  await using client = await redis.client();
  await client.send("ACL", "SETUSER", user, "on", ">secret", ...rules);
  return `redis://${user}:secret@127.0.0.1:${redis.port}/0`;
}

Deno.test(needs("redis-server", {
  name:
    "ResultBackend.storeResult() keeps what Celery keeps: document, expiry, message",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using listener = await redis.client();
    await using backend = new ResultBackend(redis.url, {
      expires: 100,
      keyPrefix: "app",
    });
    await listener.send("SUBSCRIBE", `app_${KEY}id`);
    assertEquals(await backend.markAsDone("id", { a: 1 }), true);
    const document = await client.send("GET", `app_${KEY}id`);
    assertEquals(
      String(document).replace(/"date_done": "[^"]*"/, '"date_done": "..."'),
      '{"status": "SUCCESS", "result": {"a": 1}, "traceback": null, "children": null, ' +
        '"date_done": "...", "task_id": "id"}',
    );
    assertEquals((await listener.messages.next()).payload, document);
    assertEquals(await client.send("TTL", `app_${KEY}id`), 100);

    await using forEver = new ResultBackend(redis.url, { expires: null });
    await forEver.markAsDone("id", 1);
    assertEquals(await client.send("TTL", `${KEY}id`), -1);
  },
}));

Deno.test(needs("redis-server", {
  name: "ResultBackend.storeResult() rejects an invalid state",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url);
    for (
      const [result, state, words] of [
        ["SUCCESS", "{}", "pass the result first, and then the state"],
        [1, "success", 'did you mean "SUCCESS"?'],
        [1, "", "expected one of Celery's"],
      ] as const
    ) {
      const error = await assertRejects(
        () => backend.storeResult("id", result, state),
        BackendStoreError,
        words,
      );
      assertStringIncludes(
        error.message,
        `Cannot store the result of task id: its state is ${
          JSON.stringify(state)
        }`,
      );
      assertEquals(error.state, state);
    }
    assertEquals(await client.send("DBSIZE"), 0);
    assertEquals(await backend.storeResult("id", 1, "Step 1: 50%"), true);
  },
}));

Deno.test(needs("redis-server", {
  name: "a stored SUCCESS is final, and anything else is not",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url);
    for (
      const state of ["STARTED", "PROGRESS", "RETRY", "REVOKED", "FAILURE"]
    ) {
      const isCustom = state === "STARTED" || state === "PROGRESS";
      await backend.storeResult("id", isCustom ? 1 : new Error("x"), state);
      assertEquals(await backend.storeResult("id", null, "STARTED"), true);
    }
    assertEquals(await backend.markAsDone("id", "first"), true);
    assertEquals(await backend.markAsDone("id", "second"), false);
    assertEquals(await backend.markAsFailure("id", new Error("x")), false);
    assertEquals(await backend.result("id").get(), "first");

    // In any spelling of the JSON, with its status anywhere.
    for (
      const document of [
        '{"status":"SUCCESS","result":1}',
        ' {\n "status" : "SUCCESS", "result": 1}',
        '{"result": "' + "x".repeat(1000) + '", "status": "SUCCESS"}',
        '{"\\u0073tatus": "SUCCESS", "result": 1}',
        '{"status": "SUCC\\u0045SS", "result": 1}',
      ]
    ) {
      await client.send("SET", `${KEY}form`, document);
      assertEquals(await backend.markAsDone("form", 2), false, document);
    }
    for (
      const document of [
        "",
        "garbage",
        '{"status": "SUCCESSFUL", "result": 1}',
        '{"result": {"status": "SUCCESS"}, "status": "FAILURE"}',
        '{"status": "' + "LONG".repeat(100) + '", "result": 1}',
        '{"result": "\\ud800' + "x".repeat(1000) + '", "status": "FAILURE"}',
      ]
    ) {
      await client.send("SET", `${KEY}form`, document);
      assertEquals(await backend.markAsDone("form", 2), true, document);
    }
  },
}));

Deno.test(needs("redis-server", {
  name: "exactly one SUCCESS of many writers of a task is stored and published",
  async fn() {
    await using redis = await startRedis();
    await using reader = new ResultBackend(redis.url);
    const writers = Array.from(
      { length: 8 },
      () => new ResultBackend(redis.url),
    );
    for (const id of taskIds(25)) {
      const stored = await Promise.all(
        writers.map((writer, index) => writer.markAsDone(id, index)),
      );
      assertEquals(stored.filter(Boolean).length, 1);
      assertEquals(await reader.result(id).get(), stored.indexOf(true));
    }
    await Promise.all(writers.map((writer) => writer.close()));
  },
}));

Deno.test(needs("redis-server", {
  name:
    "stores of one task keep their call order, even if the first is delayed and retried",
  async fn() {
    let wait = 100;
    await using fixture = await startProxiedFixture({
      reconnect: { minTimeout: 1, maxTimeout: 10 },
      // Without the order, a later failure would be stored first.
      retry: { delay: () => Math.max(0, wait -= 20) },
    });
    const { redis, proxy, backend } = fixture;
    await using reader = new ResultBackend(redis.url);
    const [id] = taskIds(1) as [string];
    await backend.getMeta(id);
    const events = inboxOf(reader.stream(id));
    await reader.consumer().add(id);

    using hold = proxy.hold("EVALSHA");
    const stores = Promise.all([
      backend.markAsStarted(id),
      backend.storeResult(id, 1, "PROGRESS"),
      backend.storeResult(id, 2, "PROGRESS"),
      backend.markAsDone(id, 3),
    ]);
    await hold.reached;
    await proxy.cut();
    hold.release();
    assertEquals(await stores, [true, true, true, true]);
    await events.until(({ ready }) => ready);
    assertEquals(events.all.map(({ state, result }) => [state, result]), [
      ["STARTED", null],
      ["PROGRESS", 1],
      ["PROGRESS", 2],
      ["SUCCESS", 3],
    ]);
  },
}));

Deno.test(needs("redis-server", {
  name: "a store whose reply is lost is sent again, and resolves to true",
  async fn() {
    await using fixture = await startProxiedFixture({
      reconnect: { minTimeout: 1, maxTimeout: 10 },
      retry: { minTimeout: 1, maxTimeout: 10 },
    });
    const { proxy, backend } = fixture;
    // Caches the script, so that the first EVALSHA succeeds.
    await backend.markAsStarted("other");
    using hold = proxy.holdReply("EVALSHA");
    const stored = backend.markAsDone("id", 1);
    await hold.reached;
    await proxy.cut();
    hold.release();
    assertEquals(await stored, true);
    assertEquals(await backend.markAsDone("id", 1), false);
  },
}));

Deno.test(needs("redis-server", {
  name: "the permissions in the README are enough",
  async fn() {
    await using redis = await startRedis();
    const url = await urlOf(redis, "full", FULL_ACL);
    await using backend = new ResultBackend(url);
    const status = inboxOf(backend.status());
    const result = backend.result("id").get({ timeout: 60_000 });
    await backend.markAsStarted("id");
    assertEquals(await backend.markAsDone("id", 1), true);
    assertEquals(await result, 1);
    assertEquals(await backend.exists("id"), true);
    assertEquals((await backend.getMetas(["id"]))[0]?.state, "SUCCESS");
    await backend.forget("id");
    assertEquals(await backend.exists("id"), false);
    assertEquals(typesOf(status.all).includes("degraded"), false);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "the read-only permissions allow reading and streaming; a store fails at once with the server's message",
  async fn() {
    await using redis = await startRedis();
    const url = await urlOf(redis, "reader", READ_ACL);
    await using backend = new ResultBackend(url);
    await using writer = new ResultBackend(redis.url);
    const status = inboxOf(backend.status());
    const result = backend.result("id").get({ timeout: 60_000 });
    await status.until(({ type }) => type === "connected");
    await writer.markAsDone("id", 1);
    assertEquals(await result, 1);
    const error = await assertRejects(
      () => backend.markAsDone("other", 2),
      RedisError,
    );
    assertEquals(error.code, "NOPERM");
    assertEquals(await backend.exists("other"), false);
    assertEquals(await backend.result("id").get(), 1);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "if scripts are refused, Celery's transaction stores, and status() reports it once",
  async fn() {
    await using redis = await startRedis();
    const url = await urlOf(redis, "plain", [
      ...FULL_ACL.filter((rule) => !rule.startsWith("+eval")),
      "+multi",
      "+exec",
    ]);
    await using backend = new ResultBackend(url);
    const status = inboxOf(backend.status());
    const result = backend.result("id").get({ timeout: 60_000 });
    assertEquals(await backend.markAsStarted("id"), true);
    assertEquals(await backend.markAsDone("id", 1), true);
    assertEquals(await backend.markAsDone("id", 2), false);
    assertEquals(await result, 1);
    assertEquals(
      typesOf(status.all).filter((type) => type === "degraded").length,
      1,
    );
  },
}));

Deno.test(needs("redis-server", {
  name: "a user who may not subscribe gets the server's message at once",
  async fn() {
    await using redis = await startRedis();
    const url = await urlOf(
      redis,
      "mute",
      READ_ACL.filter((rule) => !rule.startsWith("&")),
    );
    await using backend = new ResultBackend(url);
    const error = await assertRejects(
      () => backend.result("id").get(),
      RedisError,
    );
    assertEquals(error.code, "NOPERM");
    assertEquals(await backend.exists("id"), false);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a store is retried while Redis is out of memory, and then rejects with a BackendStoreError",
  async fn() {
    await using redis = await startRedis({ args: ["--maxmemory", "1"] });
    await using backend = new ResultBackend(redis.url, {
      retry: { maxAttempts: 3, minTimeout: 1, maxTimeout: 2 },
    });
    const error = await assertRejects(
      () => backend.markAsDone("id", 1),
      BackendStoreError,
    );
    assertEquals((error.cause as RedisError).code, "OOM");
    assertStringIncludes(error.message, "3 times");
    await using client = await redis.client();
    await client.send("CONFIG", "SET", "maxmemory", "0");
    assertEquals(await backend.markAsDone("id", 1), true);
  },
}));

function typesOf(events: readonly StatusEvent[]): string[] {
  return events.map(({ type }) => type);
}
