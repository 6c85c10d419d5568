/**
 * A Sentinel in this process that knows one master. Unlike a real one, it opens
 * no connections to the master.
 *
 * @module
 */

import { FakePeer } from "./fake_peer.ts";
import { FakeSentinels } from "./fake_sentinels.ts";

/** Listens on a free port of 127.0.0.1, and announces a master at the given port. */
export class TcpSentinel implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #masterPort: number;
  readonly #open = new Set<Promise<void>>();
  readonly #conns = new Set<Deno.Conn>();
  readonly #accepting: Promise<void>;

  /** Starts to listen. */
  constructor(masterPort: number) {
    this.#masterPort = masterPort;
    this.#accepting = this.#accept();
  }

  /** Where it listens. */
  get port(): number {
    return this.#listener.addr.port;
  }

  async #accept(): Promise<void> {
    const script = new FakeSentinels().sentinel("sentinel", [
      { at: "127.0.0.1", port: this.#masterPort },
    ]);
    for await (const conn of this.#listener) {
      const peer = new FakePeer();
      script.accept(peer);
      this.#conns.add(conn);
      const served = Promise.all([take(conn, peer), give(conn, peer)]).then(
        () => {
          this.#open.delete(served);
          this.#conns.delete(conn);
        },
      );
      this.#open.add(served);
    }
  }

  /** Closes the listener and all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const conn of this.#conns) conn.close();
    await Promise.all(this.#open);
  }
}

/** Reads commands. */
async function take(conn: Deno.Conn, peer: FakePeer): Promise<void> {
  const buffer = new Uint8Array(4096);
  try {
    for (;;) {
      const length = await conn.read(buffer);
      if (length === null) break;
      await peer.transport.write(buffer.slice(0, length));
    }
    conn.close();
  } catch {
    // Either side closed the connection.
  }
  peer.transport.end();
}

/** Writes replies. */
async function give(conn: Deno.Conn, peer: FakePeer): Promise<void> {
  const buffer = new Uint8Array(4096);
  try {
    for (;;) {
      const length = await peer.transport.read(buffer);
      if (length === null) return;
      await conn.write(buffer.subarray(0, length));
    }
  } catch {
    // Either side closed the connection.
  }
}
