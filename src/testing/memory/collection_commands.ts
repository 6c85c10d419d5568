/**
 * The memory Redis's commands on lists and sorted sets: those with which Celery
 * keeps the parts of a chord.
 *
 * @module
 */

import {
  boundOf,
  bytesOf,
  formatScore,
  integerOf,
  keyOf,
  scoreOf,
} from "./bytes.ts";
import type { MemoryClient } from "./client.ts";
import {
  type Arguments,
  type CommandSpec,
  type CommandTable,
  syntaxError,
  wordOf,
} from "./command.ts";
import { type Reply, ReplyError } from "./reply.ts";
import type { Database } from "./store.ts";
import { argumentAt, keyAt } from "./string_commands.ts";

/** Lists and sorted sets. */
export const collectionCommands: CommandTable = new Map<string, CommandSpec>([
  ["RPUSH", { arity: -3, run: rpush }],
  ["LRANGE", { arity: 4, run: lrange }],
  ["LLEN", { arity: 2, run: llen }],
  ["LREM", { arity: 4, run: lrem }],
  ["ZADD", { arity: -4, run: zadd }],
  ["ZCARD", { arity: 2, run: zcard }],
  ["ZCOUNT", { arity: 4, run: zcount }],
  ["ZRANGE", { arity: -4, run: zrange }],
  ["ZRANGEBYSCORE", { arity: -4, run: zrangebyscore }],
  ["ZREM", { arity: -3, run: zrem }],
  ["ZSCORE", { arity: 3, run: zscore }],
]);

function rpush({ database }: MemoryClient, args: Arguments): Reply {
  const key = keyAt(args, 1);
  const items = args.slice(2).map((arg) => arg.slice());
  const list = database.getAs(key, "list");
  if (list === undefined) {
    database.set(key, { type: "list", items });
    return items.length;
  }
  for (const item of items) list.items.push(item);
  database.touch(key);
  return list.items.length;
}

function lrange({ database }: MemoryClient, args: Arguments): Reply {
  const [start, end] = [2, 3].map((at) => integerOf(argumentAt(args, at)));
  const items = database.getAs(keyAt(args, 1), "list")?.items ?? [];
  return sliceOf(items, start as number, end as number);
}

function llen({ database }: MemoryClient, args: Arguments): Reply {
  return database.getAs(keyAt(args, 1), "list")?.items.length ?? 0;
}

function lrem({ database }: MemoryClient, args: Arguments): Reply {
  const count = integerOf(argumentAt(args, 2));
  const key = keyAt(args, 1);
  const items = database.getAs(key, "list")?.items;
  if (items === undefined) return 0;
  const wanted = keyAt(args, 3);
  const most = count === 0 ? Infinity : Math.abs(count);
  const { length } = items;
  let removed = 0;
  for (let step = 0; step < length && removed < most; step++) {
    // A negative count begins at the end.
    const index = count < 0 ? length - 1 - step : step - removed;
    if (keyOf(items[index] as Uint8Array) !== wanted) continue;
    items.splice(index, 1);
    removed++;
  }
  if (items.length === 0) database.delete(key);
  else if (removed > 0) database.touch(key);
  return removed;
}

function zadd({ database }: MemoryClient, args: Arguments): Reply {
  const options = new Set<string>();
  let index = 2;
  for (; index < args.length; index++) {
    const word = wordOf(argumentAt(args, index));
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
    const score = scoreOf(argumentAt(pairs, pair));
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

function zcard({ database }: MemoryClient, args: Arguments): Reply {
  return database.getAs(keyAt(args, 1), "zset")?.scores.size ?? 0;
}

function zcount({ database }: MemoryClient, args: Arguments): Reply {
  const isWithin = rangeOf(args);
  const scores = database.getAs(keyAt(args, 1), "zset")?.scores ?? new Map();
  return [...scores.values()].filter(isWithin).length;
}

function zrange({ database }: MemoryClient, args: Arguments): Reply {
  let withScores = false;
  for (const arg of args.slice(4)) {
    // BYSCORE, BYLEX, REV and LIMIT, nobody here asks for.
    if (wordOf(arg) !== "WITHSCORES") throw syntaxError();
    withScores = true;
  }
  const [start, end] = [2, 3].map((at) => integerOf(argumentAt(args, at)));
  const entries = entriesOf(database, keyAt(args, 1));
  return sliceOf(entries, start as number, end as number).flatMap((
    [member, score],
  ) => withScores ? [bytesOf(member), formatScore(score)] : [bytesOf(member)]);
}

function zrangebyscore({ database }: MemoryClient, args: Arguments): Reply {
  // WITHSCORES and LIMIT, nobody here asks for.
  if (args.length > 4) throw syntaxError();
  const isWithin = rangeOf(args);
  return entriesOf(database, keyAt(args, 1))
    .filter(([, score]) => isWithin(score))
    .map(([member]) => bytesOf(member));
}

function zrem({ database }: MemoryClient, args: Arguments): Reply {
  const key = keyAt(args, 1);
  const scores = database.getAs(key, "zset")?.scores;
  if (scores === undefined) return 0;
  const removed = args.slice(2).filter((arg) => scores.delete(keyOf(arg)));
  if (scores.size === 0) database.delete(key);
  else if (removed.length > 0) database.touch(key);
  return removed.length;
}

function zscore({ database }: MemoryClient, args: Arguments): Reply {
  const scores = database.getAs(keyAt(args, 1), "zset")?.scores;
  const score = scores?.get(keyAt(args, 2));
  return score === undefined ? null : formatScore(score);
}

/** The members of a sorted set with their scores, in order. */
function entriesOf(database: Database, key: string): [string, number][] {
  const entries = [...database.getAs(key, "zset")?.scores ?? []];
  return entries.sort(([one, first], [other, second]) => {
    if (first !== second) return first < second ? -1 : 1;
    return one < other ? -1 : 1;
  });
}

/** Both ends are part of it; negative ones count from the end. */
function sliceOf<T>(items: readonly T[], start: number, end: number): T[] {
  const from = start < 0 ? Math.max(0, items.length + start) : start;
  const to = end < 0 ? items.length + end : end;
  return items.slice(from, Math.max(from, to + 1));
}

/** Tells which scores lie between the bounds that a command gives. */
function rangeOf(args: Arguments): (score: number) => boolean {
  const min = rangeEndOf(argumentAt(args, 2));
  const max = rangeEndOf(argumentAt(args, 3));
  return (score) =>
    (min.isOpen ? score > min.value : score >= min.value) &&
    (max.isOpen ? score < max.value : score <= max.value);
}

function rangeEndOf(bytes: Uint8Array): { value: number; isOpen: boolean } {
  const isOpen = keyOf(bytes.subarray(0, 1)) === "(";
  return { value: boundOf(isOpen ? bytes.subarray(1) : bytes), isOpen };
}
