// A half-open connection: nothing arrives, and nothing reports it.

import { assert, assertEquals } from "../support/assert.ts";
import { startProxiedFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { inboxOf, taskIds } from "../support/results.ts";
import { within } from "../support/until.ts";

const HEARTBEAT = 500;

for (const which of ["all", "subscribed", "command"] as const) {
  Deno.test(needs("redis-server", {
    name:
      `a silent connection (${which}) is detected within two heartbeats, and results stored meanwhile arrive`,
    async fn() {
      await using fixture = await startProxiedFixture({
        heartbeat: HEARTBEAT,
        reconcile: 0,
      });
      const { proxy, backend, writer } = fixture;
      const [id] = taskIds(1) as [string];
      const status = inboxOf(backend.status());

      const result = backend.result(id).get({ timeout: 60_000 });
      await status.until(({ type }) => type === "connected");
      proxy.silence(which, { existingOnly: true });
      const silentSince = performance.now();
      await writer.markAsDone(id, "stored in silence");

      const lost = await status.until(({ type, ...event }) =>
        type === "disconnected" && "error" in event && event.error !== null
      );
      const noticed = performance.now() - silentSince;
      assertEquals(await result, "stored in silence");
      assert(
        // connection_test.ts checks the exact times with fake timers: on a busy
        // machine, real ones are late.
        noticed < 10 * HEARTBEAT,
        `noticed after ${noticed} ms: ${JSON.stringify(lost)}`,
      );
    },
  }));
}

Deno.test(needs("redis-server", {
  name: "a wait survives a dead command connection while messages still arrive",
  async fn() {
    await using fixture = await startProxiedFixture({
      heartbeat: HEARTBEAT,
      reconcile: 0,
    });
    const { proxy, backend, writer } = fixture;
    const [busy, id] = taskIds(2) as [string, string];
    const status = inboxOf(backend.status());
    const events = backend.stream(busy).getReader();
    await status.until(({ type }) => type === "connected");

    using hold = proxy.hold("SUBSCRIBE");
    const result = within(backend.result(id).get(), { what: "the result" });
    await hold.reached;
    await writer.markAsDone(id, "stored");
    const lost = status.until((event) =>
      event.type === "disconnected" && event.error !== null
    );
    let isLost = false;
    lost.then(() => isLost = true);
    for (let count = 0; !isLost; count++) {
      await writer.storeResult(busy, { count }, "PROGRESS");
      await events.read();
    }
    const event = await lost;
    const words = event.type === "disconnected" ? event.error?.message : "";
    assert(words?.includes("it did not answer SUBSCRIBE within"), words);
    assertEquals(await result, "stored");
    await events.cancel();
  },
}));
