/**
 * Listeners that only this machine can reach.
 *
 * @module
 */

/** The address that the memory Redis and the fault proxy listen on. */
export const LOOPBACK = "127.0.0.1";

const FIRST_PORT = 12_000;
const PORT_COUNT = 20_000;
const ATTEMPTS = 50;

/**
 * Listens on `port` of the loopback address; 0 picks a free port.
 *
 * A free port is chosen below the ephemeral range, from which systems take the
 * ports of outgoing connections. While a server is down, such a connection could
 * take an ephemeral port; worse, a client that redials it can connect to itself,
 * and see a server where there is none.
 */
export function listenOnLoopback(port: number): Deno.TcpListener {
  for (let attempt = 0; port === 0 && attempt < ATTEMPTS; attempt++) {
    const candidate = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    try {
      return Deno.listen({ hostname: LOOPBACK, port: candidate });
    } catch (error) {
      // Windows reserves ranges of ports, and answers PermissionDenied.
      const isTaken = error instanceof Deno.errors.AddrInUse ||
        error instanceof Deno.errors.PermissionDenied;
      if (!isTaken) throw error;
    }
  }
  return Deno.listen({ hostname: LOOPBACK, port });
}
