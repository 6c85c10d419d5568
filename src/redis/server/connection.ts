import { Deque } from "../../deps/deque.ts";
import { RedisConnectionError, RedisError } from "../../errors.ts";
import type { Address, Runtime, Transport } from "../../runtime.ts";
import { toError } from "../../util/to_error.ts";
import { explainReply, withoutAbort } from "./explain.ts";
import { AnswerDeadline } from "./answer_deadline.ts";
import { type Command, CommandBuffer } from "../wire/command.ts";
import { askCredentials, type CredentialsProvider } from "./credentials.ts";
import { dial } from "./dial.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type Subject, subjectOf } from "./acl.ts";
import { RespDecoder, RespError, type RespValue } from "../wire/resp.ts";
import type { MessageHandler } from "../wire/resp.ts";
import { handshake, type SessionOptions } from "./handshake.ts";
import { formatAddress } from "../address.ts";

/** How to reach a server, and who to be there. */
export interface ConnectionOptions extends SessionOptions {
  /** Asked for user and password before each dial, in their place. */
  readonly credentials?: CredentialsProvider | undefined;
  /** Patterns of the keys and channels in use, for advice on a refusal. */
  readonly keyPatterns?: readonly string[] | undefined;
  /** When it aborts, the connection ends for its reason, whatever is under way. */
  readonly gone?: AbortSignal;
  /** Milliseconds from the dial to the last reply of the set-up. */
  readonly connectTimeout: number;
  /**
   * Milliseconds of silence after which the server is probed; as many again,
   * and it is given up. A command has as long in all to be answered. 0 is off.
   */
  readonly heartbeat: number;
  /** The world outside. */
  readonly runtime: Runtime;
}

/** What a connection tells its owner. */
export interface ConnectionEvents {
  /** Takes messages; with it, the connection may subscribe. */
  readonly onMessage?: MessageHandler;
  /**
   * Told of each sharded channel that the server has dropped: because it was
   * asked to, or because the channel's slot is not its own any more.
   */
  onDropped?(channel: string): void;
  /** Takes what is worth telling and no reason to stop. */
  onNotice(notice: Error): void;
  /** Told until when the connection may live, if its credentials say so. */
  onExpires?(at: Date): void;
  /** Told what is waited for while the connection is made; undefined when that is over. */
  onStep?(step: string | undefined): void;
}

interface Pending {
  /** What the command is about, for advice on a refusal. */
  readonly subject: Subject;
  /** The confirmations awaited, or what a single reply is for. */
  readonly kind:
    | "reply"
    | "subscribe"
    | "unsubscribe"
    | "ssubscribe"
    | "sunsubscribe";
  missing: number;
  /** Elements of the array that it is answered with; undefined where that may vary. */
  readonly elements: number | undefined;
  /** The batch of commands that it is written with. */
  readonly batch: number;
  readonly resolve: (value: RespValue) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * One connection to one server: commands go out pipelined, replies are matched
 * to them first in, first out.
 *
 * It ends once, for good, at its first error; nothing here dials again. A
 * silent peer is noticed by a PING that gets no answer, and a way to the peer
 * that is dead by any command that gets none, whatever else comes in.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #transport: Transport;
  readonly #pending = new Deque<Pending>();
  readonly #commands = new CommandBuffer();
  readonly #ended = Promise.withResolvers<Error>();
  readonly #decoder: RespDecoder;
  readonly #deadline: AnswerDeadline;
  readonly #finished: Promise<unknown>;
  #idle: PromiseWithResolvers<void> | undefined;
  #reason: Error | undefined;
  #established = false;
  #writing: Promise<void> | undefined;
  // The number of the batch that takes commands; those before it are written,
  // or being written.
  #batch = 0;
  readonly #heartbeat: Heartbeat;
  readonly #onGone = (): void => this.end(this.#options.gone?.reason);

  private constructor(
    transport: Transport,
    options: ConnectionOptions,
    events: ConnectionEvents,
  ) {
    this.#transport = transport;
    this.#options = options;
    this.#events = events;
    this.#decoder = new RespDecoder({
      onValue: (value) => this.#take(value),
      onMessage: events.onMessage,
      onArray: (length) => this.#checkLength(length),
    });
    this.#heartbeat = new Heartbeat({
      period: options.heartbeat,
      runtime: options.runtime,
      probe: () => {
        // The answer could not come before the rest of the reply, and would be
        // taken for a part of it.
        if (this.#decoder.partial === "reply") return;
        // Whoever waits learns of its failure from `ended`.
        this.request(["PING"]).catch(ignore);
      },
      onSilence: (ms) =>
        this.end(
          lost(
            options.address,
            `it was silent for ${ms} ms and did not answer a PING`,
          ),
        ),
    });
    this.#deadline = new AnswerDeadline({
      heartbeat: options.heartbeat,
      runtime: options.runtime,
      onOverdue: (failure, ms) => {
        const command = this.#pending.peekFront()?.subject.command;
        this.end(
          lost(
            options.address,
            `it did not ${failure} ${command?.toUpperCase()} within ${ms} ms`,
          ),
        );
      },
    });
    this.#finished = this.#read();
    options.gone?.addEventListener("abort", this.#onGone, { once: true });
  }

  /**
   * Asks for credentials, dials, authenticates and selects the database. What
   * it resolves to has answered a PING.
   *
   * @throws {RedisConnectionError} if the server cannot be reached in time.
   * @throws {RedisError} if the server refuses the password, the database, or
   * to serve for now (LOADING, too many clients). With `credentials`, a refused
   * password is a RedisConnectionError: the next ones may be accepted.
   * @throws {ConfigurationError} if the peer is no Redis server, or the
   * permission to reach it is missing.
   */
  static async open(
    options: ConnectionOptions,
    events: ConnectionEvents,
    signal: AbortSignal,
  ): Promise<Connection> {
    const { address, tls, connectTimeout, runtime } = options;
    signal.throwIfAborted();
    const giveUp = new AbortController();
    let isAsking = options.credentials !== undefined;
    const abort = (): void => giveUp.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const timer = runtime.setTimer(
      () =>
        giveUp.abort(
          new RedisConnectionError(
            `Cannot connect to Redis at ${formatAddress(address)}: no answer ${
              isAsking ? "of credentials() " : ""
            }within ${connectTimeout} ms (connectTimeout)${
              tls === undefined || isAsking
                ? ""
                : "; a server that expects no TLS is silent, too"
            }`,
          ),
        ),
      connectTimeout,
      true,
    );
    try {
      let identified = options;
      if (options.credentials !== undefined) {
        events.onStep?.("waiting for credentials()");
        // Before the dial: a server may hang up on who is silent for long.
        const { username, password, expiresAt } = await askCredentials(
          options.credentials,
          formatAddress(address),
          giveUp.signal,
        );
        isAsking = false;
        identified = { ...options, username, password };
        if (expiresAt !== undefined) events.onExpires?.(expiresAt);
      }
      events.onStep?.(
        `dialling ${formatAddress(address)}${
          tls === undefined
            ? ""
            : " with TLS, to which a server that expects none is silent"
        }`,
      );
      const transport = await dial(address, runtime, giveUp.signal, tls);
      events.onStep?.(
        `waiting for the first reply of ${formatAddress(address)}`,
      );
      const connection = new Connection(transport, identified, events);
      const end = (): void => connection.end(giveUp.signal.reason);
      giveUp.signal.addEventListener("abort", end, { once: true });
      try {
        if (giveUp.signal.aborted) end();
        await handshake(
          connection,
          identified,
          (notice) => events.onNotice(notice),
        );
        connection.#established = true;
        // Its last reply may have brought more than that.
        if (connection.#reason !== undefined) throw connection.#reason;
      } catch (error) {
        connection.end(toError(error));
        await connection.finished();
        throw error;
      } finally {
        giveUp.signal.removeEventListener("abort", end);
      }
      return connection;
    } finally {
      runtime.clearTimer(timer);
      signal.removeEventListener("abort", abort);
      events.onStep?.(undefined);
    }
  }

  /** Resolves with the reason when the connection has ended. Never rejects. */
  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Why it ended; undefined while it lives. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /**
   * Sends a command and resolves to its reply.
   *
   * @throws {RedisError} if the server refuses it.
   * @throws {Error} the reason, if the connection ends first: the command may
   * or may not have been carried out.
   */
  request(command: Command): Promise<RespValue> {
    return this.#send(command, "reply", 1);
  }

  /** Sends SUBSCRIBE, or SSUBSCRIBE; resolves when the server has confirmed each channel. */
  async subscribe(channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    const isSharded = this.#options.sharded === true;
    await this.#send(
      [isSharded ? "SSUBSCRIBE" : "SUBSCRIBE", ...channels],
      isSharded ? "ssubscribe" : "subscribe",
      channels.length,
    );
  }

  /**
   * Sends UNSUBSCRIBE, or SUNSUBSCRIBE; resolves when the server has confirmed
   * each channel. Never sent empty: that would drop every channel.
   */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    if (this.#options.sharded === true) {
      await this.#unsubscribeSharded(channels);
      return;
    }
    await this.#send(
      ["UNSUBSCRIBE", ...channels],
      "unsubscribe",
      channels.length,
    );
  }

  /** Resolves when no reply is awaited any more, or the connection has ended. */
  async drained(): Promise<void> {
    if (this.#pending.length === 0) return;
    this.#idle ??= Promise.withResolvers();
    await Promise.race([this.#idle.promise, this.#ended.promise]);
  }

  /** Resolves when nothing of an ended connection is left: no read, no write, no timer. */
  async finished(): Promise<void> {
    await this.#finished;
    await this.#writing;
  }

  /** Ends the connection; whatever awaits a reply rejects with `reason`. Later calls change nothing. */
  end(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#heartbeat.stop();
    this.#deadline.stop();
    this.#options.gone?.removeEventListener("abort", this.#onGone);
    try {
      this.#transport.close();
    } catch {
      // The peer was first.
    }
    for (const { reject } of this.#pending) reject(reason);
    this.#pending.clear();
    this.#ended.resolve(reason);
  }

  /** Lets the connection keep the process alive, or not. */
  keepAlive(keep: boolean): void {
    if (this.#reason !== undefined) return;
    if (keep) this.#transport.ref();
    else this.#transport.unref();
  }

  #send(
    command: Command,
    kind: Pending["kind"],
    missing: number,
  ): Promise<RespValue> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    const { promise, resolve, reject } = Promise.withResolvers<RespValue>();
    const subject = subjectOf(command);
    this.#pending.pushBack({
      subject,
      kind,
      missing,
      elements: command[0] === "MGET" ? command.length - 1 : undefined,
      batch: this.#batch,
      resolve,
      reject,
    });
    if (this.#pending.length === 1) this.#deadline.restart();
    this.#commands.add(command);
    this.#writing ??= this.#write();
    return promise;
  }

  /**
   * What a server says of a sharded channel that it drops is the same, asked
   * or not: it cannot be counted. An answer to a PING says that all of it has
   * come.
   */
  async #unsubscribeSharded(channels: readonly string[]): Promise<void> {
    const dropped = this.#send(
      ["SUNSUBSCRIBE", ...channels],
      "sunsubscribe",
      1,
    ).catch((error) => {
      // The slot is another node's by now: the server has dropped them itself.
      if (!(error instanceof RedisError)) throw error;
    });
    await Promise.all([dropped, this.request(["PING"])]);
  }

  /** Writes what is gathered, and what is added meanwhile, one write at a time. */
  async #write(): Promise<void> {
    // Commands sent in the same turn leave in one write.
    await Promise.resolve();
    try {
      while (!this.#commands.isEmpty && this.#reason === undefined) {
        const batch = this.#batch++;
        for (const chunk of this.#commands.take()) {
          for (let offset = 0; offset < chunk.length;) {
            offset += await this.#transport.write(
              offset === 0 ? chunk : chunk.subarray(offset),
            );
            // A peer that takes a long command bit by bit is no silent one.
            if (offset < chunk.length) this.#heartbeat.heard();
            // What was written before waits for its answer, whatever follows it.
            if (this.#pending.peekFront()?.batch === batch) {
              this.#deadline.restart();
            }
          }
        }
      }
    } catch (error) {
      this.end(lost(this.#options.address, error));
    } finally {
      this.#writing = undefined;
    }
  }

  /** Reads until the end, whatever else goes on: nobody who is slow can hold this up. */
  async #read(): Promise<void> {
    const { address } = this.#options;
    const decoder = this.#decoder;
    try {
      for (;;) {
        const length = await this.#transport.read(decoder.reserve());
        if (length === null) {
          throw lost(address, "the server closed it");
        }
        // What comes behind the end is no reply, and the next attach reads it.
        if (this.#reason !== undefined) return;
        this.#heartbeat.heard();
        const { messages } = decoder;
        decoder.commit(length);
        this.#deadline.received(
          length,
          decoder.partial,
          decoder.messages > messages,
        );
      }
    } catch (error) {
      // Who has answered everything speaks Redis's protocol: what it says
      // beyond that is a fault of this connection.
      const isStrange = error instanceof RespError && !this.#established &&
        this.#pending.length > 0;
      this.end(isStrange ? error : lost(address, error));
    }
  }

  #take(value: RespValue): void {
    let pending = this.#pending.peekFront();
    if (this.#options.sharded === true && this.#isDrop(value)) return;
    if (
      pending?.kind === "sunsubscribe" && !(value instanceof RedisError)
    ) {
      // Only a refusal answers it; this is what its PING is answered.
      this.#settled();
      pending.resolve(null);
      pending = this.#pending.peekFront();
    }
    if (pending === undefined) {
      // A server says this before it hangs up: too many clients, or protected
      // mode. Nothing else comes unasked.
      throw value instanceof RedisError
        ? value
        : new RespError("Read a reply to no command");
    }
    if (value instanceof RedisError) {
      // An error answers the whole command, however many channels it named.
      this.#settled();
      pending.reject(
        explainReply(withoutAbort(value), pending.subject, this.#options),
      );
      return;
    }
    if (pending.kind !== "reply") {
      const kind = Array.isArray(value) ? value[0] : value;
      if (kind !== pending.kind) {
        throw new RespError(
          `Read a reply of kind ${JSON.stringify(kind)} to ${pending.kind}`,
        );
      }
    }
    if (--pending.missing > 0) {
      this.#deadline.restart();
      return;
    }
    this.#settled();
    pending.resolve(value);
  }

  /** Ends a reply that cannot be the right one before it has come: it may never. */
  #checkLength(length: number): void {
    const { elements = length } = this.#pending.peekFront() ?? {};
    if (length === elements) return;
    throw new RespError(
      `Read ${length} values as the reply to an MGET of ${elements} keys`,
    );
  }

  /** Takes what the server says of a sharded channel that it has dropped. */
  #isDrop(value: RespValue): boolean {
    // On a connection that cannot subscribe, a list may look like it.
    if (this.#events.onMessage === undefined || !Array.isArray(value)) {
      return false;
    }
    const [kind, channel] = value;
    if (kind !== "sunsubscribe") return false;
    if (typeof channel === "string") this.#events.onDropped?.(channel);
    return true;
  }

  #settled(): void {
    this.#pending.popFront();
    if (this.#pending.length > 0) {
      this.#deadline.restart();
      return;
    }
    this.#deadline.clear();
    this.#idle?.resolve();
    this.#idle = undefined;
  }
}

function lost(address: Address, error: unknown): Error {
  if (error instanceof RedisError || error instanceof RedisConnectionError) {
    return error;
  }
  const why = error instanceof Error ? error.message : error;
  return new RedisConnectionError(
    `Lost the connection to Redis at ${formatAddress(address)}: ${why}`,
    error instanceof Error ? { cause: error } : undefined,
  );
}

function ignore(): void {}
