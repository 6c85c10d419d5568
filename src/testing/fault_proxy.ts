/**
 * A TCP proxy that breaks connections on demand.
 *
 * @module
 */

import { Faults } from "./proxy/faults.ts";
import { type Hold, type HoldOptions, HoldPoint, Latch } from "./proxy/hold.ts";
import { listenOnLoopback, LOOPBACK } from "./loopback.ts";
import { ProxiedConnection } from "./proxy/proxied_connection.ts";
import type { FaultDirection, FaultTarget } from "./proxy/target.ts";

/** A server to put a {@linkcode FaultProxy} in front of. */
export type FaultProxyTarget = string | URL | {
  /** The server's host name or address. */
  hostname: string;
  /** The server's port. */
  port: number;
};

/** Options of {@linkcode FaultProxy.start}. */
export interface FaultProxyOptions {
  /**
   * The port of 127.0.0.1 to listen on; 0 picks a free one.
   *
   * @default {0}
   */
  port?: number;
}

/** Options of {@linkcode FaultProxy.silence}. */
export interface SilenceOptions {
  /**
   * Whether only existing connections fall silent. Otherwise new ones do, too,
   * until {@linkcode FaultProxy.heal}: with `"subscribed"` and `"command"`, at
   * the first command that shows which of the two they are.
   *
   * @default {false}
   */
  existingOnly?: boolean;
}

/** A wait for the nth command of a name. */
interface SeenWaiter {
  name: string;
  times: number;
  done: Latch;
}

/**
 * A TCP proxy between a client and a Redis server, which injects faults on
 * demand. It understands just enough of Redis's protocol to recognize subscribed
 * connections, and the bounds of commands and replies. Other protocols, such as
 * TLS, pass through; their commands are neither seen nor held, and every
 * connection counts as `"command"`.
 *
 * Disposal closes all connections and ends all faults.
 *
 * @example Cut a connection before its MGET is answered
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { FaultProxy, MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using proxy = await FaultProxy.start(redis.url);
 * await using backend = new ResultBackend(proxy.url);
 * await using worker = new ResultBackend(redis.url);
 *
 * using hold = proxy.hold("MGET");
 * const result = backend.result("6f1c").get();
 * await hold.reached;
 * await worker.markAsDone("6f1c", 42);
 * proxy.reset();
 * hold.release();
 * assertEquals(await result, 42);
 * ```
 */
export class FaultProxy implements AsyncDisposable {
  readonly #faults = new Faults();
  readonly #connections = new Set<ProxiedConnection>();
  readonly #commands = new Map<string, number>();
  readonly #waiters = new Set<SeenWaiter>();
  readonly #port: number;
  #target: { hostname: string; port: number };
  #url: URL;
  #accepted = 0;
  #listener: Deno.Listener | undefined;
  #accepting: Promise<void> = Promise.resolve();
  #isStopped = false;

  /**
   * Starts a proxy on 127.0.0.1 that connects each client to `target`.
   *
   * @throws {TypeError} If `target` is not a URL.
   * @throws {Deno.errors.AddrInUse} If `port` is in use.
   */
  static start(
    target: FaultProxyTarget,
    options: FaultProxyOptions = {},
  ): Promise<FaultProxy> {
    // In a promise, so that errors reject instead of being thrown.
    return Promise.resolve().then(() => new FaultProxy(target, options));
  }

  private constructor(
    target: FaultProxyTarget,
    { port = 0 }: FaultProxyOptions,
  ) {
    this.#url = toUrl(target);
    this.#target = toAddress(this.#url);
    const listener = listenOnLoopback(port);
    this.#port = listener.addr.port;
    this.#accepting = this.#accept(listener);
    this.#url.hostname = LOOPBACK;
    this.#url.port = String(this.#port);
  }

  /** The URL to connect to instead: the server's, with the proxy's address. */
  get url(): string {
    return this.#url.href;
  }

  /** The address that the proxy listens on. */
  get hostname(): string {
    return LOOPBACK;
  }

  /** The port that the proxy listens on, also after {@linkcode FaultProxy.accept}. */
  get port(): number {
    return this.#port;
  }

  /** How many connections are open, silent ones included. */
  get connections(): number {
    return this.#connections.size;
  }

  /** How many connections were accepted since the start. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many commands were received by name, in capitals, passed on or not. */
  get commands(): ReadonlyMap<string, number> {
    return this.#commands;
  }

  /** Resolves once `times` commands of this name were received since the start. */
  seen(command: string, times = 1): Promise<void> {
    const name = command.toUpperCase();
    const done = new Latch();
    if ((this.#commands.get(name) ?? 0) >= times) {
      done.resolve();
    } else if (this.#isStopped) {
      done.reject(`Cannot wait for ${name}: the proxy is stopped`);
    } else {
      this.#waiters.add({ name, times, done });
    }
    return done.promise;
  }

  /** Connects new clients to another server from now on. */
  retarget(target: FaultProxyTarget): void {
    this.#target = toAddress(toUrl(target));
  }

  /**
   * Closes connections gracefully: everything that the proxy has read is passed
   * on first, except what is held. Resolves with their number once they are
   * closed; a peer that does not read delays that.
   */
  async cut(which: FaultTarget = "all"): Promise<number> {
    const connections = this.#select(which);
    await Promise.all(connections.map((connection) => connection.cut()));
    return connections.length;
  }

  /**
   * Closes connections at once, and loses what is in transit. Returns their
   * number.
   *
   * Deno has no abortive close: it ends the stream (FIN) before it closes the
   * socket. So the peer reads the end of the stream, perhaps within a reply,
   * instead of `ConnectionReset`. The peer's next write is answered with RST,
   * and the one after that fails with `ConnectionReset` or `BrokenPipe`.
   */
  reset(which: FaultTarget = "all"): number {
    const connections = this.#select(which);
    for (const connection of connections) connection.reset();
    return connections.length;
  }

  /**
   * Makes connections half-open: TCP stays up, but what either side sends is
   * dropped. A silent connection stays silent until it ends, even after
   * {@linkcode FaultProxy.heal}, because its lost bytes cannot be recovered.
   */
  silence(which: FaultTarget = "all", options: SilenceOptions = {}): void {
    if (options.existingOnly !== true) this.#faults.silence = which;
    for (const connection of this.#select(which)) connection.fallSilent();
  }

  /**
   * Delays everything in one direction by `ms` milliseconds, in order. Bytes in
   * quick succession are delayed together, not one after the other. 0 ends it.
   */
  delay(
    direction: FaultDirection,
    ms: number,
    which: FaultTarget = "all",
  ): void {
    this.#faults.delays[direction] = { ms, which };
  }

  /**
   * Writes byte by byte in both directions, so that each read of a prompt reader
   * returns one byte. That takes about 50 microseconds per byte.
   */
  split(which: FaultTarget = "all"): void {
    this.#faults.split = which;
  }

  /**
   * Passes on half of the next frame, reply or message, that the server sends on
   * such a connection, and then closes the connection. Resolves once that is done.
   */
  truncate(which: FaultTarget = "all"): Promise<void> {
    const done = new Latch();
    this.#faults.truncations.push({ which, done });
    return done.promise;
  }

  /** Stops listening: new connections are refused, existing ones stay open. */
  async refuse(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    // The port is free only after the last accept has ended.
    await this.#accepting;
  }

  /** Listens again on the same port, after {@linkcode FaultProxy.refuse}. */
  async accept(): Promise<void> {
    if (this.#listener !== undefined) return;
    await this.#accepting;
    // A concurrent call may have listened already.
    if (this.#listener !== undefined || this.#isStopped) return;
    this.#accepting = this.#accept(listenOnLoopback(this.#port));
  }

  /**
   * Holds the next `command` before it reaches the server, with everything
   * behind it on its connection.
   */
  hold(command: string, options: HoldOptions = {}): Hold {
    return this.#addHold(this.#faults.holds, command, options);
  }

  /**
   * Holds the reply to the next `command`, with everything behind it on its
   * connection: the server ran the command, but the client does not know. If
   * there are several replies, as to SUBSCRIBE, holds the first.
   */
  holdReply(command: string, options: HoldOptions = {}): Hold {
    return this.#addHold(this.#faults.replyHolds, command, options);
  }

  /** Ends all faults: releases all holds at once, and listens again. */
  async heal(): Promise<void> {
    this.#faults.heal();
    for (const connection of this.#connections) connection.releaseHolds();
    await this.accept();
  }

  /** Closes all connections and refuses new ones permanently. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const refused = this.refuse();
    const connections = [...this.#connections];
    for (const connection of connections) connection.reset();
    this.#faults.heal();
    for (const { name, done } of this.#waiters) {
      done.reject(`Too few ${name} were received before the proxy was stopped`);
    }
    this.#waiters.clear();
    await refused;
    await Promise.all(connections.map((connection) => connection.closed));
  }

  /** Closes all connections and refuses new ones permanently. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #select(which: FaultTarget): ProxiedConnection[] {
    return [...this.#connections].filter((connection) =>
      connection.matches(which)
    );
  }

  #addHold(
    holds: Set<HoldPoint>,
    command: string,
    options: HoldOptions,
  ): Hold {
    const hold = new HoldPoint(command, options);
    holds.add(hold);
    return hold;
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    this.#listener = listener;
    for await (const client of listener) {
      // It was accepted while refuse() was being called.
      if (this.#listener !== listener) client.close();
      else this.#serve(client);
    }
  }

  #serve(client: Deno.TcpConn): void {
    this.#accepted++;
    const connection = new ProxiedConnection(client, {
      faults: this.#faults,
      dial: (signal) => Deno.connect({ ...this.#target, signal }),
      onCommand: (name) => this.#count(name),
    });
    this.#connections.add(connection);
    connection.closed.then(() => this.#connections.delete(connection));
  }

  #count(name: string): void {
    const count = (this.#commands.get(name) ?? 0) + 1;
    this.#commands.set(name, count);
    for (const waiter of this.#waiters) {
      if (waiter.name !== name || waiter.times > count) continue;
      this.#waiters.delete(waiter);
      waiter.done.resolve();
    }
  }
}

function toUrl(target: FaultProxyTarget): URL {
  if (typeof target === "string" || target instanceof URL) {
    return new URL(target);
  }
  const { hostname, port } = target;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return new URL(`redis://${host}:${port}`);
}

function toAddress(url: URL): { hostname: string; port: number } {
  return {
    hostname: url.hostname.replace(/^\[|\]$/g, "") || LOOPBACK,
    port: Number(url.port || 6379),
  };
}
