import { RedisError } from "../../errors.ts";
import type { Command } from "../wire/command.ts";
import { scriptFault } from "./script_commands.ts";

/** What a command was about, as far as an ACL asks. */
export interface Subject {
  /** The command's name in lower case, with its subcommand's as in `client|setname`. */
  readonly command: string;
  /** Its first key or channel; undefined if it has none. */
  readonly key: string | undefined;
}

/** Whose permissions they are, and what they are mostly about. */
export interface AclOptions {
  /** The ACL user; none for the default user. */
  readonly username?: string | undefined;
  /** Patterns for the keys and channels in use: advice names the one that fits. */
  readonly keyPatterns?: readonly string[] | undefined;
}

/** Where a command has its key when that is not its second word. */
const KEY_AT: Readonly<Record<string, number>> = {
  eval: 3,
  evalsha: 3,
  pubsub: 2,
};

/** Commands that have subcommands, which an ACL allows one by one. */
const CONTAINERS: ReadonlySet<string> = new Set(["client", "pubsub"]);

/** What a command is about. The command itself is not kept: it may hold a large document. */
export function subjectOf(command: Command): Subject {
  const name = String(command[0]).toLowerCase();
  const key = command[KEY_AT[name] ?? 1];
  return {
    command: CONTAINERS.has(name)
      ? `${name}|${String(command[1]).toLowerCase()}`
      : name,
    key: typeof key === "string" ? key : undefined,
  };
}

/**
 * The line that would allow what the server refused; undefined if it refused
 * for another reason. Redis 6, 7 and 7.2 word it differently.
 */
export function permissionAdvice(
  { code, message }: RedisError,
  { command, key }: Subject,
  { username = "default", keyPatterns = [] }: AclOptions,
): string | undefined {
  const inScript = isRefusedInScript(message);
  if (code !== "NOPERM" && !inScript) return undefined;
  const pattern = patternFor(key, keyPatterns);
  const refused = refusedBy(message);
  let rule: string;
  if (refused === "channel") {
    rule = `&${pattern}`;
  } else if (refused === "key") {
    rule = `~${pattern}`;
  } else if (inScript) {
    const fault = scriptFault(message);
    if (fault === undefined) {
      return `the ACL of user ${username} must allow every command that the script runs`;
    }
    rule = fault.commands.map((name) => `+${name}`).join(" ");
  } else {
    rule = command.startsWith("eval") ? "+eval +evalsha" : `+${command}`;
  }
  return `what would allow it: ACL SETUSER ${username} ${rule}`;
}

/**
 * Whether a user may not run scripts, or not what a script does. A key or a
 * channel that is refused is refused without scripts, too.
 */
export function isCommandRefusal(error: RedisError): boolean {
  const { code, message } = error;
  if (code !== "NOPERM" && !isRefusedInScript(message)) return false;
  // What advice was added to it, once or twice, may name keys.
  let said = error;
  while (said.cause instanceof RedisError) said = said.cause;
  return refusedBy(said.message) === "command";
}

/** What a refusal is about. Redis 7.2 names the user, who may be called `key`. */
function refusedBy(message: string): "command" | "key" | "channel" {
  const said = message.replace(/\bUser \S+ has\b/, "");
  if (/\bchannels?\b/.test(said)) return "channel";
  return /\bkeys?\b/.test(said) ? "key" : "command";
}

function isRefusedInScript(message: string): boolean {
  return message.includes("The user executing the script can't") ||
    message.includes("ACL failure in script");
}

/** The pattern that fits, or else the key itself, in which nothing is a wildcard. */
function patternFor(
  key: string | undefined,
  patterns: readonly string[],
): string {
  const fitting = patterns.find((pattern) =>
    key?.startsWith(pattern.slice(0, -1).replace(/\\(.)/g, "$1"))
  );
  return fitting ?? (key === undefined ? "*" : escapePattern(key));
}

/** The pattern of an ACL for the keys that begin with `prefix`. */
export function toKeyPattern(prefix: string): string {
  return `${escapePattern(prefix)}*`;
}

/** Text in which a pattern of an ACL sees no wildcard. */
export function escapePattern(text: string): string {
  return text.replace(/[*?[\]\\]/g, "\\$&");
}
