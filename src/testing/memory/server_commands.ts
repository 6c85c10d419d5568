/**
 * The memory Redis's commands on the server and on scripts.
 *
 * @module
 */

import type { ScriptContext } from "./scripts.ts";
import { bytesToText, integerOf } from "./bytes.ts";
import type { MemoryClient } from "./client.ts";
import {
  type Arguments,
  type CommandSpec,
  type CommandTable,
  findCommand,
  wordOf,
} from "./command.ts";
import { OK, type Reply, ReplyError } from "./reply.ts";
import { argumentAt } from "./string_commands.ts";

/** The server, and scripts. */
export const serverCommands: CommandTable = new Map<string, CommandSpec>([
  ["INFO", { arity: -1, run: info }],
  ["COMMAND", {
    arity: -1,
    run: command,
    subcommands: new Map<string, CommandSpec>([
      ["COUNT", { arity: 2, run: commandCount }],
      ["DOCS", { arity: -2, run: commandDocs }],
    ]),
  }],
  ["EVAL", { arity: -3, notInScripts: true, run: evaluate }],
  ["EVALSHA", { arity: -3, notInScripts: true, run: evaluateSha }],
  ["SCRIPT", {
    arity: -2,
    run: (): Reply => null,
    subcommands: new Map<string, CommandSpec>([
      ["LOAD", { arity: 3, notInScripts: true, run: scriptLoad }],
      ["EXISTS", { arity: -3, notInScripts: true, run: scriptExists }],
      ["FLUSH", { arity: -2, notInScripts: true, run: scriptFlush }],
    ]),
  }],
]);

/** The version whose replies this server gives. */
const REDIS_VERSION = "7.0.15";

function info({ server }: MemoryClient): Reply {
  const clients = [...server.clients.values()];
  const uptime = Math.floor((Date.now() - server.startedAt) / 1_000);
  const lines = [
    "# Server",
    `redis_version:${REDIS_VERSION}`,
    "redis_mode:standalone",
    `uptime_in_seconds:${uptime}`,
    "",
    "# Clients",
    `connected_clients:${clients.length}`,
    `pubsub_clients:${clients.filter((client) => client.isSubscribed).length}`,
    "",
    "# Persistence",
    "loading:0",
    "",
    "# Replication",
    "role:master",
    "connected_slaves:0",
    "",
    "# Cluster",
    "cluster_enabled:0",
    "",
    "# Keyspace",
  ];
  for (const [index, database] of server.databases.entries()) {
    const keys = database.keys();
    if (keys.length === 0) continue;
    const expiring = keys.filter((key) => database.expiry(key) !== Infinity);
    lines.push(`db${index}:keys=${keys.length},expires=${expiring.length}`);
  }
  return `${lines.join("\r\n")}\r\n`;
}

/** Names and arities; the rest of Redis's table is left empty. */
function command({ server }: MemoryClient): Reply {
  return [...server.commands].map(([name, { arity }]) => [
    name.toLowerCase(),
    arity,
    [],
    0,
    0,
    0,
  ]);
}

function commandCount({ server }: MemoryClient): Reply {
  return server.commands.size;
}

function commandDocs(): Reply {
  return [];
}

function evaluate(client: MemoryClient, args: Arguments): Reply {
  checkKeys(args);
  const sha = client.server.scripts.load(bytesToText(argumentAt(args, 1)));
  return runScript(client, sha, args);
}

function evaluateSha(client: MemoryClient, args: Arguments): Reply {
  const sha = bytesToText(argumentAt(args, 1));
  // What cannot be a digest is looked for, and not found, before the keys are counted.
  if (sha.length === 40) checkKeys(args);
  return runScript(client, sha, args);
}

function checkKeys(args: Arguments): void {
  const count = integerOf(argumentAt(args, 2));
  if (count > args.length - 3) {
    throw new ReplyError(
      "ERR Number of keys can't be greater than number of args",
    );
  }
  if (count < 0) throw new ReplyError("ERR Number of keys can't be negative");
}

function runScript(client: MemoryClient, sha: string, args: Arguments): Reply {
  const script = client.server.scripts.get(sha);
  const firstArgument = 3 + integerOf(argumentAt(args, 2));
  const context: ScriptContext = {
    call: (command, ...words) => call(client, command, words),
  };
  try {
    return script.run(
      context,
      args.slice(3, firstArgument),
      args.slice(firstArgument),
    );
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    // Lua adds where it happened; of the line there is no telling here.
    throw new ReplyError(
      `${error.message} script: ${sha.toLowerCase()}, on @user_script:1.`,
    );
  }
}

function call(
  client: MemoryClient,
  command: string,
  words: readonly (string | number | Uint8Array)[],
): Reply {
  const encoder = new TextEncoder();
  const args = [command, ...words].map((word) =>
    word instanceof Uint8Array ? word : encoder.encode(String(word))
  );
  const name = command.toUpperCase();
  const { spec } = findCommand(client.server.commands, name, args);
  if (spec.notInScripts === true) {
    throw new ReplyError("ERR This Redis command is not allowed from script");
  }
  const reply = client.run(spec, args);
  if (reply instanceof ReplyError) throw reply;
  return reply;
}

function scriptLoad({ server }: MemoryClient, args: Arguments): Reply {
  return server.scripts.load(bytesToText(argumentAt(args, 2)));
}

function scriptExists({ server }: MemoryClient, args: Arguments): Reply {
  return args.slice(2).map((arg) =>
    server.scripts.has(bytesToText(arg)) ? 1 : 0
  );
}

function scriptFlush({ server }: MemoryClient, args: Arguments): Reply {
  const [, , option = "SYNC", ...rest] = args.map(wordOf);
  if (!["SYNC", "ASYNC"].includes(option) || rest.length > 0) {
    throw new ReplyError("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  }
  server.scripts.clear();
  return OK;
}
