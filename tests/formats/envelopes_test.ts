import {
  datetimeText,
  isUnsafe,
  MAX_READ_DEPTH,
  reviveValues,
} from "../../src/formats/envelopes.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { withProtoSetter } from "../support/proto_setter.ts";

/** Revives `value` inside a document. */
function revive(value: unknown): unknown {
  const root = [structuredClone(value)];
  assert(reviveValues(root, false));
  return root[0];
}

function envelope(type: unknown, value: unknown): unknown {
  return { __type__: type, __value__: value };
}

Deno.test("reviveValues() revives a datetime as a Date, and keeps its text", () => {
  const text = "2024-01-02T03:04:05.678901+05:30";
  const date = revive(envelope("datetime", text));
  assertInstanceOf(date, Date);
  assertEquals(date.toISOString(), "2024-01-01T21:34:05.678Z");
  assertEquals(datetimeText(date), text);
});

Deno.test("reviveValues() reads a naive datetime as UTC", () => {
  assertEquals(
    revive(envelope("datetime", "2024-01-02T03:04:05")),
    new Date("2024-01-02T03:04:05Z"),
  );
});

Deno.test("datetimeText() is undefined for copies, other dates, and changed ones", () => {
  const date = revive(envelope("datetime", "2024-01-02T03:04:05")) as Date;
  assertStrictEquals(datetimeText(structuredClone(date)), undefined);
  assertStrictEquals(datetimeText(new Date(0)), undefined);
  date.setUTCFullYear(2025);
  assertStrictEquals(datetimeText(date), undefined);
});

Deno.test("reviveValues() revives date, time, decimal and uuid as strings", () => {
  assertEquals(revive(envelope("date", "2024-01-02")), "2024-01-02");
  assertEquals(revive(envelope("time", "01:02:03.000004")), "01:02:03.000004");
  assertEquals(revive(envelope("time", "01:02:03+05:30")), "01:02:03+05:30");
  for (const decimal of ["1.10", "-0", "1E+5", "NaN", "sNaN12", "-Infinity"]) {
    assertEquals(revive(envelope("decimal", decimal)), decimal);
  }
  const hex = "0123456789abcdef0123456789ABCDEF";
  const dashed = "01234567-89ab-cdef-0123-456789abcdef";
  assertEquals(revive(envelope("uuid", { hex })), dashed);
  assertEquals(revive(envelope("uuid", { hex, version: 4 })), dashed);
});

Deno.test("reviveValues() revives bytes and base64 as a Uint8Array", () => {
  assertEquals(
    revive(envelope("bytes", "caf\u00e9")),
    new Uint8Array([99, 97, 102, 0xc3, 0xa9]),
  );
  assertEquals(revive(envelope("bytes", "")), new Uint8Array());
  assertEquals(
    revive(envelope("base64", "/wD+")),
    new Uint8Array([255, 0, 254]),
  );
});

Deno.test("reviveValues() leaves an unknown type, but revives what is inside", () => {
  assertEquals(
    revive(envelope("money", [1, envelope("date", "2024-01-02")])),
    envelope("money", [1, "2024-01-02"]),
  );
});

Deno.test("reviveValues() leaves a value that does not fit its type", () => {
  for (
    const odd of [
      envelope("datetime", "yesterday"),
      envelope("datetime", 5),
      envelope("datetime", null),
      envelope("date", "2024-01-02T00:00:00"),
      envelope("time", "noon"),
      envelope("decimal", "one"),
      envelope("decimal", 1.5),
      envelope("uuid", "0123456789abcdef0123456789abcdef"),
      envelope("uuid", { hex: "xyz" }),
      envelope("uuid", null),
      envelope("uuid", {}),
      envelope("bytes", [1]),
      envelope("bytes", "\ud800"),
      envelope("base64", "*"),
      envelope("constructor", "x"),
      envelope(null, "x"),
      envelope(["date"], "2024-01-02"),
    ]
  ) {
    assertEquals(revive(odd), odd);
  }
});

Deno.test("reviveValues() takes linear time for a long text", () => {
  const digits = "1".repeat(200_000);
  const before = performance.now();
  for (
    const value of [
      envelope("decimal", `${digits}x`),
      envelope("decimal", `.${digits}x`),
      envelope("decimal", `NaN${digits}x`),
      envelope("time", `01:02:03.${digits}x`),
      envelope("datetime", `2024-01-02T03:04:05.${digits}+01:02:03.${digits}x`),
    ]
  ) {
    assertEquals(revive(value), value);
  }
  // Milliseconds in linear time; half a minute in quadratic.
  assert(performance.now() - before < 5000);
});

Deno.test("reviveValues() expects exactly two members in an envelope", () => {
  for (
    const other of [
      { __type__: "date", __value__: "2024-01-02", more: 1 },
      { __type__: "date" },
      { __value__: "2024-01-02" },
      { __type__: "date", value: "2024-01-02" },
    ]
  ) {
    assertEquals(revive(other), other);
  }
});

Deno.test("reviveValues() revives envelopes at any depth", () => {
  const day = envelope("date", "2024-01-02");
  assertEquals(revive({ a: [{ b: [day, 1] }, day], c: day }), {
    a: [{ b: ["2024-01-02", 1] }, "2024-01-02"],
    c: "2024-01-02",
  });
});

Deno.test("reviveValues() sets a key __proto__ as an own property", () => {
  withProtoSetter(() => {
    const root = JSON.parse(
      '{"__proto__": {"__type__": "date", "__value__": "2024-01-02"}}',
    );
    reviveValues(root, false);
    assertStrictEquals(Object.getPrototypeOf(root), Object.prototype);
    assertStrictEquals(
      Object.getOwnPropertyDescriptor(root, "__proto__")?.value,
      "2024-01-02",
    );
  });
});

Deno.test("reviveValues() stops at a number that may be rounded, if told to", () => {
  for (
    const root of [[2 ** 53], { a: -(2 ** 53) }, [1, { a: [{ b: 2 ** 60 }] }], [
      1e300,
    ]]
  ) {
    assertEquals(reviveValues(root, true), false);
    assertEquals(reviveValues(root, false), true);
  }
  assertEquals(
    reviveValues([2 ** 53 - 1, -(2 ** 53) + 1, NaN, 0.1], true),
    true,
  );
});

Deno.test("isUnsafe() starts beyond the largest safe integer", () => {
  assertEquals(isUnsafe(Number.MAX_SAFE_INTEGER), false);
  assertEquals(isUnsafe(Number.MIN_SAFE_INTEGER), false);
  assertEquals(isUnsafe(2 ** 53), true);
  assertEquals(isUnsafe(-(2 ** 53)), true);
});

Deno.test("reviveValues() refuses a value nested too deeply to be cloned", () => {
  // The root is level 0.
  const deepest = JSON.parse(
    `${"[".repeat(MAX_READ_DEPTH + 1)}1${"]".repeat(MAX_READ_DEPTH + 1)}`,
  );
  assert(reviveValues(deepest, true));
  structuredClone(deepest);
  assertThrows(
    () => reviveValues([deepest], true),
    RangeError,
    "nested more than 2000 levels",
  );
  const objects = JSON.parse(
    `${'{"a":'.repeat(MAX_READ_DEPTH)}1${"}".repeat(MAX_READ_DEPTH)}`,
  );
  assert(reviveValues(objects, true));
  structuredClone({ result: objects });
});
