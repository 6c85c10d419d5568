// The race that Celery loses: a result that is stored between the read of its
// key and the subscription to its channel.

import { assertEquals } from "../support/assert.ts";
import { startProxiedFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { taskIds, untilStatus } from "../support/results.ts";

Deno.test(needs("redis-server", {
  name: "a result stored while the first SUBSCRIBE is in flight is delivered",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const [id] = taskIds(1) as [string];

    using hold = proxy.hold("SUBSCRIBE");
    const result = backend.result(id).get({ timeout: 60_000 });
    await hold.reached;
    await writer.markAsDone(id, "stored in between");
    hold.release();

    assertEquals(await result, "stored in between");
  },
}));

Deno.test(needs("redis-server", {
  name: "a result stored while the read is in flight is delivered once",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const [id] = taskIds(1) as [string];

    using hold = proxy.hold("MGET");
    const events: string[] = [];
    const result = backend.result(id).get({
      timeout: 10_000,
      onEvent: ({ state, origin }) => events.push(`${state} ${origin}`),
    });
    await hold.reached;
    await writer.markAsDone(id, 1);
    assertEquals(await result, 1);
    hold.release();

    assertEquals(events, ["SUCCESS live"]);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a read that is older than the messages after it delivers nothing twice",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const [id] = taskIds(1) as [string];

    // The reply of the read is held back, while newer states are published.
    await writer.storeResult(id, 1, "PROGRESS");
    using hold = proxy.holdReply("MGET");
    const events: unknown[] = [];
    const result = backend.result(id).get({
      timeout: 10_000,
      onEvent: ({ result }) => events.push(result),
    });
    await hold.reached;
    const seen = Promise.withResolvers<void>();
    const watcher = backend.result(id).get({
      onEvent: ({ result }) => result === 2 && seen.resolve(),
    });
    await writer.storeResult(id, 2, "PROGRESS");
    await seen.promise;
    hold.release();
    // A read after the held one: once it is done, so is that one with its fence.
    await using probe = backend.consumer();
    await probe.add(id);
    await writer.markAsDone(id, 3);

    assertEquals([await result, await watcher], [3, 3]);
    assertEquals(events, [2, 3]);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a result stored while the SUBSCRIBE of a reconnect is in flight is delivered",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const [id] = taskIds(1) as [string];

    const result = backend.result(id).get({ timeout: 60_000 });
    await untilStatus(backend.status(), "connected");
    using hold = proxy.hold("SUBSCRIBE");
    await proxy.cut();
    await hold.reached;
    await writer.markAsDone(id, "stored in between");
    hold.release();

    assertEquals(await result, "stored in between");
  },
}));
