// The race that Celery loses: a result that is stored between the read of its
// key and the subscription to its channel.

import { assertEquals } from "../support/assert.ts";
import { startProxiedFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { inboxOf, untilStatus } from "../support/results.ts";

Deno.test(needs("redis-server", {
  name: "a result stored while the first SUBSCRIBE is in flight is delivered",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const id = crypto.randomUUID();

    using hold = proxy.hold("SUBSCRIBE");
    const events = inboxOf(backend.stream([id]));
    await hold.reached;
    await writer.markAsDone(id, "stored in between");
    hold.release();

    assertEquals((await events.next()).result, "stored in between");
  },
}));

Deno.test(needs("redis-server", {
  name: "a result stored while the read is in flight is delivered once",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const id = crypto.randomUUID();
    const probe = crypto.randomUUID();

    using hold = proxy.hold("MGET");
    await using consumer = backend.consumer();
    const events = inboxOf(consumer.readable);
    // Resolves before the id is attached, unlike add().
    await consumer.writable.getWriter().write(id);
    await hold.reached;
    await writer.markAsDone(id, 1);
    await events.next();
    hold.release();
    // Its read comes after the held one, so its event does, too.
    await consumer.add(probe);
    await writer.markAsDone(probe, 2);
    await events.until(({ taskId }) => taskId === probe);

    assertEquals(
      events.all.map(({ taskId, origin }) => [taskId, origin]),
      [[id, "live"], [probe, "live"]],
    );
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a read that is older than the messages after it delivers nothing twice",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const id = crypto.randomUUID();

    // The reply of the read is held back, while newer states are published.
    await writer.storeResult(id, 1, "PROGRESS");
    using hold = proxy.holdReply("MGET");
    const events = inboxOf(backend.stream([id]));
    await hold.reached;
    await writer.storeResult(id, 2, "PROGRESS");
    await events.until(({ result }) => result === 2);
    hold.release();
    // A read after the held one: once it is done, so is that one with its fence.
    await using probe = backend.consumer();
    await probe.add(id);
    await writer.markAsDone(id, 3);
    await events.until(({ ready }) => ready);

    assertEquals(events.all.map(({ result }) => result), [2, 3]);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a result stored while the SUBSCRIBE of a reconnect is in flight is delivered",
  async fn() {
    await using fixture = await startProxiedFixture({ reconcile: 0 });
    const { proxy, backend, writer } = fixture;
    const id = crypto.randomUUID();

    const events = inboxOf(backend.stream([id]));
    await untilStatus(backend.status(), "connected");
    using hold = proxy.hold("SUBSCRIBE");
    await proxy.cut();
    await hold.reached;
    await writer.markAsDone(id, "stored in between");
    hold.release();

    assertEquals((await events.next()).result, "stored in between");
  },
}));
