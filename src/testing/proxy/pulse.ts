/**
 * Waits until sockets have been read, before more is written to them.
 *
 * @module
 */

import { listenOnLoopback } from "../loopback.ts";

/**
 * A pair of connected sockets. Between two consecutive writes, a reader in the
 * same process hardly ever gets a turn, and reads both as one; a timer of 0 ms
 * takes longer than a millisecond. The round trip of a byte is faster: when it
 * has arrived, everything written before it has arrived, too.
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

  /** Resolves after every readable socket was read once. */
  async roundTrip(): Promise<void> {
    const arrived = this.#far.read(this.#byte);
    await this.#near.write(this.#byte);
    await arrived;
  }

  /** Closes both ends; a pending round trip rejects. */
  [Symbol.dispose](): void {
    this.#near.close();
    this.#far.close();
  }
}
