/**
 * The sorted set commands of the memory Redis: those with which Celery keeps the
 * parts of an ordered chord.
 *
 * @module
 */

import {
  bytesToKey,
  formatScore,
  keyToBytes,
  parseBound,
  parseInteger,
  parseScore,
  sliceInclusive,
} from "./bytes.ts";
import {
  argumentAt,
  bytesToWord,
  type CommandSpec,
  type CommandTable,
  keyAt,
  syntaxError,
} from "./command.ts";
import type { Database } from "./database.ts";
import { type Reply, ReplyError } from "./reply.ts";
import type { Arguments, Session } from "./session.ts";

/** Sorted set commands. */
export const sortedSetCommands: CommandTable = new Map<string, CommandSpec>([
  ["ZADD", { arity: -4, run: zadd }],
  ["ZCARD", { arity: 2, run: zcard }],
  ["ZCOUNT", { arity: 4, run: zcount }],
  ["ZRANGE", { arity: -4, run: zrange }],
  ["ZRANGEBYSCORE", { arity: -4, run: zrangebyscore }],
  ["ZREM", { arity: -3, run: zrem }],
  ["ZSCORE", { arity: 3, run: zscore }],
]);

function zadd({ database }: Session, args: Arguments): Reply {
  const options = new Set<string>();
  let index = 2;
  for (; index < args.length; index++) {
    const word = bytesToWord(argumentAt(args, index));
    if (!["NX", "XX", "GT", "LT", "CH"].includes(word)) break;
    options.add(word);
  }
  const pairs = args.slice(index);
  if (pairs.length === 0 || pairs.length % 2 !== 0) throw syntaxError();
  if (options.has("NX") && options.has("XX")) {
    throw new ReplyError(
      "ERR XX and NX options at the same time are not compatible",
    );
  }
  const exclusive = ["GT", "LT", "NX"].filter((word) => options.has(word));
  if (exclusive.length > 1) {
    throw new ReplyError(
      "ERR GT, LT, and/or NX options at the same time are not compatible",
    );
  }
  const entries: [string, number][] = [];
  for (let pair = 0; pair < pairs.length; pair += 2) {
    const score = parseScore(argumentAt(pairs, pair));
    entries.push([keyAt(pairs, pair + 1), score]);
  }
  const key = keyAt(args, 1);
  const existing = database.getAs(key, "zset")?.scores;
  const scores = existing ?? new Map<string, number>();
  let added = 0;
  let changed = 0;
  for (const [member, score] of entries) {
    const old = scores.get(member);
    if (old === undefined ? options.has("XX") : options.has("NX")) continue;
    if (old !== undefined) {
      if (options.has("GT") && score <= old) continue;
      if (options.has("LT") && score >= old) continue;
      if (score === old) continue;
      changed++;
    } else added++;
    scores.set(member, score);
  }
  if (added + changed > 0) {
    if (existing === undefined) database.set(key, { type: "zset", scores });
    else database.touch(key);
  }
  return options.has("CH") ? added + changed : added;
}

function zcard({ database }: Session, args: Arguments): Reply {
  return database.getAs(keyAt(args, 1), "zset")?.scores.size ?? 0;
}

function zcount({ database }: Session, args: Arguments): Reply {
  const isWithin = parseRange(args);
  const scores = database.getAs(keyAt(args, 1), "zset")?.scores ?? new Map();
  return [...scores.values()].filter(isWithin).length;
}

function zrange({ database }: Session, args: Arguments): Reply {
  let withScores = false;
  for (const arg of args.slice(4)) {
    // Neither this module nor Celery uses BYSCORE, BYLEX, REV or LIMIT.
    if (bytesToWord(arg) !== "WITHSCORES") throw syntaxError();
    withScores = true;
  }
  const [start, end] = [2, 3].map((at) => parseInteger(argumentAt(args, at)));
  const entries = sortedEntries(database, keyAt(args, 1));
  return sliceInclusive(entries, start as number, end as number).flatMap((
    [member, score],
  ) =>
    withScores ? [keyToBytes(member), formatScore(score)] : [keyToBytes(member)]
  );
}

function zrangebyscore({ database }: Session, args: Arguments): Reply {
  // Neither this module nor Celery uses WITHSCORES or LIMIT here.
  if (args.length > 4) throw syntaxError();
  const isWithin = parseRange(args);
  return sortedEntries(database, keyAt(args, 1))
    .filter(([, score]) => isWithin(score))
    .map(([member]) => keyToBytes(member));
}

function zrem({ database }: Session, args: Arguments): Reply {
  const key = keyAt(args, 1);
  const scores = database.getAs(key, "zset")?.scores;
  if (scores === undefined) return 0;
  const removed = args.slice(2).filter((arg) => scores.delete(bytesToKey(arg)));
  if (scores.size === 0) database.delete(key);
  else if (removed.length > 0) database.touch(key);
  return removed.length;
}

function zscore({ database }: Session, args: Arguments): Reply {
  const scores = database.getAs(keyAt(args, 1), "zset")?.scores;
  const score = scores?.get(keyAt(args, 2));
  return score === undefined ? null : formatScore(score);
}

/** The members of a sorted set with their scores, in the set's order. */
function sortedEntries(database: Database, key: string): [string, number][] {
  const entries = [...database.getAs(key, "zset")?.scores ?? []];
  return entries.sort(([one, first], [other, second]) => {
    if (first !== second) return first < second ? -1 : 1;
    return one < other ? -1 : 1;
  });
}

/** Parses the two bounds of a range of scores, to a test of a score. */
function parseRange(args: Arguments): (score: number) => boolean {
  const min = parseRangeEnd(argumentAt(args, 2));
  const max = parseRangeEnd(argumentAt(args, 3));
  return (score) =>
    (min.isOpen ? score > min.value : score >= min.value) &&
    (max.isOpen ? score < max.value : score <= max.value);
}

function parseRangeEnd(bytes: Uint8Array): { value: number; isOpen: boolean } {
  const isOpen = bytesToKey(bytes.subarray(0, 1)) === "(";
  return { value: parseBound(isOpen ? bytes.subarray(1) : bytes), isOpen };
}
