/**
 * The memory Redis's commands for publishing and subscribing.
 *
 * @module
 */

import { bytesToKey, bytesToText, keyToBytes } from "./bytes.ts";
import { argumentAt, type CommandSpec, type CommandTable } from "./command.ts";
import { compileGlob } from "./glob.ts";
import type { SubscriptionKind } from "./pubsub.ts";
import { Replies, type Reply, ReplyError } from "./reply.ts";
import type { Arguments, Session } from "./session.ts";

const subscriberCommand: Partial<CommandSpec> = {
  isAllowedWhileSubscribed: true,
  isForbiddenInScripts: true,
};

/** Pub/sub commands, sharded ones included. */
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

function publish({ server }: Session, args: Arguments): Reply {
  return server.pubsub.publish(argumentAt(args, 1), argumentAt(args, 2));
}

function spublish({ server }: Session, args: Arguments): Reply {
  return server.pubsub.publishSharded(argumentAt(args, 1), argumentAt(args, 2));
}

function subscribe(session: Session, args: Arguments): Reply {
  return subscribeTo(session, "subscribe", args);
}

function psubscribe(session: Session, args: Arguments): Reply {
  return subscribeTo(session, "psubscribe", args);
}

function ssubscribe(session: Session, args: Arguments): Reply {
  return subscribeTo(session, "ssubscribe", args);
}

function unsubscribe(session: Session, args: Arguments): Reply {
  return unsubscribeFrom(session, "subscribe", args);
}

function punsubscribe(session: Session, args: Arguments): Reply {
  return unsubscribeFrom(session, "psubscribe", args);
}

function sunsubscribe(session: Session, args: Arguments): Reply {
  return unsubscribeFrom(session, "ssubscribe", args);
}

function subscribeTo(
  session: Session,
  kind: SubscriptionKind,
  args: Arguments,
): Reply {
  return new Replies(
    args.slice(1).map((arg) => {
      const name = bytesToKey(arg);
      session.subscriptions[kind].add(name);
      session.server.pubsub.add(kind, name, session);
      return [kind, arg, countSubscriptions(session, kind)];
    }),
  );
}

function unsubscribeFrom(
  session: Session,
  kind: SubscriptionKind,
  args: Arguments,
): Reply {
  const word = kind.replace("subscribe", "unsubscribe");
  const own = session.subscriptions[kind];
  const names = args.length > 1 ? args.slice(1).map(bytesToKey) : [...own];
  if (names.length === 0) {
    return [word, null, countSubscriptions(session, kind)];
  }
  return new Replies(
    names.map((name) => {
      own.delete(name);
      session.server.pubsub.delete(kind, name, session);
      return [word, keyToBytes(name), countSubscriptions(session, kind)];
    }),
  );
}

/** Channels and patterns are counted together, shard channels separately. */
function countSubscriptions(session: Session, kind: SubscriptionKind): number {
  const { subscribe, psubscribe, ssubscribe } = session.subscriptions;
  return kind === "ssubscribe"
    ? ssubscribe.size
    : subscribe.size + psubscribe.size;
}

function channels({ server }: Session, args: Arguments): Reply {
  return filterByPattern(server.pubsub.names("subscribe"), args);
}

function shardchannels({ server }: Session, args: Arguments): Reply {
  return filterByPattern(server.pubsub.names("ssubscribe"), args);
}

function filterByPattern(names: readonly string[], args: Arguments): Reply {
  if (args.length > 3) {
    const word = bytesToText(argumentAt(args, 1));
    throw new ReplyError(
      `ERR unknown subcommand or wrong number of arguments for '${word}'. Try PUBSUB HELP.`,
    );
  }
  const pattern = args[2];
  const matches = pattern === undefined ? () => true : compileGlob(pattern);
  return names.filter(matches).map(keyToBytes);
}

function numsub({ server }: Session, args: Arguments): Reply {
  return args.slice(2).flatMap((arg) => [
    arg,
    server.pubsub.count("subscribe", bytesToKey(arg)),
  ]);
}

function shardnumsub({ server }: Session, args: Arguments): Reply {
  return args.slice(2).flatMap((arg) => [
    arg,
    server.pubsub.count("ssubscribe", bytesToKey(arg)),
  ]);
}

function numpat({ server }: Session): Reply {
  return server.pubsub.names("psubscribe").length;
}
