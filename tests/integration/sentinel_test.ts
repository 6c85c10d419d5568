// Real Sentinels, and a master that moves: by command while the old one is still
// up, when it dies, and when it hangs.

import { RedisError, ResultBackend } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import {
  type RedisSentinels,
  startSentinels,
} from "../support/redis_sentinels.ts";
import type { RedisServer } from "../support/redis_server.ts";
import {
  collect,
  countOutcomes,
  inboxOf,
  taskIds,
} from "../support/results.ts";
import { within } from "../support/until.ts";

const SERVERS = ["redis-server", "redis-sentinel"] as const;
// Off, so that only messages and the reads of a new link deliver results.
const LIVE = { reconcile: 0 };

/** Stores results that the server lacks, as a worker whose store was lost would. */
async function storeMissing(
  server: RedisServer,
  ids: readonly string[],
): Promise<void> {
  await using client = await server.client();
  await using backend = new ResultBackend(server.url);
  for (const id of ids) {
    if (await client.send("EXISTS", `celery-task-meta-${id}`) === 0) {
      await backend.markAsDone(id, id);
    }
  }
}

/** Workers store during a fail-over, and a reader receives each outcome once. */
async function streamThrough(
  set: RedisSentinels,
  move: () => Promise<RedisServer>,
): Promise<void> {
  await using backend = new ResultBackend(set.url, LIVE);
  await using worker = new ResultBackend(set.url);
  const ids = taskIds(2000);
  const status = inboxOf(backend.status());
  const reading = collect(backend.stream(ids));
  // The test may fail before it awaits this.
  reading.catch(() => {});
  await status.until(({ type }) => type === "connected");
  let isMoving = true;
  const moved = move().finally(() => isMoving = false);
  let stored = 0;
  // Until the switch is done, with some stores on either side of it.
  while (isMoving && stored < ids.length - 100) {
    const batch = ids.slice(stored, stored + 5);
    stored += batch.length;
    await Promise.all(batch.map((id) => worker.markAsDone(id, id)));
  }
  const master = await moved;
  const rest = ids.slice(stored);
  await Promise.all(rest.map((id) => worker.markAsDone(id, id)));
  // Redis loses writes that the old master accepted but did not replicate.
  await storeMissing(master, ids);
  // The stream closes when each task has its outcome.
  const events = await within(reading, {
    what: "every outcome",
  });
  const outcomes = countOutcomes(events);
  assertEquals(outcomes.size, ids.length);
  assert([...outcomes.values()].every((count) => count === 1));
  assertEquals(await worker.result(ids[0]!).get(), ids[0]);
}

Deno.test(needs(SERVERS, {
  name:
    "results stored during a fail-over, by command and after the master's death, arrive once, and at once if the old master is still up",
  async fn() {
    await using set = await startSentinels();
    await using backend = new ResultBackend(set.url, LIVE);
    const [id] = taskIds(1) as [string];
    const result = backend.result(id).get();
    // The test may fail before it awaits this.
    result.catch(() => {});
    const status = inboxOf(backend.status());
    await status.until(({ type }) => type === "connected");

    const old = await set.master();
    await streamThrough(set, () => set.failover());
    const master = await set.master();
    await using writer = new ResultBackend(master.url);
    await writer.markAsDone(id, "on the new master");
    assertEquals(await within(result), "on the new master");
    const left = await status.until(({ type }) => type === "disconnected");
    assert(left.type === "disconnected");
    assertStringIncludes(
      left.error?.message ?? "",
      `Left 127.0.0.1:${old.port}: the Sentinels say that "mymaster" is now 127.0.0.1:${master.port}`,
    );
    // Celery notices nothing until Sentinel makes the old master a replica, ten
    // seconds later.

    await streamThrough(set, async () => {
      const switched = set.switched();
      await set.settled();
      await (await set.master()).kill();
      await switched;
      return await set.master();
    });
  },
}));

Deno.test(needs(SERVERS, {
  name:
    "a master that hangs is left when the Sentinels have another, long before the heartbeat, and a pending store goes there",
  async fn() {
    await using set = await startSentinels({
      password: "s3cret",
      sentinelPassword: "s3ntinel",
    });
    await using backend = new ResultBackend(set.url, {
      ...LIVE,
      heartbeat: 600_000,
      sentinel: { masterName: "mymaster", password: "s3ntinel" },
    });
    const [awaited, stored] = taskIds(2) as [string, string];
    const result = backend.result(awaited).get();
    // The test may fail before it awaits this.
    result.catch(() => {});
    const status = inboxOf(backend.status());
    await status.until(({ type }) => type === "connected");
    const old = await set.master();
    const switched = set.switched();
    old.pause();
    const storing = backend.markAsDone(stored, 1);
    await switched;
    const master = await set.master();
    assert(master !== old);
    await within(storing, { what: "the store" });
    await using writer = new ResultBackend(master.url);
    assertEquals(await writer.result(stored).get({ timeout: 0 }), 1);
    await writer.markAsDone(awaited, 2);
    assertEquals(await within(result), 2);
  },
}));

Deno.test(needs(SERVERS, {
  name:
    "with a login for the Sentinels: a wrong password is reported at once, one Sentinel is enough, and an unknown master is named",
  async fn() {
    await using set = await startSentinels({
      replicas: 0,
      sentinelPassword: "s3ntinel",
      sentinelUser:
        "user app on >4pp resetchannels &+switch-master &+monitor " +
        "&-sdown &-odown -@all +auth +ping +subscribe +sentinel|masters " +
        "+sentinel|get-master-addr-by-name +sentinel|sentinels",
    });
    await using wrong = new ResultBackend(set.url, {
      sentinel: { username: "app", password: "SECRET" },
    });
    const refused = await assertRejects(() =>
      wrong.result("id").get({ timeout: 60_000 })
    );
    assertStringIncludes(Deno.inspect(refused), "check `sentinel.username`");
    assert(!Deno.inspect(refused).includes("SECRET"));

    await using unknown = new ResultBackend(set.url, {
      sentinel: { masterName: "other", username: "app", password: "4pp" },
    });
    const error = await assertRejects(() => unknown.result("id").get());
    assertStringIncludes(Deno.inspect(error), 'watches "mymaster"');

    await set.sentinels[0]!.kill();
    set.sentinels[1]!.pause();
    await using backend = new ResultBackend(set.url, {
      sentinel: { username: "app", password: "4pp" },
    });
    const status = inboxOf(backend.status());
    await backend.markAsDone("id", "stored");
    assertEquals(await backend.result("id").get(), "stored");
    await status.until(({ type }) => type === "connected");
    assertEquals(status.all.filter(({ type }) => type === "degraded"), []);
    await backend.close();
  },
}));

Deno.test(needs(SERVERS, {
  name: "a Sentinel in place of a Redis server is reported at once",
  async fn() {
    await using set = await startSentinels({ replicas: 0 });
    const [first = ""] = set.url.split(";");
    await using backend = new ResultBackend(
      first.replace("sentinel:", "redis:"),
    );
    for (
      const use of [
        () => backend.getMeta("id"),
        () => backend.result("id").get(),
        () => backend.markAsDone("id", 1),
      ]
    ) {
      await assertRejects(
        use,
        RedisError,
        "write sentinel:// instead of redis://",
      );
    }
  },
}));
