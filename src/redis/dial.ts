import { abortable } from "../abortable.ts";
import { ConfigurationError, RedisConnectionError } from "../errors.ts";
import type { Address, Runtime, Transport } from "../runtime.ts";

/**
 * Opens a connection.
 *
 * @throws {ConfigurationError} if the permission is missing: the message names it.
 * @throws {RedisConnectionError} if nobody answers there.
 * @throws the signal's reason, if it aborts.
 */
export async function dial(
  address: Address,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<Transport> {
  const dialling = runtime.dial(address, signal);
  try {
    // Not every runtime's dial listens to the signal in all its phases.
    return await abortable(dialling, signal);
  } catch (error) {
    // What comes late is not wanted any more.
    dialling.then((transport) => transport.close(), () => {});
    if (signal.aborted) throw signal.reason;
    if (
      error instanceof Deno.errors.NotCapable ||
      error instanceof Deno.errors.PermissionDenied
    ) {
      throw new ConfigurationError(
        `Cannot connect to Redis at ${
          nameOf(address)
        }: the permission is missing: run with --allow-net=${nameOf(address)}`,
        { cause: error },
      );
    }
    throw new RedisConnectionError(
      `Cannot connect to Redis at ${nameOf(address)}: ${
        error instanceof Error ? error.message : error
      }`,
      { cause: error },
    );
  }
}

/** `host:port`, as a URL and a permission flag write it. */
export function nameOf({ hostname, port }: Address): string {
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}
