import { RedisConnectionError, RedisError } from "../../errors.ts";
import type { Address, Runtime, Transport } from "../../runtime.ts";
import { onAbort } from "../../util/on_abort.ts";
import { toError } from "../../util/to_error.ts";
import { formatAddress } from "../address.ts";
import { type Command, CommandBuffer } from "../wire/command.ts";
import { RespDecoder } from "../wire/decoder.ts";
import {
  type MessageHandler,
  RespError,
  type RespValue,
} from "../wire/resp.ts";
import { AnswerDeadline } from "./answer_deadline.ts";
import type { CredentialsProvider } from "./credentials.ts";
import { handshake, type SessionOptions } from "./handshake.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type ReplyKind, ReplyQueue } from "./reply_queue.ts";

/** How to reach a server, and how to log in there. */
export interface ConnectionOptions extends SessionOptions {
  /** Asked for user and password before each dial, in their place. */
  readonly credentials?: CredentialsProvider | undefined;
  /** Patterns of the keys and channels in use, for advice on a refusal. */
  readonly keyPatterns?: readonly string[] | undefined;
  /** Ends the connection when it aborts, with its reason, whatever is under way. */
  readonly lifetime?: AbortSignal;
  /** Milliseconds from dialling to the last reply of the handshake. */
  readonly connectTimeout: number;
  /**
   * Milliseconds of silence after which the server is probed; after as many
   * again, the connection ends. A command must be answered within twice as
   * many. 0 turns both off.
   */
  readonly heartbeat: number;
  /** Sockets and time. */
  readonly runtime: Runtime;
}

/** What a connection reports to its owner. */
export interface ConnectionEvents {
  /** Called with each message; with it, the connection may subscribe. */
  readonly onMessage?: MessageHandler;
  /**
   * Called for each sharded channel that the server has dropped: because it was
   * asked to, or because the channel's slot has moved to another node.
   */
  onDropped?(channel: string): void;
  /** Called with what works less well than it should, but does not end the connection. */
  onNotice(notice: Error): void;
}

/**
 * One connection to one server: commands go out pipelined, and replies are
 * matched to them first in, first out.
 *
 * It ends once, for good, at its first error, and never redials. A PING without
 * an answer detects a silent peer; any command without an answer detects a dead
 * path to the peer, even while other bytes arrive.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #transport: Transport;
  readonly #commands = new CommandBuffer();
  readonly #decoder: RespDecoder;
  readonly #replies: ReplyQueue;
  readonly #deadline: AnswerDeadline;
  readonly #heartbeat: Heartbeat;
  readonly #lifetime: Disposable | undefined;
  readonly #ended = Promise.withResolvers<Error>();
  readonly #reading: Promise<void>;
  #writing: Promise<void> | undefined;
  // The batch that new commands join; earlier ones are written, or being written.
  #batch = 0;
  #reason: Error | undefined;
  #isEstablished = false;

  /** Reads from `transport` at once; call `handshake` before anything else. */
  constructor(
    transport: Transport,
    options: ConnectionOptions,
    events: ConnectionEvents,
  ) {
    const { address, heartbeat, runtime, sharded, lifetime } = options;
    const { onMessage } = events;
    this.#transport = transport;
    this.#options = options;
    this.#events = events;
    this.#deadline = new AnswerDeadline({
      heartbeat,
      runtime,
      onOverdue: (failure, ms) =>
        this.end(
          toConnectionError(
            address,
            new Error(
              `it did not ${failure} ${this.#replies.oldestCommand} within ${ms} ms`,
            ),
          ),
        ),
    });
    const replies = this.#replies = new ReplyQueue({
      deadline: this.#deadline,
      acl: options,
      // On a connection that cannot subscribe, a list may look like a drop.
      onDropped: sharded === true && onMessage !== undefined
        ? (channel) => events.onDropped?.(channel)
        : undefined,
    });
    this.#decoder = new RespDecoder({
      onValue: (value) => replies.receive(value),
      onMessage,
      onArray: (length) => replies.checkLength(length),
    });
    this.#heartbeat = new Heartbeat({
      period: heartbeat,
      runtime,
      probe: () => {
        // In the middle of a reply, the answer would be indistinguishable from its rest.
        if (this.#decoder.partial === "reply") return;
        // `ended` reports the failure.
        this.request(["PING"]).catch(() => {});
      },
      onSilence: (ms) =>
        this.end(
          toConnectionError(
            address,
            new Error(
              `it was silent for ${ms} ms ${
                this.#decoder.partial === "reply"
                  ? "in the middle of a reply"
                  : "and did not answer a PING"
              }`,
            ),
          ),
        ),
    });
    this.#lifetime = onAbort(lifetime, (reason) => this.end(toError(reason)));
    this.#reading = this.#read();
  }

  /** Resolves with the reason when the connection has ended. Never rejects. */
  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Why it ended; undefined while it is open. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /**
   * Logs in, and checks that the server is what the options say. Ends the
   * connection if that fails.
   *
   * @throws the errors of the handshake.
   */
  async handshake(): Promise<void> {
    try {
      await handshake(
        this,
        this.#options,
        (notice) => this.#events.onNotice(notice),
      );
      this.#isEstablished = true;
      // The read of its last reply may have ended the connection.
      if (this.#reason !== undefined) throw this.#reason;
    } catch (error) {
      this.end(toError(error));
      await this.finished();
      throw error;
    }
  }

  /**
   * Sends a command and resolves to its reply.
   *
   * @throws {RedisError} if the server refuses it.
   * @throws {Error} the reason, if the connection ends first: the command may
   * or may not have been executed.
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
   * each channel. Never sends it empty: that would drop every channel.
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

  /** Resolves when no reply is awaited, or the connection has ended. */
  drained(): Promise<void> {
    return this.#replies.drained();
  }

  /** Resolves when nothing of an ended connection is left: no read, no write, no timer. */
  async finished(): Promise<void> {
    await this.#reading;
    await this.#writing;
  }

  /** Ends the connection; awaited replies reject with `reason`. Idempotent. */
  end(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#heartbeat.stop();
    this.#deadline.stop();
    this.#lifetime?.[Symbol.dispose]();
    try {
      this.#transport.close();
    } catch {
      // The peer closed it first.
    }
    this.#replies.rejectAll(reason);
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
    kind: ReplyKind,
    expectedReplies: number,
  ): Promise<RespValue> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    const reply = this.#replies.add(
      command,
      kind,
      expectedReplies,
      this.#batch,
    );
    this.#commands.add(command);
    this.#writing ??= this.#write();
    return reply;
  }

  /**
   * A server reports a dropped sharded channel in the same words whether it was
   * asked to drop it or not, so reports cannot be counted as confirmations. The
   * answer to a PING shows that all of them have arrived.
   */
  async #unsubscribeSharded(channels: readonly string[]): Promise<void> {
    const dropped = this.#send(
      ["SUNSUBSCRIBE", ...channels],
      "sunsubscribe",
      1,
    ).catch((error) => {
      // Refused: either the slot moved and the server dropped the channels, or
      // nobody listens to them anyway.
      if (!(error instanceof RedisError)) throw error;
    });
    await Promise.all([dropped, this.request(["PING"])]);
  }

  /** Writes the buffered commands, and those added meanwhile, one write at a time. */
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
            // A peer that accepts a long command bit by bit is alive.
            if (offset < chunk.length) this.#heartbeat.reset();
            // A deadline runs from the write of its own command, not later ones.
            if (this.#replies.oldestBatch === batch) this.#deadline.restart();
          }
        }
      }
    } catch (error) {
      this.end(toConnectionError(this.#options.address, toError(error)));
    } finally {
      this.#writing = undefined;
    }
  }

  /** Reads until the end. No slow consumer can hold this up. */
  async #read(): Promise<void> {
    const decoder = this.#decoder;
    try {
      for (;;) {
        const length = await this.#transport.read(decoder.reserve());
        if (length === null) throw new Error("the server closed it");
        // Already ended: drop these bytes. The owner rereads on its next connection.
        if (this.#reason !== undefined) return;
        this.#heartbeat.reset();
        const { messages } = decoder;
        decoder.commit(length);
        this.#deadline.received(
          length,
          decoder.partial,
          decoder.messages > messages,
        );
      }
    } catch (error) {
      // If every reply so far parsed, the peer is Redis and the stream was
      // corrupted; otherwise it is probably not Redis at all.
      const isForeign = error instanceof RespError && !this.#isEstablished &&
        !this.#replies.isEmpty;
      this.end(
        isForeign
          ? error
          : toConnectionError(this.#options.address, toError(error)),
      );
    }
  }
}

/** Wraps what ended a connection, unless the server or the connection itself reported it. */
function toConnectionError(address: Address, cause: Error): Error {
  if (cause instanceof RedisError || cause instanceof RedisConnectionError) {
    return cause;
  }
  return new RedisConnectionError(
    `Lost the connection to Redis at ${
      formatAddress(address)
    }: ${cause.message}`,
    { cause },
  );
}
