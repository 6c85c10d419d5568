import { RedisError } from "../../errors.ts";
import type { Command } from "../wire/command.ts";
import { scriptFault } from "./script_faults.ts";

/** What an ACL checks of a command. */
export interface Subject {
  /** The command's name in lower case, with its subcommand, as in `client|setname`. */
  readonly command: string;
  /** Its first key or channel, if any. */
  readonly key: string | undefined;
}

/** Whose permissions they are, and which keys matter. */
export interface AclOptions {
  /** The ACL user; none for the default user. */
  readonly username?: string | undefined;
  /** Patterns for the keys and channels in use: advice names the one that fits. */
  readonly keyPatterns?: readonly string[] | undefined;
}

/** The index of a command's first key, where it is not 1. */
const KEY_INDEX: Readonly<Record<string, number>> = {
  eval: 3,
  evalsha: 3,
  pubsub: 2,
};

/** Commands that have subcommands, which an ACL allows one by one. */
const CONTAINERS: ReadonlySet<string> = new Set(["client", "pubsub"]);

/** Extracts what an ACL checks. The command itself is not kept: it may hold a large document. */
export function toSubject(command: Command): Subject {
  const name = String(command[0]).toLowerCase();
  const key = command[KEY_INDEX[name] ?? 1];
  return {
    command: CONTAINERS.has(name)
      ? `${name}|${String(command[1]).toLowerCase()}`
      : name,
    key: typeof key === "string" ? key : undefined,
  };
}

/**
 * The ACL rule that would allow what the server refused; undefined if it refused
 * for another reason. Redis 6, 7 and 7.2 word refusals differently.
 */
export function permissionAdvice(
  { code, message }: RedisError,
  { command, key }: Subject,
  { username = "default", keyPatterns = [] }: AclOptions,
): string | undefined {
  const inScript = isRefusedInScript(message);
  if (code !== "NOPERM" && !inScript) return undefined;
  const pattern = findPattern(key, keyPatterns);
  const refused = findRefused(message);
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
 * Whether the user may not run scripts, or a command within one. A refused key or
 * channel does not count: it would be refused without a script, too.
 */
export function isCommandRefusal(error: RedisError): boolean {
  const { code, message } = error;
  if (code !== "NOPERM" && !isRefusedInScript(message)) return false;
  // Advice added to it may name keys: look at the server's own words.
  let original = error;
  while (original.cause instanceof RedisError) original = original.cause;
  return findRefused(original.message) === "command";
}

/** What a refusal is about. Redis 7.2 names the user, who may be called `key`. */
function findRefused(message: string): "command" | "key" | "channel" {
  const words = message.replace(/\bUser \S+ has\b/, "");
  if (/\bchannels?\b/.test(words)) return "channel";
  return /\bkeys?\b/.test(words) ? "key" : "command";
}

function isRefusedInScript(message: string): boolean {
  return message.includes("The user executing the script can't") ||
    message.includes("ACL failure in script");
}

/** The pattern that matches the key, or else the key itself, escaped. */
function findPattern(
  key: string | undefined,
  patterns: readonly string[],
): string {
  const match = patterns.find((pattern) =>
    key?.startsWith(pattern.slice(0, -1).replace(/\\(.)/g, "$1"))
  );
  return match ?? (key === undefined ? "*" : escapePattern(key));
}

/** The ACL pattern of the keys that begin with `prefix`. */
export function toKeyPattern(prefix: string): string {
  return `${escapePattern(prefix)}*`;
}

/** Escapes the wildcards of ACL patterns. */
export function escapePattern(text: string): string {
  return text.replace(/[*?[\]\\]/g, "\\$&");
}
