/**
 * A simulated Redis server that carries out commands, with scripts and all, and
 * the network between it and its clients. Nothing moves by itself: the
 * simulation takes one step after the other, in random order. A
 * connection is first in, first out in both directions. What was sent on one
 * that died may be lost, or arrive long after.
 *
 * @module
 */

import { RedisError } from "../../src/errors.ts";
import { findKeys } from "../../src/redis/cluster/command_keys.ts";
import type { Command, CommandArgument } from "../../src/redis/wire/command.ts";
import type {
  LinkEvents,
  RedisDriver,
  RedisLink,
} from "../../src/redis/link.ts";
import type { RespValue } from "../../src/redis/wire/resp.ts";
import { MemoryClient } from "../../src/testing/memory/client.ts";
import { commands } from "../../src/testing/memory/commands.ts";
import {
  type Reply,
  ReplyError,
  Status,
} from "../../src/testing/memory/reply.ts";
import { ScriptCache } from "../../src/testing/memory/script_cache.ts";
import { MemoryServer } from "../../src/testing/memory/server.ts";

type Step = () => void;

/** A connection for commands to the simulated server. */
class CommandLink implements RedisLink {
  /** In flight to the server; on a dead connection, it may still arrive. */
  readonly toServer: Step[] = [];
  /** In flight to the client. */
  readonly toClient: Step[] = [];
  readonly #run: (command: Command) => RespValue;
  readonly #awaited = new Set<(reason: Error) => void>();
  readonly #ended = Promise.withResolvers<Error>();
  readonly #isCluster: boolean;
  #reason: Error | undefined;

  constructor(run: (command: Command) => RespValue, isCluster: boolean) {
    this.#run = run;
    this.#isCluster = isCluster;
  }

  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Whether it takes commands. */
  get isAlive(): boolean {
    return this.#reason === undefined;
  }

  /** What can happen next. */
  get steps(): Step[] {
    return [this.toServer, this.toClient].filter(({ length }) => length > 0)
      .map((queue) => () => queue.shift()!());
  }

  async command(command: Command): Promise<RespValue> {
    this.#checkSlot(findKeys(command));
    const reply = await this.#ask(() => this.#run(command));
    if (reply instanceof RedisError) throw reply;
    return reply;
  }

  transaction(commands: readonly Command[]): Promise<RespValue[]> {
    this.#checkSlot(commands.flatMap(findKeys));
    return this.#ask(() => commands.map((command) => this.#run(command)));
  }

  read(): Promise<null[]> {
    return Promise.resolve([]);
  }

  subscribe(): Promise<void> {
    return Promise.resolve();
  }

  unsubscribe(): Promise<void> {
    return Promise.resolve();
  }

  fence(): Promise<void> {
    return Promise.resolve();
  }

  end(reason: Error): Promise<void> {
    if (this.#reason === undefined) {
      this.#reason = reason;
      this.toClient.length = 0;
      for (const reject of this.#awaited) reject(reason);
      this.#ended.resolve(reason);
    }
    return Promise.resolve();
  }

  keepAlive(): void {}

  sharesNode(keys: readonly CommandArgument[]): boolean {
    return !this.#isCluster || new Set(keys.map(String)).size <= 1;
  }

  #checkSlot(keys: readonly CommandArgument[]): void {
    if (!this.sharesNode(keys)) {
      throw new RedisError(`CROSSSLOT ${keys.join(" ")}`);
    }
  }

  async #ask<T>(answer: () => T): Promise<T> {
    if (this.#reason !== undefined) throw this.#reason;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#awaited.add(reject);
    this.toServer.push(() => {
      const reply = answer();
      if (this.#reason === undefined) this.toClient.push(() => resolve(reply));
    });
    try {
      return await promise;
    } finally {
      this.#awaited.delete(reject);
    }
  }
}

/** The server, and the way to reach it. */
export class SimulatedCommands implements RedisDriver {
  /** Every link that was made. */
  readonly links: CommandLink[] = [];
  readonly #client: MemoryClient;
  readonly #isCluster: boolean;

  private constructor(client: MemoryClient, isCluster: boolean) {
    this.#client = client;
    this.#isCluster = isCluster;
  }

  /** A server without data; as a cluster, each key has its own slot. */
  static async create(isCluster = false): Promise<SimulatedCommands> {
    const server = new MemoryServer<MemoryClient>({
      databases: 1,
      commands,
      scripts: await ScriptCache.create(),
      credentials: undefined,
    });
    const client = new MemoryClient(deadSocket(), server);
    return new SimulatedCommands(client, isCluster);
  }

  /** What can happen next. */
  get steps(): Step[] {
    return this.links.flatMap(({ steps }) => steps);
  }

  connect(_events: LinkEvents, _signal: AbortSignal): Promise<RedisLink> {
    const link = new CommandLink(
      (command) => this.run(command),
      this.#isCluster,
    );
    this.links.push(link);
    return Promise.resolve(link);
  }

  /** Carries out a command at once. */
  run(command: Command): RespValue {
    const encoder = new TextEncoder();
    const args = command.map((word) =>
      word instanceof Uint8Array ? word : encoder.encode(String(word))
    );
    return valueOf(this.#client.execute({ name: String(command[0]), args }));
  }
}

function valueOf(reply: Reply): RespValue {
  if (reply instanceof Uint8Array) return new TextDecoder().decode(reply);
  if (reply instanceof Status) return reply.text;
  if (reply instanceof ReplyError) return new RedisError(reply.message);
  if (Array.isArray(reply)) return reply.map(valueOf);
  if (typeof reply === "number" || typeof reply === "string") return reply;
  return null;
}

/** Nothing comes over it: commands are handed to the server by hand. */
function deadSocket(): Deno.TcpConn {
  const socket = {
    remoteAddr: { hostname: "nowhere", port: 0, transport: "tcp" },
    setNoDelay: (): void => {},
    close: (): void => {},
    read: (): Promise<number | null> => Promise.resolve(null),
  };
  // All that a client asks of it.
  return socket as unknown as Deno.TcpConn;
}
