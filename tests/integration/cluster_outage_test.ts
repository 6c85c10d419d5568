// A part of a real cluster fails without a replacement: the rest still works.

import { ResultBackend, type StatusEvent } from "../../mod.ts";
import { keySlot } from "../../src/redis/cluster/slots.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import { startCluster } from "../support/redis_cluster.ts";
import { countOutcomes, inboxOf, taskIds } from "../support/results.ts";
import { within } from "../support/until.ts";

Deno.test(needs(["redis-server", "redis-cli"], {
  name:
    "results of other masters arrive while one is down, and its own when it is back",
  async fn() {
    await using cluster = await startCluster({
      replicas: 0,
      args: ["--cluster-require-full-coverage", "no"],
    });
    await using writer = new ResultBackend(cluster.urlOfAll, {
      cluster: true,
      retry: { maxTimeout: 100, maxAttempts: 1000 },
    });
    const [gone] = cluster.nodes;
    const ids = taskIds(60);
    const owners = await Promise.all(
      ids.map((id) => cluster.ownerOf(keySlot(`celery-task-meta-${id}`))),
    );
    const lost = ids.filter((_, i) => owners[i] === gone);
    const others = ids.filter((_, i) => owners[i] !== gone);
    const once = (ids: readonly string[]): Map<string, number> =>
      new Map(ids.map((id) => [id, 1]));

    const [early = "", late = ""] = others;
    await writer.markAsDone(early, 1);
    await cluster.kill(gone!);
    await using backend = new ResultBackend(cluster.urlOfAll, {
      cluster: true,
    });
    const status = inboxOf<StatusEvent>(backend.status());
    const events = inboxOf(backend.stream(ids));
    await status.until(({ type }) => type === "connected");
    // A result stored before is read; one stored now is published.
    await events.until(() => events.all.length === 1);
    const waiting = within(backend.result(late).get(), { what: "a result" });
    for (const id of others.slice(1)) await writer.markAsDone(id, id);
    await events.until(() => events.all.length === others.length);
    assertEquals(countOutcomes(events.all), once(others));
    assertEquals(await waiting, late);

    // The reports about those that have to wait.
    const notices = status.all.flatMap((event) =>
      event.type === "degraded" ? [event.error.message] : []
    );
    assert(
      notices.some((each) => each.includes(cluster.addressOf(gone!))),
      `${notices}`,
    );
    const error = await assertRejects(() =>
      backend.result(lost[0]!).get({ timeout: 1000 })
    );
    assert(String(error).includes(cluster.addressOf(gone!)), String(error));

    // All over one link: nothing was attached again.
    const attempts = status.all.filter(({ type }) => type === "connecting");
    assertEquals(attempts.length, 1);

    // It was never sent, so it is safe to retry.
    const [chord = ""] = lost;
    const extra = `celery-taskset-meta-{celery-task-meta-${chord}}.t`;
    const added = writer.addToChord(`{celery-task-meta-${chord}}`, 3);
    added.catch(() => {});

    await cluster.revive(gone!);
    await added;
    assertEquals(await cluster.send(gone!, "GET", extra), "3");
    await Promise.all(lost.map((id) => writer.markAsDone(id, id)));
    await events.until(() => events.all.length === ids.length);
    assertEquals(countOutcomes(events.all), once(ids));
  },
}));
