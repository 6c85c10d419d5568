import {
  EXCEPTION_STATES,
  isReady,
  PROPAGATE_STATES,
  READY_STATES,
  UNREADY_STATES,
} from "../../src/protocol/states.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("the sets of states are Celery's", () => {
  assertEquals([...READY_STATES].sort(), ["FAILURE", "REVOKED", "SUCCESS"]);
  assertEquals([...UNREADY_STATES].sort(), [
    "PENDING",
    "RECEIVED",
    "REJECTED",
    "RETRY",
    "STARTED",
  ]);
  assertEquals([...EXCEPTION_STATES].sort(), ["FAILURE", "RETRY", "REVOKED"]);
  assertEquals([...PROPAGATE_STATES].sort(), ["FAILURE", "REVOKED"]);
});

Deno.test("isReady() agrees with READY_STATES, and is false for any other state", () => {
  for (const state of READY_STATES) assertEquals(isReady(state), true);
  for (
    const state of [...UNREADY_STATES, "IGNORED", "PROGRESS", "success", ""]
  ) {
    assertEquals(isReady(state), false);
  }
});
