import { Deadline } from "../../src/util/deadline.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";

Deno.test("Deadline passes after its time", async () => {
  using runtime = new FakeRuntime();
  using deadline = new Deadline(runtime, 100);
  await runtime.advance(99);
  assert(!deadline.isPassed);
  await runtime.advance(1);
  assert(deadline.isPassed);
  await deadline.passed;
});

Deno.test("Deadline.orThrow() settles as the work does", async () => {
  using runtime = new FakeRuntime();
  using deadline = new Deadline(runtime, 100);
  const late = () => new Error("late");
  assertEquals(await deadline.orThrow(Promise.resolve(42), late), 42);
  const failure = Promise.reject(new Error("failed"));
  await assertRejects(() => deadline.orThrow(failure, late), Error, "failed");
});

Deno.test("Deadline.orThrow() rejects when the time is up first", async () => {
  using runtime = new FakeRuntime();
  using deadline = new Deadline(runtime, 100);
  const { promise } = Promise.withResolvers<void>();
  const result = assertRejects(
    () => deadline.orThrow(promise, () => new Error("late")),
    Error,
    "late",
  );
  await runtime.advance(100);
  await result;
});

Deno.test("Deadline clears its timer when disposed", () => {
  using runtime = new FakeRuntime();
  {
    using _deadline = new Deadline(runtime, 100);
    assertEquals(runtime.timers, 1);
  }
  assertEquals(runtime.timers, 0);
});
