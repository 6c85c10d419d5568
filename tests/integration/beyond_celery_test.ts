// Cases that Celery's own suite does not cover: very many tasks, an outcome that
// is replaced, and different databases.

import { ResultBackend, TaskError, TaskRevokedError } from "../../mod.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "../support/assert.ts";
import { startFixture, startProxiedFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { inboxOf, taskIds } from "../support/results.ts";
import { within } from "../support/until.ts";

/** Enough that their confirmations together exceed Redis's output buffer limit for subscribers. */
const MANY = 400_000;

Deno.test(needs("redis-server", {
  name:
    "400,000 awaited tasks are resubscribed after a lost connection, within Redis's output buffer limit, and none is lost",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { redis, proxy, backend, writer } = fixture;
    await using client = await redis.client();
    const ids = taskIds(MANY);
    await using consumer = backend.consumer<string>();
    const status = inboxOf(backend.status());
    await within(consumer.add(ids), { timeout: 300_000, what: "the attach" });

    await proxy.cut("subscribed");
    const resynced = await status.until(({ type }) => type === "resynced", {
      timeout: 300_000,
    });
    assertEquals(resynced, { type: "resynced", keys: MANY });
    // One reconnect was enough: Redis did not disconnect the next link.
    assertEquals(proxy.accepted, 4);
    const channels = await client.send("PUBSUB", "NUMSUB", ...first(ids));
    assertEquals(channels, first(ids).flatMap((channel) => [channel, 1]));

    const events = inboxOf(consumer.readable);
    for (const id of [ids[0]!, ids[MANY / 2]!, ids[MANY - 1]!]) {
      await writer.markAsDone(id, id);
      assertEquals((await events.next()).result, id);
    }
    assertEquals(consumer.pending, MANY - 3);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "waits that saw a FAILURE keep it when a SUCCESS replaces it; the next wait gets the SUCCESS",
  async fn() {
    await using fixture = await startFixture({ reconcile: 0 });
    const { backend, writer } = fixture;
    const [id] = taskIds(1) as [string];
    await using consumer = backend.consumer();
    await consumer.add(id);
    const events = inboxOf(consumer.readable);
    await writer.markAsFailure(id, new Error("worker lost"));
    assertEquals((await events.next()).state, "FAILURE");
    const error = await assertRejects(
      () => backend.result(id).get(),
      TaskError,
    );
    assertEquals(error.state, "FAILURE");

    // The task was delivered again, and succeeded.
    assertEquals(await writer.markAsDone(id, "after all"), true);
    assertEquals(await backend.result(id).get(), "after all");
    assertEquals(consumer.pending, 0);
    await consumer.add(id);
    const next = await events.next();
    assertEquals([next.state, next.result], ["SUCCESS", "after all"]);
    assertEquals(events.all.length, 2);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "waits that saw a REVOKED keep it when a SUCCESS replaces it; the next wait gets the SUCCESS",
  async fn() {
    await using fixture = await startFixture({ reconcile: 0 });
    const { backend, writer } = fixture;
    const [id] = taskIds(1) as [string];
    await writer.markAsStarted(id);
    await using consumer = backend.consumer();
    await consumer.add(id);
    const events = inboxOf(consumer.readable);
    assertEquals((await events.next()).state, "STARTED");
    // Each Celery 5.6.2 worker does this when a task is revoked.
    await writer.markAsRevoked(id, "revoked");
    await writer.markAsRevoked(id, "revoked");
    assertEquals((await events.next()).state, "REVOKED");
    await assertRejects(() => backend.result(id).get(), TaskRevokedError);

    // The task was not terminated.
    assertEquals(await writer.markAsDone(id, "after all"), true);
    assertEquals(await writer.markAsRevoked(id, "revoked"), false);
    assertEquals((await backend.getMeta(id)).state, "SUCCESS");
    assertEquals(await backend.result(id).get(), "after all");
    assertEquals(events.all.length, 2);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a result stored in another database reaches a wait by its message, but not by a read",
  async fn() {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url);
    await using writer = new ResultBackend(redis.url.replace(/0$/, "5"));
    const [id] = taskIds(1) as [string];
    await using consumer = backend.consumer();
    await consumer.add(id);
    await writer.markAsFailure(id, new Error("stored in 5"));
    const { value } = await consumer.readable.getReader().read();
    assertEquals([value?.state, value?.origin], ["FAILURE", "live"]);
    assertEquals((await backend.getMeta(id)).state, "PENDING");
    assertEquals(await backend.exists(id), false);
    const error = await writer.result(id).get({ propagate: false });
    assertInstanceOf(error, TaskError);
  },
}));

/** The channels of a sample of the tasks. */
function first(ids: readonly string[]): string[] {
  return [0, 1, ids.length - 1].map((i) => `celery-task-meta-${ids[i]}`);
}
