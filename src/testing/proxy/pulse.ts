/**
 * A way to let sockets be read before more is written to them.
 *
 * @module
 */

import { listenOnLoopback } from "../loopback.ts";

/**
 * A socket that is connected to itself. Between two writes without a wait, a
 * reader in the same process hardly ever gets a turn, and reads what both wrote
 * as one; nor do timers of 0 ms help, for they take more than one. A byte on
 * its way through a socket does: when it has arrived, so has what was written
 * before it.
 */
export class Pulse implements Disposable {
  readonly #near: Deno.TcpConn;
  readonly #far: Deno.TcpConn;
  readonly #byte = new Uint8Array(1);

  private constructor(near: Deno.TcpConn, far: Deno.TcpConn) {
    this.#near = near;
    this.#far = far;
  }

  /** Connects the two ends. */
  static async start(): Promise<Pulse> {
    using listener = listenOnLoopback(0);
    const { hostname, port } = listener.addr;
    const [near, far] = await Promise.all([
      Deno.connect({ hostname, port }),
      listener.accept(),
    ]);
    near.setNoDelay(true);
    return new Pulse(near, far);
  }

  /** Resolves after every socket that could be read was read once. */
  async roundTrip(): Promise<void> {
    const arrived = this.#far.read(this.#byte);
    await this.#near.write(this.#byte);
    await arrived;
  }

  /** Closes both ends; a beat under way rejects. */
  [Symbol.dispose](): void {
    this.#near.close();
    this.#far.close();
  }
}
