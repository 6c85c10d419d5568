import { EXCEPTION_STATES, isReady } from "../../src/protocol/states.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("EXCEPTION_STATES is Celery's", () => {
  assertEquals([...EXCEPTION_STATES].sort(), ["FAILURE", "RETRY", "REVOKED"]);
});

Deno.test("isReady() knows Celery's READY_STATES, and no other state", () => {
  for (const state of ["SUCCESS", "FAILURE", "REVOKED"]) {
    assertEquals(isReady(state), true);
  }
  for (
    const state of [
      "PENDING",
      "RECEIVED",
      "REJECTED",
      "RETRY",
      "STARTED",
      "IGNORED",
      "PROGRESS",
      "success",
      "",
    ]
  ) {
    assertEquals(isReady(state), false);
  }
});
