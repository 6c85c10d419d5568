/**
 * How a command of the memory Redis is described, found, and refused.
 *
 * @module
 */

import { bytesToText } from "./bytes.ts";
import type { MemoryClient } from "./client.ts";
import { type Reply, ReplyError } from "./reply.ts";

/** A command's name and arguments, as the client sent them. */
export type Arguments = readonly Uint8Array[];

/** A command. */
export interface CommandSpec {
  /** How many words it has, its name included; negative: at least so many. */
  readonly arity: number;
  /** Does the work. @throws {ReplyError} Where that cannot be done. */
  run(client: MemoryClient, args: Arguments): Reply;
  /** Whether it may run before AUTH. */
  readonly beforeAuth?: boolean;
  /** Whether it may run while subscribed. */
  readonly whileSubscribed?: boolean;
  /** Whether it runs at once after MULTI, instead of being queued. */
  readonly unqueued?: boolean;
  /** Whether scripts may not call it. */
  readonly notInScripts?: boolean;
  /** The commands whose second word tells them apart, such as CLIENT ID. */
  readonly subcommands?: CommandTable;
}

/** Commands by their names, in capitals. */
export type CommandTable = ReadonlyMap<string, CommandSpec>;

/** A command, with the name that error messages give it. */
export interface FoundCommand {
  /** The command. */
  readonly spec: CommandSpec;
  /** Its name in small letters; `client|id` where there is a subcommand. */
  readonly fullName: string;
}

/**
 * Finds a command.
 *
 * @throws {ReplyError} If there is none of this name, or not with so many words.
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
        `ERR unknown subcommand '${quotable(word)}'. Try ${name} HELP.`,
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

/** The error for a number of words that a command does not take. */
export function wrongArity(fullName: string): ReplyError {
  return new ReplyError(
    `ERR wrong number of arguments for '${fullName}' command`,
  );
}

/** The error for words that a command does not know. */
export function syntaxError(): ReplyError {
  return new ReplyError("ERR syntax error");
}

/** A word in capitals, for comparing. */
export function wordOf(bytes: Uint8Array): string {
  return bytesToText(bytes).toUpperCase();
}

/** Redis cuts the words that it quotes, and so does this. */
function unknownCommand(args: Arguments): ReplyError {
  const [name = "", ...rest] = args.map((arg) => quotable(bytesToText(arg)));
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
function quotable(word: string): string {
  return (word.split("\0", 1)[0] ?? "").slice(0, 128);
}
