/**
 * The connection commands of the memory Redis, except CLIENT.
 *
 * @module
 */

import { bytesToText, parseInteger } from "./bytes.ts";
import {
  argumentAt,
  type CommandSpec,
  type CommandTable,
  syntaxError,
  wrongArity,
} from "./command.ts";
import { OK, type Reply, ReplyError, Status } from "./reply.ts";
import type { Arguments, Session } from "./session.ts";

const alwaysAllowed: Partial<CommandSpec> = {
  isAllowedBeforeAuth: true,
  isAllowedWhileSubscribed: true,
  isNeverQueued: true,
  isForbiddenInScripts: true,
};

/** Connection commands. */
export const connectionCommands: CommandTable = new Map<string, CommandSpec>([
  ["PING", { arity: -1, isAllowedWhileSubscribed: true, run: ping }],
  ["ECHO", { arity: 2, run: echo }],
  ["AUTH", {
    arity: -2,
    isAllowedBeforeAuth: true,
    isForbiddenInScripts: true,
    run: auth,
  }],
  ["SELECT", { arity: 2, run: select }],
  ["QUIT", { arity: -1, ...alwaysAllowed, run: quit }],
  ["RESET", { arity: 1, ...alwaysAllowed, run: reset }],
]);

function ping({ isSubscribed }: Session, args: Arguments): Reply {
  if (args.length > 2) throw wrongArity("ping");
  if (isSubscribed) return ["pong", args[1] ?? ""];
  return args[1] ?? new Status("PONG");
}

function echo(_session: Session, args: Arguments): Reply {
  return argumentAt(args, 1);
}

function auth(session: Session, args: Arguments): Reply {
  if (args.length > 3) throw syntaxError();
  const { credentials } = session.server;
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
    session.isAuthenticated = true;
    return OK;
  }
  throw new ReplyError(
    "WRONGPASS invalid username-password pair or user is disabled.",
  );
}

function select(session: Session, args: Arguments): Reply {
  const index = parseInteger(argumentAt(args, 1));
  if (Math.abs(index + 0.5) > 2 ** 31) {
    throw new ReplyError(
      "ERR value is out of range, value must between -2147483648 and 2147483647",
    );
  }
  if (session.server.databases[index] === undefined) {
    throw new ReplyError("ERR DB index is out of range");
  }
  session.databaseIndex = index;
  return OK;
}

function quit(session: Session): Reply {
  session.closeSoon();
  return OK;
}

function reset(session: Session): Reply {
  session.reset();
  session.databaseIndex = 0;
  session.name = "";
  session.isAuthenticated = session.server.credentials === undefined;
  return new Status("RESET");
}
