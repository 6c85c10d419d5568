import { encodeJson } from "../../../src/formats/json/encode.ts";
import { parseJson } from "../../../src/formats/json/parse.ts";
import { reviveValues } from "../../../src/formats/envelopes.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import { withProtoSetter } from "../../support/proto_setter.ts";
import { seededRandom } from "../../support/seeded_random.ts";

Deno.test("encodeJson() writes Python's separators", () => {
  assertEquals(
    encodeJson({ a: [1, "x", { b: null }], c: true, d: [], e: {} }),
    '{"a": [1, "x", {"b": null}], "c": true, "d": [], "e": {}}',
  );
});

Deno.test("encodeJson() escapes all but printable ASCII, in lower case", () => {
  assertEquals(
    encodeJson('\u00e9\u{1f600}\ud83d \u007f \u0000\u001f\b\f\n\r\t / "\\ ~'),
    '"\\u00e9\\ud83d\\ude00\\ud83d \\u007f \\u0000\\u001f\\b\\f\\n\\r\\t / \\"\\\\ ~"',
  );
  assertEquals(encodeJson({ "\u00e9\n": 1 }), '{"\\u00e9\\n": 1}');
  assertEquals(encodeJson("\u2028\uffff\udc00"), '"\\u2028\\uffff\\udc00"');
});

Deno.test("encodeJson() writes numbers as Python's repr() does", () => {
  for (
    const [value, text] of [
      [0, "0"],
      [-0, "-0.0"],
      [1, "1"],
      [-1.5, "-1.5"],
      [0.1, "0.1"],
      [1e-4, "0.0001"],
      [1e-5, "1e-05"],
      [-1.5e-7, "-1.5e-07"],
      [5e-324, "5e-324"],
      [123456789.125, "123456789.125"],
      [9007199254740991, "9007199254740991"],
      [9007199254740992, "9007199254740992.0"],
      [1e16, "1e+16"],
      [-12345678901234567000, "-1.2345678901234567e+19"],
      [1e21, "1e+21"],
      [1.7976931348623157e308, "1.7976931348623157e+308"],
      [NaN, "NaN"],
      [Infinity, "Infinity"],
      [-Infinity, "-Infinity"],
    ] as [number, string][]
  ) {
    assertEquals(encodeJson(value), text);
  }
});

Deno.test("encodeJson() writes the digits of a bigint", () => {
  assertEquals(encodeJson([2n ** 64n, -1n]), "[18446744073709551616, -1]");
});

Deno.test("encodeJson() refuses an integer with more digits than Python reads", () => {
  const most = 10n ** 4300n - 1n;
  for (const value of [most, -most]) {
    assertEquals(encodeJson(value), `${value}`);
  }
  for (const value of [most + 1n, -most - 1n, 1n << 33_000_000n]) {
    assertThrows(
      () => encodeJson({ a: [value] }),
      TypeError,
      "Cannot encode an integer of more than 4300 digits at result.a[0]: store it as a string",
    );
  }
});

Deno.test("encodeJson() writes undefined as JSON.stringify() does, and null for itself", () => {
  assertEquals(encodeJson({ a: undefined, b: 1, c: undefined }), '{"b": 1}');
  assertEquals(encodeJson({ a: undefined }), "{}");
  assertEquals(encodeJson([undefined, 1]), "[null, 1]");
  // deno-lint-ignore no-sparse-arrays
  assertEquals(encodeJson([, 1]), "[null, 1]");
  assertEquals(encodeJson(undefined), "null");
});

Deno.test("encodeJson() calls toJSON() with the key", () => {
  class Money {
    constructor(readonly amount: number) {}
    toJSON(key: string): unknown {
      return { amount: this.amount, key };
    }
  }
  assertEquals(
    encodeJson({ price: new Money(5), all: [new Money(6)] }),
    '{"price": {"amount": 5, "key": "price"}, "all": [{"amount": 6, "key": "0"}]}',
  );
  assertEquals(encodeJson(new URL("https://x.test/")), '"https://x.test/"');
  assertEquals(encodeJson({ a: { toJSON: () => undefined } }), "{}");
});

Deno.test("encodeJson() writes the own members of a class, and boxed values", () => {
  class Point {
    x = 1;
    #hidden = 2;
    get y(): number {
      return this.#hidden;
    }
  }
  assertEquals(encodeJson(new Point()), '{"x": 1}');
  assertEquals(encodeJson(Object.create(null, {})), "{}");
  assertEquals(
    encodeJson([Object("s"), Object(1.5), Object(true), Object(5n)]),
    '["s", 1.5, true, 5]',
  );
});

Deno.test("encodeJson() writes a Date as kombu's envelope", () => {
  assertEquals(
    encodeJson({ at: new Date("2024-01-02T03:04:05.678Z") }),
    '{"at": {"__type__": "datetime", "__value__": "2024-01-02T03:04:05.678+00:00"}}',
  );
});

Deno.test("encodeJson() writes a decoded Date as stored, with its microseconds", () => {
  for (
    const text of [
      '{"__type__": "datetime", "__value__": "2024-01-02T03:04:05.678901+05:30"}',
      '{"__type__": "datetime", "__value__": "2024-01-02T03:04:05"}',
    ]
  ) {
    const holder = [JSON.parse(text)];
    reviveValues(holder, false);
    assertEquals(encodeJson(holder), `[${text}]`);
    holder[0].setUTCFullYear(2025);
    assert(encodeJson(holder).includes("2025-"));
  }
});

Deno.test("encodeJson() writes bytes as kombu's envelopes", () => {
  assertEquals(
    encodeJson(new TextEncoder().encode("\ufeffcaf\u00e9")),
    '{"__type__": "bytes", "__value__": "\\ufeffcaf\\u00e9"}',
  );
  assertEquals(
    encodeJson(new Uint8Array([255, 0, 254])),
    '{"__type__": "base64", "__value__": "/wD+"}',
  );
});

Deno.test("encodeJson() refuses what JSON cannot represent, and names the path to it", () => {
  for (
    const [value, what] of [
      [new Map(), "a Map"],
      [new Set(), "a Set"],
      [new WeakMap(), "a WeakMap"],
      [Promise.resolve(), "a promise"],
      [new TypeError("x"), "an Error"],
      [/x/, "a RegExp"],
      [new ArrayBuffer(1), "ArrayBuffer"],
      [new Float64Array(1), "Float64Array"],
      [new DataView(new ArrayBuffer(1)), "DataView"],
      [Math.max, "a function"],
      [Symbol("s"), "a symbol"],
      [new Date(NaN), "an invalid Date"],
      [new Date("+012345-01-01T00:00:00Z"), "a Date in the year 12345"],
    ] as [unknown, string][]
  ) {
    assertThrows(
      () => encodeJson({ items: [1, 2, 3, value] }),
      TypeError,
      `Cannot encode ${what} at result.items[3]: `,
    );
    assertThrows(
      () => encodeJson(value),
      TypeError,
      `Cannot encode ${what} at result: `,
    );
  }
  assertThrows(
    () => encodeJson([[1, [2]], { a: { b: 1 } }, new Set()]),
    TypeError,
    "at result[2]: ",
  );
  assertThrows(
    () => encodeJson([{ a: [[1], { "x y": { ok: 1, bad: new Set() } }] }]),
    TypeError,
    'at result[0].a[1]["x y"].bad: use [...set]',
  );
});

Deno.test("encodeJson() refuses a value that contains itself, and names the path to it", () => {
  const tree: Record<string, unknown> = { name: "root" };
  tree.children = [{ parent: tree }];
  assertThrows(
    () => encodeJson(tree),
    TypeError,
    "Cannot encode a value that contains itself at result.children[0].parent: ",
  );
  const self = { toJSON: (): unknown => self };
  assertThrows(() => encodeJson(self), TypeError, "contains itself");
});

Deno.test("encodeJson() accepts a value that is in two places", () => {
  const shared = { a: 1 };
  assertEquals(
    encodeJson([shared, { shared }, shared]),
    '[{"a": 1}, {"shared": {"a": 1}}, {"a": 1}]',
  );
});

Deno.test("encodeJson() refuses a value nested too deeply for Python", () => {
  let value: unknown = 1;
  for (let i = 0; i < 800; i++) value = i % 2 === 0 ? [value] : { a: value };
  encodeJson(value);
  assertThrows(
    () => encodeJson([value]),
    TypeError,
    "nested more than 800 levels deep at result[0].a[0]",
  );
  for (let i = 0; i < 100_000; i++) value = [value];
  assertThrows(() => encodeJson(value), TypeError, "nested more than 800");
});

Deno.test("encodeJson() keeps a key __proto__", () => {
  withProtoSetter(() => {
    assertEquals(
      encodeJson(JSON.parse('{"__proto__": 1}')),
      '{"__proto__": 1}',
    );
  });
});

Deno.test("parseJson() reverses encodeJson() for random values", () => {
  const random = seededRandom(20261120);
  for (let i = 0; i < 3000; i++) {
    const value = randomValue(random, 4);
    const text = encodeJson(value);
    const back = parseJson(text, { integers: "bigint" });
    assertEquals(back, value, text);
    assertEquals(encodeJson(back), text);
  }
});

/** Makes any JSON value: numbers of all sizes, any UTF-16, bigints beyond 2^53. */
function randomValue(random: () => number, depth: number): unknown {
  const kind = Math.floor(random() * (depth === 0 ? 8 : 10));
  switch (kind) {
    case 0:
      return null;
    case 1:
      return random() < 0.5;
    case 2:
      return Math.floor((random() - 0.5) * 2 ** Math.floor(random() * 53));
    case 3:
      return randomFloat(random);
    case 4: {
      const size = 2n ** 53n + BigInt(Math.floor(random() * 2 ** 52)) ** 2n;
      return random() < 0.5 ? size : -size;
    }
    case 5:
      return [NaN, Infinity, -Infinity, -0, 1e16, 2 ** 53, 1e-5, 5e-324][
        Math.floor(random() * 8)
      ];
    case 6:
    case 7:
      return randomText(random);
    case 8:
      return Array.from(
        { length: Math.floor(random() * 5) },
        () => randomValue(random, depth - 1),
      );
    default:
      return Object.fromEntries(
        Array.from(
          { length: Math.floor(random() * 5) },
          () => [
            random() < 0.05 ? "__proto__" : randomText(random),
            randomValue(random, depth - 1),
          ],
        ),
      );
  }
}

/** Makes a float of any 64 bits that are a finite one. */
function randomFloat(random: () => number): number {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setUint32(0, Math.floor(random() * 2 ** 32));
  bits.setUint32(4, Math.floor(random() * 2 ** 32));
  const value = bits.getFloat64(0);
  return Number.isFinite(value) ? value : random();
}

/** Makes text from any plane, with lone surrogates. */
function randomText(random: () => number): string {
  const limit = [0x7f, 0x100, 0x10000][Math.floor(random() * 3)]!;
  let text = "";
  for (let i = Math.floor(random() * 12); i > 0; i--) {
    text += String.fromCharCode(Math.floor(random() * limit));
  }
  return text;
}
