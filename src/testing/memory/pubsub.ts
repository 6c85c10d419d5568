/**
 * The subscriptions at the memory Redis.
 *
 * @module
 */

import { bytesToKey, keyToBytes } from "./bytes.ts";
import { compileGlob } from "./glob.ts";
import { type Reply, ReplyBuffer } from "./reply.ts";

/** One connection, as {@linkcode PubSub} sees it. */
export interface Subscriber {
  /** Queues a copy of bytes that are already in wire format. */
  push(bytes: Uint8Array): void;
}

/** The kinds of subscription, each named by the first word of its confirmation. */
export type SubscriptionKind = "subscribe" | "psubscribe" | "ssubscribe";

const encoder = new TextEncoder();
const MESSAGE = encoder.encode("message");
const PMESSAGE = encoder.encode("pmessage");
const SMESSAGE = encoder.encode("smessage");
/** Encodes each message once for all its subscribers. */
const scratch = new ReplyBuffer();

/** Channels, patterns and shard channels, with their subscribers in order of subscription. */
export class PubSub {
  readonly #tables: Record<SubscriptionKind, Map<string, Set<Subscriber>>> = {
    subscribe: new Map(),
    psubscribe: new Map(),
    ssubscribe: new Map(),
  };
  readonly #patterns = new Map<string, (channel: string) => boolean>();

  /** Adds a subscription. Idempotent. */
  add(kind: SubscriptionKind, name: string, subscriber: Subscriber): void {
    const table = this.#tables[kind];
    const subscribers = table.get(name);
    if (subscribers !== undefined) {
      subscribers.add(subscriber);
      return;
    }
    table.set(name, new Set([subscriber]));
    if (kind === "psubscribe") {
      this.#patterns.set(name, compileGlob(keyToBytes(name)));
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

  /** How many connections subscribe to `name`. */
  count(kind: SubscriptionKind, name: string): number {
    return this.#tables[kind].get(name)?.size ?? 0;
  }

  /** The names that have subscribers. */
  names(kind: SubscriptionKind): string[] {
    return [...this.#tables[kind].keys()];
  }

  /** Sends a message to all subscribers, and returns how many they are. */
  publish(channel: Uint8Array, payload: Uint8Array): number {
    const name = bytesToKey(channel);
    let count = sendTo(
      this.#tables.subscribe.get(name),
      [MESSAGE, channel, payload],
    );
    for (const [pattern, matches] of this.#patterns) {
      if (!matches(name)) continue;
      count += sendTo(
        this.#tables.psubscribe.get(pattern),
        [PMESSAGE, keyToBytes(pattern), channel, payload],
      );
    }
    return count;
  }

  /** Like {@linkcode PubSub.publish}, for shard channels. */
  publishSharded(channel: Uint8Array, payload: Uint8Array): number {
    return sendTo(
      this.#tables.ssubscribe.get(bytesToKey(channel)),
      [SMESSAGE, channel, payload],
    );
  }
}

function sendTo(
  subscribers: Set<Subscriber> | undefined,
  message: readonly Reply[],
): number {
  if (subscribers === undefined) return 0;
  scratch.clear();
  scratch.add(message);
  for (const subscriber of subscribers) subscriber.push(scratch.view);
  return subscribers.size;
}
