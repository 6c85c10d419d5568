import { RedisConnectionError, RedisError } from "../../errors.ts";
import type { Timer } from "../../runtime.ts";
import { toError } from "../../util/to_error.ts";
import { Heartbeat } from "../server/heartbeat.ts";
import type { LinkEvents } from "../link.ts";
import { type ClientSettings, closeClient, openClient } from "./client.ts";
import { lossOf } from "./failures.ts";
import type { DenoRedisClient, DenoRedisSubscription } from "./types.ts";
import { decodeUtf8 } from "./replies.ts";
import { formatAddress } from "../address.ts";

/** The first and the longest wait before a probe is published again, in milliseconds. */
const FIRST_PAUSE = 1;
const MAX_PAUSE = 100;
/** Between two looks at whether the package still reads, in milliseconds. */
const CLOSING_PAUSE = 20;

/** What a subscriber works on. */
export interface SubscriberOptions {
  /** How to reach the server. */
  readonly settings: ClientSettings;
  /** What the names of probe channels begin with. */
  readonly probePrefix: string;
  /** Takes messages and notices. */
  readonly events: LinkEvents;
  /** Publishes by the other connection; resolves to the number of receivers. */
  publish(channel: string, message: string): Promise<number>;
}

/**
 * The subscribed side of a link.
 *
 * The package keeps the server's confirmations to itself, and sends no PING
 * while it reads messages. Both are made up for by channels of our own, the
 * probes: what the other connection publishes there and what arrives here
 * proves that the server took every subscription that was written before, that
 * both connections reached one server, that this one is alive, and that every
 * earlier message has come.
 */
export class DenoRedisSubscriber {
  readonly #options: SubscriberOptions;
  readonly #client: DenoRedisClient;
  readonly #subscription: DenoRedisSubscription;
  readonly #probe: string;
  readonly #ended: PromiseWithResolvers<Error>;
  readonly #heartbeat: Heartbeat;
  readonly #reading: Promise<void>;
  // Who waits for which message on a probe.
  readonly #awaited = new Map<string, PromiseWithResolvers<boolean>>();
  #count = 0;
  // Subscriptions under way; the first probe is one.
  #unconfirmed = 1;
  #closed: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #reason: Error | undefined;

  private constructor(
    client: DenoRedisClient,
    subscription: DenoRedisSubscription,
    probe: string,
    ended: PromiseWithResolvers<Error>,
    options: SubscriberOptions,
  ) {
    this.#client = client;
    this.#subscription = subscription;
    this.#probe = probe;
    this.#ended = ended;
    this.#options = options;
    const { address, heartbeat, runtime } = options.settings;
    this.#heartbeat = new Heartbeat({
      period: heartbeat,
      runtime,
      // Whoever waits learns of its failure from `ended`.
      probe: () => void this.fence().catch(ignore),
      onSilence: (ms) =>
        this.end(
          new RedisConnectionError(
            `Lost the connection to Redis at ${
              formatAddress(address)
            }: it was silent for ${ms} ms, and brought no probe`,
          ),
        ),
    });
    ended.promise.then((reason) => this.end(reason));
    this.#reading = this.#read();
  }

  /**
   * Dials and subscribes to a probe. What it resolves to has received a
   * message.
   *
   * @throws as `openClient` does.
   */
  static async open(
    options: SubscriberOptions,
    signal: AbortSignal,
  ): Promise<DenoRedisSubscriber> {
    const { settings, events, probePrefix } = options;
    const ended = Promise.withResolvers<Error>();
    const client = await openClient(settings, {
      onNotice: (notice) => events.onNotice(notice),
      onStray: ended.resolve,
    }, signal);
    const probe = probePrefix + crypto.randomUUID();
    let subscriber: DenoRedisSubscriber;
    try {
      // As bytes, because after a reconnect of its own the package subscribes
      // anew to the names that it knows, and misspells those that it was given
      // as bytes: the probe is then gone, and so tells of the reconnect.
      const bytes = new TextEncoder().encode(probe);
      const subscription = await client.subscribe(bytes);
      subscriber = new DenoRedisSubscriber(
        client,
        subscription,
        probe,
        ended,
        options,
      );
    } catch (error) {
      closeClient(client);
      throw lossOf(error, settings.address);
    }
    const abort = (): void => subscriber.end(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      await subscriber.#confirmed(probe);
      subscriber.#unconfirmed--;
    } catch (error) {
      subscriber.end(lossOf(error, settings.address));
      await subscriber.finished();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    return subscriber;
  }

  /** Resolves with the reason when the subscriber has ended. Never rejects. */
  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Subscribes; resolves when the server has taken it. */
  async subscribe(channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    await this.#confirm((probe) =>
      this.#subscription.subscribe(...channels, probe)
    );
  }

  /** Unsubscribes; resolves when the server has taken it. Never sent empty: that would drop every channel. */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    await this.#confirm(async (probe) => {
      await this.#subscription.unsubscribe(...channels);
      await this.#subscription.subscribe(probe);
    });
  }

  /** Resolves after every message has been handed on that was published before this call. */
  async fence(): Promise<void> {
    if (this.#reason !== undefined) throw this.#reason;
    const { settings } = this.#options;
    const nonce = `fence ${this.#count++}`;
    const arrived = this.#await(nonce);
    try {
      if (await this.#publish(this.#probe, nonce) === 0) {
        throw this.#broken(
          "the connection is another than the one that was subscribed",
        );
      }
      const patience = settings.heartbeat * 2;
      if (!await this.#within(arrived, patience)) {
        throw this.#broken(`a probe did not arrive within ${patience} ms`);
      }
    } finally {
      this.#awaited.delete(nonce);
    }
  }

  /** Closes the client; whatever waits rejects with `reason`. Later calls change nothing. */
  end(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#heartbeat.stop();
    this.#closed = this.#close();
    for (const { reject } of this.#awaited.values()) reject(reason);
    this.#ended.resolve(reason);
  }

  /**
   * Resolves when nothing is left, or the package does not come to an end
   * within `connectTimeout`.
   */
  async finished(): Promise<void> {
    const { connectTimeout } = this.#options.settings;
    await this.#within(this.#closed.then(() => true), connectTimeout);
  }

  /**
   * Closes the client until the package reads no more, and then once again: a
   * dial of its own, begun before the end, may bring it a new connection after
   * it, which it leaves open where the server refuses it. Versions before 0.40
   * tell of that too early or not at all.
   */
  async #close(): Promise<void> {
    const over = this.#reading.then(() => true);
    do {
      closeClient(this.#client);
    } while (!await this.#within(over, CLOSING_PAUSE));
    closeClient(this.#client);
  }

  /** Writes what ends with a subscription to a new probe, and waits until that has received a message. */
  async #confirm(write: (probe: string) => Promise<void>): Promise<void> {
    const probe = `${this.#probe}:${this.#count++}`;
    this.#unconfirmed++;
    try {
      await this.#write(() => write(probe));
      await this.#confirmed(probe);
    } finally {
      this.#unconfirmed--;
    }
    // If it fails, the subscriber has ended.
    this.#write(() => this.#subscription.unsubscribe(probe)).catch(ignore);
  }

  /** Resolves when a probe has received what is published there. */
  async #confirmed(probe: string): Promise<void> {
    const { connectTimeout } = this.#options.settings;
    const arrived = this.#await(probe);
    let waited = 0;
    try {
      for (let pause = FIRST_PAUSE;; pause = Math.min(pause * 2, MAX_PAUSE)) {
        // The number of receivers says nothing: a subscriber to a pattern
        // counts, too.
        await this.#publish(probe, probe);
        if (await this.#within(arrived, pause)) return;
        waited += pause;
        // Not by the clock: a PUBLISH may have to wait for a large reply.
        if (waited > connectTimeout) {
          throw this.#broken(
            `no message arrived within ${connectTimeout} ms after a subscription: ` +
              "give an address that leads to one server, so that both connections reach the same",
          );
        }
      }
    } finally {
      this.#awaited.delete(probe);
    }
  }

  /**
   * One write at a time, in call order: the package lets them mix. One that the
   * server does not take ends the subscriber, though messages come in.
   */
  async #write(write: () => Promise<void>): Promise<void> {
    const patience = this.#options.settings.heartbeat * 2;
    const before = this.#writing;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing = promise;
    await before;
    try {
      if (this.#reason === undefined) {
        const written = write().then(() => true);
        if (!await this.#within(written, patience)) {
          this.#broken(`a command was not taken within ${patience} ms`);
        }
      }
    } catch (error) {
      this.end(lossOf(error, this.#options.settings.address));
    } finally {
      resolve();
    }
    if (this.#reason !== undefined) throw this.#reason;
  }

  async #read(): Promise<void> {
    const { settings: { address }, events } = this.#options;
    try {
      const messages = this.#subscription.receiveBuffers();
      for await (const { channel, message } of messages) {
        // What comes behind the end is no message, and the next attach reads it.
        if (this.#reason !== undefined) break;
        this.#heartbeat.reset();
        const payload = decodeUtf8(message);
        if (!channel.startsWith(this.#probe)) {
          events.onMessage(channel, payload);
        } else if (typeof payload === "string") {
          this.#awaited.get(payload)?.resolve(true);
        }
      }
      this.end(lossOf(new Error(), address));
    } catch (error) {
      this.end(this.#explain(lossOf(error, address)));
    }
  }

  /** Publishes on a probe; resolves to the number of receivers. */
  async #publish(probe: string, message: string): Promise<number> {
    try {
      return await this.#options.publish(probe, message);
    } catch (error) {
      this.end(this.#advise(toError(error)));
      throw this.#reason;
    }
  }

  /** What it means that the subscribed connection brought an error. */
  #explain(loss: Error): Error {
    if (!(loss instanceof RedisError)) return loss;
    // Nothing else can be refused here, unless the package dialled by itself:
    // then it has neither authenticated nor answers for what was subscribed.
    if (loss.code === "NOPERM" && this.#unconfirmed > 0) {
      return this.#advise(loss);
    }
    return new RedisConnectionError(
      `Lost the subscription at Redis at ${
        formatAddress(this.#options.settings.address)
      }: ${loss.message}`,
      { cause: loss },
    );
  }

  #advise(error: Error): Error {
    return error instanceof RedisError && error.code === "NOPERM"
      ? new RedisError(
        error.message,
        `the ACL must allow SUBSCRIBE to the channels asked for, and SUBSCRIBE and PUBLISH on ${this.#options.probePrefix}*, ` +
          "by which this driver tells that a subscription was taken",
        { cause: error },
      )
      : error;
  }

  #await(message: string): Promise<boolean> {
    const awaited = Promise.withResolvers<boolean>();
    this.#awaited.set(message, awaited);
    // Nobody may be waiting yet when it fails.
    awaited.promise.catch(ignore);
    if (this.#reason !== undefined) awaited.reject(this.#reason);
    return awaited.promise;
  }

  /** What `arrived` resolves to, or false if that takes longer than `ms`. */
  async #within(arrived: Promise<boolean>, ms: number): Promise<boolean> {
    const { runtime } = this.#options.settings;
    const late = Promise.withResolvers<boolean>();
    const timer: Timer = runtime.setTimer(() => late.resolve(false), ms, false);
    try {
      return await Promise.race([arrived, late.promise]);
    } finally {
      runtime.clearTimer(timer);
    }
  }

  #broken(why: string): Error {
    const { address } = this.#options.settings;
    this.end(
      new RedisConnectionError(
        `Lost the subscription at Redis at ${formatAddress(address)}: ${why}`,
      ),
    );
    // Another reason may have been first.
    return this.#reason!;
  }
}

function ignore(): void {}
