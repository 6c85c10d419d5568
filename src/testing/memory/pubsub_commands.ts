/**
 * The memory Redis's commands for publishing and subscribing.
 *
 * @module
 */

import { bytesOf, bytesToText, keyOf } from "./bytes.ts";
import type { MemoryClient } from "./client.ts";
import type { Arguments, CommandSpec, CommandTable } from "./command.ts";
import { globOf } from "./glob.ts";
import type { SubscriptionKind } from "./pubsub.ts";
import { Replies, type Reply, ReplyError } from "./reply.ts";
import { argumentAt } from "./string_commands.ts";

const subscriberCommand = { whileSubscribed: true, notInScripts: true };

/** Pub/sub, plain and sharded. */
export const pubsubCommands: CommandTable = new Map<string, CommandSpec>([
  ["PUBLISH", { arity: 3, run: publish }],
  ["SPUBLISH", { arity: 3, run: spublish }],
  ["SUBSCRIBE", { arity: -2, ...subscriberCommand, run: subscribe }],
  ["PSUBSCRIBE", { arity: -2, ...subscriberCommand, run: psubscribe }],
  ["SSUBSCRIBE", { arity: -2, ...subscriberCommand, run: ssubscribe }],
  ["UNSUBSCRIBE", { arity: -1, ...subscriberCommand, run: unsubscribe }],
  ["PUNSUBSCRIBE", { arity: -1, ...subscriberCommand, run: punsubscribe }],
  ["SUNSUBSCRIBE", { arity: -1, ...subscriberCommand, run: sunsubscribe }],
  ["PUBSUB", {
    arity: -2,
    run: (): Reply => null,
    subcommands: new Map<string, CommandSpec>([
      ["CHANNELS", { arity: -2, run: channels }],
      ["SHARDCHANNELS", { arity: -2, run: shardchannels }],
      ["NUMSUB", { arity: -2, run: numsub }],
      ["SHARDNUMSUB", { arity: -2, run: shardnumsub }],
      ["NUMPAT", { arity: 2, run: numpat }],
    ]),
  }],
]);

function publish({ server }: MemoryClient, args: Arguments): Reply {
  return server.pubsub.publish(argumentAt(args, 1), argumentAt(args, 2));
}

function spublish({ server }: MemoryClient, args: Arguments): Reply {
  return server.pubsub.publishSharded(argumentAt(args, 1), argumentAt(args, 2));
}

function subscribe(client: MemoryClient, args: Arguments): Reply {
  return add(client, "subscribe", args);
}

function psubscribe(client: MemoryClient, args: Arguments): Reply {
  return add(client, "psubscribe", args);
}

function ssubscribe(client: MemoryClient, args: Arguments): Reply {
  return add(client, "ssubscribe", args);
}

function unsubscribe(client: MemoryClient, args: Arguments): Reply {
  return remove(client, "subscribe", args);
}

function punsubscribe(client: MemoryClient, args: Arguments): Reply {
  return remove(client, "psubscribe", args);
}

function sunsubscribe(client: MemoryClient, args: Arguments): Reply {
  return remove(client, "ssubscribe", args);
}

function add(
  client: MemoryClient,
  kind: SubscriptionKind,
  args: Arguments,
): Reply {
  return new Replies(
    args.slice(1).map((arg) => {
      const name = keyOf(arg);
      client.subscriptions[kind].add(name);
      client.server.pubsub.add(kind, name, client);
      return [kind, arg, countOf(client, kind)];
    }),
  );
}

function remove(
  client: MemoryClient,
  kind: SubscriptionKind,
  args: Arguments,
): Reply {
  const word = kind.replace("subscribe", "unsubscribe");
  const own = client.subscriptions[kind];
  const names = args.length > 1 ? args.slice(1).map(keyOf) : [...own];
  if (names.length === 0) return [word, null, countOf(client, kind)];
  return new Replies(
    names.map((name) => {
      own.delete(name);
      client.server.pubsub.delete(kind, name, client);
      return [word, bytesOf(name), countOf(client, kind)];
    }),
  );
}

/** Channels and patterns count together, shard channels by themselves. */
function countOf(client: MemoryClient, kind: SubscriptionKind): number {
  const { subscribe, psubscribe, ssubscribe } = client.subscriptions;
  return kind === "ssubscribe"
    ? ssubscribe.size
    : subscribe.size + psubscribe.size;
}

function channels({ server }: MemoryClient, args: Arguments): Reply {
  return matching(server.pubsub.names("subscribe"), args);
}

function shardchannels({ server }: MemoryClient, args: Arguments): Reply {
  return matching(server.pubsub.names("ssubscribe"), args);
}

function matching(names: readonly string[], args: Arguments): Reply {
  if (args.length > 3) {
    const word = bytesToText(argumentAt(args, 1));
    throw new ReplyError(
      `ERR unknown subcommand or wrong number of arguments for '${word}'. Try PUBSUB HELP.`,
    );
  }
  const pattern = args[2];
  const matches = pattern === undefined ? () => true : globOf(pattern);
  return names.filter(matches).map(bytesOf);
}

function numsub({ server }: MemoryClient, args: Arguments): Reply {
  return args.slice(2).flatMap((arg) => [
    arg,
    server.pubsub.count("subscribe", keyOf(arg)),
  ]);
}

function shardnumsub({ server }: MemoryClient, args: Arguments): Reply {
  return args.slice(2).flatMap((arg) => [
    arg,
    server.pubsub.count("ssubscribe", keyOf(arg)),
  ]);
}

function numpat({ server }: MemoryClient): Reply {
  return server.pubsub.names("psubscribe").length;
}
