import { parseJsonExactly } from "../../../src/formats/json/parse_exact.ts";
import { parseJson } from "../../../src/formats/json/parse.ts";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import { withProtoSetter } from "../../support/proto_setter.ts";

const BIGINT = { integers: "bigint" } as const;
const NUMBER = { integers: "number" } as const;

Deno.test("parseJson() reads plain JSON as JSON.parse() does", () => {
  for (
    const text of [
      "null",
      "true",
      ' {"a" : [1, -2.5, 1e3, "x\\n\\u00e9", {}, []], "b": false} ',
      '"\\ud83d"',
      "-0",
      '{"a": 1, "a": 2}',
      '{"2": 0, "1": 0, "b": 0}',
    ]
  ) {
    assertEquals(parseJson(text, BIGINT), JSON.parse(text));
  }
});

Deno.test("parseJsonExactly() agrees with JSON.parse() on plain JSON", () => {
  for (
    const text of [
      "null",
      "true",
      "false",
      ' {"a" : [1, -2.5, 1e3, "x\\n\\u00e9", {}, [], { } , [ ]], "b": false}\r\n\t ',
      '"\\ud83d"',
      '"a\\\\"',
      '"\\\\\\""',
      '["\\"", "\\\\", "b"]',
      '"\ud83d \u007f \u2028"',
      "-0",
      "0.1",
      "1E-5",
      "9007199254740991",
      "[[[[1], 2], 3], [{}]]",
      '{"a": 1, "a": 2}',
      '{"2": 0, "1": 0, "b": 0}',
      '{"": ""}',
    ]
  ) {
    const value = parseJsonExactly(text, true);
    assertEquals(value, JSON.parse(text), text);
    assertEquals(JSON.stringify(value), JSON.stringify(JSON.parse(text)), text);
  }
  assert(Object.is(parseJsonExactly("-0", true), -0));
});

Deno.test("parseJson() reads NaN and the infinities", () => {
  assertEquals(
    parseJson('[NaN, Infinity, -Infinity, {"a": NaN}, "NaN"]', BIGINT),
    [NaN, Infinity, -Infinity, { a: NaN }, "NaN"],
  );
  assertEquals(parseJson("NaN", NUMBER), NaN);
});

Deno.test("parseJson() makes a bigint of an integer beyond 2^53", () => {
  const text = '{"a": [9007199254740991, 9007199254740992, ' +
    "9007199254740993, -9007199254740993, 1000000000000000000000]}";
  assertEquals(parseJson(text, BIGINT), {
    a: [
      9007199254740991,
      9007199254740992n,
      9007199254740993n,
      -9007199254740993n,
      1000000000000000000000n,
    ],
  });
  assertEquals(parseJson("18446744073709551615", BIGINT), 2n ** 64n - 1n);
  assertEquals(parseJson("[[-18446744073709551615]]", BIGINT), [[
    1n - 2n ** 64n,
  ]]);
});

Deno.test("parseJson() leaves a float beyond 2^53 a number", () => {
  assertEquals(parseJson("[1e300, 1e+16, 10000000000000000.0]", BIGINT), [
    1e300,
    1e16,
    1e16,
  ]);
});

Deno.test("parseJson() rounds integers when asked for numbers", () => {
  assertEquals(parseJson("[9007199254740993]", NUMBER), [9007199254740992]);
  assertEquals(parseJson("[9007199254740993, NaN]", NUMBER), [
    9007199254740992,
    NaN,
  ]);
});

Deno.test("parseJson() leaves strings that look like bigints or NaN unchanged", () => {
  assertEquals(
    parseJson(
      '{"NaN": "99999999999999999999", "x": "\\"NaN", "y": NaN}',
      BIGINT,
    ),
    { NaN: "99999999999999999999", x: '"NaN', y: NaN },
  );
});

Deno.test("parseJson() makes __proto__ an own property", () => {
  withProtoSetter(() => {
    for (const tail of ["1", "NaN", "9007199254740993"]) {
      const value = parseJson(
        `{"__proto__": {"polluted": 1}, "x": ${tail}}`,
        BIGINT,
      ) as Record<string, unknown>;
      assert(Object.hasOwn(value, "__proto__"));
      assertStrictEquals(Object.getPrototypeOf(value), Object.prototype);
      assertEquals(Object.keys(value), ["__proto__", "x"]);
      assertStrictEquals(value["polluted"], undefined);
      assertStrictEquals(
        ({} as Record<string, unknown>)["polluted"],
        undefined,
      );
    }
  });
});

Deno.test("parseJson() keeps lone surrogates", () => {
  assertEquals(parseJson('["\\ud83d", NaN]', BIGINT), ["\ud83d", NaN]);
});

Deno.test("parseJson() uses the value of the last of duplicate keys, and the position of the first", () => {
  const value = parseJson('{"a": NaN, "b": 1, "a": 2}', BIGINT);
  assertEquals(JSON.stringify(value), '{"a":2,"b":1}');
});

Deno.test("parseJson() accepts any depth of nesting", () => {
  const depth = 200_000;
  for (const core of ["1", "NaN", "9007199254740993"]) {
    let value = parseJson("[".repeat(depth) + core + "]".repeat(depth), BIGINT);
    let levels = 0;
    while (Array.isArray(value)) {
      value = value[0];
      levels++;
    }
    assertEquals(levels, depth);
  }
  assertThrows(() => parseJson("[".repeat(depth), BIGINT), SyntaxError);
});

Deno.test("parseJson() accepts a string of many megabytes", () => {
  const long = "x".repeat(30_000_000);
  assertStrictEquals(
    (parseJson(`["${long}", NaN]`, BIGINT) as unknown[])[0],
    long,
  );
  const escapes = "\\n".repeat(10_000_000);
  assertStrictEquals(
    ((parseJson(`["${escapes}", NaN]`, BIGINT) as unknown[])[0] as string)
      .length,
    10_000_000,
  );
});

Deno.test("parseJson() refuses what even Python does not accept as JSON", () => {
  for (
    const text of [
      "",
      " ",
      "nan",
      "+1",
      "-NaN",
      "+Infinity",
      "01",
      "1.",
      ".5",
      "1e",
      "-",
      "0x10",
      "NaN NaN",
      "[NaN",
      "[NaN,]",
      "[,NaN]",
      "[NaN 1]",
      "[NaN}",
      '{"a": NaN',
      '{"a": NaN,}',
      '{"a" NaN}',
      "{a: NaN}",
      '{"a": NaN]',
      "{NaN: 1}",
      '[NaN, "',
      '[NaN, "a\\',
      '[NaN, "\\x"]',
      '[NaN, "\\u12"]',
      '[NaN, "a\nb"]',
      '[NaN, "\u0000"]',
      "[NaN, 'a']",
      "[NaN] x",
      "undefined",
      "\ufeff1",
      "{'status': 'SUCCESS'}",
    ]
  ) {
    assertThrows(() => parseJson(text, BIGINT), SyntaxError, undefined, text);
  }
});

Deno.test("parseJson() throws with the position of the error", () => {
  assertThrows(
    () => parseJson("[NaN, x]", BIGINT),
    SyntaxError,
    'unexpected "x" at position 6',
  );
  assertThrows(() => parseJson("[NaN", BIGINT), SyntaxError, "ends too early");
});

Deno.test("parseJson() reads integers of 4,300 digits, and refuses more, as Python does", () => {
  const most = "7".repeat(4300);
  for (const text of [most, `-${most}`]) {
    assertEquals(parseJson(`[${text}]`, BIGINT), [BigInt(text)]);
    const error = assertThrows(
      () => parseJson(`[${text}0]`, BIGINT),
      RangeError,
    );
    assertEquals(
      error.message,
      "it has an integer of 4301 digits, more than the 4300 that are read, as in Python",
    );
  }
  // Reading it would take seconds.
  assertThrows(
    () => parseJson("7".repeat(10_000_000), BIGINT),
    RangeError,
    "10000000 digits",
  );
});

Deno.test("parseJson() reads a float of any length, and rounds any integer when asked for numbers", () => {
  const digits = "7".repeat(100_000);
  assertEquals(parseJson(`[0.${digits}, ${digits}.5, NaN]`, BIGINT), [
    Number(`0.${digits}`),
    Infinity,
    NaN,
  ]);
  assertEquals(parseJson(`[1e${digits}, -${digits}, NaN]`, NUMBER), [
    Infinity,
    -Infinity,
    NaN,
  ]);
});
