// The retry limit ends what waits, but not the backend.

import { RetryLimitError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "../support/assert.ts";
import { startFixture } from "../support/fixture.ts";
import { needs } from "../support/needs.ts";
import { inboxOf, taskIds, untilStatus } from "../support/results.ts";

Deno.test(needs("redis-server", {
  name:
    "at the retry limit, streams and waits end with RetryLimitError; once Redis is back, the same backend works again",
  async fn() {
    await using fixture = await startFixture({
      reconnect: { maxAttempts: 3, minTimeout: 10, maxTimeout: 20 },
    });
    const { redis, backend, writer } = fixture;
    const [done, pending] = taskIds(2) as [string, string];
    const status = inboxOf(backend.status());

    const reader = backend.stream([done, pending]).getReader();
    const waited = backend.result(pending).get();
    await writer.markAsStarted(done, { pid: 1 });
    await status.until(({ type }) => type === "connected");
    // Queued, and not read before the error.
    await writer.markAsDone(done, "in time");
    await backend.result(done).get();
    await redis.kill();

    const error = await assertRejects(() => waited, RetryLimitError);
    assertInstanceOf(error.cause, Error);
    assertEquals(error.attempts, 3);
    assert(error.message.includes("3 attempts"), error.message);
    await status.until(({ type }) => type === "failed");
    // Queued events come before the error.
    const states: string[] = [];
    const failure = await assertRejects(async () => {
      for (;;) states.push((await reader.read()).value!.state);
    }, RetryLimitError);
    assertEquals(states.at(-1), "SUCCESS");
    // Each has its own error, since each has its own caller.
    assertEquals([failure.message, failure.cause], [
      error.message,
      error.cause,
    ]);

    await redis.start();
    const again = backend.result(pending).get({ timeout: 60_000 });
    await untilStatus(backend.status(), "connected");
    await writer.markAsDone(pending, "still here");
    assertEquals(await again, "still here");
  },
}));
