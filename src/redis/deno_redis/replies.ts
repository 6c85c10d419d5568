import { RedisError } from "../../errors.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import { refusalOf } from "./failures.ts";

/** The commands whose replies hold what was stored, and so any bytes. */
const READS: ReadonlySet<string> = new Set(
  ("GET GETDEL GETEX GETRANGE GETSET MGET LINDEX LPOP LRANGE RPOP " +
    "HGET HGETALL HMGET HVALS SMEMBERS ZRANGE ZRANGEBYSCORE ZREVRANGE " +
    "EVAL EVALSHA EVAL_RO EVALSHA_RO").split(" "),
);

// The BOM is part of a document; dropping it would change what was stored.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Whether to have a command's reply as bytes. Only where they are needed:
 * a status such as OK would then come as a view of the package's read buffer,
 * which the replies behind it overwrite.
 */
export function isRead(command: Command): boolean {
  return READS.has(String(command[0]).toUpperCase());
}

/** Text where the bytes are UTF-8, the bytes where they are not. */
export function decodeUtf8(bytes: Uint8Array): string | Uint8Array {
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes;
  }
}

/** The package's reply as this module's; undefined if it is none. */
export function replyOf(reply: unknown): RespValue | undefined {
  if (reply instanceof Uint8Array) return decodeUtf8(reply);
  if (reply instanceof Error) return refusalOf(reply);
  if (Array.isArray(reply)) {
    const items: RespValue[] = [];
    for (const item of reply) {
      const value = replyOf(item);
      if (value === undefined) return undefined;
      items.push(value);
    }
    return items;
  }
  if (reply === null) return null;
  return typeof reply === "string" || typeof reply === "number"
    ? reply
    : undefined;
}

/** The reply, unless the server refused the command. */
export function unlessRefused(reply: RespValue): RespValue {
  if (reply instanceof RedisError) throw reply;
  return reply;
}
