// A backend from a Celery configuration, on a real server.

import {
  BackendStoreError,
  ResultBackend,
  type RetryNotice,
  type StatusEvent,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { inboxOf, taskIds } from "../support/results.ts";

Deno.test(needs("redis-server", {
  name:
    "ResultBackend.fromCeleryConfig() stores with the database, user and expiry of Celery's settings",
  async fn() {
    await using redis = await startRedis({ password: "s3/cret" });
    await using client = await redis.client();
    await client.send(
      "ACL",
      "SETUSER",
      "ann",
      "on",
      ">pw&?",
      "~*",
      "&*",
      "+@all",
    );
    const [id] = taskIds(1) as [string];
    const query = "db=5&username=ann&password=pw%26%3F&client_name=from%2Durl";
    await using backend = ResultBackend.fromCeleryConfig({
      broker_url: "redis://elsewhere",
      result_backend: `redis://127.0.0.1/2?${query}`,
      CELERY_REDIS_PORT: redis.port,
      redis_password: "not this one",
      CELERY_TASK_RESULT_EXPIRES: 60,
      result_backend_transport_options: { global_keyprefix: "my" },
      redis_socket_connect_timeout: 2,
      redis_backend_health_check_interval: 1,
    });
    const waited = backend.result(id).get();
    assertEquals(await backend.markAsDone(id, 42), true);
    assertEquals(await waited, 42);
    const clients = String(await client.send("CLIENT", "LIST"));
    assert(/ name=from-url .* db=5 .* user=ann /.test(clients), clients);
    await client.send("SELECT", "5");
    const ttl = await client.send("TTL", `my_celery-task-meta-${id}`);
    assert(ttl === 60 || ttl === 59, String(ttl));

    await using other = ResultBackend.fromCeleryConfig({
      result_backend: "redis",
      redis_host: "127.0.0.1",
      redis_port: redis.port,
      redis_db: 5,
      redis_password: "s3/cret",
      redis_client_name: "from-settings",
    }, { keyPrefix: "my" });
    assertEquals((await other.getMeta(id)).result, 42);
    const names = String(await client.send("CLIENT", "LIST"));
    assert(names.includes(" name=from-settings "), names);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "with always_retry, a store outlasts an outage, which onRetry and status() report in Celery's words",
  async fn() {
    await using redis = await startRedis();
    const [id] = taskIds(1) as [string];
    const notices: RetryNotice[] = [];
    const again = Promise.withResolvers<void>();
    await using backend = ResultBackend.fromCeleryConfig({
      result_backend: redis.url,
      result_backend_always_retry: true,
      result_backend_max_sleep_between_retries_ms: 50,
      // Reconnecting is given up; the store goes on.
      result_backend_transport_options: {
        retry_policy: { max_retries: 1, interval_start: 0, interval_step: 0 },
      },
    }, {
      onRetry: (notice) => {
        notices.push(notice);
        if (notice.kind === "command" && notice.attempt === 6) again.resolve();
      },
    });
    const status = inboxOf(backend.status());
    await redis.kill();
    const stored = backend.markAsDone(id, 1);
    await again.promise;
    await status.until(({ type }) => type === "failed");
    await redis.start();
    assertEquals(await stored, true);
    assertEquals((await backend.getMeta(id)).state, "SUCCESS");
    const [first] = notices.filter(({ kind }) => kind === "reconnect");
    assertStringIncludes(
      first!.message,
      "Connection to Redis failed: Retry (0/1) now. Cannot connect to Redis at ",
    );
    const waits = notices.filter(({ kind }) => kind === "command");
    assert(
      waits.every(({ delay }) => Number.isInteger(delay) && delay <= 50),
    );
  },
}));

Deno.test(needs("redis-server", {
  name:
    "by default, a store gives up after the retry_policy as in Celery, and the error says why",
  async fn() {
    await using redis = await startRedis();
    const [id] = taskIds(1) as [string];
    await using backend = ResultBackend.fromCeleryConfig({
      result_backend: redis.url,
      result_backend_transport_options: {
        retry_policy: { max_retries: 3, interval_step: 0.01 },
      },
    });
    const events: StatusEvent[] = [];
    const status = inboxOf(backend.status());
    await redis.kill();
    const error = await assertRejects(
      () => backend.markAsDone(id, 1),
      BackendStoreError,
    );
    assertEquals([error.taskId, error.state], [id, "SUCCESS"]);
    assert(error.cause instanceof Error);
    await status.until((event) => {
      events.push(event);
      return event.type === "retrying";
    });
    const last = events.at(-1);
    assert(last?.type === "retrying");
    assertStringIncludes(
      last.message,
      "Connection to Redis failed: Retry (0/3) now. Cannot connect to Redis at ",
    );
  },
}));
