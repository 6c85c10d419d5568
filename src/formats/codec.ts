import { encodeJson, type JsonTypes } from "./json/encode.ts";
import { parseJson } from "./json/parse.ts";
import { decodeMsgpack } from "./msgpack/decode.ts";
import { encodeMsgpack } from "./msgpack/encode.ts";
import { reviveValues } from "./envelopes.ts";
import type { Format, ParseOptions } from "./types.ts";

/** Python's JSON, with kombu's envelopes, or as kombu 5.2 and older wrote it. */
export function jsonCodec(
  options: ParseOptions,
  types: JsonTypes = "tagged",
): Format {
  return {
    name: "json",
    encode: (value, name) => encodeJson(value, name, types),
    decode(stored): unknown {
      const text = typeof stored === "string" ? stored : utf8Of(stored);
      // In a list, so that a value that is an envelope itself is seen, too.
      const root = [parseJson(text, options)];
      reviveValues(root, false);
      return root[0];
    },
  };
}

/** Python's msgpack, as kombu uses it. */
export function msgpackCodec(options: ParseOptions): Format {
  return {
    name: "msgpack",
    encode: encodeMsgpack,
    decode(stored): unknown {
      return decodeMsgpack(
        typeof stored === "string" ? new TextEncoder().encode(stored) : stored,
        options,
      );
    },
  };
}

function utf8Of(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      bytes,
    );
  } catch (cause) {
    throw new Error(
      `its bytes are not UTF-8 (the first is 0x${bytes[0]!.toString(16)}): ` +
        'let Celery store JSON (result_serializer = "json")',
      { cause },
    );
  }
}
