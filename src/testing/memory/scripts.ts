/**
 * The Lua scripts that the memory Redis knows. It cannot run Lua: it recognizes
 * this module's own scripts by their text, and runs a TypeScript version of each.
 *
 * @module
 */

import { CHORD_SCRIPT } from "../../chords/chord_script.ts";
import { STORE_SCRIPT } from "../../store/store_script.ts";
import { bytesToKey } from "./bytes.ts";
import type { Reply } from "./reply.ts";

const EMPTY = new Uint8Array(0);

/** What a script can use: Lua's `redis.call`. */
export interface ScriptContext {
  /**
   * Runs a command on the database of the script's caller, and returns its
   * reply. An error that the script does not catch ends it, as in Lua.
   *
   * @throws {ReplyError} If the command fails.
   */
  call(...words: (string | number | Uint8Array)[]): Reply;
}

/** A script in Lua and in TypeScript. */
export interface MemoryScript {
  /** The exact Lua text, by which EVAL and EVALSHA find the script. */
  readonly text: string;
  /** The same in TypeScript; returns the reply. */
  run(
    context: ScriptContext,
    keys: readonly Uint8Array[],
    argv: readonly Uint8Array[],
  ): Reply;
}

/** This module's own scripts. */
export const scripts: readonly MemoryScript[] = [
  { text: STORE_SCRIPT, run: store },
  { text: CHORD_SCRIPT, run: returnPart },
];

/** The start of a JSON document whose state needs no decoding; the spaces are those of Lua's `%s`. */
const JSON_STATE =
  /^[ \t\n\v\f\r]*\{[ \t\n\v\f\r]*"status"[ \t\n\v\f\r]*:[ \t\n\v\f\r]*"([^"\\]*)"/;
/** The same for a msgpack map whose first key is `status`: the length of the value, and the rest. */
const MSGPACK_STATE = /^[\x80-\x8f]\xa6status([\xa0-\xbf])([^]*)/;

/** {@linkcode STORE_SCRIPT}, line by line. */
function store(
  { call }: ScriptContext,
  [key = EMPTY]: readonly Uint8Array[],
  [document = EMPTY, expires = EMPTY, publish = EMPTY, isRetry = EMPTY, read]:
    readonly Uint8Array[],
): Reply {
  const head = replyToText(call("GETRANGE", key, 0, 127));
  if (read !== undefined) {
    if (!isEqual(call("GET", key), read)) return 2;
  } else if (head !== "") {
    const state = JSON_STATE.exec(head)?.[1] ?? msgpackState(head);
    if (state === undefined) return 2;
    if (state === "SUCCESS") {
      const isOwn = bytesToKey(isRetry) === "1" &&
        isEqual(call("GET", key), document);
      return isOwn ? 1 : 0;
    }
  }
  if (bytesToKey(expires) === "0") call("SET", key, document);
  else call("SETEX", key, expires, document);
  call(bytesToKey(publish), key, document);
  return 1;
}

function msgpackState(head: string): string | undefined {
  const [, size, rest] = MSGPACK_STATE.exec(head) ?? [];
  return size === undefined
    ? undefined
    : rest?.slice(0, size.charCodeAt(0) - 160);
}

/** {@linkcode CHORD_SCRIPT}, line by line. */
function returnPart(
  { call }: ScriptContext,
  keys: readonly Uint8Array[],
  argv: readonly Uint8Array[],
): Reply {
  const [parts = EMPTY, extra, size, claim] = keys;
  const get = (key?: Uint8Array): Reply =>
    key === undefined ? null : call("GET", key);
  const [part = EMPTY, score = EMPTY, expires = EMPTY, own = EMPTY] = argv;
  const [, , , , add = EMPTY, removals = EMPTY, ...seen] = argv;
  const claimed = get(claim);
  if (claimed !== null && !isEqual(claimed, own)) return ["claimed", claimed];
  let count: Reply;
  if (score.length === 0) {
    call("LREM", parts, 0, part);
    count = call("RPUSH", parts, part);
  } else {
    if (bytesToKey(score) !== "+inf" && call("ZSCORE", parts, part) === null) {
      const others = toArray(call("ZRANGEBYSCORE", parts, score, score));
      const isUnchanged = others.length === seen.length &&
        others.every((other, index) => isEqual(other, seen[index] ?? EMPTY));
      if (!isUnchanged) return ["conflict", ...others];
      for (const [index, other] of seen.entries()) {
        if (bytesToKey(removals)[index] === "x") call("ZREM", parts, other);
      }
    }
    if (bytesToKey(add) === "1") call("ZADD", parts, score, part);
    count = call("ZCOUNT", parts, "-inf", "+inf");
  }
  const extras = get(extra);
  const total = get(size);
  if (bytesToKey(expires) !== "0") {
    for (const key of keys.slice(0, 3)) call("EXPIRE", key, expires);
  }
  // In Lua, a list ends at its first nil.
  return keys.length === 1
    ? ["counted", count]
    : ["counted", count, extras, total, claimed];
}

function toArray(reply: Reply): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

/** One character per byte, because Lua's strings are bytes. */
function replyToText(reply: Reply): string {
  return reply instanceof Uint8Array ? bytesToKey(reply) : "";
}

function isEqual(reply: Reply, bytes: Uint8Array): boolean {
  return reply instanceof Uint8Array && reply.length === bytes.length &&
    reply.every((byte, index) => byte === bytes[index]);
}
