import { Latch } from "../../src/source/latch.ts";
import { assertEquals } from "../support/assert.ts";
import { turn } from "../support/turn.ts";

Deno.test("Latch resolves when each expected wait is attached or over", async () => {
  assertEquals(await new Latch().promise, undefined);
  const latch = new Latch();
  const late = new Latch();
  let settled = 0;
  latch.expect();
  latch.expect();
  latch.alsoCountDown(late);
  latch.promise.then(() => settled++);
  late.promise.then(() => settled++);
  latch.countDown();
  await turn();
  assertEquals(settled, 0);
  latch.countDown();
  await turn();
  assertEquals(settled, 2);
  // A failure that nobody listens to is no unhandled rejection.
  const lost = new Latch();
  lost.expect();
  lost.alsoCountDown(new Latch());
  lost.reject(new Error("nobody listens"));
  await turn();
});
