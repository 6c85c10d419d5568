/**
 * The Lua scripts that the memory Redis knows. It runs no Lua: it knows this
 * module's own scripts by their text, and does in TypeScript what each of them
 * says.
 *
 * @module
 */

import { CHORD_SCRIPT } from "../../chords/chord_script.ts";
import { STORE_SCRIPT } from "../../store/store_script.ts";
import { keyOf } from "./bytes.ts";
import type { Reply } from "./reply.ts";

const EMPTY = new Uint8Array(0);

/** What a script is given: Lua's `redis.call`. */
export interface ScriptContext {
  /**
   * Runs a command on the database of the script's caller, and gives its
   * reply; what is missing is null. A script that ends by an error that this
   * threw ends as a Lua script does.
   *
   * @throws {ReplyError} Where the command's reply is an error.
   */
  call(command: string, ...args: (string | number | Uint8Array)[]): Reply;
}

/** A script, twice. */
export interface MemoryScript {
  /** The Lua text, to the byte: EVAL and EVALSHA find the script by it. */
  readonly text: string;
  /** The same in TypeScript. What it returns becomes the reply. */
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

/** How a JSON document begins whose state needs no decoding; Lua's `%s` knows these spaces. */
const JSON_STATE =
  /^[ \t\n\v\f\r]*\{[ \t\n\v\f\r]*"status"[ \t\n\v\f\r]*:[ \t\n\v\f\r]*"([^"\\]*)"/;
/** The same for a msgpack map, whose first key is `status`: the length of its value, and what follows. */
const MSGPACK_STATE = /^[\x80-\x8f]\xa6status([\xa0-\xbf])([^]*)/;

/** What {@linkcode STORE_SCRIPT} says, line by line. */
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
      const isOwn = keyOf(isRetry) === "1" &&
        isEqual(call("GET", key), document);
      return isOwn ? 1 : 0;
    }
  }
  if (keyOf(expires) === "0") call("SET", key, document);
  else call("SETEX", key, expires, document);
  call(keyOf(publish), key, document);
  return 1;
}

function msgpackState(head: string): string | undefined {
  const [, size, rest] = MSGPACK_STATE.exec(head) ?? [];
  return size === undefined
    ? undefined
    : rest?.slice(0, size.charCodeAt(0) - 160);
}

/** What {@linkcode CHORD_SCRIPT} says, line by line. */
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
    if (keyOf(score) !== "+inf" && call("ZSCORE", parts, part) === null) {
      const others = arrayOf(call("ZRANGEBYSCORE", parts, score, score));
      const isUnchanged = others.length === seen.length &&
        others.every((other, index) => isEqual(other, seen[index] ?? EMPTY));
      if (!isUnchanged) return ["conflict", ...others];
      for (const [index, other] of seen.entries()) {
        if (keyOf(removals)[index] === "x") call("ZREM", parts, other);
      }
    }
    if (keyOf(add) === "1") call("ZADD", parts, score, part);
    count = call("ZCOUNT", parts, "-inf", "+inf");
  }
  const extras = get(extra);
  const total = get(size);
  if (keyOf(expires) !== "0") {
    for (const key of keys.slice(0, 3)) call("EXPIRE", key, expires);
  }
  // A list of Lua's ends with the first nil.
  return keys.length === 1
    ? ["counted", count]
    : ["counted", count, extras, total, claimed];
}

function arrayOf(reply: Reply): readonly Reply[] {
  return Array.isArray(reply) ? reply : [];
}

/** One character a byte: whether it is UTF-8 does not matter to Lua. */
function replyToText(reply: Reply): string {
  return reply instanceof Uint8Array ? keyOf(reply) : "";
}

function isEqual(reply: Reply, bytes: Uint8Array): boolean {
  return reply instanceof Uint8Array && reply.length === bytes.length &&
    reply.every((byte, index) => byte === bytes[index]);
}
