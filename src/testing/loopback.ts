/**
 * Listening on this machine alone.
 *
 * @module
 */

/** The address that both the memory Redis and the fault proxy listen on. */
export const LOOPBACK = "127.0.0.1";

const FIRST_PORT = 12_000;
const PORT_COUNT = 20_000;
const ATTEMPTS = 50;

/**
 * Listens on `port` of the loopback address or, where it is 0, on a free one.
 *
 * That one is chosen below the range from which systems take the ports of
 * outgoing connections. While nobody listens on a port of that range, another
 * connection may take it; worse, a client that redials it may get through to
 * itself, and see a server where there is none.
 */
export function listenOnLoopback(port: number): Deno.TcpListener {
  for (let attempt = 0; port === 0 && attempt < ATTEMPTS; attempt++) {
    const candidate = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    try {
      return Deno.listen({ hostname: LOOPBACK, port: candidate });
    } catch (error) {
      // On Windows, ranges of ports are reserved: PermissionDenied.
      const isTaken = error instanceof Deno.errors.AddrInUse ||
        error instanceof Deno.errors.PermissionDenied;
      if (!isTaken) throw error;
    }
  }
  return Deno.listen({ hostname: LOOPBACK, port });
}
