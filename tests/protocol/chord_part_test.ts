import {
  decodeChordPart,
  encodeChordPart,
} from "../../src/protocol/chord_part.ts";
import { jsonFormat } from "../../src/formats/json/format.ts";
import { msgpackFormat } from "../../src/formats/msgpack/format.ts";
import type { TaskFailure } from "../../src/protocol/exceptions.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

const codec = jsonFormat({ integers: "bigint" });

Deno.test("encodeChordPart writes what Celery writes", () => {
  const cases: [string, unknown, string][] = [
    ["SUCCESS", { a: [1] }, '[1, "t", "SUCCESS", {"a": [1]}]'],
    ["SUCCESS", undefined, '[1, "t", "SUCCESS", null]'],
    ["RETRY", null, '[1, "t", "RETRY", null]'],
    [
      "FAILURE",
      { excType: "KeyError", excModule: "builtins", excArgs: ["x"] },
      '[1, "t", "FAILURE", {"exc_type": "KeyError", "exc_message": ["x"], "exc_module": "builtins"}]',
    ],
    // Python could not read null there.
    [
      "REVOKED",
      null,
      '[1, "t", "REVOKED", {"exc_type": "Exception", "exc_message": [], "exc_module": "builtins"}]',
    ],
  ];
  for (const [state, result, expected] of cases) {
    assertEquals(encodeChordPart(codec, "t", state, result), expected);
  }
});

Deno.test("decodeChordPart reverses encodeChordPart, with exceptions as TaskFailures", () => {
  const date = new Date(0);
  for (const result of [null, 2n ** 60n, { date }]) {
    const part = encodeChordPart(codec, "t", "SUCCESS", result);
    assertEquals(decodeChordPart(codec, part), {
      taskId: "t",
      state: "SUCCESS",
      result,
    });
  }
  const failed = encodeChordPart(codec, "t", "FAILURE", new TypeError("x"));
  assertEquals(decodeChordPart(codec, failed).result, {
    excType: "TypeError",
    excModule: null,
    excArgs: ["x"],
    message: "x",
  });
});

Deno.test("encodeChordPart writes an exception's argument as text if the format cannot represent it", () => {
  const plain = jsonFormat({ integers: "bigint" }, "plain");
  const msgpack = msgpackFormat({ integers: "bigint" });
  const cases = [
    [plain, new Uint8Array([1, 2])],
    [msgpack, 2n ** 70n],
    [msgpack, "\ud800"],
  ] as const;
  for (const [format, argument] of cases) {
    const failure = { excType: "ValueError", excArgs: ["kept", argument] };
    const stored = encodeChordPart(format, "t", "FAILURE", failure);
    const { excArgs } = decodeChordPart(format, stored).result as TaskFailure;
    assertEquals(excArgs[0], "kept");
    assertEquals(typeof excArgs[1], "string");
  }
});

Deno.test("decodeChordPart refuses anything but a part", () => {
  for (
    const stored of [
      "",
      "{}",
      "null",
      "[]",
      '[1, "t", "SUCCESS"]',
      '[1, 2, "SUCCESS", 3]',
      '[1, "t", null, 3]',
      new Uint8Array([0x80, 0xff]),
    ]
  ) {
    assertThrows(() => decodeChordPart(codec, stored));
  }
});
