/**
 * A Redis server within the test's own process.
 *
 * @module
 */

import { listenOnLoopback, LOOPBACK } from "./loopback.ts";
import { MemoryClient } from "./memory/client.ts";
import { commands } from "./memory/commands.ts";
import { ScriptCache } from "./memory/script_cache.ts";
import { MemoryServer } from "./memory/server.ts";

/** Options of {@linkcode MemoryRedis.start}. */
export interface MemoryRedisOptions {
  /**
   * The port of 127.0.0.1 to listen on; 0 picks a free one.
   *
   * @default {0}
   */
  port?: number;
  /**
   * The only user that may connect, with `password`. Redis's own user,
   * `default`, is then disabled.
   */
  username?: string;
  /** The password that clients must authenticate with; without it, they need not. */
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
   * Whether the data survives, as with an append-only file. Subscriptions and
   * loaded scripts never do.
   *
   * @default {true}
   */
  keepData?: boolean;
}

/**
 * A Redis server within the process, for tests on machines without Redis. It
 * listens on a port of 127.0.0.1, and answers like Redis 7.0 in RESP2. It knows
 * the commands that this module and Celery's Redis backend send: strings,
 * expiry, transactions, pub/sub, and the lists and sorted sets of chords. It
 * cannot run Lua, except for this module's own scripts, which it recognizes by
 * their text. It limits neither its memory nor the output that waits for slow
 * subscribers.
 *
 * Disposal stops the server.
 *
 * @example Test without installing a server
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
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
  readonly #server: MemoryServer<MemoryClient>;
  readonly #port: number;
  #listener: Deno.TcpListener | undefined;
  #accepting: Promise<void> = Promise.resolve();
  /** Makes stop() and restart() wait for each other. */
  #previous: Promise<void> = Promise.resolve();

  /**
   * Starts a server.
   *
   * @throws {RangeError} If `databases` is not a whole number of at least 1.
   * @throws {TypeError} If there is a `username` without a `password`.
   * @throws {Deno.errors.AddrInUse} If `port` is in use.
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
      new MemoryServer({ databases, commands, scripts, credentials }),
      listenOnLoopback(port),
    );
  }

  private constructor(
    server: MemoryServer<MemoryClient>,
    listener: Deno.TcpListener,
  ) {
    this.#server = server;
    this.#port = listener.addr.port;
    this.#listen(listener);
  }

  /** The URL of database 0, with the username and password if there are any. */
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

  /** How many connections are open. */
  get connections(): number {
    return this.#server.sessions.size;
  }

  /** Closes all connections and refuses new ones, but keeps the data. Idempotent. */
  stop(): Promise<void> {
    return this.#serialize(() => this.#stop());
  }

  /**
   * Stops the server if it is running, and starts it again on the same port.
   *
   * @throws {Deno.errors.AddrInUse} If another process has taken the port.
   */
  restart(options: MemoryRedisRestartOptions = {}): Promise<void> {
    const { keepData = true } = options;
    return this.#serialize(async () => {
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

  #serialize(work: () => Promise<void>): Promise<void> {
    const done = this.#previous.then(work);
    this.#previous = done.catch(() => {});
    return done;
  }

  async #stop(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    // The port is free only after the last accept has ended.
    await this.#accepting;
    const clients = [...this.#server.sessions.values()];
    for (const client of clients) client.close();
    await Promise.all(clients.map((client) => client.closed));
  }

  #listen(listener: Deno.TcpListener): void {
    this.#listener = listener;
    this.#accepting = this.#accept(listener);
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    for await (const conn of listener) {
      // It was accepted while stop() was being called.
      if (this.#listener !== listener) conn.close();
      else new MemoryClient(conn, this.#server);
    }
  }
}
