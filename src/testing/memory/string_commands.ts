/**
 * The memory Redis's commands on strings.
 *
 * @module
 */

import { addWithin64Bits, bigintOf, integerOf, keyOf } from "./bytes.ts";
import type { MemoryClient } from "./client.ts";
import {
  type Arguments,
  type CommandSpec,
  type CommandTable,
  syntaxError,
  wordOf,
} from "./command.ts";
import { OK, type Reply, ReplyError } from "./reply.ts";

const EMPTY = new Uint8Array(0);
/** Redis keeps times in 64 bits, as milliseconds since 1970. */
const MAX_TIME = 2 ** 63;

/** Strings. */
export const stringCommands: CommandTable = new Map<string, CommandSpec>([
  ["GET", { arity: 2, run: get }],
  ["MGET", { arity: -2, run: mget }],
  ["SET", { arity: -3, run: set }],
  ["SETEX", { arity: 4, run: setex }],
  ["PSETEX", { arity: 4, run: psetex }],
  ["SETNX", { arity: 3, run: setnx }],
  ["STRLEN", { arity: 2, run: strlen }],
  ["GETRANGE", { arity: 4, run: getrange }],
  ["INCR", { arity: 2, run: incr }],
  ["INCRBY", { arity: 3, run: incrby }],
  ["DECR", { arity: 2, run: decr }],
  ["DECRBY", { arity: 3, run: decrby }],
]);

/** The word at `index`, which the arity vouches for. */
export function argumentAt(args: Arguments, index: number): Uint8Array {
  return args[index] as Uint8Array;
}

/** The key at `index`, which the arity vouches for. */
export function keyAt(args: Arguments, index: number): string {
  return keyOf(argumentAt(args, index));
}

/**
 * When a key goes that is to live for `amount`.
 *
 * @throws {ReplyError} If that is no time.
 */
export function expiryOf(
  amount: Uint8Array,
  unit: "EX" | "PX" | "EXAT" | "PXAT",
  command: string,
): number {
  const value = integerOf(amount) * (unit.startsWith("EX") ? 1_000 : 1);
  const isRelative = !unit.endsWith("AT");
  const at = isRelative ? Date.now() + value : value;
  if (value <= 0 || at >= MAX_TIME) {
    throw new ReplyError(`ERR invalid expire time in '${command}' command`);
  }
  return at;
}

function get({ database }: MemoryClient, args: Arguments): Reply {
  return database.getAs(keyAt(args, 1), "string")?.bytes ?? null;
}

function mget({ database }: MemoryClient, args: Arguments): Reply {
  return args.slice(1).map((arg) => {
    const value = database.get(keyOf(arg));
    return value?.type === "string" ? value.bytes : null;
  });
}

/** What the words after a SET's value ask for. */
interface SetOptions {
  expiresAt?: number;
  keepTtl?: boolean;
  condition?: "NX" | "XX";
  get?: boolean;
}

function setOptions(args: Arguments): SetOptions {
  const options: SetOptions = {};
  let lifetimes = 0;
  let lifetime: (() => number) | undefined;
  for (let index = 3; index < args.length; index++) {
    const word = wordOf(argumentAt(args, index));
    switch (word) {
      case "NX":
      case "XX":
        if (options.condition !== undefined && options.condition !== word) {
          throw syntaxError();
        }
        options.condition = word;
        break;
      case "GET":
        options.get = true;
        break;
      case "KEEPTTL":
        options.keepTtl = true;
        lifetimes++;
        break;
      case "EX":
      case "PX":
      case "EXAT":
      case "PXAT": {
        const amount = args[++index];
        if (amount === undefined) throw syntaxError();
        lifetime = (): number => expiryOf(amount, word, "set");
        lifetimes++;
        break;
      }
      default:
        throw syntaxError();
    }
  }
  if (lifetimes > 1) throw syntaxError();
  // Last: Redis finds fault with the words before it looks at the number.
  if (lifetime !== undefined) options.expiresAt = lifetime();
  return options;
}

function set({ database }: MemoryClient, args: Arguments): Reply {
  const key = keyAt(args, 1);
  const options = setOptions(args);
  const old = options.get
    ? database.getAs(key, "string")?.bytes ?? null
    : undefined;
  const exists = database.get(key) !== undefined;
  if (options.condition === (exists ? "NX" : "XX")) return old ?? null;
  const expiresAt = options.keepTtl ? database.expiry(key) : options.expiresAt;
  database.set(key, stringValue(argumentAt(args, 2)), expiresAt);
  return old === undefined ? OK : old;
}

function setex({ database }: MemoryClient, args: Arguments): Reply {
  const expiresAt = expiryOf(argumentAt(args, 2), "EX", "setex");
  database.set(keyAt(args, 1), stringValue(argumentAt(args, 3)), expiresAt);
  return OK;
}

function psetex({ database }: MemoryClient, args: Arguments): Reply {
  const expiresAt = expiryOf(argumentAt(args, 2), "PX", "psetex");
  database.set(keyAt(args, 1), stringValue(argumentAt(args, 3)), expiresAt);
  return OK;
}

function setnx({ database }: MemoryClient, args: Arguments): Reply {
  const key = keyAt(args, 1);
  if (database.get(key) !== undefined) return 0;
  database.set(key, stringValue(argumentAt(args, 2)));
  return 1;
}

function strlen({ database }: MemoryClient, args: Arguments): Reply {
  return database.getAs(keyAt(args, 1), "string")?.bytes.length ?? 0;
}

function getrange({ database }: MemoryClient, args: Arguments): Reply {
  let start = integerOf(argumentAt(args, 2));
  let end = integerOf(argumentAt(args, 3));
  const bytes = database.getAs(keyAt(args, 1), "string")?.bytes ?? EMPTY;
  if (start < 0 && end < 0 && start > end) return EMPTY;
  if (start < 0) start = Math.max(0, bytes.length + start);
  if (end < 0) end = Math.max(0, bytes.length + end);
  return bytes.subarray(start, Math.max(start, end + 1));
}

function incr(client: MemoryClient, args: Arguments): Reply {
  return add(client, args, 1n);
}

function incrby(client: MemoryClient, args: Arguments): Reply {
  return add(client, args, bigintOf(argumentAt(args, 2)));
}

function decr(client: MemoryClient, args: Arguments): Reply {
  return add(client, args, -1n);
}

function decrby(client: MemoryClient, args: Arguments): Reply {
  return add(client, args, -bigintOf(argumentAt(args, 2)));
}

function add({ database }: MemoryClient, args: Arguments, by: bigint): Reply {
  const key = keyAt(args, 1);
  const value = database.getAs(key, "string");
  const sum = addWithin64Bits(
    value === undefined ? 0n : bigintOf(value.bytes),
    by,
  );
  const bytes = new TextEncoder().encode(String(sum));
  database.set(key, { type: "string", bytes }, database.expiry(key));
  return sum;
}

/** A copy: the bytes that came in are part of a larger buffer. */
function stringValue(bytes: Uint8Array): { type: "string"; bytes: Uint8Array } {
  return { type: "string", bytes: bytes.slice() };
}
