/**
 * A TCP proxy that breaks connections on command.
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
   * The port of 127.0.0.1 to listen on; 0: a free one.
   *
   * @default {0}
   */
  port?: number;
}

/** Options of {@linkcode FaultProxy.silence}. */
export interface SilenceOptions {
  /**
   * Whether only connections that are up now fall silent. Otherwise those made
   * afterwards do as well, until {@linkcode FaultProxy.heal}: in the case of
   * `"subscribed"` and `"command"`, with the first command that shows which of
   * the two they are.
   *
   * @default {false}
   */
  existingOnly?: boolean;
}

/** A wait for a command: how many of its kind, and by whom. */
interface SeenWaiter {
  name: string;
  times: number;
  done: Latch;
}

/**
 * A TCP proxy between a client and a Redis server, with faults on command. It
 * understands as much of Redis's protocol as it takes to tell a connection that
 * subscribed from one that did not, and one command or reply from the next.
 * Other protocols, TLS among them, pass; there, commands are neither seen nor
 * held, and every connection counts as `"command"`.
 *
 * Disposal closes all connections and ends all faults.
 *
 * @example A connection that is cut before its MGET is answered
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "../../mod.ts";
 * import { FaultProxy, MemoryRedis } from "../../testing.ts";
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

  /** Listens on a free port of 127.0.0.1, and connects to `target` for each client. */
  static start(
    target: FaultProxyTarget,
    options: FaultProxyOptions = {},
  ): Promise<FaultProxy> {
    // In a promise: a wrong target or a port in use is to reject, not to throw.
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

  /** Where to connect instead of the server: its URL with the proxy's address. */
  get url(): string {
    return this.#url.href;
  }

  /** The address that the proxy listens on. */
  get hostname(): string {
    return LOOPBACK;
  }

  /** The port that the proxy listens on; {@linkcode FaultProxy.accept} keeps it. */
  get port(): number {
    return this.#port;
  }

  /** How many connections are up, silent ones included. */
  get connections(): number {
    return this.#connections.size;
  }

  /** How many connections there have been, those that are up included. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many commands of each name, in capitals, came in, whether or not they were passed on. */
  get commands(): ReadonlyMap<string, number> {
    return this.#commands;
  }

  /** Resolves once `times` commands of this name have come in since the start. */
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

  /** Connects clients that come from now on to another server. */
  retarget(target: FaultProxyTarget): void {
    this.#target = toAddress(toUrl(target));
  }

  /**
   * Closes connections in good order: what the proxy has read is passed on
   * first, except what a hold keeps back. Resolves with their number once they
   * are closed; a peer that does not read holds that up.
   */
  async cut(which: FaultTarget = "all"): Promise<number> {
    const connections = this.#select(which);
    await Promise.all(connections.map((connection) => connection.cut()));
    return connections.length;
  }

  /**
   * Closes connections at once, and loses what is on its way; gives their number.
   *
   * Deno has no abortive close: it ends the stream (FIN) before it closes the
   * socket. So the peer reads the end of the stream, perhaps within a reply,
   * and not `ConnectionReset`; but what it still writes is answered with RST,
   * and its next write fails with `ConnectionReset` or `BrokenPipe`.
   */
  reset(which: FaultTarget = "all"): number {
    const connections = this.#select(which);
    for (const connection of connections) connection.reset();
    return connections.length;
  }

  /**
   * Makes connections half-open: TCP stays up, and what either side sends is
   * swallowed. A connection that fell silent stays so to its end, also after
   * {@linkcode FaultProxy.heal}: bytes were lost that cannot be made good.
   */
  silence(which: FaultTarget = "all", options: SilenceOptions = {}): void {
    if (options.existingOnly !== true) this.#faults.silence = which;
    for (const connection of this.#select(which)) connection.fallSilent();
  }

  /**
   * Keeps what goes in one direction for `ms` milliseconds, in order; bytes
   * that follow each other closely are not slowed down any further. 0 ends it.
   */
  delay(
    direction: FaultDirection,
    ms: number,
    which: FaultTarget = "all",
  ): void {
    this.#faults.delays[direction] = { ms, which };
  }

  /**
   * Writes single bytes, in both directions, so that whoever reads them without
   * a pause gets them one by one. That takes about 50 microseconds a byte.
   */
  split(which: FaultTarget = "all"): void {
    this.#faults.split = which;
  }

  /**
   * Passes half of the next frame that the server sends on such a connection,
   * reply or message, and then closes the connection. Resolves when it is done.
   */
  truncate(which: FaultTarget = "all"): Promise<void> {
    const done = new Latch();
    this.#faults.truncations.push({ which, done });
    return done.promise;
  }

  /** Stops listening: new connections are refused, those that are up stay. */
  async refuse(): Promise<void> {
    this.#listener?.close();
    this.#listener = undefined;
    // The port is free only when the last accept has ended.
    await this.#accepting;
  }

  /** Listens again on the same port, after {@linkcode FaultProxy.refuse}. */
  async accept(): Promise<void> {
    if (this.#listener !== undefined) return;
    await this.#accepting;
    // Another call may have been quicker.
    if (this.#listener !== undefined || this.#isStopped) return;
    this.#accepting = this.#accept(listenOnLoopback(this.#port));
  }

  /**
   * Holds the next `command`, with everything behind it on its connection,
   * before it reaches the server.
   */
  hold(command: string, options: HoldOptions = {}): Hold {
    return this.#addHold(this.#faults.holds, command, options);
  }

  /**
   * Holds the reply to the next `command`, with everything behind it on its
   * connection: the server has done its work, and the client does not know.
   * Of several replies, as to SUBSCRIBE, the first is meant.
   */
  holdReply(command: string, options: HoldOptions = {}): Hold {
    return this.#addHold(this.#faults.replyHolds, command, options);
  }

  /** Ends all faults: releases what is held at once, and listens again. */
  async heal(): Promise<void> {
    this.#faults.heal();
    for (const connection of this.#connections) connection.releaseHolds();
    await this.accept();
  }

  /** Closes all connections and refuses new ones, for good. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const refused = this.refuse();
    const connections = [...this.#connections];
    for (const connection of connections) connection.reset();
    this.#faults.heal();
    for (const { name, done } of this.#waiters) {
      done.reject(`Too few ${name} came in before the proxy was stopped`);
    }
    this.#waiters.clear();
    await refused;
    await Promise.all(connections.map((connection) => connection.closed));
  }

  /** Closes all connections and refuses new ones, for good. */
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
      // It came in while refuse() was being called.
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
