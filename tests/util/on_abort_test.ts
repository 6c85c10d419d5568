import { onAbort } from "../../src/util/on_abort.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("onAbort() calls its listener once, with the reason", () => {
  const controller = new AbortController();
  const reasons: unknown[] = [];
  using _abort = onAbort(controller.signal, (reason) => reasons.push(reason));
  assertEquals(reasons, []);
  controller.abort("first");
  controller.abort("second");
  assertEquals(reasons, ["first"]);
});

Deno.test("onAbort() calls its listener at once if the signal has aborted", () => {
  const reasons: unknown[] = [];
  using _abort = onAbort(
    AbortSignal.abort("over"),
    (reason) => reasons.push(reason),
  );
  assertEquals(reasons, ["over"]);
});

Deno.test("onAbort() calls nothing once disposed", () => {
  const controller = new AbortController();
  const reasons: unknown[] = [];
  {
    using _abort = onAbort(controller.signal, (reason) => reasons.push(reason));
  }
  controller.abort("late");
  assertEquals(reasons, []);
});

Deno.test("onAbort() accepts a missing signal", () => {
  using _abort = onAbort(undefined, () => {
    throw new Error("Called without a signal");
  });
});
