import { abortable } from "../abortable.ts";
import { ConfigurationError, RedisConnectionError } from "../errors.ts";
import type { Address, Runtime, Transport } from "../runtime.ts";
import { loadTls, type TlsSources } from "./tls.ts";
import { explainTls } from "./tls_advice.ts";

/**
 * Opens a connection; with `tls`, one that has shaken hands.
 *
 * @throws {ConfigurationError} if a permission is missing: the message names
 * it. So it is if a certificate is not accepted, or its file cannot be read.
 * @throws {RedisConnectionError} if nobody answers there.
 * @throws the signal's reason, if it aborts.
 */
export async function dial(
  address: Address,
  runtime: Runtime,
  signal: AbortSignal,
  tls?: TlsSources,
): Promise<Transport> {
  const target = "path" in address || tls === undefined ? address : {
    ...address,
    tls: await abortable(loadTls(tls, runtime, signal), signal),
  };
  const dialling = runtime.dial(target, signal);
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
        `Cannot connect to Redis at ${nameOf(address)}: ${
          permissionFor(address, error)
        }`,
        { cause: error },
      );
    }
    if (tls !== undefined && "port" in address) {
      const explained = explainTls(error, address, tls);
      if (explained !== undefined) throw explained;
    }
    throw new RedisConnectionError(
      `Cannot connect to Redis at ${nameOf(address)}: ${
        error instanceof Error ? error.message : error
      }`,
      { cause: error },
    );
  }
}

/** `host:port`, as a URL and a permission flag write it; of a Unix socket, the path. */
export function nameOf(address: Address): string {
  if ("path" in address) return address.path;
  const { hostname, port } = address;
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}

function permissionFor(address: Address, error: Error): string {
  if (!("path" in address)) {
    return `the permission is missing: run with --allow-net=${nameOf(address)}`;
  }
  const { path } = address;
  return error instanceof Deno.errors.NotCapable
    ? `a permission is missing: run with --allow-net=unix:${path} --allow-read=${path} --allow-write=${path}`
    : "the file permissions of the socket, or of a folder above it, do not let this user in (unixsocketperm in redis.conf)";
}
