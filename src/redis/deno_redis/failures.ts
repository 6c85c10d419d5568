import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { Address } from "../../runtime.ts";
import { explainReply } from "../server/explain_reply.ts";
import { grantAdvice } from "../../util/deno_permission.ts";
import { RespError } from "../wire/resp.ts";
import { formatAddress } from "../address.ts";

/**
 * The server's refusal, if `error` is one. The package's errors have no name,
 * and minifiers change those of classes; but a refusal's message is the line
 * that the server sent, with its `-`, in every version.
 */
export function refusalOf(error: unknown): RedisError | undefined {
  if (error instanceof RedisError) return error;
  return error instanceof Error && error.message.startsWith("-")
    ? explainReply(
      new RedisError(error.message.slice(1), undefined, { cause: error }),
    )
    : undefined;
}

/** What ended a connection that was made, as this module's error. */
export function lossOf(error: unknown, address: Address): Error {
  if (error instanceof RedisConnectionError) return error;
  return refusalOf(error) ?? new RedisConnectionError(
    `Lost the connection to Redis at ${formatAddress(address)}: ${
      whyOf(error)
    }`,
    { cause: error },
  );
}

/** What went wrong before the server had answered for the first time. */
export function strangenessOf(error: unknown, address: Address): Error {
  if (
    error instanceof Error && /unknown code|invalid line/i.test(error.message)
  ) return new RespError(error.message, { cause: error });
  return distrustOf(error, address) ?? lossOf(error, address);
}

/** Why there is no connection, as this module's error. */
export function dialFailureOf(
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
  return distrustOf(error, address) ?? refusalOf(error) ??
    new RedisConnectionError(`${prefix}: ${whyOf(error)}`, { cause: error });
}

/** A certificate that is not trusted stays so. TLS may say it with the dial, or with the first command. */
function distrustOf(error: unknown, address: Address): Error | undefined {
  if (!(error instanceof Deno.errors.InvalidData)) return undefined;
  const advice = error.message.includes("fatal alert")
    ? "if the server asks for a client certificate, which this package cannot show, use the built-in driver"
    : "check the option `caCerts`, and that the server speaks TLS";
  return new ConfigurationError(
    `Cannot connect to Redis at ${
      formatAddress(address)
    }: ${error.message}: ${advice}`,
    { cause: error },
  );
}

function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The end of the stream is an error without words.
  return error.message === "" ? "the server closed it" : error.message;
}
