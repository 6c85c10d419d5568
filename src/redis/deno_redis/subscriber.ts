import { RedisConnectionError, RedisError } from "../../errors.ts";
import { onAbort } from "../../util/on_abort.ts";
import { toError } from "../../util/to_error.ts";
import { formatAddress } from "../address.ts";
import type { LinkEvents } from "../link.ts";
import { Heartbeat } from "../server/heartbeat.ts";
import { type ClientSettings, closeClient, openClient } from "./client.ts";
import { explainLoss } from "./failures.ts";
import { isSettledWithin, Probes } from "./probes.ts";
import { decodeUtf8 } from "./replies.ts";
import type { DenoRedisClient, DenoRedisSubscription } from "./types.ts";

/** How often a closed client is checked until the package stops reading. */
const CLOSE_RETRY_MS = 20;

/** What a {@linkcode DenoRedisSubscriber} works with. */
export interface SubscriberOptions {
  /** How to connect to the server. */
  readonly settings: ClientSettings;
  /** What the names of the probe channels begin with. */
  readonly probePrefix: string;
  /** Called with messages and notices. */
  readonly events: LinkEvents;
  /** Publishes on the command connection. Resolves to the number of receivers. */
  publish(channel: string, message: string): Promise<number>;
}

/** An open client, for the constructor of {@linkcode DenoRedisSubscriber}. */
interface Subscribed {
  readonly client: DenoRedisClient;
  readonly subscription: DenoRedisSubscription;
  readonly probes: Probes;
  readonly lost: PromiseWithResolvers<Error>;
}

/**
 * The subscribed side of a link: one client of the package, which reads
 * messages. {@linkcode Probes} confirm its subscriptions.
 */
export class DenoRedisSubscriber {
  readonly #options: SubscriberOptions;
  readonly #client: DenoRedisClient;
  readonly #subscription: DenoRedisSubscription;
  readonly #probes: Probes;
  readonly #ended: PromiseWithResolvers<Error>;
  readonly #heartbeat: Heartbeat;
  readonly #reading: Promise<void>;
  // Subscriptions that are not confirmed yet. The first probe is one.
  #unconfirmed = 1;
  #closed: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #reason: Error | undefined;

  private constructor(
    { client, subscription, probes, lost }: Subscribed,
    options: SubscriberOptions,
  ) {
    this.#client = client;
    this.#subscription = subscription;
    this.#probes = probes;
    this.#ended = lost;
    this.#options = options;
    const { address, heartbeat, runtime } = options.settings;
    this.#heartbeat = new Heartbeat({
      period: heartbeat,
      runtime,
      // A failure ends the subscriber, and is reported by `ended`.
      probe: () => void this.fence().catch(ignore),
      onSilence: (ms) =>
        this.end(
          new RedisConnectionError(
            `Lost the connection to Redis at ${
              formatAddress(address)
            }: it was silent for ${ms} ms, and a probe did not arrive`,
          ),
        ),
    });
    lost.promise.then((reason) => this.end(reason));
    this.#reading = this.#read();
  }

  /**
   * Dials, subscribes to a probe, and waits for a message on it.
   *
   * @throws the same errors as `openClient`.
   */
  static async open(
    options: SubscriberOptions,
    signal: AbortSignal,
  ): Promise<DenoRedisSubscriber> {
    const { settings, events, probePrefix } = options;
    const lost = Promise.withResolvers<Error>();
    const client = await openClient(settings, {
      onNotice: (notice) => events.onNotice(notice),
      onLost: lost.resolve,
    }, signal);
    const probes = new Probes({
      prefix: probePrefix,
      runtime: settings.runtime,
      publish: (channel, message) => options.publish(channel, message),
    });
    let subscriber: DenoRedisSubscriber;
    try {
      // As bytes. When the package reconnects by itself, it resubscribes to the
      // names that it remembers, and corrupts those given as bytes. The probe is
      // then unsubscribed, which reveals the reconnect.
      const name = new TextEncoder().encode(probes.channel);
      const subscription = await client.subscribe(name);
      subscriber = new DenoRedisSubscriber(
        { client, subscription, probes, lost },
        options,
      );
    } catch (error) {
      closeClient(client);
      throw explainLoss(error, settings.address);
    }
    try {
      using _abort = onAbort(signal, () => subscriber.end(signal.reason));
      await subscriber.#awaitProbe(probes.channel);
      subscriber.#unconfirmed--;
    } catch (error) {
      subscriber.end(explainLoss(error, settings.address));
      await subscriber.finished();
      throw error;
    }
    return subscriber;
  }

  /** Resolves with the reason when the subscriber has ended. Never rejects. */
  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Subscribes. Resolves when the server has confirmed. */
  async subscribe(channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    await this.#confirm((probe) =>
      this.#subscription.subscribe(...channels, probe)
    );
  }

  /** Unsubscribes. Resolves when the server has confirmed. Never sent empty: that would drop every channel. */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    await this.#confirm(async (probe) => {
      await this.#subscription.unsubscribe(...channels);
      await this.#subscription.subscribe(probe);
    });
  }

  /** Resolves once every message that was published before this call has been delivered. */
  async fence(): Promise<void> {
    if (this.#reason !== undefined) throw this.#reason;
    const timeout = this.#options.settings.heartbeat * 2;
    const outcome = await this.#orEnd(this.#probes.fence(timeout));
    if (outcome === "unsubscribed") {
      throw this.#fail("the package has replaced the subscribed connection");
    }
    if (outcome === "late") {
      throw this.#fail(`a probe did not arrive within ${timeout} ms`);
    }
  }

  /** Closes the client, and rejects pending calls with `reason`. Later calls have no effect. */
  end(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#heartbeat.stop();
    this.#closed = this.#close();
    this.#probes.end(reason);
    this.#ended.resolve(reason);
  }

  /** Resolves when the package has stopped reading, or after `connectTimeout`. */
  async finished(): Promise<void> {
    const { connectTimeout, runtime } = this.#options.settings;
    await isSettledWithin(runtime, this.#closed, connectTimeout);
  }

  /**
   * Closes the client until the package stops reading, and then once more. A
   * dial that the package began by itself may give it a new connection later,
   * which it leaves open if the server refuses it. Versions before 0.40 report
   * that too early or not at all.
   */
  async #close(): Promise<void> {
    const { runtime } = this.#options.settings;
    do {
      closeClient(this.#client);
    } while (!await isSettledWithin(runtime, this.#reading, CLOSE_RETRY_MS));
    closeClient(this.#client);
  }

  /** Writes commands that end with a subscription to a new probe, and waits for a message on it. */
  async #confirm(write: (probe: string) => Promise<void>): Promise<void> {
    const probe = this.#probes.createChannel();
    this.#unconfirmed++;
    try {
      await this.#write(() => write(probe));
      await this.#awaitProbe(probe);
    } finally {
      this.#unconfirmed--;
    }
    // A failure ends the subscriber.
    this.#write(() => this.#subscription.unsubscribe(probe)).catch(ignore);
  }

  /** Resolves when a message has arrived on a probe. */
  async #awaitProbe(probe: string): Promise<void> {
    const { connectTimeout } = this.#options.settings;
    if (await this.#orEnd(this.#probes.confirm(probe, connectTimeout))) return;
    throw this.#fail(
      `no message arrived within ${connectTimeout} ms after a subscription: ` +
        "give an address that leads to one server, so that both connections reach the same",
    );
  }

  /**
   * Writes one command at a time, in call order, because the package would
   * interleave them. A write that stalls ends the subscriber, even if messages
   * still arrive.
   */
  async #write(write: () => Promise<void>): Promise<void> {
    const { address, heartbeat, runtime } = this.#options.settings;
    const timeout = heartbeat * 2;
    const previous = this.#writing;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing = promise;
    await previous;
    try {
      if (
        this.#reason === undefined &&
        !await isSettledWithin(runtime, write(), timeout)
      ) this.#fail(`a command could not be written within ${timeout} ms`);
    } catch (error) {
      this.end(explainLoss(error, address));
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
        // After the end, messages are left to the next attach.
        if (this.#reason !== undefined) break;
        this.#heartbeat.reset();
        const payload = decodeUtf8(message);
        if (!this.#probes.receive(channel, payload)) {
          events.onMessage(channel, payload);
        }
      }
      this.end(explainLoss(new Error(), address));
    } catch (error) {
      this.end(this.#explainReadError(explainLoss(error, address)));
    }
  }

  /** Converts an error of the subscribed connection. */
  #explainReadError(loss: Error): Error {
    if (!(loss instanceof RedisError)) return loss;
    // Any other refusal means that the package has reconnected by itself: the
    // new connection is not authenticated.
    if (loss.code === "NOPERM" && this.#unconfirmed > 0) {
      return this.#addAclAdvice(loss);
    }
    return new RedisConnectionError(
      `Lost the subscription at Redis at ${
        formatAddress(this.#options.settings.address)
      }: ${loss.message}`,
      { cause: loss },
    );
  }

  #addAclAdvice(error: Error): Error {
    return error instanceof RedisError && error.code === "NOPERM"
      ? new RedisError(
        error.message,
        `the ACL must allow SUBSCRIBE to the channels asked for, and SUBSCRIBE and PUBLISH on ${this.#options.probePrefix}*, ` +
          "with which this driver confirms subscriptions",
        { cause: error },
      )
      : error;
  }

  /** Awaits work with the probes, and ends the subscriber if it fails. */
  async #orEnd<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.end(this.#addAclAdvice(toError(error)));
      throw this.#reason;
    }
  }

  /** Ends the subscriber. Returns the reason, which may be an earlier one. */
  #fail(why: string): Error {
    const { address } = this.#options.settings;
    this.end(
      new RedisConnectionError(
        `Lost the subscription at Redis at ${formatAddress(address)}: ${why}`,
      ),
    );
    return this.#reason!;
  }
}

function ignore(): void {}
