/**
 * Who subscribed to what at the memory Redis.
 *
 * @module
 */

import { bytesOf, keyOf } from "./bytes.ts";
import { globOf } from "./glob.ts";
import { type Reply, ReplyBuffer } from "./reply.ts";

/** One connection, as the hub sees it. */
export interface Subscriber {
  /** Queues a copy of what is already in wire format. */
  push(bytes: Uint8Array): void;
}

/** The three kinds of subscription, by the word that their confirmations begin with. */
export type SubscriptionKind = "subscribe" | "psubscribe" | "ssubscribe";

const encoder = new TextEncoder();
const MESSAGE = encoder.encode("message");
const PMESSAGE = encoder.encode("pmessage");
const SMESSAGE = encoder.encode("smessage");
/** Where a message is put into wire format, once for all who get it. */
const scratch = new ReplyBuffer();

/** Channels, patterns and shard channels, and their subscribers, in the order in which they came. */
export class PubSub {
  readonly #tables: Record<SubscriptionKind, Map<string, Set<Subscriber>>> = {
    subscribe: new Map(),
    psubscribe: new Map(),
    ssubscribe: new Map(),
  };
  readonly #patterns = new Map<string, (channel: string) => boolean>();

  /** Adds a subscription; without effect if there is one. */
  add(kind: SubscriptionKind, name: string, subscriber: Subscriber): void {
    const table = this.#tables[kind];
    const subscribers = table.get(name);
    if (subscribers !== undefined) {
      subscribers.add(subscriber);
      return;
    }
    table.set(name, new Set([subscriber]));
    if (kind === "psubscribe") {
      this.#patterns.set(name, globOf(bytesOf(name)));
    }
  }

  /** Ends a subscription. */
  delete(kind: SubscriptionKind, name: string, subscriber: Subscriber): void {
    const table = this.#tables[kind];
    const subscribers = table.get(name);
    subscribers?.delete(subscriber);
    if (subscribers?.size !== 0) return;
    table.delete(name);
    if (kind === "psubscribe") this.#patterns.delete(name);
  }

  /** How many subscribe to `name`. */
  count(kind: SubscriptionKind, name: string): number {
    return this.#tables[kind].get(name)?.size ?? 0;
  }

  /** Everything that somebody subscribes to. */
  names(kind: SubscriptionKind): string[] {
    return [...this.#tables[kind].keys()];
  }

  /** Queues a message at all who want it; gives their number. */
  publish(channel: Uint8Array, payload: Uint8Array): number {
    const name = keyOf(channel);
    let count = send(
      this.#tables.subscribe.get(name),
      [MESSAGE, channel, payload],
    );
    for (const [pattern, matches] of this.#patterns) {
      if (!matches(name)) continue;
      count += send(
        this.#tables.psubscribe.get(pattern),
        [PMESSAGE, bytesOf(pattern), channel, payload],
      );
    }
    return count;
  }

  /** As {@linkcode PubSub.publish}, for shard channels. */
  publishSharded(channel: Uint8Array, payload: Uint8Array): number {
    return send(
      this.#tables.ssubscribe.get(keyOf(channel)),
      [SMESSAGE, channel, payload],
    );
  }
}

function send(
  subscribers: Set<Subscriber> | undefined,
  message: readonly Reply[],
): number {
  if (subscribers === undefined) return 0;
  scratch.clear();
  scratch.add(message);
  for (const subscriber of subscribers) subscriber.push(scratch.view);
  return subscribers.size;
}
