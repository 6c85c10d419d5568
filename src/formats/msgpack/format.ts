import type { Format, ParseOptions } from "../types.ts";
import { decodeMsgpack } from "./decode.ts";
import { encodeMsgpack } from "./encode.ts";

/** Makes Python's msgpack format, as kombu configures it. */
export function msgpackFormat(options: ParseOptions): Format {
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
