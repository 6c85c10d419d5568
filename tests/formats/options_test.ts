import { ConfigurationError, type Serializer } from "../../mod.ts";
import { resolveOptions } from "../../src/options.ts";
import type { FormatSet } from "../../src/formats/format_set.ts";
import { DisallowedFormat } from "../../src/formats/disallowed_format.ts";
import type { SerializerOptions } from "../../src/formats/options.ts";
import { yaml } from "../../yaml.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

/** A custom format: JSON backwards. */
const reversed: Serializer = {
  name: "reversed",
  encode: (value) => turn(JSON.stringify(value)),
  decode(stored): unknown {
    if (typeof stored !== "string") throw new Error("it is not reversed");
    return JSON.parse(turn(stored));
  },
};

function turn(text: string): string {
  return [...text].reverse().join("");
}

function formatsOf(options: SerializerOptions): FormatSet {
  return resolveOptions(options).formats;
}

Deno.test("resolveFormats() refuses serializers that cannot be used, and says why", () => {
  const custom = (name: string): Serializer => ({ ...reversed, name });
  const cases: [options: Record<string, unknown>, words: string][] = [
    [{ serializer: "pickle" }, "can run any code"],
    [{ serializer: "yaml" }, 'import { yaml } from "./yaml.ts"'],
    [{ serializer: "auth" }, '"auth" as serializer: expected "json"'],
    [{ serializer: {} }, "a name, encode() and decode()"],
    [{ serializer: custom("") }, "a name, encode() and decode()"],
    [{ serializer: custom("json") }, "that name is reserved"],
    [{ serializer: custom("pickle") }, "that name is reserved"],
    [{ acceptContent: ["json", "pickle"] }, "can run any code"],
    [{ acceptContent: ["json", "application/x-python-serialize"] }, '"pickle"'],
    [{ acceptContent: ["json", "yaml"] }, "yaml.ts"],
    [{ acceptContent: "json" }, "expected a list"],
    [{ acceptContent: [] }, 'lacks the serializer "json"'],
    [{ serializer: "msgpack", acceptContent: ["json"] }, '"msgpack"'],
    [{ serializer: reversed, acceptContent: ["json"] }, '"reversed"'],
    [{ jsonTypes: "old" }, '"tagged" or "plain"'],
    [{ resultExtended: 1 }, "true or false"],
  ];
  for (const [options, words] of cases) {
    assertThrows(() => resolveOptions(options), ConfigurationError, words);
  }
});

Deno.test("FormatSet decodes a value in any accepted format", () => {
  const value = { a: [1, "x"] };
  const all = [formatsOf({}), formatsOf({ serializer: "msgpack" })].concat(
    formatsOf({ serializer: reversed }),
    formatsOf({ serializer: yaml }),
  );
  const acceptContent = ["json", "application/x-msgpack", reversed, yaml];
  for (const serializer of ["json", "msgpack", reversed, yaml] as const) {
    const formats = formatsOf({ serializer, acceptContent });
    for (const writer of all) {
      const stored = writer.encode(value);
      assertEquals(formats.decode(stored), value);
    }
  }
});

Deno.test("FormatSet distinguishes what is not accepted from what cannot be decoded", () => {
  const msgpack = formatsOf({ serializer: "msgpack" });
  const json = formatsOf({});
  const cases: [FormatSet, string | Uint8Array, string][] = [
    [json, msgpack.encode({ a: 1 }), "msgpack"],
    [json, msgpack.encode([1, "id"]), "msgpack"],
    [msgpack, '{"a": 1}', "json"],
    [msgpack, "[1]", "json"],
    [msgpack, new TextEncoder().encode('{"a": 1}'), "json"],
    [formatsOf({ serializer: yaml }), '{"a": 1}', "json"],
    [json, Uint8Array.of(0x80, 4, 0x95, 0), "pickle"],
    [
      formatsOf({ serializer: reversed }),
      Uint8Array.of(0x80, 2, 0x7d),
      "pickle",
    ],
  ];
  for (const [formats, stored, format] of cases) {
    const error = assertThrows(() => formats.decode(stored), DisallowedFormat);
    assertEquals(error.format, format);
  }
  assertThrows(() => json.decode("garbage"), SyntaxError);
  assertThrows(() => json.decode('{"a": '), SyntaxError);
  assertThrows(
    () => msgpack.decode("garbage"),
    Error,
    "none of the accepted formats",
  );
  assertThrows(
    () => msgpack.decode(Uint8Array.of(0x81)),
    Error,
    "ends too early",
  );
});

Deno.test("FormatSet tries a custom serializer first, even for JSON", () => {
  const upper: Serializer = {
    name: "upper",
    encode: (value) => JSON.stringify(value),
    decode: (stored) => ({ upper: String(stored).toUpperCase() }),
  };
  const text = '{"a": 1}';
  assertEquals(
    formatsOf({ serializer: upper, acceptContent: ["json", upper] }).decode(
      text,
    ),
    { upper: '{"A": 1}' },
  );
  assertEquals(
    formatsOf({ acceptContent: ["json", upper] }).decode(text),
    { a: 1 },
  );
});

Deno.test("FormatSet passes a pickle to no serializer", () => {
  const greedy: Serializer = { ...reversed, decode: () => ({ a: 1 }) };
  const { formats } = resolveOptions({ serializer: greedy });
  assertEquals(formats.decode(Uint8Array.of(0x80, 6)), { a: 1 });
  for (const protocol of [2, 3, 4, 5]) {
    assertThrows(
      () => formats.decode(Uint8Array.of(0x80, protocol)),
      DisallowedFormat,
      "can run any code",
    );
  }
});

Deno.test("customFormat() passes plain data to a serializer, and expects plain data back", () => {
  const seen: unknown[] = [];
  let made: unknown;
  const serializer: Serializer = {
    name: "odd",
    encode(value): string {
      seen.push(value);
      return made as string;
    },
    decode: () => made,
  };
  const { formats } = resolveOptions({ serializer });
  made = "text";
  const date = new Date(5);
  assertEquals(
    formats.encode({ toJSON: () => ({ date, gone: undefined, n: 1n }) }),
    new TextEncoder().encode("text"),
  );
  assertEquals(seen, [{ date, n: 1n }]);
  assertThrows(() => formats.encode(new Map()), TypeError, "a Map at result");
  made = "\ud800";
  assertThrows(() => formats.encode(1), TypeError, "UTF-8 cannot encode");
  made = 5;
  assertThrows(
    () => formats.encode(1),
    TypeError,
    "expected a string or a Uint8Array",
  );
  made = { f: turn };
  assertThrows(() => formats.decode("x"), TypeError, "a function");
  made = { m: new Map([[1, 2]]) };
  assertEquals(formats.decode("x"), made);
});
