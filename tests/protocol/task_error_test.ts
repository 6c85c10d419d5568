import { decodeDocument } from "../../src/protocol/decode.ts";
import {
  TaskError,
  TaskRevokedError,
  toTaskError,
} from "../../src/protocol/task_error.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";

function errorOf(
  state: string,
  result: unknown,
  traceback?: string,
): TaskError {
  const document = JSON.stringify({ status: state, result, traceback });
  return toTaskError(decodeDocument(document, "t1", { integers: "bigint" }));
}

Deno.test("toTaskError() has what the document says", () => {
  const error = errorOf("FAILURE", {
    exc_type: "ValueError",
    exc_message: ["boom"],
    exc_module: "builtins",
  }, "Traceback");
  assertEquals(error.message, "ValueError: boom");
  assertEquals(error.name, "TaskError");
  assertEquals(error.taskId, "t1");
  assertEquals(error.state, "FAILURE");
  assertEquals(error.excType, "ValueError");
  assertEquals(error.excModule, "builtins");
  assertEquals(error.excArgs, ["boom"]);
  assertEquals(error.traceback, "Traceback");
  assertEquals(String(error), "TaskError: ValueError: boom");
  assert(!(error instanceof TaskRevokedError));
});

Deno.test("toTaskError() names only the class of an exception without arguments", () => {
  assertEquals(
    errorOf("FAILURE", { exc_type: "KeyError", exc_message: [] }).message,
    "KeyError",
  );
});

Deno.test("toTaskError() makes a TaskRevokedError of REVOKED", () => {
  const error = errorOf("REVOKED", {
    exc_type: "TaskRevokedError",
    exc_message: ["terminated"],
    exc_module: "celery.exceptions",
  });
  assertInstanceOf(error, TaskRevokedError);
  assertInstanceOf(error, TaskError);
  assertEquals(error.name, "TaskRevokedError");
  assertEquals(error.message, "TaskRevokedError: terminated");
});

Deno.test("toTaskError() accepts a RETRY", () => {
  const error = errorOf("RETRY", { exc_type: "OSError", exc_message: ["x"] });
  assertEquals([error.state, error.message], ["RETRY", "OSError: x"]);
});

Deno.test("toTaskError() says that no exception was stored", () => {
  for (const state of ["FAILURE", "REVOKED", "RETRY"]) {
    const error = errorOf(state, null);
    assertStringIncludes(
      error.message,
      `no exception was stored with the state ${state}`,
    );
    assertEquals(error.excArgs, []);
  }
  assertInstanceOf(errorOf("REVOKED", null), TaskRevokedError);
});

Deno.test("toTaskError() refuses a state that has no exception", () => {
  for (const state of ["SUCCESS", "PENDING", "UNDECODABLE", "PROGRESS"]) {
    assertThrows(
      () => toTaskError({ taskId: "t1", state, result: null, traceback: null }),
      TypeError,
      `in state "${state}"`,
    );
  }
});
