import { exceptionRepr, pythonRepr } from "../../src/protocol/python_repr.ts";
import { assertEquals } from "../support/assert.ts";

// What Python's repr() gives for the same; tests/interop/chord_test.ts asks Python itself.
Deno.test("pythonRepr writes values as Python's repr() does", () => {
  const cases: [unknown, string][] = [
    [null, "None"],
    [undefined, "None"],
    [true, "True"],
    [false, "False"],
    [0, "0"],
    [-1.5, "-1.5"],
    [1e21, "1e+21"],
    [1e-5, "1e-05"],
    [NaN, "nan"],
    [Infinity, "inf"],
    [-Infinity, "-inf"],
    [2n ** 70n, "1180591620717411303424"],
    ["", "''"],
    ["plain", "'plain'"],
    ["it's", `"it's"`],
    [`it's "quoted"`, `'it\\'s "quoted"'`],
    ["a\\b\n\r\t\0\x7f\xa0\xe9", "'a\\\\b\\n\\r\\t\\x00\\x7f\\xa0\xe9'"],
    ["\u2028\u{1f600}\u{e0001}", "'\\u2028\u{1f600}\\U000e0001'"],
    ["\ud800", "'\\ud800'"],
    [[], "[]"],
    [[1, ["a"], {}], "[1, ['a'], {}]"],
    [{ a: null, "it's": [true] }, `{'a': None, "it's": [True]}`],
    [new Date(0), "'1970-01-01T00:00:00.000Z'"],
  ];
  for (const [value, expected] of cases) {
    assertEquals(pythonRepr(value), expected);
  }
});

Deno.test("exceptionRepr writes exceptions as Python's repr() does", () => {
  const cases: [string, unknown[], string][] = [
    ["ValueError", ["boom"], "ValueError('boom')"],
    ["KeyError", ["a", 1, null], "KeyError('a', 1, None)"],
    ["RuntimeError", [], "RuntimeError()"],
    ["Outer.Inner", [7], "Inner(7)"],
  ];
  for (const [excType, excArgs, expected] of cases) {
    assertEquals(exceptionRepr({ excType, excArgs }), expected);
  }
});
