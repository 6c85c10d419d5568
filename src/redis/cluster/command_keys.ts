import type { Command, CommandArgument } from "../wire/command.ts";

/** Commands that name no key: any node may answer. */
const KEYLESS: ReadonlySet<string> = new Set([
  "ACL",
  "CLIENT",
  "CLUSTER",
  "COMMAND",
  "CONFIG",
  "DBSIZE",
  "ECHO",
  "FUNCTION",
  "INFO",
  "KEYS",
  "LATENCY",
  "PING",
  "PUBSUB",
  "SCAN",
  "SCRIPT",
  "SLOWLOG",
  "TIME",
  "WAIT",
]);

/** Commands whose every argument is a key, and whose reply is how many it applied to. */
const COUNTING: ReadonlySet<string> = new Set([
  "DEL",
  "EXISTS",
  "TOUCH",
  "UNLINK",
]);

/** Commands that say how many of their arguments are keys. */
const COUNTED: ReadonlySet<string> = new Set([
  "EVAL",
  "EVAL_RO",
  "EVALSHA",
  "EVALSHA_RO",
  "FCALL",
  "FCALL_RO",
]);

/**
 * The keys that decide where a command goes: those of a script, of DEL and its
 * like, and of MGET; of any other command its first argument, which is its key,
 * or the channel of a PUBLISH.
 */
export function findKeys(command: Command): readonly CommandArgument[] {
  const name = commandName(command);
  if (KEYLESS.has(name)) return [];
  if (COUNTED.has(name)) return command.slice(3, 3 + Number(command[2]));
  if (COUNTING.has(name) || name === "MGET") return command.slice(1);
  return command.slice(1, 2);
}

/** Whether a command may be sent in parts, one for each slot, and the replies be added up. */
export function isCountingKeys(command: Command): boolean {
  return COUNTING.has(commandName(command));
}

function commandName(command: Command): string {
  return String(command[0]).toUpperCase();
}
