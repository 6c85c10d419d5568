/**
 * The memory Redis's commands on keys, of whatever type.
 *
 * @module
 */

import { bytesToKey, keyToBytes } from "./bytes.ts";
import {
  argumentAt,
  bytesToWord,
  type CommandSpec,
  type CommandTable,
  keyAt,
  syntaxError,
} from "./command.ts";
import { compileGlob } from "./glob.ts";
import { OK, type Reply, ReplyError, Status } from "./reply.ts";
import { parseTime } from "./expiry.ts";
import type { Arguments, Session } from "./session.ts";

/** Key commands. */
export const keyCommands: CommandTable = new Map<string, CommandSpec>([
  ["DEL", { arity: -2, run: del }],
  ["UNLINK", { arity: -2, run: del }],
  ["EXISTS", { arity: -2, run: exists }],
  ["EXPIRE", { arity: -3, run: expire }],
  ["PEXPIRE", { arity: -3, run: pexpire }],
  ["PERSIST", { arity: 2, run: persist }],
  ["TTL", { arity: 2, run: ttl }],
  ["PTTL", { arity: 2, run: pttl }],
  ["TYPE", { arity: 2, run: type }],
  ["KEYS", { arity: 2, run: keys }],
  ["DBSIZE", { arity: 1, run: dbsize }],
  ["FLUSHDB", { arity: -1, run: flushdb }],
  ["FLUSHALL", { arity: -1, run: flushall }],
]);

function del({ database }: Session, args: Arguments): Reply {
  return args.slice(1).filter((arg) => database.delete(bytesToKey(arg))).length;
}

function exists({ database }: Session, args: Arguments): Reply {
  return args.slice(1).filter((arg) =>
    database.get(bytesToKey(arg)) !== undefined
  )
    .length;
}

function expire(session: Session, args: Arguments): Reply {
  return expireIn(session, args, "seconds", "expire");
}

function pexpire(session: Session, args: Arguments): Reply {
  return expireIn(session, args, "milliseconds", "pexpire");
}

function expireIn(
  { database }: Session,
  args: Arguments,
  unit: "seconds" | "milliseconds",
  command: string,
): Reply {
  const options = new Set<string>();
  for (const arg of args.slice(3)) {
    const word = bytesToWord(arg);
    if (!["NX", "XX", "GT", "LT"].includes(word)) {
      throw new ReplyError(`ERR Unsupported option ${bytesToKey(arg)}`);
    }
    options.add(word);
  }
  if (options.has("NX") && options.size > 1) {
    throw new ReplyError(
      "ERR NX and XX, GT or LT options at the same time are not compatible",
    );
  }
  if (options.has("GT") && options.has("LT")) {
    throw new ReplyError(
      "ERR GT and LT options at the same time are not compatible",
    );
  }
  const at = parseTime(argumentAt(args, 2), unit, "now", command);
  const key = keyAt(args, 1);
  const old = database.expiry(key);
  if (
    old === undefined ||
    options.has("NX") && old !== Infinity ||
    options.has("XX") && old === Infinity ||
    options.has("GT") && at <= old ||
    options.has("LT") && at >= old
  ) return 0;
  if (at <= Date.now()) database.delete(key);
  else database.expire(key, at);
  return 1;
}

function persist({ database }: Session, args: Arguments): Reply {
  const key = keyAt(args, 1);
  const expiry = database.expiry(key);
  if (expiry === undefined || expiry === Infinity) return 0;
  database.expire(key, Infinity);
  return 1;
}

function ttl(session: Session, args: Arguments): Reply {
  const left = timeLeft(session, args);
  return left < 0 ? left : Math.round(left / 1_000);
}

function pttl(session: Session, args: Arguments): Reply {
  return timeLeft(session, args);
}

/** In milliseconds; -1: the key never expires, -2: it does not exist. */
function timeLeft({ database }: Session, args: Arguments): number {
  const expiry = database.expiry(keyAt(args, 1));
  if (expiry === undefined) return -2;
  return expiry === Infinity ? -1 : Math.max(0, expiry - Date.now());
}

function type({ database }: Session, args: Arguments): Reply {
  return new Status(database.get(keyAt(args, 1))?.type ?? "none");
}

function keys({ database }: Session, args: Arguments): Reply {
  const pattern = argumentAt(args, 1);
  // In Redis, this is the only pattern that matches the empty key.
  const matches = bytesToKey(pattern) === "*"
    ? () => true
    : compileGlob(pattern);
  return database.keys().filter(matches).map(keyToBytes);
}

function dbsize({ database }: Session): Reply {
  return database.keys().length;
}

function flushdb({ database }: Session, args: Arguments): Reply {
  checkFlush(args);
  database.clear();
  return OK;
}

function flushall({ server }: Session, args: Arguments): Reply {
  checkFlush(args);
  for (const database of server.databases) database.clear();
  return OK;
}

function checkFlush(args: Arguments): void {
  const [, option, ...rest] = args.map(bytesToWord);
  const isKnown = [undefined, "SYNC", "ASYNC"].includes(option);
  if (!isKnown || rest.length > 0) throw syntaxError();
}
