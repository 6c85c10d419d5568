/**
 * CLIENT and its subcommands.
 *
 * @module
 */

import { bytesToText, parseInteger } from "./bytes.ts";
import {
  argumentAt,
  bytesToWord,
  type CommandSpec,
  type CommandTable,
  syntaxError,
} from "./command.ts";
import { OK, type Reply, ReplyError } from "./reply.ts";
import type { Arguments, Session } from "./session.ts";

/** The CLIENT command. */
export const clientCommands: CommandTable = new Map<string, CommandSpec>([
  ["CLIENT", {
    arity: -2,
    run: (): Reply => null,
    subcommands: new Map<string, CommandSpec>([
      ["ID", { arity: 2, run: clientId }],
      ["GETNAME", { arity: 2, run: clientGetname }],
      ["SETNAME", { arity: 3, run: clientSetname }],
      ["SETINFO", { arity: 4, run: clientSetinfo }],
      ["KILL", { arity: -3, isForbiddenInScripts: true, run: clientKill }],
    ]),
  }],
]);

function clientId({ id }: Session): Reply {
  return id;
}

function clientGetname({ name }: Session): Reply {
  return name === "" ? null : name;
}

function clientSetname(session: Session, args: Arguments): Reply {
  const name = bytesToText(argumentAt(args, 2));
  if (/[^!-~]/.test(name)) {
    throw new ReplyError(
      "ERR Client names cannot contain spaces, newlines or special characters.",
    );
  }
  session.name = name;
  return OK;
}

/** Checks the option, but stores nothing: clients send it unprompted, and no command reads it. */
function clientSetinfo(_session: Session, args: Arguments): Reply {
  const option = bytesToText(argumentAt(args, 2));
  if (!/^lib-(?:name|ver)$/i.test(option)) {
    throw new ReplyError(`ERR Unrecognized option '${option}'`);
  }
  return OK;
}

/** Whether a connection matches one of CLIENT KILL's conditions. */
type KillFilter = (session: Session) => boolean;

function clientKill(session: Session, args: Arguments): Reply {
  const isOldForm = args.length === 3;
  let skipsCaller = !isOldForm;
  const filters: KillFilter[] = [];
  if (isOldForm) {
    const address = bytesToText(argumentAt(args, 2));
    filters.push((other) => other.address === address);
  } else {
    for (let index = 2; index < args.length; index += 2) {
      const option = bytesToWord(argumentAt(args, index));
      const value = args[index + 1];
      if (value === undefined) throw syntaxError();
      if (option === "SKIPME") skipsCaller = parseYesOrNo(value);
      else filters.push(parseKillFilter(option, value));
    }
  }
  const doomed = [...session.server.sessions.values()].filter((other) =>
    (!skipsCaller || other !== session) && filters.every((is) => is(other))
  );
  for (const other of doomed) {
    // The caller gets its reply before its own connection closes.
    if (other === session) session.closeSoon();
    else other.close();
  }
  if (!isOldForm) return doomed.length;
  if (doomed.length === 0) throw new ReplyError("ERR No such client");
  return OK;
}

function parseKillFilter(option: string, value: Uint8Array): KillFilter {
  const text = bytesToText(value);
  switch (option) {
    case "ID": {
      const id = parseInteger(value, "ERR client-id should be greater than 0");
      if (id < 1) {
        throw new ReplyError("ERR client-id should be greater than 0");
      }
      return (session): boolean => session.id === id;
    }
    case "ADDR":
      return (session): boolean => session.address === text;
    case "TYPE":
      switch (text.toLowerCase()) {
        case "normal":
          return (session): boolean => !session.isSubscribed;
        case "pubsub":
          return (session): boolean => session.isSubscribed;
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

function parseYesOrNo(value: Uint8Array): boolean {
  const text = bytesToText(value).toLowerCase();
  if (text !== "yes" && text !== "no") throw syntaxError();
  return text === "yes";
}
