import { RedisConnectionError, RedisError } from "../../errors.ts";
import { toError } from "../../util/to_error.ts";
import { formatAddress } from "../address.ts";
import type { LinkEvents, RedisLink, RedisText } from "../link.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import type {
  Connection,
  ConnectionEvents,
  ConnectionOptions,
} from "./connection.ts";
import { endLink } from "./end_link.ts";
import { openConnection } from "./open_connection.ts";

/** What a link to one server reports. */
export type TcpLinkEvents = LinkEvents & Pick<ConnectionEvents, "onDropped">;

/**
 * A pair of connections to one server: one for commands, and one that
 * subscribes, opened when it is first needed.
 *
 * Two, because Redis counts everything it sends to a subscribed client against
 * the pub/sub output limit: one large reply there would cut the connection.
 */
export class TcpLink implements RedisLink {
  readonly #options: ConnectionOptions;
  readonly #events: TcpLinkEvents;
  readonly #commands: Connection;
  readonly #ended = Promise.withResolvers<Error>();
  readonly #dialling = new AbortController();
  #subscriber: Promise<Connection> | undefined;
  #serverCheck: Promise<void> | undefined;
  // Channels that were unsubscribed before the check was done, which it cannot
  // rely on. Undefined once it is done.
  #unsubscribed: Set<string> | undefined = new Set();
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
      throw this.#endIfStale(error);
    }
  }

  async transaction(commands: readonly Command[]): Promise<RespValue[]> {
    if (this.#reason !== undefined) throw this.#reason;
    const queued = [["MULTI"], ...commands].map((command) =>
      this.#commands.request(command)
    );
    const replies = this.#commands.request(["EXEC"]);
    // The reason why a command was not queued says more than the EXECABORT that follows.
    const outcomes = await Promise.allSettled([...queued, replies]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") throw this.#endIfStale(outcome.reason);
    }
    return expectArray(await replies, "EXEC").map((reply) => {
      if (reply instanceof RedisError) throw this.#endIfStale(reply);
      return reply;
    });
  }

  async read(keys: readonly string[]): Promise<(RedisText | null)[]> {
    if (keys.length === 0) return [];
    const reply = expectArray(await this.command(["MGET", ...keys]), "MGET");
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
    const subscriber = await this.#openSubscriber();
    try {
      await subscriber.subscribe(channels);
    } catch (error) {
      throw this.#endIfStale(error);
    }
    if (this.#serverCheck === undefined) {
      const channel = channels.find((each) => !this.#unsubscribed?.has(each));
      // All are unsubscribed meanwhile: the next subscription decides.
      if (channel === undefined) return;
      this.#serverCheck = this.#checkServer(channel);
    }
    await this.#serverCheck;
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    // Nothing is subscribed yet.
    if (this.#subscriber === undefined) return;
    // One await, as in subscribe and fence, and no more: calls must be sent in
    // order.
    const subscriber = await this.#subscriber;
    for (const channel of channels) this.#unsubscribed?.add(channel);
    try {
      await subscriber.unsubscribe(channels);
    } catch (error) {
      throw this.#endIfStale(error);
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
      throw this.#endIfStale(error);
    }
    // While subscribed, PING answers ["pong", nonce].
    const answer = Array.isArray(reply) ? reply[1] : reply;
    if (answer !== nonce) {
      throw await this.#endBroken(
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

  /** The subscribing connection, opened once, on first use. */
  #openSubscriber(): Promise<Connection> {
    if (this.#reason !== undefined) return Promise.reject(this.#reason);
    this.#subscriber ??= this.#dialSubscriber();
    return this.#subscriber;
  }

  async #dialSubscriber(): Promise<Connection> {
    try {
      const subscriber = await openConnection(
        this.#options,
        this.#events,
        this.#dialling.signal,
      );
      subscriber.keepAlive(this.#keepAlive);
      subscriber.ended.then((reason) => this.end(reason));
      return subscriber;
    } catch (error) {
      // A link needs both of its connections.
      this.end(toError(error));
      throw error;
    }
  }

  /**
   * The order of attaching (subscribe, then read) loses nothing only if both
   * connections reached the same server. Behind a load balancer, or a DNS name
   * with several addresses, they may not have.
   */
  async #checkServer(channel: string): Promise<void> {
    let reply: RespValue;
    try {
      reply = await this.command([
        "PUBSUB",
        this.#options.sharded === true ? "SHARDNUMSUB" : "NUMSUB",
        channel,
      ]);
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      this.#unsubscribed = undefined;
      this.#events.onNotice(error);
      return;
    }
    const subscribers = expectArray(reply, "PUBSUB NUMSUB")[1];
    if (subscribers === 0 && this.#unsubscribed?.has(channel)) {
      // Unsubscribed meanwhile: the next subscription decides.
      this.#serverCheck = undefined;
    } else if (subscribers === 0) {
      throw await this.#endBroken(
        "The command connection and the subscribed one reached different Redis servers: " +
          "give an address that leads to one server",
      );
    } else {
      this.#unsubscribed = undefined;
    }
  }

  /**
   * Ends the link for a refusal that is permanent on this connection, but may
   * not occur on the next one. Returns the error to throw.
   */
  #endIfStale(error: unknown): unknown {
    if (!(error instanceof RedisError)) return error;
    const { address, credentials } = this.#options;
    if (error.code === "READONLY") {
      // Not awaited: the drain would wait for the caller.
      this.end(
        new RedisConnectionError(
          `Cannot write to Redis at ${
            formatAddress(address)
          }: ${error.message}; it is a replica now, reconnecting`,
          { cause: error },
        ),
      );
    } else if (error.code === "NOAUTH" && credentials !== undefined) {
      const reason = new RedisConnectionError(
        `Cannot use the connection to Redis at ${
          formatAddress(address)
        } any more: ${error.message}; asking credentials() again`,
        { cause: error },
      );
      this.end(reason);
      return reason;
    }
    return error;
  }

  async #endBroken(message: string): Promise<Error> {
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

function expectArray(reply: RespValue, command: string): RespValue[] {
  if (Array.isArray(reply)) return reply;
  throw new RedisConnectionError(
    `Read ${JSON.stringify(reply)} as the reply to ${command}`,
  );
}
