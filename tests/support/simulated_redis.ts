/**
 * A Redis server, its links and the network between them, as far as a source
 * sees them. Nothing moves by itself: the simulation takes one step after the
 * other, in random order. It does nothing that a real server cannot do: each connection is first in, first out in both directions, and a
 * message goes to the links subscribed at that moment.
 *
 * @module
 */

import { RedisConnectionError } from "../../src/errors.ts";
import type {
  LinkEvents,
  RedisDriver,
  RedisLink,
} from "../../src/redis/link.ts";
import type { RespValue } from "../../src/redis/wire/resp.ts";

type Step = () => void;

/** One connection, with what is in flight in each direction. */
class Pipe {
  readonly toServer: Step[] = [];
  readonly toClient: Step[] = [];
  readonly #awaited = new Set<PromiseWithResolvers<unknown>>();
  #reason: Error | undefined;
  #drained: PromiseWithResolvers<void> | undefined;

  /** Asks the server; the answer takes a step in each direction. */
  async ask<T>(answer: () => T): Promise<T> {
    if (this.#reason !== undefined) throw this.#reason;
    const asked = Promise.withResolvers<T>();
    this.#awaited.add(asked as PromiseWithResolvers<unknown>);
    this.toServer.push(() => {
      const value = answer();
      this.toClient.push(() => asked.resolve(value));
    });
    try {
      return await asked.promise;
    } finally {
      this.#awaited.delete(asked as PromiseWithResolvers<unknown>);
      if (this.#awaited.size === 0) this.#drained?.resolve();
    }
  }

  /** Resolves when no answer is awaited. */
  async drained(): Promise<void> {
    if (this.#awaited.size === 0) return;
    this.#drained = Promise.withResolvers();
    await this.#drained.promise;
  }

  /** Breaks, and loses what is in flight. */
  close(reason: Error): void {
    this.#reason ??= reason;
    this.toServer.length = this.toClient.length = 0;
    for (const { reject } of this.#awaited) reject(reason);
  }

  /** What can happen next. */
  get steps(): Step[] {
    return [this.toServer, this.toClient].filter(({ length }) => length > 0)
      .map((queue) => () => queue.shift()!());
  }
}

/** Two connections to the simulated server. */
export class SimulatedLink implements RedisLink {
  /** What is subscribed. */
  readonly channels = new Set<string>();
  /** The connection for commands; it may outlive the other one. */
  readonly commands = new Pipe();
  readonly #subscriber = new Pipe();
  readonly #redis: SimulatedRedis;
  readonly #events: LinkEvents;
  readonly #ended = Promise.withResolvers<Error>();
  #ending: Promise<void> | undefined;
  /** Whether another link was alive when this one was made: then it is to replace that. */
  readonly isReplacement: boolean;
  #reason: Error | undefined;
  #isExpiring = false;

  constructor(redis: SimulatedRedis, events: LinkEvents) {
    this.#redis = redis;
    this.#events = events;
    this.isReplacement = redis.links.some(({ isAlive }) => isAlive);
  }

  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  /** Whether it takes calls. */
  get isAlive(): boolean {
    return this.#ending === undefined;
  }

  /** Whether it takes calls, and another one is to take its place. */
  get isExpiring(): boolean {
    return this.isAlive && this.#isExpiring;
  }

  /** Why it takes none any more. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** What can happen next. */
  get steps(): Step[] {
    return [...this.commands.steps, ...this.#subscriber.steps];
  }

  /** Sends a message, if the channel is subscribed. */
  publish(channel: string, document: string): void {
    if (!this.isAlive || !this.channels.has(channel)) return;
    this.#subscriber.toClient.push(() => {
      this.#redis.delivering = this;
      this.#events.onMessage(channel, document);
      this.#redis.delivering = undefined;
    });
  }

  command(): Promise<RespValue> {
    return this.commands.ask(() => "OK");
  }

  transaction(): Promise<RespValue[]> {
    return this.commands.ask(() => []);
  }

  read(keys: readonly string[]): Promise<(string | null)[]> {
    this.#redis.lastRead = this;
    return this.commands.ask(() =>
      keys.map((key) => this.#redis.store.get(key) ?? null)
    );
  }

  subscribe(channels: readonly string[]): Promise<void> {
    return this.#subscriber.ask(() => {
      for (const channel of channels) this.channels.add(channel);
    });
  }

  unsubscribe(channels: readonly string[]): Promise<void> {
    return this.#subscriber.ask(() => {
      for (const channel of channels) this.channels.delete(channel);
    });
  }

  fence(): Promise<void> {
    return this.#subscriber.ask(() => {});
  }

  end(reason: Error): Promise<void> {
    if (this.#ending === undefined) {
      this.#reason = reason;
      this.#ended.resolve(reason);
      this.#subscriber.close(reason);
      this.#ending = this.commands.drained();
      this.channels.clear();
    }
    return this.#ending;
  }

  keepAlive(): void {}

  /** Says until when it may live. */
  expire(at: Date): void {
    this.#isExpiring = true;
    this.#events.onExpires?.(at);
  }
}

/** The server, and the way to reach it. */
export class SimulatedRedis implements RedisDriver {
  /** What the keys hold. */
  readonly store = new Map<string, string>();
  /** Every link that was made. */
  readonly links: SimulatedLink[] = [];
  /** The link that is delivering a message right now. */
  delivering: SimulatedLink | undefined;
  /** The link that was read from last. */
  lastRead: SimulatedLink | undefined;
  readonly #dials = new Set<Step>();
  #isDown = false;

  /** What can happen next. */
  get steps(): Step[] {
    return [...this.#dials, ...this.links.flatMap(({ steps }) => steps)];
  }

  /** Stores and publishes atomically. */
  write(key: string, document: string): void {
    this.store.set(key, document);
    this.publish(key, document);
  }

  /** Publishes alone. */
  publish(channel: string, document: string): void {
    for (const link of this.links) link.publish(channel, document);
  }

  /** Refuses the attempts to connect that are decided while this is so. */
  set isDown(isDown: boolean) {
    this.#isDown = isDown;
  }

  connect(events: LinkEvents, signal: AbortSignal): Promise<RedisLink> {
    const { promise, resolve, reject } = Promise.withResolvers<RedisLink>();
    const decide = (): void => {
      this.#dials.delete(decide);
      if (signal.aborted) return reject(signal.reason);
      if (this.#isDown) return reject(new RedisConnectionError("refused"));
      const link = new SimulatedLink(this, events);
      this.links.push(link);
      resolve(link);
    };
    this.#dials.add(decide);
    signal.addEventListener("abort", decide, { once: true });
    return promise;
  }
}
