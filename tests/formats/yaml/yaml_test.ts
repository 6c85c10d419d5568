import { datetimeText } from "../../../mod.ts";
import { resolveOptions } from "../../../src/options.ts";
import { yaml } from "../../../yaml.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertThrows,
} from "../../support/assert.ts";

Deno.test("yaml.decode() resolves the same scalars as PyYAML", () => {
  const cases: [string, unknown][] = [
    ["~", null],
    ["Null", null],
    ["yes", true],
    ["Off", false],
    ["y", "y"],
    ["nO", "nO"],
    ["0", 0],
    ["-12", -12],
    ["+1_000", 1000],
    ["010", 8],
    ["08", "08"],
    ["0o10", "0o10"],
    ["0x1F", 31],
    ["-0b101", -5],
    ["1:30", 90],
    ["1:99", "1:99"],
    ["9007199254740993", 9007199254740993n],
    [`-1${"0".repeat(40)}`, -(10n ** 40n)],
    ["1.5", 1.5],
    ["1.", 1],
    [".5", 0.5],
    ["1e5", "1e5"],
    ["1.0e5", "1.0e5"],
    ["1.0e+5", 1e5],
    ["-.inf", -Infinity],
    [".NaN", NaN],
    ["1:30.5", 90.5],
    ["2024-01-02", "2024-01-02"],
    ["2024-13-02 00:00:00", "2024-13-02 00:00:00"],
    ["=", "="],
    ["'5'", "5"],
    ['"\\U0001F600\\xe9\\N"', "\u{1f600}\xe9\x85"],
    ["!!str 5", "5"],
    ["!!binary |\n  /wA=\n", new Uint8Array([0xff, 0])],
    ["{}", {}],
    ["? a\n: 1\n2: 3\n", { a: 1, "2": 3 }],
    ["a: 1\na: 2\n", { a: 2 }],
    ["!!set {1: null, b}", ["1", "b"]],
    ["a: &x {k: 1}\nb: {<<: *x, c: 2}\n", { a: { k: 1 }, b: { k: 1, c: 2 } }],
  ];
  for (const [text, value] of cases) {
    assertEquals(yaml.decode(text), value, text);
  }
});

Deno.test("yaml.decode() returns a Date for each form of a timestamp", () => {
  for (
    const [text, kept] of [
      ["2024-01-02 03:04:05.678901+00:00", "2024-01-02T03:04:05.678901+00:00"],
      ["2024-01-02 03:04:05.678901", "2024-01-02T03:04:05.678901"],
      ["2024-1-2t3:04:05.678 Z", "2024-01-02T03:04:05.678Z"],
      ["2024-01-02T08:34:05.678 +5:30", "2024-01-02T08:34:05.678+05:30"],
      ["2024-01-02T04:04:05.678+1", "2024-01-02T04:04:05.678+01:00"],
      ['!!timestamp "2024-01-02T03:04:05.678Z"', "2024-01-02T03:04:05.678Z"],
    ] as const
  ) {
    const date = yaml.decode(text);
    assertInstanceOf(date, Date);
    assertEquals(date.toISOString(), "2024-01-02T03:04:05.678Z", text);
    assertEquals(datetimeText(date), kept);
    assertEquals(yaml.encode(date), `!!timestamp "${kept}"\n`);
  }
});

Deno.test("yaml.decode() refuses unsafe input", () => {
  for (
    const [stored, words] of [
      ["!!python/tuple [1, 2]", "python/tuple"],
      ['!!python/object/apply:os.system ["true"]', "python/object"],
      ["!mine 5", "!<!mine>"],
      ["a: [1, 2", "not YAML that can be read"],
      ['{"a": 1}', "begins as JSON"],
      [new Uint8Array([0x80]), "not UTF-8"],
      [`a: ${"[".repeat(200_000)}`, "nesting is limited"],
      ["*unknown", "unidentified alias"],
      [
        `a: &a {${Array.from(Array(1000).keys(), (i) => `k${i}: 0`)}}\nb:\n${
          "- {<<: *a}\n".repeat(3000)
        }`,
        "merges too much",
      ],
      [`a: 1${":1".repeat(1000)}`, "base 60"],
    ] as const
  ) {
    assertThrows(() => yaml.decode(stored), Error, words);
  }
});

Deno.test("yaml in a backend expands aliases up to a limit, and refuses cycles", () => {
  const { formats } = resolveOptions({ serializer: yaml });
  const shared = formats.decode("- &a [1]\n- *a\n- *a\n") as unknown[][];
  assertEquals(shared, [[1], [1], [1]]);
  assert(shared[0] !== shared[1] && shared[1] !== shared[2]);

  const often = `a: &a [1]\nb: [${"*a,".repeat(200_000)}]\n`;
  const unfolded = formats.decode(often) as { b: unknown[] };
  assertEquals(unfolded.b.length, 200_000);

  let bomb = "a0: &a0 [x]\n";
  for (let i = 1; i < 12; i++) {
    bomb += `a${i}: &a${i} [${Array(9).fill(`*a${i - 1}`).join(", ")}]\n`;
  }
  // Few aliases, but each is long.
  const long = `a: &a [${"x,".repeat(10_000)}]\nb: [${"*a,".repeat(10_000)}]`;
  for (
    const text of [bomb, long, "&a [*a]", "&a [*a, *a]", "&a {b: *a, c: *a}"]
  ) {
    assertThrows(() => formats.decode(text), RangeError);
  }
});

Deno.test("yaml.decode() refuses an integer with more digits than Python reads", () => {
  const most = "7".repeat(4300);
  assertEquals(yaml.decode(`[${most}, -${most}]`), [
    BigInt(most),
    -BigInt(most),
  ]);
  const many = "7".repeat(10_000_000);
  for (
    const text of [`${most}0`, many, `-${many}`, `0x${many}`, `${many}:30`]
  ) {
    assertThrows(
      () => yaml.decode(`a: ${text}`),
      Error,
      "digits, more than the 4300 that are read, as in Python",
    );
  }
  assertThrows(
    () => yaml.encode({ a: 10n ** 4300n }),
    TypeError,
    "Cannot encode an integer of more than 4300 digits at value.a",
  );
});

Deno.test("yaml in a backend respects the option integers", () => {
  const options = { serializer: yaml, integers: "number" } as const;
  assertEquals(
    resolveOptions(options).formats.decode(
      "[9007199254740993, {a: 18446744073709551616}]",
    ),
    [2 ** 53, { a: 2 ** 64 }],
  );
});

Deno.test("yaml.encode() writes sorted members, one line each, in ASCII", () => {
  assertEquals(
    yaml.encode({ b: [1, { d: "\u0142\u{1f600}\n", c: null }], a: -0 }),
    '"a": -0.0\n"b": [1, {"c": null, "d": "\\u0142\\U0001f600\\x0a"}]\n',
  );
  assertEquals(yaml.encode([1, "x"]), '- 1\n- "x"\n');
  assertEquals(yaml.encode([]), "[]\n");
  assertEquals(yaml.encode(undefined), "null\n");
});

Deno.test("yaml.encode() refuses what YAML cannot represent, or Python cannot read", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 201; i++) deep = [deep];
  assertThrows(() => yaml.encode(deep), TypeError, "200 levels");
  assertThrows(
    () => yaml.encode({ a: new Map() }),
    TypeError,
    "a Map at value.a",
  );
});
