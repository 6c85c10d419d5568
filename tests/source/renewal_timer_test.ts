import { renewalDelay, RenewalTimer } from "../../src/source/renewal_timer.ts";
import { assertEquals } from "../support/assert.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";

Deno.test("renewalDelay leaves a tenth of a life, five seconds to five minutes, and never makes a busy loop", () => {
  const cases: [life: number, delay: number][] = [
    [600_000, 540_000],
    [30_000, 25_000],
    [100_000_000, 99_700_000],
    [6000, 3000],
    [2000, 1000],
    [500, 1000],
    [0, 1000],
    [-1e9, 1000],
  ];
  for (const [life, delay] of cases) assertEquals(renewalDelay(life), delay);
});

Deno.test("Expiry goes by the earliest of its dates, once it has begun, and leaves out those that have passed", async () => {
  const runtime = new FakeRuntime();
  await runtime.advance(1000);
  let past = 0;
  const expiry = new RenewalTimer(runtime, () => past++);
  let due = 0;
  expiry.add(new Date(1000));
  expiry.add(new Date(101_000));
  expiry.add(new Date(61_000));
  assertEquals([past, runtime.timers], [1, 0]);
  expiry.start(() => due++);
  assertEquals(runtime.timers, 1);
  expiry.add(new Date(31_000));
  expiry.add(new Date(50_000));
  await runtime.advance(24_999);
  assertEquals(due, 0);
  await runtime.advance(1);
  assertEquals([due, runtime.timers], [1, 0]);
  // The rotation that it set off goes on until the link has ended.
  expiry.start(() => due++);
  expiry.add(new Date(30_000));
  await runtime.advance(60_000);
  const stopped = new RenewalTimer(runtime, () => past++);
  stopped.add(new Date(1e6));
  stopped.start(() => due++);
  stopped.stop();
  stopped.add(new Date(9e5));
  assertEquals([due, runtime.timers, runtime.persistentTimers], [1, 0, 0]);
});
