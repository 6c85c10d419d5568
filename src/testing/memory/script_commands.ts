/**
 * The scripting commands of the memory Redis.
 *
 * @module
 */

import { bytesToText, parseInteger } from "./bytes.ts";
import {
  argumentAt,
  bytesToWord,
  type CommandSpec,
  type CommandTable,
} from "./command.ts";
import { OK, type Reply, ReplyError } from "./reply.ts";
import type { ScriptContext } from "./scripts.ts";
import type { Arguments, Session } from "./session.ts";

const encoder = new TextEncoder();

/** Scripting commands. */
export const scriptCommands: CommandTable = new Map<string, CommandSpec>([
  ["EVAL", { arity: -3, isForbiddenInScripts: true, run: evaluate }],
  ["EVALSHA", { arity: -3, isForbiddenInScripts: true, run: evaluateSha }],
  ["SCRIPT", {
    arity: -2,
    run: (): Reply => null,
    subcommands: new Map<string, CommandSpec>([
      ["LOAD", { arity: 3, isForbiddenInScripts: true, run: scriptLoad }],
      ["EXISTS", { arity: -3, isForbiddenInScripts: true, run: scriptExists }],
      ["FLUSH", { arity: -2, isForbiddenInScripts: true, run: scriptFlush }],
    ]),
  }],
]);

function evaluate(session: Session, args: Arguments): Reply {
  checkKeys(args);
  const sha = session.server.scripts.load(bytesToText(argumentAt(args, 1)));
  return runScript(session, sha, args);
}

function evaluateSha(session: Session, args: Arguments): Reply {
  const sha = bytesToText(argumentAt(args, 1));
  // Redis looks up what cannot be a digest before it counts the keys.
  if (sha.length === 40) checkKeys(args);
  return runScript(session, sha, args);
}

function checkKeys(args: Arguments): void {
  const count = parseInteger(argumentAt(args, 2));
  if (count > args.length - 3) {
    throw new ReplyError(
      "ERR Number of keys can't be greater than number of args",
    );
  }
  if (count < 0) throw new ReplyError("ERR Number of keys can't be negative");
}

function runScript(session: Session, sha: string, args: Arguments): Reply {
  const script = session.server.scripts.get(sha);
  const firstArgument = 3 + parseInteger(argumentAt(args, 2));
  const context: ScriptContext = {
    call: (...words) =>
      session.callFromScript(
        words.map((word) =>
          word instanceof Uint8Array ? word : encoder.encode(String(word))
        ),
      ),
  };
  try {
    return script.run(
      context,
      args.slice(3, firstArgument),
      args.slice(firstArgument),
    );
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    // Lua appends the position; the line cannot be known here.
    throw new ReplyError(
      `${error.message} script: ${sha.toLowerCase()}, on @user_script:1.`,
    );
  }
}

function scriptLoad({ server }: Session, args: Arguments): Reply {
  return server.scripts.load(bytesToText(argumentAt(args, 2)));
}

function scriptExists({ server }: Session, args: Arguments): Reply {
  return args.slice(2).map((arg) =>
    server.scripts.has(bytesToText(arg)) ? 1 : 0
  );
}

function scriptFlush({ server }: Session, args: Arguments): Reply {
  const [, , option = "SYNC", ...rest] = args.map(bytesToWord);
  if (!["SYNC", "ASYNC"].includes(option) || rest.length > 0) {
    throw new ReplyError("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  }
  server.scripts.clear();
  return OK;
}
