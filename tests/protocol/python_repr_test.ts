import { jsonFormat } from "../../src/formats/json/format.ts";
import { exceptionRepr, pythonRepr } from "../../src/protocol/python_repr.ts";
import { assertEquals } from "../support/assert.ts";

const DATETIME = "datetime.datetime";
const UTC = "datetime.timezone.utc";

/** An offset, as the last argument of a datetime. */
function zone(delta: string): string {
  return `tzinfo=datetime.timezone(datetime.timedelta(${delta}))`;
}

// What Python's repr() returns; tests/interop/chord_test.ts compares with Python itself.
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
    [new Date(0), `${DATETIME}(1970, 1, 1, 0, 0, tzinfo=${UTC})`],
    [new Date(NaN), "'Invalid Date'"],
    [new Date(-1e15), "'-029719-04-05T22:13:20.000Z'"],
  ];
  for (const [value, expected] of cases) {
    assertEquals(pythonRepr(value), expected);
  }
});

Deno.test("pythonRepr writes bytes as Python's repr() does", () => {
  const cases: [number[], string][] = [
    [[], String.raw`b''`],
    [[0xff, 0], String.raw`b'\xff\x00'`],
    [
      [9, 10, 13, 92, 32, 126, 127, 128, 160, 173],
      String
        .raw`b'\t\n\r\\ ~\x7f\x80\xa0\xad'`,
    ],
    [[0x61, 0x27], String.raw`b"a'"`],
    [[0x27, 0x22], String.raw`b'\'"'`],
    [[0xc5, 0x82], String.raw`b'\xc5\x82'`],
  ];
  for (const [bytes, expected] of cases) {
    assertEquals(pythonRepr(new Uint8Array(bytes)), expected);
  }
  assertEquals(pythonRepr({ a: [new Uint8Array([65])] }), "{'a': [b'A']}");
});

Deno.test("pythonRepr writes the datetime of a document as Python's repr() does", () => {
  const cases: [string, string][] = [
    ["2024-01-02T03:04:05.678901", "(2024, 1, 2, 3, 4, 5, 678901)"],
    ["2024-01-02T03:04:05.678", "(2024, 1, 2, 3, 4, 5, 678000)"],
    ["2024-01-02T03:04:05.000001", "(2024, 1, 2, 3, 4, 5, 1)"],
    ["2024-01-02T03:04:00.000001", "(2024, 1, 2, 3, 4, 0, 1)"],
    ["2024-01-02T03:04:05", "(2024, 1, 2, 3, 4, 5)"],
    ["2024-01-02T03:00:00", "(2024, 1, 2, 3, 0)"],
    ["2024-01-02", "(2024, 1, 2, 0, 0)"],
    ["0001-02-03T00:00:00Z", `(1, 2, 3, 0, 0, tzinfo=${UTC})`],
    ["2024-01-02T03:04:05+00:00", `(2024, 1, 2, 3, 4, 5, tzinfo=${UTC})`],
    [
      "2024-01-02T03:04:05+05:30",
      `(2024, 1, 2, 3, 4, 5, ${zone("seconds=19800")})`,
    ],
    [
      "2024-01-02T03:04:05-05:00",
      `(2024, 1, 2, 3, 4, 5, ${zone("days=-1, seconds=68400")})`,
    ],
    [
      "2024-01-02T03:04:05+05:53:28",
      `(2024, 1, 2, 3, 4, 5, ${zone("seconds=21208")})`,
    ],
    [
      "2024-01-02T03:04:05-00:00:00.000001",
      `(2024, 1, 2, 3, 4, 5, ${
        zone("days=-1, seconds=86399, microseconds=999999")
      })`,
    ],
  ];
  const codec = jsonFormat({ integers: "bigint" });
  for (const [text, expected] of cases) {
    const stored = `{"__type__": "datetime", "__value__": "${text}"}`;
    assertEquals(pythonRepr(codec.decode(stored)), DATETIME + expected);
  }
});

Deno.test("pythonRepr accepts any thrown value", () => {
  const list: unknown[] = [1];
  const members: Record<string, unknown> = { list };
  list.push(list, members);
  members.self = members;
  assertEquals(
    pythonRepr(list),
    "[1, [...], {'list': [...], 'self': {...}}]",
  );
  const shared = [1];
  assertEquals(pythonRepr([shared, shared]), "[[1], [1]]");
  let deep: unknown = 1;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assertEquals(pythonRepr(deep).includes("[...]"), true);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assertEquals(pythonRepr([proxy, 1]), "['an object', 1]");
});

Deno.test("exceptionRepr writes exceptions as Python's repr() does", () => {
  const cases: [string, unknown[], string][] = [
    ["ValueError", ["boom"], "ValueError('boom')"],
    ["KeyError", ["a", 1, null], "KeyError('a', 1, None)"],
    ["RuntimeError", [], "RuntimeError()"],
    ["Outer.Inner", [7], "Inner(7)"],
    [
      "ValueError",
      [new Uint8Array([255, 0])],
      String
        .raw`ValueError(b'\xff\x00')`,
    ],
  ];
  for (const [excType, excArgs, expected] of cases) {
    assertEquals(exceptionRepr({ excType, excArgs }), expected);
  }
});
