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
 * Certificates and Unix sockets that have served before. If their files are
 * missing, cut off or closed to us later, then they are being renewed, or their
 * server is being restarted: another attempt may succeed.
 */
const served = new WeakSet<TlsSources | Address>();

/**
 * Opens a connection; with `tls`, one that has shaken hands.
 *
 * @throws {ConfigurationError} if a permission is missing: the message names
 * it. So it is if a certificate is not accepted, or if its file, which has not
 * served before, cannot be read.
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
    tls: await load(tls, runtime, signal),
  };
  const dialling = runtime.dial(target, signal);
  try {
    // Not every runtime's dial listens to the signal in all its phases.
    const transport = await abortable(dialling, signal);
    served.add(tls ?? address);
    return transport;
  } catch (error) {
    // What comes late is not wanted any more.
    dialling.then((transport) => transport.close(), () => {});
    if (signal.aborted) throw signal.reason;
    const advice = adviceFor(error, address);
    if (advice !== undefined) {
      throw new ConfigurationError(
        `Cannot connect to Redis at ${formatAddress(address)}: ${advice}`,
        { cause: error },
      );
    }
    if (tls !== undefined && "port" in address) {
      const explained = explainTls(error, address, tls, served.has(tls));
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
      error instanceof ConfigurationError && served.has(tls) &&
      !(error.cause instanceof Deno.errors.NotCapable)
    ) {
      throw new RedisConnectionError(
        `${error.message}; it was of use before, and so it is read again`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** What to do, where no other attempt can succeed. */
function adviceFor(error: unknown, address: Address): string | undefined {
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
  if (error instanceof Deno.errors.PermissionDenied && !served.has(address)) {
    return "the file permissions of the socket, or of a folder above it, do not let this user in (unixsocketperm in redis.conf)";
  }
  return error instanceof Error && error.message.includes("SUN_LEN")
    ? "the path of a Unix socket has about 100 bytes at most: use a shorter one, or a symbolic link"
    : undefined;
}
