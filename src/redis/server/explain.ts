import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { Address } from "../../runtime.ts";
import { type AclOptions, permissionAdvice, type Subject } from "./acl.ts";
import { RespError } from "../wire/resp.ts";
import { isRetriable } from "../retriable.ts";
import { scriptFault } from "./script_commands.ts";
import type { TlsSources } from "../tls/tls.ts";
import { explainTls } from "../tls/explain.ts";
import { formatAddress } from "../address.ts";

/** What was asked of a server when a connection was set up. */
export interface SetUpOptions {
  /** Where the server listens. */
  readonly address: Address;
  /** The database; 0 is not selected, since every connection begins there. */
  readonly db: number;
  /** The ACL user; none for the default user. */
  readonly username?: string | undefined;
  /** The password; with neither user nor password, AUTH is not sent. */
  readonly password?: string | undefined;
  /** What both are asked of, and can be asked of again. */
  readonly credentials?: unknown;
}

/** What only a node of a cluster says; a link to a cluster sees to it that none says CROSSSLOT. */
const CLUSTER_CODES: ReadonlySet<string> = new Set([
  "MOVED",
  "ASK",
  "CROSSSLOT",
]);

/** Adds to the server's words on a command what can be done. */
export function explainReply(
  error: RedisError,
  subject?: Subject,
  acl: AclOptions = {},
): RedisError {
  const advice = subject && permissionAdvice(error, subject, acl);
  if (advice !== undefined) {
    return new RedisError(error.message, advice, { cause: error });
  }
  const told = withoutArguments(error);
  const hint = hintOf(told);
  return hint === undefined
    ? told
    : new RedisError(told.message, hint, { cause: told });
}

/** What can be done where the server is not the kind that was meant, or lacks a command. */
function hintOf({ code, message }: RedisError): string | undefined {
  if (CLUSTER_CODES.has(code)) {
    return "this server is a node of a Redis Cluster: use the option `cluster: true`";
  }
  if (code === "READONLY") {
    return "give the address of the master, or let Sentinels find it: sentinel://";
  }
  if (/unknown command .?M?GET\b/i.test(message)) {
    return "a Sentinel answers like this: then write sentinel:// in place of redis://; " +
      "otherwise see rename-command in redis.conf";
  }
  const unknown = unknownCommand(message);
  return unknown === undefined
    ? undefined
    : `the server does not know ${unknown}, which is needed by this name: see rename-command in redis.conf`;
}

/** The command that a server does not know, alone or in a script. */
function unknownCommand(message: string): string | undefined {
  if (!/unknown redis command/i.test(message)) {
    return /unknown command .?(\w+)/i.exec(message)?.[1]?.toUpperCase();
  }
  const fault = scriptFault(message);
  return fault?.failed?.toUpperCase() ??
    fault?.commands.map((name) => name.toUpperCase()).join(" or ");
}

/** What EXEC itself is refused for counts as it does for any other command. */
export function withoutAbort(error: RedisError): RedisError {
  const prefix = "EXECABORT Transaction discarded because of: ";
  const { message } = error;
  return message.startsWith(prefix)
    ? new RedisError(message.slice(prefix.length), undefined, { cause: error })
    : error;
}

/** A server that does not know a command repeats what came with it: of AUTH, the password. */
function withoutArguments(error: RedisError): RedisError {
  const at = error.message.indexOf(", with args beginning with");
  return at < 0 ? error : new RedisError(error.message.slice(0, at));
}

/** What servers before Redis 7 say of PUBSUB SHARDNUMSUB, and those that have no PUBSUB. */
const NO_SHARDED = /unknown (PUBSUB )?(sub)?command/i;

/** Adds to a server's refusal to do with sharded channels what can be done. */
export function explainSharded(error: unknown, address: Address): unknown {
  if (!(error instanceof RedisError) || !NO_SHARDED.test(error.message)) {
    return error;
  }
  return new ConfigurationError(
    `Cannot use \`sharded\` with the server at ${formatAddress(address)}: ` +
      `it has no sharded channels, which came with Redis 7 (${error.message})`,
    { cause: error },
  );
}

/** Adds to what went wrong while a connection was set up what can be done. */
export function explainSetUp(
  error: unknown,
  options: SetUpOptions,
): unknown {
  const at = formatAddress(options.address);
  if (error instanceof RespError) {
    return new ConfigurationError(
      `Cannot use the server at ${at}: it does not speak Redis's protocol ` +
        `(${error.message}): check host and port; a server that expects TLS answers like this too`,
      { cause: error },
    );
  }
  if (!(error instanceof RedisError)) return error;
  // What it means is told from the server's own words, in which the password
  // may be part of any.
  const shown = withoutSecret(error, options.password);
  if (
    options.credentials !== undefined &&
    (isWrongPassword(error) || error.code === "NOAUTH")
  ) {
    return new RedisConnectionError(
      `Cannot log in to Redis at ${at} with what credentials() gave: ${shown.message}; it is asked again`,
      { cause: shown },
    );
  }
  if (shown !== error && isRetriable(error)) {
    // Nobody can tell that from the masked words.
    return new RedisConnectionError(
      `Cannot connect to Redis at ${at}: ${shown.message}`,
      { cause: shown },
    );
  }
  const advice = adviceFor(error, options);
  return advice === undefined
    ? shown
    : new RedisError(shown.message, `${at}: ${advice}`, {
      cause: shown,
      code: error.code,
    });
}

/** The same error with the password masked: some servers repeat what they do not understand. */
function withoutSecret(error: RedisError, password = ""): RedisError {
  const { code, message } = error;
  return password === "" || !message.includes(password)
    ? error
    : new RedisError(message.replaceAll(password, "**"), undefined, { code });
}

/**
 * Adds to the loss of a connection that was not set up yet what may be behind
 * it. A server may refuse a handshake only after the client took it for done.
 */
export function explainCut(
  error: unknown,
  address: Address,
  tls: TlsSources | undefined,
): unknown {
  if (!(error instanceof RedisConnectionError) || "path" in address) {
    return error;
  }
  if (tls !== undefined) return explainTls(error.cause, address, tls) ?? error;
  return error.cause instanceof Deno.errors.ConnectionReset
    ? new RedisConnectionError(
      `${error.message}; a server that expects TLS ends a connection like this: then use rediss://, or the option \`tls\``,
      { cause: error.cause },
    )
    : error;
}

function adviceFor(
  { code, message }: RedisError,
  { db, username, password }: SetUpOptions,
): string | undefined {
  if (code === "NOAUTH") {
    return "this server asks for a password: give it in the URL, redis://:password@host, or as the option `password`";
  }
  // It says what would allow it.
  if (code === "NOPERM") return "while the connection was set up";
  if (/without any password configured|no password is set/.test(message)) {
    return "this server asks for no password: leave the user name and the password out, " +
      "in the URL and in the options `username` and `password`";
  }
  if (isWrongPassword({ code, message }) || message.includes("AUTH")) {
    return `check the user name (${
      username === undefined ? "none given: the default user" : username
    }) and the password; what would set it: ACL SETUSER ${
      username ?? "default"
    } on >password`;
  }
  if (message.includes("DB index") || message.includes("SELECT")) {
    return `database ${db} was asked for: check the number at the end of the URL, and \`databases\` in redis.conf`;
  }
  return password === undefined ? undefined : "while the connection was set up";
}

function isWrongPassword(
  { code, message }: Pick<RedisError, "code" | "message">,
): boolean {
  return code === "WRONGPASS" || message.includes("invalid password");
}
