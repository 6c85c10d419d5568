// A connection that is open and silent: nothing arrives, and nothing says so.

import { ResultBackend } from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { inboxOf, taskIds } from "../support/results.ts";

const HEARTBEAT = 500;

for (const which of ["all", "subscribed", "command"] as const) {
  Deno.test(needs("redis-server", {
    name:
      `a silent connection (${which}) is noticed within two heartbeats, and what was stored meanwhile arrives`,
    async fn() {
      await using redis = await startRedis();
      await using proxy = await FaultProxy.start(redis.url);
      await using backend = new ResultBackend(proxy.url, {
        heartbeat: HEARTBEAT,
        reconcile: 0,
      });
      await using writer = new ResultBackend(redis.url);
      const [id] = taskIds(1) as [string];
      const status = inboxOf(backend.status());

      const result = backend.result(id).get({ timeout: 20_000 });
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
        // A busy machine may be late with its timers.
        noticed < 2 * HEARTBEAT + 500,
        `noticed after ${noticed} ms: ${JSON.stringify(lost)}`,
      );
    },
  }));
}
