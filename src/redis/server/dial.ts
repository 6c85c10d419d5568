import { abortable } from "../../util/abortable.ts";
import { ConfigurationError, RedisConnectionError } from "../../errors.ts";
import type {
  Address,
  Runtime,
  TlsSettings,
  Transport,
} from "../../runtime.ts";
import { grantAdvice } from "../../util/deno_permission.ts";
import { loadTls, type TlsSources } from "../tls/tls.ts";
import { explainTls } from "../tls/explain.ts";
import { formatAddress } from "../address.ts";

/**
 * Certificates and Unix sockets that have worked before. If their files are
 * missing, truncated or unreadable later, they are being renewed, or their
 * server is restarting: the failure is transient.
 */
const working = new WeakSet<TlsSources | Address>();

/**
 * Opens a connection; with `tls`, including the TLS handshake.
 *
 * @throws {ConfigurationError} if a permission is missing, which the message
 * names, a certificate is rejected, or its file cannot be read and has never
 * worked before.
 * @throws {RedisConnectionError} if nothing answers there.
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
    tls: await load(tls, runtime, signal),
  };
  const dialling = runtime.dial(target, signal);
  try {
    // Not every runtime's dial honours the signal in all its phases.
    const transport = await abortable(dialling, signal);
    working.add(tls ?? address);
    return transport;
  } catch (error) {
    // A connection that opens too late is not needed.
    dialling.then((transport) => transport.close(), () => {});
    if (signal.aborted) throw signal.reason;
    const advice = findAdvice(error, address);
    if (advice !== undefined) {
      throw new ConfigurationError(
        `Cannot connect to Redis at ${formatAddress(address)}: ${advice}`,
        { cause: error },
      );
    }
    if (tls !== undefined && "port" in address) {
      const explained = explainTls(error, address, tls, working.has(tls));
      if (explained !== undefined) throw explained;
    }
    throw new RedisConnectionError(
      `Cannot connect to Redis at ${formatAddress(address)}: ${
        error instanceof Error ? error.message : error
      }`,
      { cause: error },
    );
  }
}

async function load(
  tls: TlsSources,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<TlsSettings> {
  try {
    return await abortable(loadTls(tls, runtime, signal), signal);
  } catch (error) {
    if (
      error instanceof ConfigurationError && working.has(tls) &&
      !(error.cause instanceof Deno.errors.NotCapable)
    ) {
      throw new RedisConnectionError(
        `${error.message}; it worked before, reading it again`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** What to do about a permanent failure; undefined if it may be transient. */
function findAdvice(error: unknown, address: Address): string | undefined {
  const isMissing = error instanceof Deno.errors.NotCapable;
  if (!("path" in address)) {
    return isMissing
      ? `the permission is missing: ${
        grantAdvice({ net: formatAddress(address) })
      }`
      : undefined;
  }
  const { path } = address;
  if (isMissing) {
    return `a permission is missing: ${
      grantAdvice({ net: `unix:${path}`, read: path, write: path })
    }`;
  }
  if (error instanceof Deno.errors.PermissionDenied && !working.has(address)) {
    return "the file permissions of the socket, or of a parent directory, deny access to this user (unixsocketperm in redis.conf)";
  }
  return error instanceof Error && error.message.includes("SUN_LEN")
    ? "the path of a Unix socket is limited to about 100 bytes: use a shorter one, or a symbolic link"
    : undefined;
}
