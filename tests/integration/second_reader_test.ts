// A reader that joins a task which another already awaits.

import { assertEquals } from "../support/assert.ts";
import { startFixture, startProxiedFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { collect, taskIds, untilStatus } from "../support/results.ts";

Deno.test(needs("redis-server", {
  name: "a second reader joins a task in progress and sees its present state",
  async fn() {
    await using fixture = await startFixture();
    const { backend, writer } = fixture;
    const [id] = taskIds(1) as [string];
    await writer.storeResult(id, 1, "PROGRESS");
    const first = backend.stream(id).getReader();
    assertEquals((await first.read()).value?.result, 1);

    const second = backend.stream(id).getReader();
    assertEquals((await second.read()).value?.result, 1);
    await writer.markAsDone(id, 2);
    assertEquals((await first.read()).value?.result, 2);
    assertEquals((await second.read()).value?.result, 2);
    // Neither sees a state twice.
    assertEquals((await first.read()).done, true);
    assertEquals((await second.read()).done, true);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a second reader that joins while the last message is in flight gets the outcome",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const [id] = taskIds(1) as [string];
    const first = backend.result(id).get({ timeout: 60_000 });
    await untilStatus(backend.status(), "connected");

    proxy.delay("toClient", 200, "subscribed");
    await writer.markAsDone(id, "here");
    const second = backend.result(id).get({ timeout: 60_000 });

    assertEquals(await Promise.all([first, second]), ["here", "here"]);
  },
}));

Deno.test(needs("redis-server", {
  name: "a second reader does not get an outcome from before it began to wait",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const [id] = taskIds(1) as [string];
    const options = { timeout: 10_000, propagate: false };
    const first = backend.result(id).get(options);
    await untilStatus(backend.status(), "connected");

    // Both messages are still in flight when the second wait begins.
    proxy.delay("toClient", 200, "subscribed");
    await writer.markAsFailure(id, new Error("the first run"));
    await writer.forget(id);
    await writer.storeResult(id, "the second run", "PROGRESS");
    using hold = proxy.holdReply("MGET");
    const second = backend.result(id).get(options);
    await hold.reached;
    assertEquals((await first) instanceof Error, true);
    hold.release();
    await writer.markAsDone(id, "the second run");

    assertEquals(await second, "the second run");
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a second reader that joins while the UNSUBSCRIBE is queued or in flight gets the outcome",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { backend, writer } = fixture;
    const [id] = taskIds(1) as [string];
    // FAILURE, because it may be overwritten: the next outcome is a new one.
    for (let round = 0; round < 20; round++) {
      const abort = new AbortController();
      const first = backend.result(id).get({
        signal: abort.signal,
        propagate: false,
      });
      if (round > 0) await first;
      else await untilStatus(backend.status(), "connected");
      abort.abort();
      await first.catch(() => {});
      for (let turn = 0; turn < round; turn++) await Promise.resolve();
      const second = backend.result(id).get({
        timeout: 10_000,
        propagate: false,
      });
      await writer.markAsFailure(id, new Error(`round ${round}`));
      const error = await second;
      assertEquals(error instanceof Error, true);
    }
  },
}));

Deno.test(needs("redis-server", {
  name:
    "when one of two waits for a task is aborted, the other gets the result",
  async fn() {
    await using fixture = await startFixture({ reconcile: 0 });
    const { backend, writer } = fixture;
    const [id] = taskIds(1) as [string];
    const abort = new AbortController();
    const first = backend.result(id).get({ signal: abort.signal });
    const second = backend.result(id).get({ timeout: 60_000 });
    await untilStatus(backend.status(), "connected");
    abort.abort(new Error("changed my mind"));
    await first.then(() => {
      throw new Error("The aborted wait resolved");
    }, (error) => assertEquals(error.message, "changed my mind"));
    await writer.markAsDone(id, 1);
    assertEquals(await second, 1);
  },
}));

Deno.test(needs("redis-server", {
  name: "readers that join and leave at any moment all get the outcome, once",
  async fn() {
    await using fixture = await startFixture({ reconcile: 0 });
    const { backend, writer } = fixture;
    const ids = taskIds(200);
    const streams = Array.from(
      { length: 5 },
      () => collect(backend.stream(ids)),
    );
    const storing = (async () => {
      for (const id of ids) {
        await writer.markAsStarted(id);
        const late = backend.result(id).get({ timeout: 60_000 });
        await writer.markAsDone(id, id);
        assertEquals(await late, id);
      }
    })();
    await storing;
    for (const events of await Promise.all(streams)) {
      const outcomes = events.filter(({ ready }) => ready);
      assertEquals(outcomes.length, ids.length);
      assertEquals(new Set(outcomes.map(({ taskId }) => taskId)).size, 200);
    }
  },
}));
