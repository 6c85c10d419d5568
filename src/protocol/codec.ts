import type { StoredDocument } from "./decode.ts";
import { encodeJson } from "./json_encode.ts";
import { parseJson, type ParseOptions } from "./json_parse.ts";
import { reviveValues } from "./values.ts";

/**
 * Writes and reads values in the format that both sides agreed on.
 *
 * Celery: `Backend.encode` and `Backend.decode`, with `result_serializer`.
 */
export interface Codec {
  /**
   * What Redis is to hold for `value`, which messages call `name`.
   *
   * @throws {TypeError} If the format has no word for it; says where in it.
   */
  encode(value: unknown, name?: string): StoredDocument;
  /**
   * The value that Redis holds, with what its envelopes stand for.
   *
   * @throws {Error} If it cannot be read; says why.
   */
  decode(stored: StoredDocument): unknown;
}

/** Python's JSON, with kombu's envelopes. */
export function jsonCodec(options: ParseOptions): Codec {
  return {
    encode: encodeJson,
    decode(stored): unknown {
      const text = typeof stored === "string"
        ? stored
        : new TextDecoder("utf-8", { fatal: true }).decode(stored);
      // In a list, so that a value that is an envelope itself is seen, too.
      const root = [parseJson(text, options)];
      reviveValues(root, false);
      return root[0];
    },
  };
}
