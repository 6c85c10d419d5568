import { decodeDocument } from "../../../src/protocol/decode.ts";
import { toJsonSafe } from "../../../src/formats/json/json_safe.ts";
import { MAX_READ_DEPTH } from "../../../src/formats/envelopes.ts";
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "../../support/assert.ts";
import { withProtoSetter } from "../../support/proto_setter.ts";
import { CELERY_5_2, CELERY_5_6 } from "../../protocol/fixtures.ts";

const BIGINT = { integers: "bigint" } as const;

Deno.test("toJsonSafe() returns a meta that JSON.stringify() writes without loss", () => {
  for (
    const document of [
      ...Object.values(CELERY_5_2),
      ...Object.values(CELERY_5_6),
    ]
  ) {
    const safe = toJsonSafe(decodeDocument(document, "t1", BIGINT));
    assertEquals(JSON.parse(JSON.stringify(safe)), safe);
  }
});

Deno.test("toJsonSafe() writes what JSON cannot represent as text", () => {
  assertEquals(
    toJsonSafe({
      big: -(2n ** 64n),
      bytes: new Uint8Array([255, 0, 254]),
      buffer: new Uint8Array([255]).buffer,
      date: new Date(0),
      never: new Date(NaN),
      numbers: [NaN, Infinity, -Infinity, 1.5],
      skipped: undefined,
      work: Math.max,
      error: new RangeError("x"),
      list: [undefined, Symbol("s")],
      url: new URL("https://x.test/"),
      nothing: null,
    }),
    {
      big: "-18446744073709551616",
      bytes: "/wD+",
      buffer: "/w==",
      date: "1970-01-01T00:00:00.000Z",
      never: null,
      numbers: ["NaN", "Infinity", "-Infinity", 1.5],
      error: "RangeError: x",
      list: [null, null],
      url: "https://x.test/",
      nothing: null,
    },
  );
  assertEquals(toJsonSafe(undefined), null);
});

Deno.test("toJsonSafe() writes a decoded datetime as stored", () => {
  const meta = decodeDocument(CELERY_5_6.envelopes, "t1", BIGINT);
  const safe = toJsonSafe(meta.result) as Record<string, unknown>;
  assertEquals(safe.at, "2024-01-02T03:04:05.678901+05:30");
});

Deno.test("toJsonSafe() copies, and keeps a key __proto__", () => {
  withProtoSetter(() => {
    const value = JSON.parse('{"a": {"b": []}, "__proto__": {"c": 1}}');
    const safe = toJsonSafe(value) as Record<string, unknown>;
    assertEquals(JSON.stringify(safe), JSON.stringify(value));
    assert(safe !== value && safe.a !== value.a);
    (safe.a as Record<string, unknown>).b = 1;
    assertNotEquals(JSON.stringify(safe), JSON.stringify(value));
  });
});

Deno.test("toJsonSafe() accepts all that decodeDocument() returns", () => {
  // The document is level 0, so that its result has one level less.
  const depth = MAX_READ_DEPTH - 1;
  for (const [open, close] of [["[", "]"], ['{"a": ', "}"]] as const) {
    const nested = `${open.repeat(depth)}1${close.repeat(depth)}`;
    const meta = decodeDocument(
      `{"status": "SUCCESS", "result": ${nested}}`,
      "t1",
      BIGINT,
    );
    JSON.stringify(toJsonSafe(meta));
  }
});

Deno.test("toJsonSafe() refuses a value that is nested deeper, or contains itself", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  assertThrows(() => toJsonSafe(cycle), TypeError, "nested more than 2000");
  const self = { toJSON: (): unknown => self };
  assertThrows(() => toJsonSafe(self), TypeError, "nested more than 2000");
});
