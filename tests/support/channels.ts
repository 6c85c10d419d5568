/**
 * The subscriptions that a server has.
 *
 * @module
 */

import type { ResultBackend } from "../../mod.ts";
import type { TestClient } from "./client.ts";
import { until } from "./until.ts";

/** The channels that have subscribers, sorted. */
export async function channelsOf(client: TestClient): Promise<string[]> {
  const channels = await client.send("PUBSUB", "CHANNELS");
  return Array.isArray(channels) ? channels.map(String).sort() : [];
}

/** How many connections are subscribed to a channel. */
export async function subscribersOf(
  client: TestClient,
  channel: string,
): Promise<number> {
  const reply = await client.send("PUBSUB", "NUMSUB", channel);
  return Array.isArray(reply) ? Number(reply[1]) : 0;
}

/** The channels that have subscribers now and are not among those of `before`. */
export async function newChannels(
  client: TestClient,
  before: readonly string[],
): Promise<string[]> {
  const channels = await channelsOf(client);
  return channels.filter((channel) => !before.includes(channel));
}

/**
 * Resolves once exactly these channels have subscribers, apart from those of
 * `before`: the server gives no notice of an UNSUBSCRIBE.
 */
export async function untilChannels(
  client: TestClient,
  expected: readonly string[],
  before: readonly string[] = [],
): Promise<void> {
  const wanted = JSON.stringify([...expected].sort());
  await until(
    async () => JSON.stringify(await newChannels(client, before)) === wanted,
    { what: `the channels to be ${wanted}` },
  );
}

/**
 * Resolves once all earlier subscriptions and unsubscriptions of the backend are
 * done: the server has confirmed a later one.
 */
export async function subscriptionsSettled(
  backend: ResultBackend,
): Promise<void> {
  await using consumer = backend.consumer();
  await consumer.add(crypto.randomUUID());
}
