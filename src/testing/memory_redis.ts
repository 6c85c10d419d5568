/**
 * A Redis server in the test's own process.
 *
 * @module
 */

import { listenOnLoopback, LOOPBACK } from "./loopback.ts";
import { MemoryClient } from "./memory/client.ts";
import { ScriptCache } from "./memory/script_cache.ts";
import { MemoryServer } from "./memory/server.ts";

/** Options of {@linkcode MemoryRedis.start}. */
export interface MemoryRedisOptions {
  /**
   * The port of 127.0.0.1 to listen on; 0: a free one.
   *
   * @default {0}
   */
  port?: number;
  /**
   * The one user that may connect, with `password`. Redis's own user without a
   * name, `default`, is then disabled.
   */
  username?: string;
  /** The password that clients have to authenticate with; none: they need not. */
  password?: string;
  /**
   * How many numbered databases there are.
   *
   * @default {16}
   */
  databases?: number;
}

/** Options of {@linkcode MemoryRedis.restart}. */
export interface MemoryRedisRestartOptions {
  /**
   * Whether the data survive, as with an append-only file. Subscriptions and
   * loaded scripts never do.
   *
   * @default {true}
   */
  keepData?: boolean;
}

/**
 * A Redis server within the process, for tests on machines that have none. It
 * listens on a port of its own on 127.0.0.1, and answers, as Redis 7.0 does in
 * RESP2, the commands that this module and Celery's Redis backend send: strings,
 * expiry, transactions, pub/sub, and the lists and sorted sets of chords. It
 * runs no Lua, except this module's own script, which it knows by its text. It
 * sets no limits to memory or to output waiting for slow subscribers.
 *
 * @example A test without a server to install
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "../../mod.ts";
 * import { MemoryRedis } from "../../testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * const result = backend.result("6f1c").get();
 * await redis.restart();
 * await backend.markAsDone("6f1c", 42);
 * assertEquals(await result, 42);
 * ```
 */
export class MemoryRedis implements AsyncDisposable {
  readonly #server: MemoryServer;
  readonly #port: number;
  #listener: Deno.TcpListener | undefined;
  #accepting: Promise<void> = Promise.resolve();
  /** stop() and restart() take turns. */
  #turn: Promise<void> = Promise.resolve();

  /**
   * Starts a server.
   *
   * @throws {RangeError} If `databases` is not a whole number of at least 1.
   * @throws {TypeError} If there is a user without a password.
   * @throws {Deno.errors.AddrInUse} If somebody else listens on `port`.
   */
  static async start(options: MemoryRedisOptions = {}): Promise<MemoryRedis> {
    const { port = 0, databases = 16, username = "default", password } =
      options;
    if (!Number.isSafeInteger(databases) || databases < 1) {
      throw new RangeError(
        `Cannot start a memory Redis: databases must be a whole number of at least 1: current value is ${databases}`,
      );
    }
    if (options.username !== undefined && password === undefined) {
      throw new TypeError(
        "Cannot start a memory Redis: a username needs a password",
      );
    }
    const credentials = password === undefined
      ? undefined
      : { username, password };
    const scripts = await ScriptCache.create();
    return new MemoryRedis(
      new MemoryServer(databases, credentials, scripts),
      listenOnLoopback(port),
    );
  }

  private constructor(server: MemoryServer, listener: Deno.TcpListener) {
    this.#server = server;
    this.#port = listener.addr.port;
    this.#listen(listener);
  }

  /** The URL of db 0, with the username and password if there are any. */
  get url(): string {
    const url = new URL(`redis://${LOOPBACK}:${this.#port}/0`);
    const { credentials } = this.#server;
    if (credentials !== undefined) {
      const { username, password } = credentials;
      url.username = username === "default" ? "" : username;
      url.password = password;
    }
    return url.href;
  }

  /** The address that the server listens on. */
  get hostname(): string {
    return LOOPBACK;
  }

  /** The port that the server listens on; a restart keeps it. */
  get port(): number {
    return this.#port;
  }

  /** How many connections are up. */
  get connections(): number {
    return this.#server.clients.size;
  }

  /** Closes all connections and refuses new ones; keeps the data. Idempotent. */
  stop(): Promise<void> {
    return this.#inTurn(() => this.#stop());
  }

  /**
   * Stops the server if it runs, and starts it again on the same port.
   *
   * @throws {Deno.errors.AddrInUse} If somebody else listens there by now.
   */
  restart(options: MemoryRedisRestartOptions = {}): Promise<void> {
    const { keepData = true } = options;
    return this.#inTurn(async () => {
      await this.#stop();
      if (!keepData) {
        for (const database of this.#server.databases) database.clear();
      }
      this.#server.scripts.clear();
      this.#server.startedAt = Date.now();
      this.#listen(listenOnLoopback(this.#port));
    });
  }

  /** Closes all connections and refuses new ones. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #stop(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    // The port is free only when the last accept has ended.
    await this.#accepting;
    const clients = [...this.#server.clients.values()];
    for (const client of clients) client.close();
    await Promise.all(clients.map((client) => client.closed));
  }

  #listen(listener: Deno.TcpListener): void {
    this.#listener = listener;
    this.#accepting = this.#accept(listener);
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    for await (const conn of listener) {
      // It came in while stop() was being called.
      if (this.#listener !== listener) conn.close();
      else new MemoryClient(conn, this.#server);
    }
  }
}
