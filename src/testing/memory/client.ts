/**
 * One connection to a memory Redis.
 *
 * @module
 */

import { type Command, CommandParser } from "../command_parser.ts";
import { type Arguments, type CommandSpec, findCommand } from "./command.ts";
import type { SubscriptionKind } from "./pubsub.ts";
import { type Reply, ReplyBuffer, ReplyError } from "./reply.ts";
import type { MemoryServer } from "./server.ts";
import type { Database } from "./store.ts";
import { Transaction } from "./transaction.ts";

const READ_SIZE = 65_536;
/** A client that does not take its replies is not read until it does. */
const MAX_UNSENT = 16_777_216;

/** A connection with its state; reads commands, and writes replies in batches. */
export class MemoryClient {
  /** A number that no other connection of this server has had. */
  readonly id: number;
  /** What all connections share. */
  readonly server: MemoryServer;
  /** The address of the other end. */
  readonly address: string;
  /** What MULTI began, and WATCH. */
  readonly transaction: Transaction = new Transaction();
  /** What the connection subscribed to. */
  readonly subscriptions: Record<SubscriptionKind, Set<string>> = {
    subscribe: new Set(),
    psubscribe: new Set(),
    ssubscribe: new Set(),
  };
  /** Resolves when the connection is closed and nothing is under way. */
  readonly closed: Promise<void>;
  /** The number of the selected database. */
  databaseIndex = 0;
  /** What CLIENT SETNAME set. */
  name = "";
  /** Whether commands may run, as far as a password is asked for. */
  isAuthenticated: boolean;
  readonly #conn: Deno.TcpConn;
  readonly #output = new ReplyBuffer();
  #sending: Promise<void> | undefined;
  #isClosing = false;
  #isClosed = false;

  /** Takes over a socket. */
  constructor(conn: Deno.TcpConn, server: MemoryServer) {
    this.#conn = conn;
    this.server = server;
    this.id = server.nextClientId();
    this.isAuthenticated = server.credentials === undefined;
    const { hostname, port } = conn.remoteAddr;
    this.address = `${hostname}:${port}`;
    server.clients.set(this.id, this);
    this.closed = this.#run();
  }

  /** The selected database. */
  get database(): Database {
    return this.server.databases[this.databaseIndex] as Database;
  }

  /** Whether only commands for subscribers may run. */
  get isSubscribed(): boolean {
    const { subscribe, psubscribe, ssubscribe } = this.subscriptions;
    return subscribe.size + psubscribe.size + ssubscribe.size > 0;
  }

  /** Queues a copy of what is already in wire format, such as a message. */
  push(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#output.addBytes(bytes);
    this.#sendSoon();
  }

  /** Runs a command that may run. */
  run(spec: CommandSpec, args: Arguments): Reply {
    try {
      return spec.run(this, args);
    } catch (error) {
      if (error instanceof ReplyError) return error;
      throw error;
    }
  }

  /** Reads no more, and closes once what is queued has been sent. */
  closeSoon(): void {
    this.#isClosing = true;
    this.#sendSoon();
  }

  /** Closes at once. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isClosing = true;
    this.reset();
    this.server.clients.delete(this.id);
    this.#conn.close();
  }

  /** Forgets subscriptions and the transaction. */
  reset(): void {
    this.transaction.end();
    const { pubsub } = this.server;
    for (const kind of ["subscribe", "psubscribe", "ssubscribe"] as const) {
      for (const name of this.subscriptions[kind]) {
        pubsub.delete(kind, name, this);
      }
      this.subscriptions[kind].clear();
    }
  }

  async #run(): Promise<void> {
    const parser = new CommandParser();
    try {
      this.#conn.setNoDelay(true);
      const buffer = new Uint8Array(READ_SIZE);
      while (!this.#isClosing) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        // A copy: what is parsed are views into it.
        this.#receive(parser, buffer.slice(0, count));
        while (this.#output.length > MAX_UNSENT && !this.#isClosed) {
          await this.#sending;
        }
      }
      await this.#sending;
    } catch {
      // The other side went away, or close() was called.
    }
    this.close();
    await this.#sending;
  }

  #receive(parser: CommandParser, bytes: Uint8Array): void {
    const { commands, error } = parser.push(bytes);
    for (const command of commands) {
      if (this.#isClosing) return;
      this.#output.add(this.#answer(command));
    }
    if (error !== undefined) {
      this.#output.add(new ReplyError(`ERR Protocol error: ${error.message}`));
      this.closeSoon();
    }
    this.#sendSoon();
  }

  /** Refuses a command, queues it for EXEC, or runs it: in the order of Redis's own checks. */
  #answer({ name, args }: Command): Reply {
    const { transaction } = this;
    try {
      const { spec, fullName } = findCommand(this.server.commands, name, args);
      if (!this.isAuthenticated && spec.beforeAuth !== true) {
        throw new ReplyError("NOAUTH Authentication required.");
      }
      if (this.isSubscribed && spec.whileSubscribed !== true) {
        throw new ReplyError(
          `ERR Can't execute '${fullName}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
        );
      }
      if (transaction.isOpen && spec.unqueued !== true) {
        return transaction.queue(spec, args);
      }
      return this.run(spec, args);
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error;
      if (name === "EXEC") return transaction.abort(error);
      transaction.fail();
      return error;
    }
  }

  /** Sends what this turn of the event loop gathers, in one piece. */
  #sendSoon(): void {
    this.#sending ??= Promise.resolve().then(() => this.#send());
  }

  async #send(): Promise<void> {
    try {
      while (this.#output.length > 0 && !this.#isClosed) {
        const bytes = this.#output.take();
        for (let sent = 0; sent < bytes.length;) {
          sent += await this.#conn.write(bytes.subarray(sent));
        }
      }
      if (this.#isClosing) this.close();
    } catch {
      this.close();
    }
    this.#sending = undefined;
  }
}
