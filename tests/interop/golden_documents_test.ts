/**
 * Reads and rewrites documents that Celery wrote (golden/make.py), byte for byte.
 * Those of versions that are not installed here are in tests/protocol/fixtures.ts,
 * in the form of these versions.
 *
 * @module
 */

import { resolveOptions } from "../../src/options.ts";
import { decodeDocument } from "../../src/protocol/decode.ts";
import { encodeDocument } from "../../src/protocol/encode.ts";
import type { FormatSet } from "../../src/formats/format_set.ts";
import { toJsonSafe } from "../../src/formats/json/json_safe.ts";
import type { ResultMeta } from "../../src/protocol/meta.ts";
import { CELERY_4_4, CELERY_5_6 } from "../protocol/fixtures.ts";
import { yaml } from "../../yaml.ts";
import { assert, assertEquals } from "../support/assert.ts";
import type { StoredDocument } from "../../src/formats/types.ts";

interface Golden {
  name: string;
  serializer: "json" | "msgpack" | "yaml";
  text?: string;
  base64?: string;
}

const file = new URL("golden/celery_5_2_6.json", import.meta.url);
const { documents }: { documents: Golden[] } = JSON.parse(
  await Deno.readTextFile(file),
);

const FORMATS: Record<Golden["serializer"], FormatSet> = {
  json: resolveOptions({}).formats,
  msgpack: resolveOptions({ serializer: "msgpack" }).formats,
  yaml: resolveOptions({ serializer: yaml }).formats,
};

/** The documents that are values, not task documents. */
const VALUES = new Set(["saved group", "chord part", "failed chord part"]);

/** Documents that are rewritten in another form: whole floats, keys that are not text, unwrapped exceptions. */
const NOT_OURS: Record<Golden["serializer"], ReadonlySet<string>> = {
  json: new Set(["value: whole float", "failure that pickle refused"]),
  msgpack: new Set([
    "value: whole float",
    "value: other keys",
    "failure that pickle refused",
  ]),
  // PyYAML sorts keys, and leaves strings unquoted where it can.
  yaml: new Set(documents.map(({ name }) => name)),
};

/** The values that only YAML can represent, or represents as other than text. */
const ONLY_YAML = new Set([
  "value: datetime",
  "value: date",
  "value: millisecond dates",
  "value: bytes",
  "value: no JSON",
  "value: number set",
]);

function storedOf({ text, base64 }: Golden): StoredDocument {
  return text ?? Uint8Array.fromBase64(base64 ?? "");
}

function decode(golden: Golden): ResultMeta {
  const formats = FORMATS[golden.serializer];
  return decodeDocument(storedOf(golden), "t1", {
    integers: "bigint",
    formats,
  });
}

/** Encodes a meta in its original format. */
function encode(meta: ResultMeta, formats: FormatSet): StoredDocument {
  return encodeDocument(meta, formats);
}

/** Returns the text without the time, whose offset is written here, but not by Celery 5.2. */
function withoutDate(document: StoredDocument): string {
  if (typeof document === "string") {
    return document.replace(/"date_done": "[^"]*"/, "");
  }
  // A character for each byte; the text has 26 or 32 of them.
  return Array.from(document, (byte) => String.fromCharCode(byte)).join("")
    .replace(/date_done(?:\xba[^]{26}|\xd9\x20[^]{32})/, "");
}

for (const golden of documents) {
  const { name, serializer } = golden;
  const formats = FORMATS[serializer];

  if (VALUES.has(name)) {
    Deno.test(`FormatSet reads and writes ${serializer} of Celery 5.2.6: ${name}`, () => {
      const value = formats.decode(storedOf(golden));
      if (serializer === "yaml") {
        assertEquals(formats.decode(formats.encode(value)), value);
      } else assertEquals(formats.encode(value), storedOf(golden));
    });
    continue;
  }

  Deno.test(`decodeDocument() and encodeDocument() read and write ${serializer} of Celery 5.2.6: ${name}`, () => {
    const meta = decode(golden);
    assertEquals(meta.extra, {});
    assertEquals(meta.dateDone !== null, meta.ready);
    assertEquals(structuredClone(meta), meta);
    toJsonSafe(meta);
    const again = encode(meta, formats);
    if (!NOT_OURS[serializer].has(name)) {
      assertEquals(withoutDate(again), withoutDate(storedOf(golden)));
    }
    assertEquals(
      decodeDocument(again, "t1", { integers: "bigint", formats }),
      meta,
    );
  });
}

Deno.test("decodeDocument() reads the same values from each format of Celery 5.2.6", () => {
  let compared = 0;
  for (const golden of documents) {
    const { name, serializer } = golden;
    if (serializer === "json" || VALUES.has(name) || ONLY_YAML.has(name)) {
      continue;
    }
    const other = documents.find((document) =>
      document.serializer === "json" && document.name === name
    );
    if (other === undefined) continue;
    const dateDone = null;
    assertEquals({ ...decode(golden), dateDone }, {
      ...decode(other),
      dateDone,
    }, `${serializer}: ${name}`);
    compared++;
  }
  assert(compared > 70, `${compared}`);
});

/** What kombu 5.3 and later write, as does encodeJson(). */
const TAGGED = String
  .raw`{"status": "SUCCESS", "result": [{"__type__": "datetime", "__value__": "2024-01-02T03:04:05.678901+05:30"}, {"__type__": "bytes", "__value__": "caf\u00e9"}, {"__type__": "base64", "__value__": "/wD+"}, {"__type__": "mine", "__value__": 1}], "traceback": null, "children": [], "date_done": "2026-11-20T15:24:35.026424+00:00", "task_id": "t1"}`;

const { zoned, children, revoked } = CELERY_5_6;
const forms = { zoned, children, revoked, TAGGED, old: CELERY_4_4.success };

for (const [name, text] of Object.entries(forms)) {
  Deno.test(`encodeDocument() reproduces a document of Celery 4.4 or 5.6 byte for byte: ${name}`, () => {
    const meta = decodeDocument(text, "t1", { integers: "bigint" });
    assertEquals(
      withoutDate(encode(meta, FORMATS.json)),
      withoutDate(text),
    );
  });
}
