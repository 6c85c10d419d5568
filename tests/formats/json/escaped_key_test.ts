import { decodeDocument } from "../../../src/protocol/decode.ts";
import { hasEscapedKey } from "../../../src/formats/json/escaped_key.ts";
import { parseJson } from "../../../src/formats/json/parse.ts";
import { assertEquals } from "../../support/assert.ts";
import { seededRandom } from "../../support/seeded_random.ts";

const BIGINT = { integers: "bigint" } as const;
const { raw } = String;

Deno.test("hasEscapedKey() finds a backslash in a key", () => {
  for (
    const text of [
      raw`{"\n":1}`,
      raw`{"a":1,"caf\u00e9":2}`,
      raw`[{"a":[{"b":{"x\\":0}}]}]`,
      raw`{"\"":1}`,
      raw`{"a\"b":1}`,
      raw`{"\\":1}`,
      raw`{"\\\"":1}`,
      raw`{"a":"\n","b\n":1}`,
      raw`{"a":"\\","b\n":1}`,
      raw`{"a":"\\\"","b\n":1}`,
      raw`["\"",{"\t":"\""}]`,
      raw`{"\u00e9" : 1}`,
      '{"\\n" \t\r\n:1}',
    ]
  ) {
    assertEquals(hasEscapedKey(text), true, text);
  }
});

Deno.test("hasEscapedKey() is not misled by backslashes in values", () => {
  for (
    const text of [
      "",
      "1",
      raw`"\n"`,
      raw`"\":"`,
      raw`{"a":"\n"}`,
      raw`{"a":"\\"}`,
      raw`{"a":"\\","b":1}`,
      raw`{"a":"\"b\": 1"}`,
      raw`{"a":"{\"b\": {\"c\\\\\": 1}}"}`,
      raw`["\"", ":", "\\", ":"]`,
      raw`{"a":["x\ty","\\\\"],"b":{"c":"\u00e9"}}`,
      '{"a":"\\n" \n , "b" : 1}',
    ]
  ) {
    assertEquals(hasEscapedKey(text), false, text);
  }
});

Deno.test("hasEscapedKey() ends if a string does not", () => {
  for (const text of [raw`{"a\n`, raw`{"a\"`, "\\", raw`{"a\\\"":`]) {
    hasEscapedKey(text);
  }
});

Deno.test("hasEscapedKey() agrees with the keys of 20,000 random objects", () => {
  const random = seededRandom(9);
  const pieces = [
    ...["a", ":", '": ', "\\", '"', "\n", "\u00e9", " ", ",", "{"],
  ];
  function text(): string {
    let result = "";
    while (random() < 0.6) {
      result += pieces[Math.floor(random() * pieces.length)];
    }
    return result;
  }
  for (let i = 0; i < 20_000; i++) {
    const entries = Array.from({ length: 3 }, () => [text(), text()] as const);
    const json = entries.map(([key, value]) =>
      `${JSON.stringify(key)}: ${JSON.stringify(value)}`
    );
    assertEquals(
      hasEscapedKey(`{${json.join(", ")}}`),
      entries.some(([key]) => JSON.stringify(key).includes("\\")),
      json.join(", "),
    );
  }
});

Deno.test("parseJson() reads a key correctly, whatever was parsed before", () => {
  const cases = [
    [raw`caf\\`, raw`caf\u00e9`, "caf\u00e9"],
    [raw`a\\`, raw`a\"`, 'a"'],
    [raw`a\\n`, raw`a\nb`, "a\nb"],
    [raw`a\\u0`, raw`a\u00e9xy`, "a\u00e9xy"],
  ] as const;
  for (const [before, written, key] of cases) {
    const first = `{"parseJson":1,"${before}":2}`;
    // Directly, and by this module.
    JSON.parse(first);
    parseJson(first, BIGINT);
    assertEquals(parseJson(`{"parseJson":1,"${written}":3}`, BIGINT), {
      parseJson: 1,
      [key]: 3,
    });
    assertEquals(
      parseJson(`{"parseJson":1,"${written}":3}`, { integers: "number" }),
      { parseJson: 1, [key]: 3 },
    );
  }
});

Deno.test("decodeDocument() reads a key correctly, whatever was parsed before", () => {
  function document(result: string): string {
    return raw`{"status": "SUCCESS", "result": ${result}, "traceback": null, "children": []}`;
  }
  function decode(result: string): unknown {
    return decodeDocument(document(result), "t1", BIGINT).result;
  }
  JSON.parse(document(raw`{"price": 1, "caf\\": 2}`));
  assertEquals(decode(raw`{"price": 1, "caf\\": 2}`), {
    price: 1,
    "caf\\": 2,
  });
  assertEquals(decode(raw`{"price": 1, "caf\u00e9": 3}`), {
    price: 1,
    "caf\u00e9": 3,
  });
});
