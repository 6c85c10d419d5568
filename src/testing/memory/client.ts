/**
 * One connection to a memory Redis.
 *
 * @module
 */

import { type Command, CommandParser } from "../command_parser.ts";
import {
  argumentAt,
  bytesToWord,
  type CommandSpec,
  findCommand,
} from "./command.ts";
import type { Database } from "./database.ts";
import { type Reply, ReplyBuffer, ReplyError } from "./reply.ts";
import type { MemoryServer } from "./server.ts";
import type { Arguments, Session } from "./session.ts";
import { Transaction } from "./transaction.ts";

const READ_BYTES = 65_536;
/** With more unsent bytes than this, the client's commands are not read. */
const MAX_UNSENT_BYTES = 16_777_216;

/** A connection and its state. Reads commands, and writes replies in batches. */
export class MemoryClient implements Session {
  /** An id that no other connection to this server has had. */
  readonly id: number;
  /** What all connections share. */
  readonly server: MemoryServer<MemoryClient>;
  /** The client's `host:port`. */
  readonly address: string;
  /** The state of MULTI and WATCH. */
  readonly transaction: Transaction = new Transaction();
  /** What the connection subscribed to. */
  readonly subscriptions: Session["subscriptions"] = {
    subscribe: new Set(),
    psubscribe: new Set(),
    ssubscribe: new Set(),
  };
  /** Resolves when the connection is closed and nothing is pending. */
  readonly closed: Promise<void>;
  /** The index of the selected database. */
  databaseIndex = 0;
  /** The name that CLIENT SETNAME set. */
  name = "";
  /** Whether the client authenticated, or need not. */
  isAuthenticated: boolean;
  readonly #conn: Deno.TcpConn;
  readonly #output = new ReplyBuffer();
  #sending: Promise<void> | undefined;
  #isClosing = false;
  #isClosed = false;

  /** Serves an accepted connection. */
  constructor(conn: Deno.TcpConn, server: MemoryServer<MemoryClient>) {
    this.#conn = conn;
    this.server = server;
    this.id = server.nextSessionId();
    this.isAuthenticated = server.credentials === undefined;
    const { hostname, port } = conn.remoteAddr;
    this.address = `${hostname}:${port}`;
    server.sessions.set(this.id, this);
    this.closed = this.#serve();
  }

  /** The selected database. */
  get database(): Database {
    return this.server.databases[this.databaseIndex] as Database;
  }

  /** Whether only commands for subscribers are allowed. */
  get isSubscribed(): boolean {
    const { subscribe, psubscribe, ssubscribe } = this.subscriptions;
    return subscribe.size + psubscribe.size + ssubscribe.size > 0;
  }

  /** Queues a copy of bytes that are already in wire format, such as a message. */
  push(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#output.addBytes(bytes);
    this.#sendSoon();
  }

  /**
   * Runs a command on behalf of a script.
   *
   * @throws {ReplyError} If scripts may not call the command, or it fails.
   */
  callFromScript(args: Arguments): Reply {
    const name = bytesToWord(argumentAt(args, 0));
    const { spec } = findCommand(this.server.commands, name, args);
    if (spec.isForbiddenInScripts === true) {
      throw new ReplyError("ERR This Redis command is not allowed from script");
    }
    return spec.run(this, args);
  }

  /** Rejects, queues or runs a command, after the same checks as Redis, in its order. */
  execute({ name, args }: Pick<Command, "name" | "args">): Reply {
    const { transaction } = this;
    try {
      const { spec, fullName } = findCommand(this.server.commands, name, args);
      if (!this.isAuthenticated && spec.isAllowedBeforeAuth !== true) {
        throw new ReplyError("NOAUTH Authentication required.");
      }
      if (this.isSubscribed && spec.isAllowedWhileSubscribed !== true) {
        throw new ReplyError(
          `ERR Can't execute '${fullName}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
        );
      }
      if (transaction.isOpen && spec.isNeverQueued !== true) {
        return transaction.queue(() => this.#run(spec, args));
      }
      return this.#run(spec, args);
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error;
      if (name === "EXEC") return transaction.abort(error);
      transaction.fail();
      return error;
    }
  }

  /** Stops reading, and closes the connection once everything queued has been sent. */
  closeSoon(): void {
    this.#isClosing = true;
    this.#sendSoon();
  }

  /** Closes the connection at once. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isClosing = true;
    this.reset();
    this.server.sessions.delete(this.id);
    this.#conn.close();
  }

  /** Drops all subscriptions and the transaction. */
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

  async #serve(): Promise<void> {
    const parser = new CommandParser();
    try {
      this.#conn.setNoDelay(true);
      const buffer = new Uint8Array(READ_BYTES);
      while (!this.#isClosing) {
        const count = await this.#conn.read(buffer);
        if (count === null) break;
        // A copy, because parsed commands are views into it.
        this.#receive(parser, buffer.slice(0, count));
        while (this.#output.length > MAX_UNSENT_BYTES && !this.#isClosed) {
          await this.#sending;
        }
      }
      await this.#sending;
    } catch {
      // The client disconnected, or close() was called.
    }
    this.close();
    await this.#sending;
  }

  #receive(parser: CommandParser, bytes: Uint8Array): void {
    const { commands, error } = parser.push(bytes);
    for (const command of commands) {
      if (this.#isClosing) return;
      this.#output.add(this.execute(command));
    }
    if (error !== undefined) {
      this.#output.add(new ReplyError(`ERR Protocol error: ${error.message}`));
      this.closeSoon();
    }
    this.#sendSoon();
  }

  #run(spec: CommandSpec, args: Arguments): Reply {
    try {
      return spec.run(this, args);
    } catch (error) {
      if (error instanceof ReplyError) return error;
      throw error;
    }
  }

  /** Sends everything that is queued in this turn of the event loop as one write. */
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
