/**
 * The memory Redis's commands on the connection, and its transactions.
 *
 * @module
 */

import { bytesToText, integerOf, keyOf } from "./bytes.ts";
import type { MemoryClient } from "./client.ts";
import {
  type Arguments,
  type CommandSpec,
  type CommandTable,
  syntaxError,
  wordOf,
  wrongArity,
} from "./command.ts";
import { OK, type Reply, ReplyError, Status } from "./reply.ts";
import { argumentAt } from "./string_commands.ts";

const transactionCommand = { unqueued: true, notInScripts: true };

/** The connection itself. */
export const connectionCommands: CommandTable = new Map<string, CommandSpec>([
  ["PING", { arity: -1, whileSubscribed: true, run: ping }],
  ["ECHO", { arity: 2, run: echo }],
  ["AUTH", { arity: -2, beforeAuth: true, notInScripts: true, run: auth }],
  ["SELECT", { arity: 2, run: select }],
  ["QUIT", {
    arity: -1,
    beforeAuth: true,
    whileSubscribed: true,
    ...transactionCommand,
    run: quit,
  }],
  ["RESET", {
    arity: 1,
    beforeAuth: true,
    whileSubscribed: true,
    ...transactionCommand,
    run: reset,
  }],
  ["MULTI", { arity: 1, ...transactionCommand, run: multi }],
  ["EXEC", { arity: 1, ...transactionCommand, run: exec }],
  ["DISCARD", { arity: 1, ...transactionCommand, run: discard }],
  ["WATCH", { arity: -2, ...transactionCommand, run: watch }],
  ["UNWATCH", { arity: 1, notInScripts: true, run: unwatch }],
  ["CLIENT", {
    arity: -2,
    run: (): Reply => null,
    subcommands: new Map<string, CommandSpec>([
      ["ID", { arity: 2, run: clientId }],
      ["GETNAME", { arity: 2, run: clientGetname }],
      ["SETNAME", { arity: 3, run: clientSetname }],
      ["SETINFO", { arity: 4, run: clientSetinfo }],
      ["KILL", { arity: -3, notInScripts: true, run: clientKill }],
    ]),
  }],
]);

function ping({ isSubscribed }: MemoryClient, args: Arguments): Reply {
  if (args.length > 2) throw wrongArity("ping");
  if (isSubscribed) return ["pong", args[1] ?? ""];
  return args[1] ?? new Status("PONG");
}

function echo(_client: MemoryClient, args: Arguments): Reply {
  return argumentAt(args, 1);
}

function auth(client: MemoryClient, args: Arguments): Reply {
  if (args.length > 3) throw syntaxError();
  const { credentials } = client.server;
  const [username, password] = args.length === 2
    ? ["default", bytesToText(argumentAt(args, 1))]
    : [bytesToText(argumentAt(args, 1)), bytesToText(argumentAt(args, 2))];
  if (credentials === undefined) {
    if (args.length === 2) {
      throw new ReplyError(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
      );
    }
    if (username === "default") return OK;
  } else if (
    username === credentials.username && password === credentials.password
  ) {
    client.isAuthenticated = true;
    return OK;
  }
  throw new ReplyError(
    "WRONGPASS invalid username-password pair or user is disabled.",
  );
}

function select(client: MemoryClient, args: Arguments): Reply {
  const index = integerOf(argumentAt(args, 1));
  if (Math.abs(index + 0.5) > 2 ** 31) {
    throw new ReplyError(
      "ERR value is out of range, value must between -2147483648 and 2147483647",
    );
  }
  if (client.server.databases[index] === undefined) {
    throw new ReplyError("ERR DB index is out of range");
  }
  client.databaseIndex = index;
  return OK;
}

function quit(client: MemoryClient): Reply {
  client.closeSoon();
  return OK;
}

function reset(client: MemoryClient): Reply {
  client.reset();
  client.databaseIndex = 0;
  client.name = "";
  client.isAuthenticated = client.server.credentials === undefined;
  return new Status("RESET");
}

function multi({ transaction }: MemoryClient): Reply {
  if (transaction.isOpen) {
    throw new ReplyError("ERR MULTI calls can not be nested");
  }
  transaction.begin();
  return OK;
}

function exec(client: MemoryClient): Reply {
  const { transaction } = client;
  if (!transaction.isOpen) throw new ReplyError("ERR EXEC without MULTI");
  return transaction.execute(client);
}

function discard({ transaction }: MemoryClient): Reply {
  if (!transaction.isOpen) throw new ReplyError("ERR DISCARD without MULTI");
  transaction.end();
  return OK;
}

function watch(
  { transaction, database }: MemoryClient,
  args: Arguments,
): Reply {
  if (transaction.isOpen) {
    throw new ReplyError("ERR WATCH inside MULTI is not allowed");
  }
  for (const arg of args.slice(1)) transaction.watch(database, keyOf(arg));
  return OK;
}

function unwatch({ transaction }: MemoryClient): Reply {
  transaction.unwatch();
  return OK;
}

function clientId({ id }: MemoryClient): Reply {
  return id;
}

function clientGetname({ name }: MemoryClient): Reply {
  return name === "" ? null : name;
}

function clientSetname(client: MemoryClient, args: Arguments): Reply {
  const name = bytesToText(argumentAt(args, 2));
  if (/[^!-~]/.test(name)) {
    throw new ReplyError(
      "ERR Client names cannot contain spaces, newlines or special characters.",
    );
  }
  client.name = name;
  return OK;
}

/** Taken, and kept nowhere: clients send it unasked, and nobody reads it. */
function clientSetinfo(_client: MemoryClient, args: Arguments): Reply {
  const option = bytesToText(argumentAt(args, 2));
  if (!/^lib-(?:name|ver)$/i.test(option)) {
    throw new ReplyError(`ERR Unrecognized option '${option}'`);
  }
  return OK;
}

/** Whether a connection is meant by one of CLIENT KILL's conditions. */
type KillFilter = (client: MemoryClient) => boolean;

function clientKill(client: MemoryClient, args: Arguments): Reply {
  const isOldForm = args.length === 3;
  let skipsCaller = !isOldForm;
  const filters: KillFilter[] = [];
  if (isOldForm) {
    const address = bytesToText(argumentAt(args, 2));
    filters.push((other) => other.address === address);
  } else {
    for (let index = 2; index < args.length; index += 2) {
      const option = wordOf(argumentAt(args, index));
      const value = args[index + 1];
      if (value === undefined) throw syntaxError();
      if (option === "SKIPME") skipsCaller = yesOrNo(value);
      else filters.push(killFilter(option, value));
    }
  }
  const doomed = [...client.server.clients.values()].filter((other) =>
    (!skipsCaller || other !== client) && filters.every((is) => is(other))
  );
  for (const other of doomed) {
    // The caller is told before its own connection goes.
    if (other === client) client.closeSoon();
    else other.close();
  }
  if (!isOldForm) return doomed.length;
  if (doomed.length === 0) throw new ReplyError("ERR No such client");
  return OK;
}

function killFilter(option: string, value: Uint8Array): KillFilter {
  const text = bytesToText(value);
  switch (option) {
    case "ID": {
      const id = integerOf(value, "ERR client-id should be greater than 0");
      if (id < 1) {
        throw new ReplyError("ERR client-id should be greater than 0");
      }
      return (client): boolean => client.id === id;
    }
    case "ADDR":
      return (client): boolean => client.address === text;
    case "TYPE":
      switch (text.toLowerCase()) {
        case "normal":
          return (client): boolean => !client.isSubscribed;
        case "pubsub":
          return (client): boolean => client.isSubscribed;
        case "master":
        case "replica":
        case "slave":
          return (): boolean => false;
      }
      throw new ReplyError(`ERR Unknown client type '${text}'`);
    default:
      throw syntaxError();
  }
}

function yesOrNo(value: Uint8Array): boolean {
  const text = bytesToText(value).toLowerCase();
  if (text !== "yes" && text !== "no") throw syntaxError();
  return text === "yes";
}
