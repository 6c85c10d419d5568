import { decodeUtf8 } from "../../util/decode_utf8.ts";
import { reviveValues } from "../envelopes.ts";
import type { Format, ParseOptions } from "../types.ts";
import { encodeJson, type JsonTypes } from "./encode.ts";
import { parseJson } from "./parse.ts";

/** Makes Python's JSON format, with kombu's envelopes or, if `types` is `"plain"`, without. */
export function jsonFormat(
  options: ParseOptions,
  types: JsonTypes = "tagged",
): Format {
  return {
    name: "json",
    encode: (value, valueName) => encodeJson(value, valueName, types),
    decode(stored): unknown {
      const text = typeof stored === "string" ? stored : expectUtf8(stored);
      // In a list, so that a value that is itself an envelope is revived too.
      const root = [parseJson(text, options)];
      reviveValues(root, false);
      return root[0];
    },
  };
}

function expectUtf8(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  throw new Error(
    `its bytes are not UTF-8 (the first is 0x${bytes[0]?.toString(16)}): ` +
      'let Celery store JSON (result_serializer = "json")',
  );
}
