import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { Address } from "../../runtime.ts";
import { grantAdvice } from "../../util/deno_permission.ts";
import { formatAddress } from "../address.ts";
import { explainReply } from "../server/explain_reply.ts";
import { RespError } from "../wire/resp.ts";

/**
 * Parses an error of the package as the server's refusal. Returns undefined if
 * it is another error. It goes by the message, because the package's errors have
 * no name, and minifiers rename classes; in every version, the message of a
 * refusal is the line that the server sent, with its `-`.
 */
export function parseRefusal(error: unknown): RedisError | undefined {
  if (error instanceof RedisError) return error;
  return error instanceof Error && error.message.startsWith("-")
    ? explainReply(
      new RedisError(error.message.slice(1), undefined, { cause: error }),
    )
    : undefined;
}

/** Converts what ended an open connection to an error of this module. */
export function explainLoss(error: unknown, address: Address): Error {
  if (error instanceof RedisConnectionError) return error;
  return parseRefusal(error) ?? new RedisConnectionError(
    `Lost the connection to Redis at ${formatAddress(address)}: ${
      describe(error)
    }`,
    { cause: error },
  );
}

/** Converts an error of the handshake, where the peer may not be a Redis server. */
export function explainHandshakeError(error: unknown, address: Address): Error {
  if (
    error instanceof Error && /unknown code|invalid line/i.test(error.message)
  ) return new RespError(error.message, { cause: error });
  return explainTlsError(error, address) ?? explainLoss(error, address);
}

/** Converts an error of `connect`. */
export function explainDialError(
  error: unknown,
  address: Address,
): Error {
  const prefix = `Cannot connect to Redis at ${formatAddress(address)}`;
  if (error instanceof Deno.errors.NotCapable) {
    return new ConfigurationError(
      `${prefix}: the permission is missing: ${
        grantAdvice({ net: formatAddress(address) })
      }`,
      { cause: error },
    );
  }
  return explainTlsError(error, address) ?? parseRefusal(error) ??
    new RedisConnectionError(`${prefix}: ${describe(error)}`, { cause: error });
}

/**
 * Converts a TLS failure, which is permanent. It may come with the dial, or with
 * the first command.
 */
function explainTlsError(error: unknown, address: Address): Error | undefined {
  if (!(error instanceof Deno.errors.InvalidData)) return undefined;
  const advice = error.message.includes("fatal alert")
    ? "if the server requires a client certificate, which this package does not support, use the built-in driver"
    : "check the option `caCerts`, and that the server speaks TLS";
  return new ConfigurationError(
    `Cannot connect to Redis at ${
      formatAddress(address)
    }: ${error.message}: ${advice}`,
    { cause: error },
  );
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // At the end of the stream, the package's error has no message.
  return error.message === "" ? "the server closed it" : error.message;
}
