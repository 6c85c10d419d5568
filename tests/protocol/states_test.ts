import {
  EXCEPTION_STATES,
  isReady,
  stateProblem,
} from "../../src/protocol/states.ts";
import { assertEquals, assertStringIncludes } from "../support/assert.ts";

Deno.test("EXCEPTION_STATES is Celery's", () => {
  assertEquals([...EXCEPTION_STATES].sort(), ["FAILURE", "RETRY", "REVOKED"]);
});

Deno.test("isReady() is true for Celery's READY_STATES, and no other state", () => {
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

Deno.test("stateProblem() accepts Celery's states, and custom ones", () => {
  for (
    const state of [
      "PENDING",
      "RECEIVED",
      "STARTED",
      "SUCCESS",
      "FAILURE",
      "REVOKED",
      "REJECTED",
      "RETRY",
      "IGNORED",
      "PROGRESS",
      "progress",
      "in-progress",
      "Step 1: 50%",
      "[2/3] loading",
      '"loading" of 3',
      "app.UPLOADED",
      "SUCCESSFUL",
      "za\u017c\xf3\u0142\u0107",
      "\u{1f680}",
      "50",
      "null",
    ]
  ) {
    assertEquals(stateProblem(state), undefined, state);
  }
});

Deno.test("stateProblem() refuses likely mistakes, and says what to do", () => {
  const cases: [unknown, string][] = [
    ["success", 'is "success", did you mean "SUCCESS"?'],
    ["Failure", 'did you mean "FAILURE"?'],
    ["sUCCESS", 'did you mean "SUCCESS"?'],
    ["SUCCESS\n", 'is "SUCCESS\\n", did you mean "SUCCESS"?'],
    [" retry", 'did you mean "RETRY"?'],
    ["{}", 'is "{}", which is a JSON document: pass the result first'],
    ['{"a": 1}', "JSON document"],
    ["{'a': 1}", "JSON document"],
    ["[1, 2]", "JSON document"],
    ['"x"', "JSON document"],
    [`{${" ".repeat(200)}`, `${" ".repeat(99)}...", which`],
    ["undecodable", "cannot be decoded: use another name"],
    [" PROGRESS", "or white space at its ends"],
    ["PROGRESS\t", "or white space at its ends"],
    [" ", "cannot be the name of a state"],
    ["STEP\n1", "without control characters"],
    ["STEP\0", "without control characters"],
    ["STEP\u2028", "cannot be the name of a state"],
    ["STEP\u20281", "cannot be the name of a state"],
    ["\ud800", "cannot be the name of a state"],
    ["", 'is "", expected one of Celery\'s or a name of your own'],
    [undefined, "is undefined, expected"],
    [null, "is null, expected"],
    [3, "is 3, expected"],
    [{ a: 1 }, 'is {"a":1}, expected'],
  ];
  for (const [state, words] of cases) {
    assertStringIncludes(stateProblem(state) ?? "accepted", words);
  }
});
