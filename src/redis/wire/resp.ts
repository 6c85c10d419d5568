import type { RedisError } from "../../errors.ts";

/**
 * A reply of a RESP2 server. A bulk string is text if its bytes are UTF-8, and
 * bytes if they are not: nothing is lost either way. (A msgpack map never begins
 * with valid UTF-8, so it always arrives as bytes.)
 */
export type RespValue =
  | string
  | Uint8Array
  | number
  | null
  | RedisError
  | RespValue[];

/** The peer does not speak RESP2, or exceeds a limit. */
export class RespError extends Error {
  /** The name of the class. */
  override readonly name = "RespError";
}

/** Called with each message of a subscribed channel. */
export type MessageHandler = (
  channel: string,
  payload: string | Uint8Array,
) => void;
