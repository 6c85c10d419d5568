/**
 * The list commands of the memory Redis: those with which Celery keeps the parts
 * of a chord.
 *
 * @module
 */

import { bytesToKey, parseInteger, sliceInclusive } from "./bytes.ts";
import {
  argumentAt,
  type CommandSpec,
  type CommandTable,
  keyAt,
} from "./command.ts";
import type { Reply } from "./reply.ts";
import type { Arguments, Session } from "./session.ts";

/** List commands. */
export const listCommands: CommandTable = new Map<string, CommandSpec>([
  ["RPUSH", { arity: -3, run: rpush }],
  ["LRANGE", { arity: 4, run: lrange }],
  ["LLEN", { arity: 2, run: llen }],
  ["LREM", { arity: 4, run: lrem }],
]);

function rpush({ database }: Session, args: Arguments): Reply {
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

function lrange({ database }: Session, args: Arguments): Reply {
  const [start, end] = [2, 3].map((at) => parseInteger(argumentAt(args, at)));
  const items = database.getAs(keyAt(args, 1), "list")?.items ?? [];
  return sliceInclusive(items, start as number, end as number);
}

function llen({ database }: Session, args: Arguments): Reply {
  return database.getAs(keyAt(args, 1), "list")?.items.length ?? 0;
}

function lrem({ database }: Session, args: Arguments): Reply {
  const count = parseInteger(argumentAt(args, 2));
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
    if (bytesToKey(items[index] as Uint8Array) !== wanted) continue;
    items.splice(index, 1);
    removed++;
  }
  if (items.length === 0) database.delete(key);
  else if (removed > 0) database.touch(key);
  return removed;
}
