/**
 * The memory Redis's commands on strings.
 *
 * @module
 */

import {
  addWithin64Bits,
  bigintOf,
  integerOf,
  keyOf,
  MAX_INTEGER,
  MIN_INTEGER,
} from "./bytes.ts";
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

/** The words that say how a time is meant. */
type Lifetime = "EX" | "PX" | "EXAT" | "PXAT";

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
 * The milliseconds since 1970 at which a time ends that a command gives.
 *
 * @throws {ReplyError} If it is no integer, or 64 bits do not hold the milliseconds.
 */
export function timeOf(
  amount: Uint8Array,
  unit: "seconds" | "milliseconds",
  from: "now" | "1970",
  command: string,
): number {
  const ms = bigintOf(amount) * (unit === "seconds" ? 1_000n : 1n);
  const at = from === "now" ? ms + BigInt(Date.now()) : ms;
  if ([ms, at].some((time) => time < MIN_INTEGER || time > MAX_INTEGER)) {
    throw invalidExpire(command);
  }
  return Number(at);
}

/** As {@linkcode timeOf}, where the time must not be over. */
function expiryOf(
  amount: Uint8Array,
  unit: Lifetime,
  command: string,
): number {
  const at = timeOf(
    amount,
    unit.startsWith("EX") ? "seconds" : "milliseconds",
    unit.endsWith("AT") ? "1970" : "now",
    command,
  );
  if (bigintOf(amount) <= 0n) throw invalidExpire(command);
  return at;
}

function invalidExpire(command: string): ReplyError {
  return new ReplyError(`ERR invalid expire time in '${command}' command`);
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
  let kind: Lifetime | "KEEPTTL" | undefined;
  let expiry: { amount: Uint8Array; unit: Lifetime } | undefined;
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
        if (kind !== undefined && kind !== word) throw syntaxError();
        kind = word;
        options.keepTtl = true;
        break;
      case "EX":
      case "PX":
      case "EXAT":
      case "PXAT": {
        const amount = args[++index];
        if (amount === undefined) throw syntaxError();
        if (kind !== undefined && kind !== word) throw syntaxError();
        kind = word;
        expiry = { amount, unit: word };
        break;
      }
      default:
        throw syntaxError();
    }
  }
  // Last: Redis finds fault with the words before it looks at the number.
  if (expiry !== undefined) {
    options.expiresAt = expiryOf(expiry.amount, expiry.unit, "set");
  }
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
  const by = bigintOf(argumentAt(args, 2));
  if (by === MIN_INTEGER) {
    throw new ReplyError("ERR decrement would overflow");
  }
  return add(client, args, -by);
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
