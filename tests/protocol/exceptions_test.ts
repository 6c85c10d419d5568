import { encodeDocument } from "../../src/protocol/encode.ts";
import { decodeFailure, encodeFailure } from "../../src/protocol/exceptions.ts";
import { resolveFormats } from "../../src/formats/options.ts";
import { TaskError } from "../../src/protocol/task_error.ts";
import { yaml } from "../../yaml.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("decodeFailure() reads a list of arguments", () => {
  assertEquals(
    decodeFailure({
      exc_type: "KeyError",
      exc_message: ["boom", 3, null],
      exc_module: "builtins",
    }),
    {
      excType: "KeyError",
      excModule: "builtins",
      excArgs: ["boom", 3, null],
      message: "boom, 3, null",
    },
  );
});

Deno.test("decodeFailure() reads an exc_message that is not a list as the only argument", () => {
  assertEquals(decodeFailure({ exc_type: "ValueError", exc_message: "boom" }), {
    excType: "ValueError",
    excModule: null,
    excArgs: ["boom"],
    message: "boom",
  });
  assertEquals(
    decodeFailure({ exc_type: "ValueError", exc_message: { code: 5 } })
      ?.excArgs,
    [{ code: 5 }],
  );
});

Deno.test("decodeFailure() returns an empty message if there are no arguments", () => {
  const none = {
    excType: "E",
    excModule: null,
    excArgs: [],
    message: "",
  };
  assertEquals(decodeFailure({ exc_type: "E", exc_message: [] }), none);
  assertEquals(decodeFailure({ exc_type: "E" }), none);
});

Deno.test("decodeFailure() formats other arguments for a person to read", () => {
  for (
    const [args, message] of [
      [[7], "7"],
      [[2n ** 64n], "18446744073709551616"],
      [[NaN], "NaN"],
      [[true, null], "true, null"],
      [[{ code: 5, n: 2n }], '{"code":5,"n":"2"}'],
      [[["a", 1]], '["a",1]'],
      [[new Date(0)], "1970-01-01T00:00:00.000Z"],
      [["a", ["b"]], 'a, ["b"]'],
    ] as [unknown[], string][]
  ) {
    assertEquals(
      decodeFailure({ exc_type: "E", exc_message: args })?.message,
      message,
    );
  }
});

Deno.test("decodeFailure() accepts a list of pairs", () => {
  assertEquals(
    decodeFailure([["exc_type", "ValueError"], ["exc_message", ["x"]], [
      "exc_module",
      "builtins",
    ]]),
    {
      excType: "ValueError",
      excModule: "builtins",
      excArgs: ["x"],
      message: "x",
    },
  );
});

Deno.test("decodeFailure() unwraps an exception that could not be pickled", () => {
  assertEquals(
    decodeFailure({
      exc_type: "UnpickleableExceptionWrapper",
      exc_message: ["app.errors", "Broken", ["a", 2], "Broken('a', 2)"],
      exc_module: "celery.utils.serialization",
    }),
    {
      excType: "Broken",
      excModule: "app.errors",
      excArgs: ["a", 2],
      message: "a, 2",
    },
  );
});

Deno.test("decodeFailure() unwraps an exception whose module is null", () => {
  assertEquals(
    decodeFailure({
      exc_type: "UnpickleableExceptionWrapper",
      exc_message: [null, "Broken", ["a", 2], "Broken('a', 2)"],
      exc_module: "celery.utils.serialization",
    }),
    {
      excType: "Broken",
      excModule: null,
      excArgs: ["a", 2],
      message: "a, 2",
    },
  );
});

Deno.test("decodeFailure() leaves a wrapper with other parts wrapped", () => {
  for (
    const parts of [
      ["just a text"],
      ["app.errors", "Broken", "('a', 2)"],
      ["app.errors", 5, ["a"]],
      [5, "Broken", ["a"]],
      [undefined, "Broken", ["a"]],
    ]
  ) {
    const failure = decodeFailure({
      exc_type: "UnpickleableExceptionWrapper",
      exc_message: parts,
      exc_module: "celery.utils.serialization",
    });
    assertEquals(failure?.excType, "UnpickleableExceptionWrapper");
    assertEquals(failure?.excArgs, parts);
  }
});

Deno.test("decodeFailure() returns null for values that are falsy in Python", () => {
  for (const nothing of [null, undefined, "", 0, false, [], {}]) {
    assertEquals(decodeFailure(nothing), null);
  }
});

Deno.test("decodeFailure() makes an Exception of anything else", () => {
  for (
    const odd of [
      "boom",
      5,
      5n,
      true,
      [1, 2],
      ["ab"],
      [["exc_type"]],
      { detail: "boom" },
      { exc_type: 5 },
      { exc_type: "" },
      new Date(0),
      new Uint8Array([1]),
    ]
  ) {
    const failure = decodeFailure(odd);
    assertEquals(failure?.excType, "Exception");
    assertEquals(failure?.excModule, null);
    assertEquals(failure?.excArgs, [odd]);
  }
  assertEquals(decodeFailure("boom")?.message, "boom");
});

Deno.test("decodeFailure() keeps the arguments of an exception without a class", () => {
  assertEquals(decodeFailure({ exc_message: ["x"] }), {
    excType: "Exception",
    excModule: null,
    excArgs: ["x"],
    message: "x",
  });
});

Deno.test("decodeFailure() ignores a module that is not a string", () => {
  assertEquals(
    decodeFailure({ exc_type: "E", exc_message: [], exc_module: 5 })?.excModule,
    null,
  );
});

Deno.test("encodeFailure() writes the members in Celery's order", () => {
  assertEquals(Object.keys(encodeFailure("x")), [
    "exc_type",
    "exc_message",
    "exc_module",
  ]);
});

Deno.test("encodeFailure() writes no module for an Error", () => {
  assertEquals(encodeFailure(new TypeError("boom")), {
    exc_type: "TypeError",
    exc_message: ["boom"],
    exc_module: null,
  });
  assertEquals(encodeFailure(new Error()), {
    exc_type: "Error",
    exc_message: [],
    exc_module: null,
  });
  assertEquals(encodeFailure(new DOMException("stop", "AbortError")), {
    exc_type: "AbortError",
    exc_message: ["stop"],
    exc_module: null,
  });
});

Deno.test("encodeFailure() uses the class of an Error without its own name", () => {
  class OrderError extends Error {}
  assertEquals(encodeFailure(new OrderError("x")).exc_type, "OrderError");
  const named = new OrderError("x");
  named.name = "Renamed";
  assertEquals(encodeFailure(named).exc_type, "Renamed");
});

Deno.test("encodeFailure() writes a class name that Python accepts", () => {
  const error = new Error("x");
  for (
    const [name, written] of [
      ["", "Exception"],
      [5, "Exception"],
      ["a\0b", "ab"],
      ["\0", "Exception"],
      ["a\ud800", "a\ufffd"],
    ]
  ) {
    Object.defineProperty(error, "name", { value: name, configurable: true });
    assertEquals(encodeFailure(error).exc_type, written);
  }
});

Deno.test("encodeFailure() writes a TaskFailure as given", () => {
  assertEquals(
    encodeFailure({
      excType: "ValueError",
      excModule: "builtins",
      excArgs: ["x", 2],
      message: "x, 2",
    }),
    { exc_type: "ValueError", exc_message: ["x", 2], exc_module: "builtins" },
  );
  assertEquals(encodeFailure({ excType: "Odd", message: "why" }), {
    exc_type: "Odd",
    exc_message: ["why"],
    exc_module: null,
  });
  assertEquals(encodeFailure({ excType: "Odd" }).exc_message, []);
});

Deno.test("encodeFailure() reverses toTaskError()", () => {
  const error = new TaskError({
    taskId: "t1",
    state: "FAILURE",
    traceback: null,
    excType: "ValueError",
    excModule: "builtins",
    excArgs: ["x"],
    message: "x",
  });
  assertEquals(encodeFailure(error), {
    exc_type: "ValueError",
    exc_message: ["x"],
    exc_module: "builtins",
  });
});

Deno.test("encodeFailure() accepts Celery's own form", () => {
  assertEquals(
    encodeFailure({
      exc_type: "KeyError",
      exc_message: ["k"],
      exc_module: "builtins",
    }),
    { exc_type: "KeyError", exc_message: ["k"], exc_module: "builtins" },
  );
});

Deno.test("encodeFailure() makes Python's Exception of anything else", () => {
  for (
    const [thrown, args] of [
      ["boom", ["boom"]],
      [5, [5]],
      [undefined, []],
      [null, []],
      [{ code: 5 }, [{ code: 5 }]],
    ] as [unknown, unknown[]][]
  ) {
    assertEquals(encodeFailure(thrown), {
      exc_type: "Exception",
      exc_message: args,
      exc_module: "builtins",
    });
  }
});

Deno.test("encodeFailure() replaces an argument that cannot be encoded by its text", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  function work(): void {}
  const failure = encodeFailure({
    excType: "E",
    excArgs: [
      1n,
      work,
      Symbol("s"),
      new Map(),
      new RangeError("r"),
      1n << 33_000_000n,
      cycle,
    ],
  });
  assertEquals(failure.exc_message.slice(0, 3), [
    1n,
    "function work",
    "Symbol(s)",
  ]);
  assertEquals(failure.exc_message[3], "[object Map]");
  assertEquals(failure.exc_message[4], "RangeError: r");
  assertEquals(
    failure.exc_message[5],
    "an integer of more than 4300 digits",
  );
  assertEquals(typeof failure.exc_message[6], "string");
});

Deno.test("encodeFailure() replaces an argument that a document would nest too deeply", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 798; i++) deep = [deep];
  for (const serializer of ["json", "msgpack", yaml] as const) {
    const format = resolveFormats({ serializer }, "bigint");
    const fields = { taskId: "t", state: "FAILURE", dateDone: new Date(0) };
    for (let args: unknown = [deep]; Array.isArray(args); args = args[0]) {
      const result = { excType: "E", excArgs: args };
      encodeDocument({ ...fields, result }, format);
    }
  }
});

Deno.test("encodeFailure() accepts any thrown value, in any format", () => {
  const { proxy: revoked, revoke } = Proxy.revocable([], {});
  revoke();
  function refuse(): never {
    throw new Error("not to be read");
  }
  const unreadable = new Proxy({}, {
    get: refuse,
    has: refuse,
    ownKeys: refuse,
    getPrototypeOf: refuse,
    getOwnPropertyDescriptor: refuse,
  });
  const throwing: unknown[] = [1];
  Object.defineProperty(throwing, 0, { get: refuse });
  const withGetter = { exc_type: "E" };
  Object.defineProperty(withGetter, "exc_message", { get: refuse });
  const odd = new Proxy([1, 2], { ownKeys: refuse });
  let reads = 0;
  const once = {
    get value(): number {
      return reads++ === 0 ? 1 : refuse();
    },
  };
  for (
    const thrown of [
      revoked,
      unreadable,
      { excType: "E", excArgs: revoked },
      { excType: "E", excArgs: revoked, message: "m" },
      { excType: "E", excArgs: throwing },
      { excType: "E", excArgs: odd },
      { excType: "E", excArgs: [revoked, unreadable, once] },
      { excType: "E", excModule: "m\ud800", excArgs: ["\ud800"] },
      { exc_type: "E", exc_message: revoked },
      { exc_type: "E", exc_message: throwing },
      { exc_type: "E", exc_message: [1], exc_module: revoked },
      { exc_type: revoked, exc_message: revoked },
      {
        exc_type: "UnpickleableExceptionWrapper",
        exc_message: ["m", "E", revoked],
      },
      withGetter,
      new Proxy({ exc_type: "E" }, { ownKeys: refuse }),
    ]
  ) {
    for (const serializer of ["json", "msgpack", yaml] as const) {
      reads = 0;
      const format = resolveFormats({ serializer }, "bigint");
      const fields = { taskId: "t", state: "FAILURE", dateDone: new Date(0) };
      encodeDocument({ ...fields, result: thrown }, format);
    }
  }
  assertEquals(
    encodeFailure({ excType: "E", excArgs: revoked, message: "m" }),
    { exc_type: "E", exc_message: ["m"], exc_module: null },
  );
});

Deno.test("decodeFailure() reverses encodeFailure()", () => {
  const failure = {
    excType: "Outer.Inner",
    excModule: "app.errors",
    excArgs: ["x", { a: [1] }],
    message: 'x, {"a":[1]}',
  };
  assertEquals(decodeFailure(encodeFailure(failure)), failure);
});
