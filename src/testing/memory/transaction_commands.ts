/**
 * The transaction commands of the memory Redis.
 *
 * @module
 */

import { bytesToKey } from "./bytes.ts";
import type { CommandSpec, CommandTable } from "./command.ts";
import { OK, type Reply, ReplyError } from "./reply.ts";
import type { Arguments, Session } from "./session.ts";

const transactionCommand: Partial<CommandSpec> = {
  isNeverQueued: true,
  isForbiddenInScripts: true,
};

/** Transaction commands. */
export const transactionCommands: CommandTable = new Map<string, CommandSpec>([
  ["MULTI", { arity: 1, ...transactionCommand, run: multi }],
  ["EXEC", { arity: 1, ...transactionCommand, run: exec }],
  ["DISCARD", { arity: 1, ...transactionCommand, run: discard }],
  ["WATCH", { arity: -2, ...transactionCommand, run: watch }],
  ["UNWATCH", { arity: 1, isForbiddenInScripts: true, run: unwatch }],
]);

function multi({ transaction }: Session): Reply {
  if (transaction.isOpen) {
    throw new ReplyError("ERR MULTI calls can not be nested");
  }
  transaction.begin();
  return OK;
}

function exec(session: Session): Reply {
  const { transaction } = session;
  if (!transaction.isOpen) throw new ReplyError("ERR EXEC without MULTI");
  return transaction.execute();
}

function discard({ transaction }: Session): Reply {
  if (!transaction.isOpen) throw new ReplyError("ERR DISCARD without MULTI");
  transaction.end();
  return OK;
}

function watch(
  { transaction, database }: Session,
  args: Arguments,
): Reply {
  if (transaction.isOpen) {
    throw new ReplyError("ERR WATCH inside MULTI is not allowed");
  }
  for (const arg of args.slice(1)) transaction.watch(database, bytesToKey(arg));
  return OK;
}

function unwatch({ transaction }: Session): Reply {
  transaction.unwatch();
  return OK;
}
