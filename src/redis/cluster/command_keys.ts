import type { Command, CommandArgument } from "../wire/command.ts";

/** Commands without a key: any node may answer. */
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

/** Commands whose arguments are all keys, and whose reply counts those that it applied to. */
const COUNTING: ReadonlySet<string> = new Set([
  "DEL",
  "EXISTS",
  "TOUCH",
  "UNLINK",
]);

/** Commands whose second argument says how many keys follow. */
const WITH_KEY_COUNT: ReadonlySet<string> = new Set([
  "EVAL",
  "EVAL_RO",
  "EVALSHA",
  "EVALSHA_RO",
  "FCALL",
  "FCALL_RO",
]);

/**
 * The keys that a command is routed by: all keys of a script, of MGET, and of
 * DEL and its like. Any other command has one, its first argument; for PUBLISH,
 * that is the channel.
 */
export function findKeys(command: Command): readonly CommandArgument[] {
  const name = commandName(command);
  if (KEYLESS.has(name)) return [];
  if (WITH_KEY_COUNT.has(name)) return command.slice(3, 3 + Number(command[2]));
  if (COUNTING.has(name) || name === "MGET") return command.slice(1);
  return command.slice(1, 2);
}

/** Whether a command may be split, one part for each slot, and the replies added up. */
export function isCountingKeys(command: Command): boolean {
  return COUNTING.has(commandName(command));
}

function commandName(command: Command): string {
  return String(command[0]).toUpperCase();
}
