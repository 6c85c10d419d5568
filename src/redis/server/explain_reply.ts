import { RedisError } from "../../errors.ts";
import { type AclOptions, permissionAdvice, type Subject } from "./acl.ts";
import { scriptFault } from "./script_faults.ts";

/** Codes that only a node of a cluster sends; a link to a cluster avoids CROSSSLOT. */
const CLUSTER_CODES: ReadonlySet<string> = new Set([
  "MOVED",
  "ASK",
  "CROSSSLOT",
]);

/** Adds advice to the server's refusal of a command. */
export function explainReply(
  error: RedisError,
  subject?: Subject,
  acl: AclOptions = {},
): RedisError {
  const advice = subject && permissionAdvice(error, subject, acl);
  if (advice !== undefined) {
    return new RedisError(error.message, advice, { cause: error });
  }
  const shown = withoutArguments(error);
  const hint = findHint(shown);
  return hint === undefined
    ? shown
    : new RedisError(shown.message, hint, { cause: shown });
}

/** Advice for a server of the wrong kind, or one that lacks a command. */
function findHint({ code, message }: RedisError): string | undefined {
  if (CLUSTER_CODES.has(code)) {
    return "this server is a node of a Redis Cluster: use the option `cluster: true`";
  }
  if (code === "READONLY") {
    return "give the address of the master, or let Sentinels find it: sentinel://";
  }
  if (/unknown command .?M?GET\b/i.test(message)) {
    return "a Sentinel answers like this: if it is one, write sentinel:// instead of redis://; " +
      "otherwise see rename-command in redis.conf";
  }
  const unknown = findUnknownCommand(message);
  return unknown === undefined
    ? undefined
    : `the server does not know ${unknown}, which is needed under this name: see rename-command in redis.conf`;
}

/** The command that a server does not know, sent alone or in a script. */
function findUnknownCommand(message: string): string | undefined {
  if (!/unknown redis command/i.test(message)) {
    return /unknown command .?(\w+)/i.exec(message)?.[1]?.toUpperCase();
  }
  const fault = scriptFault(message);
  return fault?.failed?.toUpperCase() ??
    fault?.commands.map((name) => name.toUpperCase()).join(" or ");
}

/** The reason why EXEC was refused, as if another command had been refused for it. */
export function withoutAbort(error: RedisError): RedisError {
  const prefix = "EXECABORT Transaction discarded because of: ";
  const { message } = error;
  return message.startsWith(prefix)
    ? new RedisError(message.slice(prefix.length), undefined, { cause: error })
    : error;
}

/** Removes the arguments that a server repeats of a command that it does not know: of AUTH, the password. */
function withoutArguments(error: RedisError): RedisError {
  const at = error.message.indexOf(", with args beginning with");
  return at < 0 ? error : new RedisError(error.message.slice(0, at));
}
