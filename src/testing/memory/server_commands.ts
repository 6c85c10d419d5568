/**
 * The commands of the memory Redis that describe the server.
 *
 * @module
 */

import type { CommandSpec, CommandTable } from "./command.ts";
import type { Reply } from "./reply.ts";
import type { Session } from "./session.ts";

/** Server commands. */
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
]);

/** The version of Redis whose replies this server gives. */
const REDIS_VERSION = "7.0.15";

function info({ server }: Session): Reply {
  const clients = [...server.sessions.values()];
  const uptime = Math.floor((Date.now() - server.startedAt) / 1_000);
  const lines = [
    "# Server",
    `redis_version:${REDIS_VERSION}`,
    "redis_mode:standalone",
    `uptime_in_seconds:${uptime}`,
    "",
    "# Clients",
    `connected_clients:${clients.length}`,
    `pubsub_clients:${
      clients.filter((session) => session.isSubscribed).length
    }`,
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

/** Names and arities; the rest of each row in Redis's table stays empty. */
function command({ server }: Session): Reply {
  return [...server.commands].map(([name, { arity }]) => [
    name.toLowerCase(),
    arity,
    [],
    0,
    0,
    0,
  ]);
}

function commandCount({ server }: Session): Reply {
  return server.commands.size;
}

function commandDocs(): Reply {
  return [];
}
