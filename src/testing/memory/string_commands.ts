/**
 * The string commands of the memory Redis.
 *
 * @module
 */

import {
  addWithin64Bits,
  bytesToKey,
  MIN_INTEGER,
  parseBigint,
  parseInteger,
} from "./bytes.ts";
import {
  argumentAt,
  bytesToWord,
  type CommandSpec,
  type CommandTable,
  keyAt,
  syntaxError,
} from "./command.ts";
import { type ExpiryOption, parseExpiry } from "./expiry.ts";
import { OK, type Reply, ReplyError } from "./reply.ts";
import type { Arguments, Session } from "./session.ts";

const EMPTY = new Uint8Array(0);

/** String commands. */
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

function get({ database }: Session, args: Arguments): Reply {
  return database.getAs(keyAt(args, 1), "string")?.bytes ?? null;
}

function mget({ database }: Session, args: Arguments): Reply {
  return args.slice(1).map((arg) => {
    const value = database.get(bytesToKey(arg));
    return value?.type === "string" ? value.bytes : null;
  });
}

/** The options of SET. */
interface SetOptions {
  expiresAt?: number;
  keepTtl?: boolean;
  condition?: "NX" | "XX";
  get?: boolean;
}

function parseSetOptions(args: Arguments): SetOptions {
  const options: SetOptions = {};
  let kind: ExpiryOption | "KEEPTTL" | undefined;
  let expiry: { amount: Uint8Array; unit: ExpiryOption } | undefined;
  for (let index = 3; index < args.length; index++) {
    const word = bytesToWord(argumentAt(args, index));
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
  // Last: Redis rejects a wrong option before it reads the number.
  if (expiry !== undefined) {
    options.expiresAt = parseExpiry(expiry.amount, expiry.unit, "set");
  }
  return options;
}

function set({ database }: Session, args: Arguments): Reply {
  const key = keyAt(args, 1);
  const options = parseSetOptions(args);
  const old = options.get
    ? database.getAs(key, "string")?.bytes ?? null
    : undefined;
  const exists = database.get(key) !== undefined;
  if (options.condition === (exists ? "NX" : "XX")) return old ?? null;
  const expiresAt = options.keepTtl ? database.expiry(key) : options.expiresAt;
  database.set(key, stringValue(argumentAt(args, 2)), expiresAt);
  return old === undefined ? OK : old;
}

function setex({ database }: Session, args: Arguments): Reply {
  const expiresAt = parseExpiry(argumentAt(args, 2), "EX", "setex");
  database.set(keyAt(args, 1), stringValue(argumentAt(args, 3)), expiresAt);
  return OK;
}

function psetex({ database }: Session, args: Arguments): Reply {
  const expiresAt = parseExpiry(argumentAt(args, 2), "PX", "psetex");
  database.set(keyAt(args, 1), stringValue(argumentAt(args, 3)), expiresAt);
  return OK;
}

function setnx({ database }: Session, args: Arguments): Reply {
  const key = keyAt(args, 1);
  if (database.get(key) !== undefined) return 0;
  database.set(key, stringValue(argumentAt(args, 2)));
  return 1;
}

function strlen({ database }: Session, args: Arguments): Reply {
  return database.getAs(keyAt(args, 1), "string")?.bytes.length ?? 0;
}

function getrange({ database }: Session, args: Arguments): Reply {
  let start = parseInteger(argumentAt(args, 2));
  let end = parseInteger(argumentAt(args, 3));
  const bytes = database.getAs(keyAt(args, 1), "string")?.bytes ?? EMPTY;
  if (start < 0 && end < 0 && start > end) return EMPTY;
  if (start < 0) start = Math.max(0, bytes.length + start);
  if (end < 0) end = Math.max(0, bytes.length + end);
  return bytes.subarray(start, Math.max(start, end + 1));
}

function incr(session: Session, args: Arguments): Reply {
  return add(session, args, 1n);
}

function incrby(session: Session, args: Arguments): Reply {
  return add(session, args, parseBigint(argumentAt(args, 2)));
}

function decr(session: Session, args: Arguments): Reply {
  return add(session, args, -1n);
}

function decrby(session: Session, args: Arguments): Reply {
  const by = parseBigint(argumentAt(args, 2));
  if (by === MIN_INTEGER) {
    throw new ReplyError("ERR decrement would overflow");
  }
  return add(session, args, -by);
}

function add({ database }: Session, args: Arguments, by: bigint): Reply {
  const key = keyAt(args, 1);
  const value = database.getAs(key, "string");
  const sum = addWithin64Bits(
    value === undefined ? 0n : parseBigint(value.bytes),
    by,
  );
  const bytes = new TextEncoder().encode(String(sum));
  database.set(key, { type: "string", bytes }, database.expiry(key));
  return sum;
}

/** Copies the bytes: those received are part of a larger buffer. */
function stringValue(bytes: Uint8Array): { type: "string"; bytes: Uint8Array } {
  return { type: "string", bytes: bytes.slice() };
}
