import { RedisError } from "../../errors.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import { parseRefusal } from "./failures.ts";

/** Commands that reply with stored values, which may be any bytes. */
const READ_COMMANDS: ReadonlySet<string> = new Set(
  ("GET GETDEL GETEX GETRANGE GETSET MGET LINDEX LPOP LRANGE RPOP " +
    "HGET HGETALL HMGET HVALS SMEMBERS ZRANGE ZRANGEBYSCORE ZREVRANGE " +
    "EVAL EVALSHA EVAL_RO EVALSHA_RO").split(" "),
);

// The BOM is part of a document; dropping it would change what was stored.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Whether to request a command's reply as bytes. Other commands must not: a
 * status such as OK would be a view of the package's read buffer, which later
 * replies overwrite.
 */
export function isReadCommand(command: Command): boolean {
  return READ_COMMANDS.has(String(command[0]).toUpperCase());
}

/** Decodes bytes as text if they are UTF-8, and returns them unchanged if not. */
export function decodeUtf8(bytes: Uint8Array): string | Uint8Array {
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes;
  }
}

/** Converts a reply of the package. Returns undefined if it is not a reply. */
export function toRespValue(reply: unknown): RespValue | undefined {
  if (reply instanceof Uint8Array) return decodeUtf8(reply);
  if (reply instanceof Error) return parseRefusal(reply);
  if (Array.isArray(reply)) {
    const items: RespValue[] = [];
    for (const item of reply) {
      const value = toRespValue(item);
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

/** Returns a reply, or throws it if it is a refusal. */
export function throwIfRefused(reply: RespValue): RespValue {
  if (reply instanceof RedisError) throw reply;
  return reply;
}
