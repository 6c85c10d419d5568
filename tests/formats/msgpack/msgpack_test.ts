import { decodeMsgpack } from "../../../src/formats/msgpack/decode.ts";
import { encodeMsgpack } from "../../../src/formats/msgpack/encode.ts";
import { toDate } from "../../../src/formats/envelopes.ts";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "../../support/assert.ts";
import { withProtoSetter } from "../../support/proto_setter.ts";
import { seededRandom } from "../../support/seeded_random.ts";

const BIGINT = { integers: "bigint" } as const;

function decode(...bytes: number[]): unknown {
  return decodeMsgpack(Uint8Array.from(bytes), BIGINT);
}

function refusal(...bytes: number[]): string {
  return assertThrows(() => decode(...bytes), Error).message;
}

function ascii(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

Deno.test("decodeMsgpack() reads every form of a number", () => {
  assertEquals(
    decode(0x9c, ...[
      ...[0x7f, 0xe0, 0xcc, 255, 0xcd, 1, 0, 0xce, 0, 1, 0, 0],
      ...[0xd0, 0x80, 0xd1, 0x80, 0, 0xd2, 0x80, 0, 0, 0],
      ...[0xcf, 0, 0, 0, 0, 0, 0, 0, 5],
      ...[0xd3, 255, 255, 255, 255, 255, 255, 255, 255],
      ...[0xca, 0x3f, 0xc0, 0, 0],
      ...[0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ]),
    [127, -32, 255, 256, 65536, -128, -32768, -(2 ** 31), 5, -1, 1.5, -0],
  );
});

Deno.test("decodeMsgpack() converts integers beyond 2^53 as the options say", () => {
  const bytes = [0x93, 0xcf, 255, 255, 255, 255, 255, 255, 255, 255].concat(
    [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0],
    [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
  );
  assertEquals(decode(...bytes), [2n ** 64n - 1n, 2n ** 53n, -(2n ** 63n)]);
  assertEquals(
    decodeMsgpack(Uint8Array.from(bytes), { integers: "number" }),
    [2 ** 64, 2 ** 53, -(2 ** 63)],
  );
});

Deno.test("decodeMsgpack() copies bytes", () => {
  const document = Uint8Array.of(0xc4, 2, 1, 2);
  const bytes = decodeMsgpack(document, BIGINT);
  assert(bytes instanceof Uint8Array);
  assertEquals([...bytes], [1, 2]);
  assertEquals(bytes.buffer.byteLength, 2);
});

Deno.test("decodeMsgpack() converts other keys to text, like JSON", () => {
  assertEquals(decode(0x84, 1, 1, 0xc0, 2, 0xc3, 3, 0xa1, 0x61, 4), {
    "1": 1,
    null: 2,
    true: 3,
    a: 4,
  });
  assertStringIncludes(refusal(0x81, 0x91, 1, 1), "a key at byte 1");
  assertStringIncludes(refusal(0x81, 0xc4, 1, 0x61, 1), "a key at byte 1");
});

Deno.test("decodeMsgpack() keeps __proto__ as an own key", () => {
  withProtoSetter(() => {
    const value = decode(
      0x81,
      0xa9,
      ...ascii("__proto__"),
      0x81,
      0xa1,
      0x78,
      1,
    );
    assertEquals(Object.keys(value as object), ["__proto__"]);
    assertEquals((value as { x?: unknown }).x, undefined);
  });
});

Deno.test("decodeMsgpack() reads msgpack's timestamps, and refuses other extensions by number", () => {
  assertEquals(
    decode(0x93, ...[
      ...[0xd6, 0xff, 0, 0, 0, 1],
      ...[0xd7, 0xff, 0x1d, 0xcd, 0x65, 0, 0, 0, 0, 2],
      ...[0xc7, 12, 0xff, 0, 0, 0, 0, ...Array(8).fill(0xff)],
    ]),
    [new Date(1000), new Date(2125), new Date(-1000)],
  );
  assertStringIncludes(refusal(0xd4, 5, 0), "extension of type 5");
  assertStringIncludes(refusal(0xc7, 3, 0xff, 1, 2, 3), "extension of type -1");
});

Deno.test("decodeMsgpack() refuses text that is not UTF-8", () => {
  assertStringIncludes(refusal(0x92, 0xa1, 0xe4, 0xa1, 0x41), "not UTF-8");
  assertStringIncludes(refusal(0xa3, 0xed, 0xa0, 0x80), "not UTF-8");
});

Deno.test("decodeMsgpack() refuses input that ends too early, or continues", () => {
  const whole = encodeMsgpack({
    a: ["text", 1.5, new Uint8Array(300), 2 ** 40],
  });
  decodeMsgpack(whole, BIGINT);
  for (let length = 0; length < whole.length; length++) {
    assertThrows(
      () => decodeMsgpack(whole.subarray(0, length), BIGINT),
      Error,
      "ends too early",
    );
  }
  assertStringIncludes(refusal(1, 2), "continues after its end at byte 1");
  assertStringIncludes(refusal(0xc1), "unknown type 0xc1");
});

Deno.test("decodeMsgpack() does not trust the sizes that a document claims", () => {
  // 60 nested lists, each of which claims 33,554,431 items: 15 GB, if allocated.
  const lists = Array.from({ length: 60 }, () => [0xdd, 1, 255, 255, 255]);
  assertStringIncludes(refusal(...lists.flat()), "ends too early");
  assertStringIncludes(refusal(0xdf, 255, 255, 255, 255), "ends too early");
  assertStringIncludes(refusal(0xdb, 255, 255, 255, 255), "ends too early");
  assertStringIncludes(refusal(0xc9, 255, 255, 255, 255), "ends too early");
});

Deno.test("decodeMsgpack() reads 2,000 levels, and refuses more without exhausting the stack", () => {
  const deep = (levels: number): Uint8Array =>
    new Uint8Array(levels + 1).fill(0x91, 0, levels);
  structuredClone(decodeMsgpack(deep(2000), BIGINT));
  // Maps whose keys are maps.
  const keys = new Uint8Array(1_000_000).fill(0x81);
  assertThrows(() => decodeMsgpack(keys, BIGINT), Error, "a key at byte 1");
  for (const levels of [2001, 1_000_000]) {
    assertThrows(
      () => decodeMsgpack(deep(levels), BIGINT),
      RangeError,
      "2000 levels",
    );
  }
});

Deno.test("decodeMsgpack() survives random damage", () => {
  const random = seededRandom(7);
  const whole = encodeMsgpack({
    status: "SUCCESS",
    result: [1.5, { a: "\u0142" }, new Uint8Array(20), 2n ** 60n, null, true],
  });
  let read = 0;
  for (let i = 0; i < 5000; i++) {
    const damaged = whole.slice();
    damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256);
    try {
      decodeMsgpack(damaged, BIGINT);
      read++;
    } catch (error) {
      assert(error instanceof Error);
      assertStringIncludes(error.message, "it is ");
    }
  }
  assert(read > 0);
});

Deno.test("decodeMsgpack() reverses encodeMsgpack()", () => {
  for (
    const value of [
      ...[null, true, "", "\u0142\u{1f600}", "x".repeat(70_000), -0, NaN],
      ...[2n ** 64n - 1n, -(2n ** 63n), 2n ** 53n, 1e300, [], {}],
      new Uint8Array(70_000),
      Array.from({ length: 70_000 }, (_, i) => i - 35_000),
      Object.fromEntries(
        Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i]),
      ),
      [["x".repeat(31)], ["x".repeat(32)], ["x".repeat(255)], "x".repeat(256)],
      [Array(15).fill(1), Array(16).fill(1)],
    ]
  ) {
    assertEquals(decodeMsgpack(encodeMsgpack(value), BIGINT), value);
  }
});

Deno.test("encodeMsgpack() keeps the sign of zero", () => {
  assertStrictEquals(decodeMsgpack(encodeMsgpack(-0), BIGINT), -0);
  assertStrictEquals(decodeMsgpack(encodeMsgpack(0), BIGINT), 0);
});

Deno.test("encodeMsgpack() writes the same values as encodeJson()", () => {
  const boxed = [Object(1), Object("s"), {
    toJSON: (key: string) => `at ${key}`,
  }];
  assertEquals(
    decodeMsgpack(
      encodeMsgpack({ boxed, gone: undefined, items: [undefined] }),
      BIGINT,
    ),
    { boxed: [1, "s", "at 2"], items: [null] },
  );
});

Deno.test("encodeMsgpack() writes a Date as its stored text, or in ISO form", () => {
  const text = "2024-01-02T03:04:05.678901+05:30";
  assertEquals(
    decodeMsgpack(encodeMsgpack([toDate(text), new Date(5)]), BIGINT),
    [text, "1970-01-01T00:00:00.005+00:00"],
  );
});

Deno.test("encodeMsgpack() refuses what msgpack cannot represent, and names the path to it", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  let deep: unknown = 1;
  for (let i = 0; i < 801; i++) deep = [deep];
  const cases: [unknown, string][] = [
    [{ a: [2n ** 64n] }, "an integer of more than 64 bits at result.a[0]"],
    [-(2n ** 63n) - 1n, "more than 64 bits at result"],
    [{ a: "\ud800" }, "a lone surrogate at result.a"],
    [{ a: { "\ud800": 1 } }, "a lone surrogate at result.a"],
    [[new Map()], "a Map at result[0]"],
    [{ f: doNothing }, "a function at result.f"],
    [Symbol("s"), "a symbol at result"],
    [new Date(NaN), "an invalid Date at result"],
    [cyclic, "contains itself"],
    [deep, "more than 800 levels"],
  ];
  for (const [value, words] of cases) {
    assertThrows(() => encodeMsgpack(value), TypeError, words);
  }
});

function doNothing(): void {}
