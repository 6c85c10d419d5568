import { RedisConnectionError } from "../../errors.ts";
import type { Timer } from "../../runtime.ts";
import { toError } from "../../util/to_error.ts";
import type { Command } from "../wire/command.ts";
import type { LinkEvents, RedisLink, RedisText } from "../link.ts";
import type { RespValue } from "../wire/resp.ts";
import type { ClientSettings } from "./client.ts";
import type { DenoRedisCommands } from "./commands.ts";
import { DenoRedisSubscriber } from "./subscriber.ts";
import { formatAddress } from "../address.ts";

/** What a link works on. */
export interface DenoRedisLinkOptions {
  /** How to reach the server. */
  readonly settings: ClientSettings;
  /** What the names of probe channels begin with. */
  readonly probePrefix: string;
  /** Milliseconds after which a link is closed that need not keep the process alive. */
  readonly idleTimeout: number;
  /** Told of messages and notices. */
  readonly events: LinkEvents;
}

/**
 * A pair of the package's clients: one for commands, one, opened when it is
 * first needed, that subscribes.
 */
export class DenoRedisLink implements RedisLink {
  readonly #options: DenoRedisLinkOptions;
  readonly #commands: DenoRedisCommands;
  readonly #ended = Promise.withResolvers<Error>();
  readonly #dialling = new AbortController();
  #subscriber: Promise<DenoRedisSubscriber> | undefined;
  #ending: Promise<void> | undefined;
  #reason: Error | undefined;
  #idle: Timer | undefined;

  /** Takes over the command side. */
  constructor(commands: DenoRedisCommands, options: DenoRedisLinkOptions) {
    this.#commands = commands;
    this.#options = options;
    commands.ended.then((reason) => this.end(reason));
  }

  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  async command(command: Command): Promise<RespValue> {
    if (this.#reason !== undefined) throw this.#reason;
    return await this.#commands.request(command);
  }

  async transaction(commands: readonly Command[]): Promise<RespValue[]> {
    if (this.#reason !== undefined) throw this.#reason;
    return await this.#commands.transaction(commands);
  }

  async read(keys: readonly string[]): Promise<(RedisText | null)[]> {
    if (keys.length === 0) return [];
    const reply = await this.command(["MGET", ...keys]);
    if (!Array.isArray(reply) || reply.length !== keys.length) {
      throw new RedisConnectionError(
        `Read ${
          Array.isArray(reply) ? `${reply.length} values` : typeof reply
        } as the reply to an MGET of ${keys.length} keys`,
      );
    }
    return reply.map((value) =>
      typeof value === "string" || value instanceof Uint8Array ? value : null
    );
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    if (this.#reason !== undefined) throw this.#reason;
    this.#subscriber ??= this.#dialSubscriber();
    // One await, here as in unsubscribe, and no more: what is called first must
    // be sent first.
    await (await this.#subscriber).subscribe(channels);
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    // Nothing can be subscribed yet.
    if (this.#subscriber === undefined) return;
    await (await this.#subscriber).unsubscribe(channels);
  }

  async fence(): Promise<void> {
    if (this.#reason !== undefined) throw this.#reason;
    if (this.#subscriber === undefined) return;
    await (await this.#subscriber).fence();
  }

  end(reason: Error): Promise<void> {
    this.#ending ??= this.#end(reason);
    return this.#ending;
  }

  /**
   * The package's sockets cannot be told to let the process end: a link that
   * is not to keep it alive is closed, once it has been so for a while.
   */
  keepAlive(keep: boolean): void {
    const { settings: { address, runtime }, idleTimeout } = this.#options;
    if (this.#idle !== undefined) runtime.clearTimer(this.#idle);
    this.#idle = keep || this.#reason !== undefined
      ? undefined
      : runtime.setTimer(
        () =>
          this.end(
            new RedisConnectionError(
              `Closed the connection to Redis at ${
                formatAddress(address)
              }, which was idle for ${idleTimeout} ms (idleTimeout)`,
            ),
          ),
        idleTimeout,
        true,
      );
  }

  async #dialSubscriber(): Promise<DenoRedisSubscriber> {
    try {
      const subscriber = await DenoRedisSubscriber.open({
        ...this.#options,
        publish: async (channel, message) =>
          Number(await this.#commands.request(["PUBLISH", channel, message])),
      }, this.#dialling.signal);
      subscriber.ended.then((reason) => this.end(reason));
      return subscriber;
    } catch (error) {
      // Half a link is none.
      this.end(toError(error));
      throw error;
    }
  }

  async #end(reason: Error): Promise<void> {
    this.#reason = reason;
    this.#ended.resolve(reason);
    this.keepAlive(true);
    this.#dialling.abort(reason);
    const subscriber = await this.#subscriber?.catch(() => undefined);
    // What it would still bring, the next attach reads.
    subscriber?.end(reason);
    await this.#drain();
    this.#commands.end(reason);
    await Promise.all([this.#commands.finished(), subscriber?.finished()]);
  }

  /**
   * Lets the commands in flight finish: a store cut off here would have to be
   * sent again, and be published twice.
   */
  async #drain(): Promise<void> {
    const { runtime, connectTimeout } = this.#options.settings;
    const deadline = Promise.withResolvers<void>();
    const timer = runtime.setTimer(deadline.resolve, connectTimeout, true);
    await Promise.race([this.#commands.drained(), deadline.promise]);
    runtime.clearTimer(timer);
  }
}
