/**
 * A double of deno.land/x/redis that imitates the behaviour a driver must cope
 * with. It shares no code with the package.
 *
 * @module
 */

import type {
  DenoRedisClient,
  DenoRedisConnect,
  DenoRedisConnectOptions,
  DenoRedisMessage,
  DenoRedisPipeline,
  DenoRedisSubscription,
} from "../../deno_redis.ts";
import { type Argument, encodeCommand } from "./client.ts";

/**
 * The version to imitate. Up to 0.36 there are no events, and up to 0.39 no
 * signal cancels a dial.
 */
export type DoubleVersion = "0.32" | "0.37" | "0.41";

/** A `connect` that makes doubles of the package's clients. */
export function denoRedisDouble(
  version: DoubleVersion = "0.41",
): DenoRedisConnect {
  return async (options) => {
    const client = new Double(options, version);
    await client.connect();
    if (version !== "0.32") return client;
    return {
      get isConnected() {
        return client.isConnected;
      },
      pipeline: () => client.pipeline(),
      subscribe: (...channels) => client.subscribe(...channels),
      close: () => client.close(),
    };
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An error reply: without a name, and with the leading `-`. */
class ErrorReply extends Error {}

class Double implements DenoRedisClient {
  readonly #options: DenoRedisConnectOptions;
  readonly #version: DoubleVersion;
  readonly #listeners: [type: string, callback: () => void][] = [];
  // The channels that the package remembers.
  readonly #channels: Record<string, true> = Object.create(null);
  #conn: Deno.TcpConn | undefined;
  #reader = new Reader(undefined);
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  isConnected = false;

  constructor(options: DenoRedisConnectOptions, version: DoubleVersion) {
    this.#options = options;
    this.#version = version;
  }

  async connect(): Promise<void> {
    const { hostname, port, signal } = this.#options;
    const conn = this.#conn = await Deno.connect({
      hostname,
      port,
      ...(this.#version === "0.41" ? { signal: signal() } : {}),
    });
    this.#reader = new Reader(conn);
    this.#isClosed = false;
    this.isConnected = true;
    this.#emit("connect");
  }

  pipeline(): DenoRedisPipeline {
    const commands: { words: Argument[]; isBinary: boolean }[] = [];
    return {
      sendCommand: (command, args, { returnUint8Arrays = false }) => {
        commands.push({
          words: [command, ...args],
          isBinary: returnUint8Arrays,
        });
        return Promise.resolve("OK");
      },
      flush: () =>
        this.#inTurn(async () => {
          for (const { words } of commands) await this.#write(words);
          const replies: unknown[] = [];
          for (const { isBinary } of commands) {
            replies.push(
              await this.#reader.reply(isBinary).catch((error) => {
                if (error instanceof ErrorReply) return error;
                throw error;
              }),
            );
          }
          return replies;
        }),
    };
  }

  async subscribe(
    ...channels: (string | Uint8Array)[]
  ): Promise<DenoRedisSubscription> {
    const subscription: DenoRedisSubscription = {
      subscribe: async (...names) => {
        await this.#write(["SUBSCRIBE", ...names]);
        for (const name of names) this.#channels[String(name)] = true;
      },
      unsubscribe: async (...names) => {
        await this.#write(["UNSUBSCRIBE", ...names]);
        for (const name of names) delete this.#channels[String(name)];
      },
      receiveBuffers: () => this.#receive(),
    };
    await subscription.subscribe(...channels);
    return subscription;
  }

  addEventListener(type: string, callback: () => void): void {
    this.#listeners.push([type, callback]);
  }

  close(): void {
    const wasClosed = this.#isClosed;
    this.#isClosed = true;
    this.isConnected = false;
    try {
      this.#conn?.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    if (!wasClosed) this.#emit("close");
  }

  /** Hides confirmations, and reconnects regardless of `maxRetryCount`. */
  async *#receive(): AsyncGenerator<DenoRedisMessage, void> {
    while (this.isConnected) {
      let reply: unknown;
      try {
        reply = await this.#reader.reply(true);
      } catch (error) {
        if (this.#isClosed) return;
        if (error instanceof ErrorReply) throw error;
        this.close();
        await this.connect();
        // If this is refused, the new connection stays open.
        await this.#write(["PING"]);
        await this.#reader.reply(true);
        await this.#write(["SUBSCRIBE", ...Object.keys(this.#channels)]);
        continue;
      }
      if (!Array.isArray(reply) || reply.length !== 3) continue;
      const [kind, channel, message] = reply;
      if (decoder.decode(kind) !== "message") continue;
      yield { channel: decoder.decode(channel), message };
    }
  }

  /** Runs one exchange at a time. */
  #inTurn<T>(exchange: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(exchange);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Writes in pieces, so that overlapping writes interleave. */
  async #write(words: Argument[]): Promise<void> {
    const bytes = encodeCommand(words);
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#conn!.write(bytes.subarray(sent, sent + 4096));
    }
  }

  #emit(type: string): void {
    for (const [wanted, callback] of this.#listeners) {
      if (wanted === type) callback();
    }
  }
}

/** Reads replies one by one. Stops at the first error, even inside an array. */
class Reader {
  readonly #conn: Deno.Conn | undefined;
  // All status replies as bytes are views of this buffer.
  readonly #scratch = new Uint8Array(65_536);
  #buffer: Uint8Array = new Uint8Array(0);

  constructor(conn: Deno.Conn | undefined) {
    this.#conn = conn;
  }

  async reply(isBinary: boolean): Promise<unknown> {
    const line = await this.#line();
    const rest = line.slice(1);
    switch (line[0]) {
      case "-":
        throw new ErrorReply(line);
      case ":":
        return Number.parseInt(rest);
      case "+":
        if (!isBinary) return rest;
        return this.#scratch.subarray(
          0,
          encoder.encodeInto(rest, this.#scratch).written,
        );
      case "$": {
        if (rest === "-1") return null;
        const bytes = (await this.#take(Number(rest) + 2)).subarray(0, -2);
        return isBinary ? bytes : decoder.decode(bytes);
      }
      case "*": {
        if (rest === "-1") return null;
        const items: unknown[] = [];
        for (let i = 0; i < Number(rest); i++) {
          items.push(await this.reply(isBinary));
        }
        return items;
      }
      default:
        throw new Error(`Invalid state: unknown code: '${line[0]}'`);
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#buffer.indexOf(10);
      if (end >= 0) return decoder.decode(await this.#take(end + 1)).trimEnd();
      await this.#fill();
    }
  }

  async #take(count: number): Promise<Uint8Array> {
    const whole = new Uint8Array(count);
    for (let filled = 0;;) {
      const part = this.#buffer.subarray(0, count - filled);
      whole.set(part, filled);
      filled += part.length;
      this.#buffer = this.#buffer.subarray(part.length);
      if (filled === count) return whole;
      await this.#fill();
    }
  }

  async #fill(): Promise<void> {
    const piece = new Uint8Array(65_536);
    const length = await this.#conn!.read(piece);
    // The end of the stream is an error without a message.
    if (length === null) throw new Error();
    const joined = new Uint8Array(this.#buffer.length + length);
    joined.set(this.#buffer);
    joined.set(piece.subarray(0, length), this.#buffer.length);
    this.#buffer = joined;
  }
}
