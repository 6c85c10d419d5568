/**
 * How a command of the memory Redis is described, looked up, and rejected.
 *
 * @module
 */

import { bytesToKey, bytesToText } from "./bytes.ts";
import { type Reply, ReplyError } from "./reply.ts";
import type { Arguments, Session } from "./session.ts";

/** A command. */
export interface CommandSpec {
  /** How many words it has, its name included; negative: at least that many. */
  readonly arity: number;
  /** Runs the command. @throws {ReplyError} If it fails. */
  run(session: Session, args: Arguments): Reply;
  /** Whether it may run before AUTH. */
  readonly isAllowedBeforeAuth?: boolean;
  /** Whether it may run while the connection is subscribed. */
  readonly isAllowedWhileSubscribed?: boolean;
  /** Whether it runs at once after MULTI, instead of being queued. */
  readonly isNeverQueued?: boolean;
  /** Whether scripts may not call it. */
  readonly isForbiddenInScripts?: boolean;
  /** The commands that the second word selects, as in CLIENT ID. */
  readonly subcommands?: CommandTable;
}

/** Commands by name, in capitals. */
export type CommandTable = ReadonlyMap<string, CommandSpec>;

/** A command, with the name that error messages use for it. */
export interface FoundCommand {
  /** The command. */
  readonly spec: CommandSpec;
  /** Its name in lower case; `client|id` for a subcommand. */
  readonly fullName: string;
}

/**
 * Looks up a command by its name, in capitals, and its subcommand.
 *
 * @throws {ReplyError} If the command is unknown, or has the wrong number of words.
 */
export function findCommand(
  table: CommandTable,
  name: string,
  args: Arguments,
): FoundCommand {
  let spec = table.get(name);
  if (spec === undefined) throw unknownCommand(args);
  let fullName = name.toLowerCase();
  const second = args[1];
  if (spec.subcommands !== undefined && second !== undefined) {
    const word = bytesToText(second);
    spec = spec.subcommands.get(word.toUpperCase());
    if (spec === undefined) {
      throw new ReplyError(
        `ERR unknown subcommand '${toQuotable(word)}'. Try ${name} HELP.`,
      );
    }
    fullName += `|${word.toLowerCase()}`;
  }
  const { arity } = spec;
  if (arity >= 0 ? args.length !== arity : args.length < -arity) {
    throw wrongArity(fullName);
  }
  return { spec, fullName };
}

/** The word at `index`, which the command's arity guarantees to exist. */
export function argumentAt(args: Arguments, index: number): Uint8Array {
  return args[index] as Uint8Array;
}

/** The key at `index`, which the command's arity guarantees to exist. */
export function keyAt(args: Arguments, index: number): string {
  return bytesToKey(argumentAt(args, index));
}

/** The error for a wrong number of words. */
export function wrongArity(fullName: string): ReplyError {
  return new ReplyError(
    `ERR wrong number of arguments for '${fullName}' command`,
  );
}

/** The error for options that a command does not know. */
export function syntaxError(): ReplyError {
  return new ReplyError("ERR syntax error");
}

/** A word in capitals, for comparison. */
export function bytesToWord(bytes: Uint8Array): string {
  return bytesToText(bytes).toUpperCase();
}

/** Redis truncates the words that it quotes, and so does this. */
function unknownCommand(args: Arguments): ReplyError {
  const [name = "", ...rest] = args.map((arg) => toQuotable(bytesToText(arg)));
  let quoted = "";
  for (const arg of rest) {
    if (quoted.length >= 128) break;
    quoted += `'${arg.slice(0, 128 - quoted.length)}' `;
  }
  return new ReplyError(
    `ERR unknown command '${name}', with args beginning with: ${quoted}`,
  );
}

/** As much of a word as C prints of it. */
function toQuotable(word: string): string {
  return (word.split("\0", 1)[0] ?? "").slice(0, 128);
}
