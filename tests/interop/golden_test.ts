/**
 * Compares the JSON of both sides: Python's Celery reads what `encodeJson()`
 * writes, and `parseJson()` reads what Celery writes.
 *
 * @module
 */

import { encodeJson } from "../../src/formats/json/encode.ts";
import { parseJson } from "../../src/formats/json/parse.ts";
import { assertEquals } from "../support/assert.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import { seededRandom } from "../support/seeded_random.ts";

const fixture = celeryFixture();

/** How many random values each seed yields. */
const COUNT = 500;
const SEEDS = [1, 2, 3, 4];

// -- chosen values ---------------------------------------------------------------

/** A value, and how Python writes it after reading it. */
const values: [value: unknown, repr: string][] = [
  [null, "None"],
  [[true, false], "[True, False]"],
  [[], "[]"],
  [{}, "{}"],
  [0, "0"],
  [-0, "-0.0"],
  [1e15, "1000000000000000"],
  [Number.MIN_SAFE_INTEGER, "-9007199254740991"],
  [2 ** 53, "9007199254740992.0"],
  [1e16, "1e+16"],
  [123456789012345680, "1.2345678901234568e+17"],
  [1e21, "1e+21"],
  [1.7976931348623157e308, "1.7976931348623157e+308"],
  [0.1, "0.1"],
  [0.0001, "0.0001"],
  [0.00001, "1e-05"],
  [1.5e-7, "1.5e-07"],
  [5e-324, "5e-324"],
  [-1.25e-100, "-1.25e-100"],
  [4.5e15 + 0.5, "4500000000000000.5"],
  [NaN, "nan"],
  [[Infinity, -Infinity], "[inf, -inf]"],
  [2n ** 64n, "18446744073709551616"],
  [-7n, "-7"],
  ["", "''"],
  ["\x00\x1f\x7f\x80", "'\\x00\\x1f\\x7f\\x80'"],
  ["\b\f\n\r\t", "'\\x08\\x0c\\n\\r\\t'"],
  ['"\\/', "'\"\\\\/'"],
  ["\xe9\u0142\u2603", "'\xe9\u0142\u2603'"],
  ["\u{1f600}\u{10ffff}", "'\u{1f600}\\U0010ffff'"],
  ["\u2028\u2029\ufeff", "'\\u2028\\u2029\\ufeff'"],
  ["\ud800", "'\\ud800'"],
  ["\udfff\ud800", "'\\udfff\\ud800'"],
  [{ b: 1, a: 2, "": 3, "\u0142": 4 }, "{'b': 1, 'a': 2, '': 3, '\u0142': 4}"],
  [{ kept: undefined, a: [undefined] }, "{'a': [None]}"],
  [JSON.parse('{"__proto__": 1}'), "{'__proto__': 1}"],
];

Deno.test(
  fixture.test("encodeJson() writes the same bytes as Python, which reads the same values", async () => {
    const texts = values.map(([value]) => encodeJson(value));
    const read = await fixture.driver.readJson(texts);
    assertEquals(
      read.map(({ value }) => value),
      values.map(([, repr]) => repr),
    );
    assertEquals(texts, read.map(({ text }) => text));
  }),
);

Deno.test(
  fixture.test("encodeJson() nests as deep as Python's parser can read", async () => {
    let value: unknown = "bottom";
    for (let depth = 0; depth < 800; depth++) value = [value];
    const text = encodeJson(value);
    assertEquals((await fixture.driver.readJson([text]))[0]?.text, text);
  }),
);

// -- random values -----------------------------------------------------------------

const ALPHABET = [
  ...'aZ09 "\\/\b\f\n\r\t\x00\x1f\x7f\x80\xe9\u0142\u2028\u2603\uffff',
].concat(
  ["\u{1f600}", "\u{10ffff}", "\ud800", "\udfff"],
);

/** Makes values that JSON can represent, from a source of random numbers. */
class RandomValues {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  next(depth = 4): unknown {
    if (depth === 0 || this.#random() < 0.3) return this.#scalar();
    const size = this.#below(5);
    if (this.#random() < 0.5) {
      return Array.from({ length: size }, () => this.next(depth - 1));
    }
    return Object.fromEntries(
      Array.from({ length: size }, () => [this.#text(), this.next(depth - 1)]),
    );
  }

  #scalar(): unknown {
    switch (this.#below(8)) {
      case 0:
        return null;
      case 1:
        return this.#random() < 0.5;
      case 2:
        return this.#below(21) - 10;
      case 3:
        return (this.#random() - 0.5) * 2 ** this.#below(60);
      case 4:
        return this.#anyFloat();
      case 5:
        return BigInt.asIntN(200, BigInt(this.#below(2 ** 32)) ** 7n);
      case 6:
        return [NaN, Infinity, -Infinity, -0][this.#below(4)];
      default:
        return this.#text();
    }
  }

  /** Any 64 bits. */
  #anyFloat(): number {
    const words = Uint32Array.of(this.#below(2 ** 32), this.#below(2 ** 32));
    return new Float64Array(words.buffer)[0]!;
  }

  #text(): string {
    return Array.from(
      { length: this.#below(8) },
      () => ALPHABET[this.#below(ALPHABET.length)],
    ).join("");
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

for (const seed of SEEDS) {
  Deno.test(
    fixture.test(`encodeJson() writes the same bytes as Python for random values: seed ${seed}`, async () => {
      const source = new RandomValues(seed);
      const texts = Array.from(
        { length: COUNT },
        () => encodeJson(source.next()),
      );
      const read = await fixture.driver.readJson(texts);
      assertEquals(read.map(({ text }) => text), texts);
    }),
  );

  Deno.test(
    fixture.test(`parseJson() reads Python's random values, and encodeJson() writes the same bytes: seed ${seed}`, async () => {
      const texts = await fixture.driver.writeJson(seed, COUNT);
      assertEquals(texts.length, COUNT);
      assertEquals(
        texts.map((text) =>
          encodeJson(parseJson(text, { integers: "bigint" }))
        ),
        texts,
      );
    }),
  );
}
