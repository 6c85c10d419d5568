import type { Runtime } from "../../runtime.ts";
import { Deadline } from "../../util/deadline.ts";

/** The first and the longest wait before a probe is published again. */
const MIN_REPUBLISH_MS = 1;
const MAX_REPUBLISH_MS = 100;

/** What {@linkcode Probes} work with. */
export interface ProbesOptions {
  /** What the names of the probe channels begin with. */
  readonly prefix: string;
  /** Time and randomness. */
  readonly runtime: Runtime;
  /** Publishes on the command connection. Resolves to the number of receivers. */
  publish(channel: string, message: string): Promise<number>;
}

/** What a fence found. */
export type FenceOutcome = "arrived" | "late" | "unsubscribed";

/**
 * Channels on which one connection publishes to the other.
 *
 * The package hides the server's confirmations, and sends no PING on a connection
 * that reads messages. A message that arrives on a probe channel makes up for
 * both. It proves that the server has processed every earlier subscription of
 * that connection, that both connections reached the same server, that the
 * connection is alive, and that every earlier message has arrived.
 */
export class Probes {
  /** The channel that stays subscribed. The names of all others begin with it. */
  readonly channel: string;
  readonly #options: ProbesOptions;
  // By the message that they wait for.
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  #count = 0;
  #reason: Error | undefined;

  /** Creates probes with unique names. Nothing is published yet. */
  constructor(options: ProbesOptions) {
    this.#options = options;
    this.channel = options.prefix + crypto.randomUUID();
  }

  /** The name of a new channel, for one confirmation. */
  createChannel(): string {
    return `${this.channel}:${this.#count++}`;
  }

  /** Receives a message. Returns whether its channel is a probe. */
  receive(channel: string, message: string | Uint8Array): boolean {
    if (!channel.startsWith(this.channel)) return false;
    if (typeof message === "string") this.#waiting.get(message)?.resolve();
    return true;
  }

  /**
   * Publishes on a channel until a message arrives there. Resolves to false if
   * none arrives within `ms`.
   *
   * @throws what `publish` throws, or the reason of {@linkcode end}.
   */
  async confirm(channel: string, ms: number): Promise<boolean> {
    const arrival = this.#wait(channel);
    let waited = 0;
    try {
      for (
        let delay = MIN_REPUBLISH_MS;
        // Not by the clock: a PUBLISH may wait behind a large reply.
        waited <= ms;
        delay = Math.min(delay * 2, MAX_REPUBLISH_MS)
      ) {
        // The number of receivers proves nothing: it counts pattern subscribers.
        await this.#options.publish(channel, channel);
        if (await isSettledWithin(this.#options.runtime, arrival, delay)) {
          return true;
        }
        waited += delay;
      }
      return false;
    } finally {
      this.#waiting.delete(channel);
    }
  }

  /**
   * Publishes one message on {@linkcode channel}, and waits for `ms` milliseconds
   * at most until it arrives.
   *
   * @throws what `publish` throws, or the reason of {@linkcode end}.
   */
  async fence(ms: number): Promise<FenceOutcome> {
    const nonce = `fence ${this.#count++}`;
    const arrival = this.#wait(nonce);
    try {
      if (await this.#options.publish(this.channel, nonce) === 0) {
        return "unsubscribed";
      }
      return await isSettledWithin(this.#options.runtime, arrival, ms)
        ? "arrived"
        : "late";
    } finally {
      this.#waiting.delete(nonce);
    }
  }

  /** Rejects every wait, present and future. */
  end(reason: Error): void {
    this.#reason = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
  }

  #wait(message: string): Promise<void> {
    const arrival = Promise.withResolvers<void>();
    this.#waiting.set(message, arrival);
    // It may reject before it is awaited.
    arrival.promise.catch(() => {});
    if (this.#reason !== undefined) arrival.reject(this.#reason);
    return arrival.promise;
  }
}

/**
 * Whether `work` resolves within `ms` milliseconds. Does not keep the process
 * alive.
 *
 * @throws what `work` rejects with in that time.
 */
export async function isSettledWithin(
  runtime: Runtime,
  work: Promise<unknown>,
  ms: number,
): Promise<boolean> {
  using deadline = new Deadline(runtime, ms, false);
  return await Promise.race([
    work.then(() => true),
    deadline.passed.then(() => false),
  ]);
}
