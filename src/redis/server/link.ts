import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import { toError } from "../../util/to_error.ts";
import type { Command } from "../wire/command.ts";
import {
  Connection,
  type ConnectionEvents,
  type ConnectionOptions,
} from "./connection.ts";
import type { LinkEvents, RedisDriver, RedisLink, RedisText } from "../link.ts";
import type { RespValue } from "../wire/resp.ts";
import { flagAdvice } from "../tls/explain.ts";
import { endLink } from "./end_link.ts";
import { formatAddress } from "../address.ts";

/** What a link to one server tells. */
export type TcpLinkEvents = LinkEvents & Pick<ConnectionEvents, "onDropped">;

/** The driver for one server, reached over TCP, TLS or a Unix socket. */
export class TcpDriver implements RedisDriver {
  readonly #options: ConnectionOptions;

  /** Prepares; nothing is dialled before `connect`. */
  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Makes one attempt: see {@linkcode RedisDriver}. */
  async connect(
    events: TcpLinkEvents,
    signal: AbortSignal,
  ): Promise<RedisLink> {
    const { onNotice } = events;
    const commands = await Connection.open(
      this.#options,
      {
        onNotice,
        onExpires: (at) => events.onExpires?.(at),
        onStep: (step) => events.onStep?.(step),
      },
      signal,
    );
    return this.adopt(commands, events);
  }

  /** Makes a link of a connection to this server that is there already. */
  adopt(commands: Connection, events: TcpLinkEvents): RedisLink {
    const { address, tls } = this.#options;
    if (tls?.certReqs === "none" && "port" in address) {
      events.onNotice(
        new ConfigurationError(
          `Cannot leave the certificate of ${
            formatAddress(address)
          } unverified, as ssl_cert_reqs=none says: ${
            flagAdvice(address.hostname)
          }`,
        ),
      );
    }
    return new TcpLink(commands, this.#options, events);
  }
}

/**
 * A pair of connections to one server: one for commands, one, opened when it
 * is first needed, that subscribes.
 *
 * Two, because Redis counts everything that it sends to a subscribed client
 * against the pub/sub output limit: one large reply there would cut the
 * connection.
 */
class TcpLink implements RedisLink {
  readonly #options: ConnectionOptions;
  readonly #events: TcpLinkEvents;
  readonly #commands: Connection;
  readonly #ended = Promise.withResolvers<Error>();
  readonly #dialling = new AbortController();
  #subscriber: Promise<Connection> | undefined;
  #sameServer: Promise<void> | undefined;
  // Channels that were unsubscribed before the check was done: it cannot count on them.
  #left: Set<string> | undefined = new Set();
  #ending: Promise<void> | undefined;
  #reason: Error | undefined;
  #keepAlive = true;

  constructor(
    commands: Connection,
    options: ConnectionOptions,
    events: TcpLinkEvents,
  ) {
    this.#commands = commands;
    this.#options = options;
    this.#events = events;
    commands.ended.then((reason) => this.end(reason));
  }

  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  async command(command: Command): Promise<RespValue> {
    if (this.#reason !== undefined) throw this.#reason;
    try {
      return await this.#commands.request(command);
    } catch (error) {
      throw this.#checked(error);
    }
  }

  async transaction(commands: readonly Command[]): Promise<RespValue[]> {
    if (this.#reason !== undefined) throw this.#reason;
    const queued = [["MULTI"], ...commands].map((command) =>
      this.#commands.request(command)
    );
    const replies = this.#commands.request(["EXEC"]);
    // Why a command was not queued says more than the EXECABORT that follows.
    const outcomes = await Promise.allSettled([...queued, replies]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") throw this.#checked(outcome.reason);
    }
    return arrayOf(await replies, "EXEC").map((reply) => {
      if (reply instanceof RedisError) throw this.#checked(reply);
      return reply;
    });
  }

  async read(keys: readonly string[]): Promise<(RedisText | null)[]> {
    if (keys.length === 0) return [];
    const reply = arrayOf(await this.command(["MGET", ...keys]), "MGET");
    if (reply.length !== keys.length) {
      throw new RedisConnectionError(
        `Read ${reply.length} values as the reply to an MGET of ${keys.length} keys`,
      );
    }
    return reply.map((value) =>
      typeof value === "string" || value instanceof Uint8Array ? value : null
    );
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    const subscriber = await this.#subscribed();
    try {
      await subscriber.subscribe(channels);
    } catch (error) {
      throw this.#checked(error);
    }
    if (this.#sameServer === undefined) {
      const channel = channels.find((each) => !this.#left?.has(each));
      // All unsubscribed meanwhile: the next subscription tells.
      if (channel === undefined) return;
      this.#sameServer = this.#checkSameServer(channel);
    }
    await this.#sameServer;
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    // Nothing can be subscribed yet.
    if (this.#subscriber === undefined) return;
    // One await, here as in subscribe and fence, and no more: what is called
    // first must be sent first.
    const subscriber = await this.#subscriber;
    for (const channel of channels) this.#left?.add(channel);
    try {
      await subscriber.unsubscribe(channels);
    } catch (error) {
      throw this.#checked(error);
    }
  }

  async fence(): Promise<void> {
    if (this.#reason !== undefined) throw this.#reason;
    if (this.#subscriber === undefined) return;
    const nonce = crypto.randomUUID();
    let reply: RespValue;
    try {
      reply = await (await this.#subscriber).request(["PING", nonce]);
    } catch (error) {
      throw this.#checked(error);
    }
    // While subscribed, PING answers ["pong", nonce].
    const answer = Array.isArray(reply) ? reply[1] : reply;
    if (answer !== nonce) {
      throw await this.#broken(
        `Read ${JSON.stringify(answer)} as the reply to PING ${nonce}`,
      );
    }
  }

  end(reason: Error): Promise<void> {
    this.#ending ??= this.#end(reason);
    return this.#ending;
  }

  keepAlive(keep: boolean): void {
    this.#keepAlive = keep;
    this.#commands.keepAlive(keep);
    this.#subscriber?.then(
      (subscriber) => subscriber.keepAlive(keep),
      () => {},
    );
  }

  /** The subscribing connection; dialled once, on first use. */
  #subscribed(): Promise<Connection> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    this.#subscriber ??= this.#dialSubscriber();
    return this.#subscriber;
  }

  async #dialSubscriber(): Promise<Connection> {
    try {
      const subscriber = await Connection.open(
        this.#options,
        this.#events,
        this.#dialling.signal,
      );
      subscriber.keepAlive(this.#keepAlive);
      subscriber.ended.then((reason) => this.end(reason));
      return subscriber;
    } catch (error) {
      // Half a link is none.
      this.end(toError(error));
      throw error;
    }
  }

  /**
   * The attach order proves something only if both connections reached one
   * server: behind a balancer or a DNS name with several addresses they may
   * not.
   */
  async #checkSameServer(channel: string): Promise<void> {
    let reply: RespValue;
    try {
      reply = await this.command([
        "PUBSUB",
        this.#options.sharded === true ? "SHARDNUMSUB" : "NUMSUB",
        channel,
      ]);
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      this.#left = undefined;
      this.#events.onNotice(error);
      return;
    }
    const subscribers = arrayOf(reply, "PUBSUB NUMSUB")[1];
    if (subscribers === 0 && this.#left?.has(channel)) {
      // Unsubscribed meanwhile: the next subscription tells.
      this.#sameServer = undefined;
    } else if (subscribers === 0) {
      throw await this.#broken(
        "The command connection and the subscribed one reached different Redis servers: " +
          "give an address that leads to one server",
      );
    } else {
      this.#left = undefined;
    }
  }

  /**
   * Ends the link for a refusal that stays on this connection, and may not be
   * met on the next. A name may lead to another server by then.
   */
  #checked(error: unknown): unknown {
    if (!(error instanceof RedisError)) return error;
    const { address, credentials } = this.#options;
    if (error.code === "READONLY") {
      // Its drain is not waited for: it would wait for the caller.
      this.end(
        new RedisConnectionError(
          `Cannot write to Redis at ${
            formatAddress(address)
          }: ${error.message}; it is a replica now, the connection is made anew`,
          { cause: error },
        ),
      );
    } else if (error.code === "NOAUTH" && credentials !== undefined) {
      const reason = new RedisConnectionError(
        `Cannot use the connection to Redis at ${
          formatAddress(address)
        } any more: ${error.message}; credentials() is asked again`,
        { cause: error },
      );
      this.end(reason);
      return reason;
    }
    return error;
  }

  async #broken(message: string): Promise<Error> {
    const reason = new RedisConnectionError(message);
    await this.end(reason);
    return reason;
  }

  async #end(reason: Error): Promise<void> {
    this.#reason = reason;
    this.#ended.resolve(reason);
    this.#dialling.abort(reason);
    const { runtime, connectTimeout } = this.#options;
    await endLink({
      commands: this.#commands,
      subscriber: this.#subscriber,
      drainTimeout: connectTimeout,
      runtime,
    }, reason);
  }
}

function arrayOf(reply: RespValue, command: string): RespValue[] {
  if (Array.isArray(reply)) return reply;
  throw new RedisConnectionError(
    `Read ${JSON.stringify(reply)} as the reply to ${command}`,
  );
}
