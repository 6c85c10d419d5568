import { RedisConnectionError } from "../../errors.ts";
import type { Timer } from "../../runtime.ts";
import { toError } from "../../util/to_error.ts";
import { formatAddress } from "../address.ts";
import type { LinkEvents, RedisLink, RedisText } from "../link.ts";
import { endLink } from "../server/end_link.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import type { ClientSettings } from "./client.ts";
import type { DenoRedisCommands } from "./commands.ts";
import { DenoRedisSubscriber } from "./subscriber.ts";

/** What a {@linkcode DenoRedisLink} works with. */
export interface DenoRedisLinkOptions {
  /** How to connect to the server. */
  readonly settings: ClientSettings;
  /** What the names of the probe channels begin with. */
  readonly probePrefix: string;
  /** Milliseconds after which an unused link is closed. */
  readonly idleTimeout: number;
  /** Called with messages and notices. */
  readonly events: LinkEvents;
}

/**
 * A pair of the package's clients: one for commands, and one for
 * subscriptions, which is opened when it is first needed.
 */
export class DenoRedisLink implements RedisLink {
  readonly #options: DenoRedisLinkOptions;
  readonly #commands: DenoRedisCommands;
  readonly #ended = Promise.withResolvers<Error>();
  readonly #dialling = new AbortController();
  #subscriber: Promise<DenoRedisSubscriber> | undefined;
  #ending: Promise<void> | undefined;
  #reason: Error | undefined;
  #idleTimer: Timer | undefined;

  /** Takes ownership of the command side. */
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
    // One await, as in unsubscribe, so that calls are sent in order.
    await (await this.#subscriber).subscribe(channels);
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    // Nothing is subscribed yet.
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
   * The package's sockets always keep the process alive. A link that should not
   * do so is therefore closed after `idleTimeout`.
   */
  keepAlive(keep: boolean): void {
    const { settings: { address, runtime }, idleTimeout } = this.#options;
    if (this.#idleTimer !== undefined) runtime.clearTimer(this.#idleTimer);
    this.#idleTimer = keep || this.#reason !== undefined
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
      // A link cannot work with one side only.
      this.end(toError(error));
      throw error;
    }
  }

  async #end(reason: Error): Promise<void> {
    this.#reason = reason;
    this.#ended.resolve(reason);
    this.keepAlive(true);
    this.#dialling.abort(reason);
    const { runtime, connectTimeout } = this.#options.settings;
    await endLink({
      commands: this.#commands,
      subscriber: this.#subscriber,
      drainTimeout: connectTimeout,
      runtime,
    }, reason);
  }
}
