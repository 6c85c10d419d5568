import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { Address } from "../../runtime.ts";
import { formatAddress } from "../address.ts";
import { isRetriable } from "../retriable.ts";
import { explainTls } from "../tls/explain.ts";
import type { TlsSources } from "../tls/tls.ts";
import { RespError } from "../wire/resp.ts";

/** Where and how a connection logs in. */
export interface LoginOptions {
  /** Where the server listens. */
  readonly address: Address;
  /** The database; 0 is not selected, since every connection starts there. */
  readonly db: number;
  /** The ACL user; if not given, the default user. */
  readonly username?: string | undefined;
  /** The password; without user and password, no AUTH is sent. */
  readonly password?: string | undefined;
  /** Where both come from, if they can be asked for again. */
  readonly credentials?: unknown;
}

/** How servers before Redis 7, and those without PUBSUB, refuse PUBSUB SHARDNUMSUB. */
const NO_SHARDED = /unknown (PUBSUB )?(sub)?command/i;

/** Adds advice to a server's refusal of sharded channels. */
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

/** Adds advice to an error of the handshake. */
export function explainHandshake(
  error: unknown,
  options: LoginOptions,
): unknown {
  const at = formatAddress(options.address);
  if (error instanceof RespError) {
    return new ConfigurationError(
      `Cannot use the server at ${at}: it does not speak Redis's protocol ` +
        `(${error.message}): check host and port; a server that expects TLS answers like this, too`,
      { cause: error },
    );
  }
  if (!(error instanceof RedisError)) return error;
  // The checks below need the server's own words: masking may change them.
  const shown = withoutSecret(error, options.password);
  if (
    options.credentials !== undefined &&
    (isWrongPassword(error) || error.code === "NOAUTH")
  ) {
    return new RedisConnectionError(
      `Cannot log in to Redis at ${at} with what credentials() returned: ${shown.message}; asking it again`,
      { cause: shown },
    );
  }
  if (shown !== error && isRetriable(error)) {
    // The masked words may not show that it is transient.
    return new RedisConnectionError(
      `Cannot connect to Redis at ${at}: ${shown.message}`,
      { cause: shown },
    );
  }
  const advice = findAdvice(error, options);
  return advice === undefined
    ? shown
    : new RedisError(shown.message, `${at}: ${advice}`, {
      cause: shown,
      code: error.code,
    });
}

/** The error with the password masked: some servers repeat what they do not understand. */
function withoutSecret(error: RedisError, password = ""): RedisError {
  const { code, message } = error;
  return password === "" || !message.includes(password)
    ? error
    : new RedisError(message.replaceAll(password, "**"), undefined, { code });
}

/**
 * Adds the likely reason to the loss of a connection during the handshake. A
 * server may reject the TLS handshake only after the client considers it done.
 */
export function explainDisconnect(
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
      `${error.message}; a server that expects TLS closes connections like this: if it does, use rediss://, or the option \`tls\``,
      { cause: error.cause },
    )
    : error;
}

function findAdvice(
  { code, message }: RedisError,
  { db, username, password }: LoginOptions,
): string | undefined {
  if (code === "NOAUTH") {
    return "this server requires a password: give it in the URL, redis://:password@host, or as the option `password`";
  }
  // The message already names the rule that would allow it.
  if (code === "NOPERM") return "during the handshake";
  if (/without any password configured|no password is set/.test(message)) {
    return "this server has no password: omit the user name and the password " +
      "in the URL and in the options `username` and `password`";
  }
  if (isWrongPassword({ code, message }) || message.includes("AUTH")) {
    return `check the user name (${
      username === undefined ? "none given: the default user" : username
    }) and the password; to set it: ACL SETUSER ${
      username ?? "default"
    } on >password`;
  }
  if (message.includes("DB index") || message.includes("SELECT")) {
    return `database ${db} was asked for: check the number at the end of the URL, and \`databases\` in redis.conf`;
  }
  return password === undefined ? undefined : "during the handshake";
}

function isWrongPassword(
  { code, message }: Pick<RedisError, "code" | "message">,
): boolean {
  return code === "WRONGPASS" || message.includes("invalid password");
}
