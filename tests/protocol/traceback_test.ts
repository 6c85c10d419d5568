import { msgpackFormat } from "../../src/formats/msgpack/format.ts";
import { encodeFailure } from "../../src/protocol/exceptions.ts";
import { formatTraceback } from "../../src/protocol/traceback.ts";
import { TaskError } from "../../src/protocol/task_error.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";

/** An error whose stack is one line, so that a whole traceback can be compared. */
function plain<E extends Error>(error: E): E {
  error.stack = `${error.name}: ${error.message}`;
  return error;
}

/** An object that throws at every access. */
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** An error all of whose members throw. */
function hostile(): Error {
  const error = new Error("x");
  for (
    const name of ["name", "message", "stack", "cause", "errors", "excType"]
  ) {
    Object.defineProperty(error, name, {
      get(): never {
        throw new Error(`no ${name} for you`);
      },
    });
  }
  return error;
}

Deno.test("formatTraceback() returns the stack of an Error, and null for anything else", () => {
  const error = new Error("boom");
  assertEquals(formatTraceback(error), error.stack ?? "");
  for (const thrown of [null, undefined, "text", 5, {}, Object.create(null)]) {
    assertEquals(formatTraceback(thrown), null);
  }
});

Deno.test("formatTraceback() includes causes, and the errors of an AggregateError, each with its own", () => {
  const root = plain(new TypeError("root"));
  const part = plain(new Error("part", { cause: "only words" }));
  const error = plain(
    new AggregateError([part, "a text"], "several", { cause: root }),
  );
  assertEquals(
    formatTraceback(plain(new Error("top", { cause: error }))),
    [
      "Error: top",
      "Caused by: AggregateError: several",
      "Caused by: TypeError: root",
      "Error 2 of 2: a text",
      "Error 1 of 2: Error: part",
      "Caused by: only words",
    ].join("\n"),
  );
});

Deno.test("formatTraceback() ends if causes form a cycle, or an endless chain", () => {
  const a = plain(new Error("a"));
  const b = plain(new Error("b", { cause: a }));
  a.cause = b;
  assertEquals(
    formatTraceback(a),
    "Error: a\nCaused by: Error: b\nCaused by: Error: a (see above)",
  );
  let long = plain(new Error("0"));
  for (let i = 1; i < 10_000; i++) {
    long = plain(new Error(`${i}`, { cause: long }));
  }
  const lines = formatTraceback(long)?.split("\n") ?? [];
  assertEquals([lines.length, lines.at(-1)], [21, "... and more"]);
});

Deno.test("formatTraceback() returns the Python traceback of a TaskError, and name and message if there is no stack", () => {
  const error = new TaskError({
    taskId: "t",
    state: "FAILURE",
    traceback: "Traceback (most recent call last):\n  here\n",
    excType: "ValueError",
    excModule: "builtins",
    excArgs: ["x"],
    message: "x",
  });
  assertEquals(
    formatTraceback(plain(new Error("top", { cause: error }))),
    "Error: top\nCaused by: Traceback (most recent call last):\n  here",
  );
  const bare = new RangeError("far");
  delete bare.stack;
  Object.defineProperty(bare, "stack", { value: undefined });
  assertEquals(formatTraceback(bare), "RangeError: far");
});

Deno.test("formatTraceback() and encodeFailure() accept any thrown value", () => {
  assertEquals(formatTraceback(hostile()), "Error");
  assertEquals(formatTraceback(revoked()), null);
  assertEquals(encodeFailure(hostile()), {
    exc_type: "Error",
    exc_message: [],
    exc_module: null,
  });
  assertEquals(encodeFailure(revoked()), {
    exc_type: "Exception",
    exc_message: ["an object"],
    exc_module: "builtins",
  });
  const bare: object = Object.assign(Object.create(null), { code: 5 });
  assertEquals(encodeFailure(bare).exc_message, [bare]);
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  assertEquals(encodeFailure(cyclic).exc_message, ["an object"]);
  const nameless = Object.assign(new Error("m"), { name: 5 });
  assertEquals(encodeFailure(nameless).exc_type, "Exception");
  const aborted = new DOMException("stop", "AbortError");
  assertEquals(encodeFailure(aborted).exc_type, "AbortError");
  assertStringIncludes(formatTraceback(aborted) ?? "", "stop");
  assert(formatTraceback(new DOMException("", "AbortError")) !== null);
});

Deno.test("encodeFailure() replaces an argument that the format cannot represent by its well-formed text", () => {
  const encoder = msgpackFormat({ integers: "number" });
  assertEquals(
    encodeFailure(new Error("\ud800"), encoder).exc_message,
    ["\ufffd"],
  );
});
