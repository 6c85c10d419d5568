/**
 * Helpers for tests of streams.
 *
 * @module
 */

import type { ResultEvent, StatusEvent } from "../../mod.ts";
import { Inbox } from "./inbox.ts";

/** Reads a stream to its end. */
export async function collect<T>(stream: ReadableStream<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** Reads a stream in the background into an inbox, which its end or error closes. */
export function inboxOf<T>(stream: ReadableStream<T>): Inbox<T> {
  const inbox = new Inbox<T>();
  (async () => {
    for await (const item of stream) inbox.push(item);
  })().then(() => inbox.close(new Error("The stream closed")), (error) => {
    inbox.close(error);
  });
  return inbox;
}

/** Resolves to the next status event of this type, including the present one. */
export async function untilStatus(
  status: ReadableStream<StatusEvent>,
  type: StatusEvent["type"],
): Promise<StatusEvent> {
  for await (const event of status) {
    if (event.type === type) return event;
  }
  throw new Error(`The status stream closed before ${type}`);
}

/** How many outcomes each task has among the events. */
export function countOutcomes(
  events: Iterable<ResultEvent>,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const event of events) {
    if (!event.ready) continue;
    counts.set(event.taskId, (counts.get(event.taskId) ?? 0) + 1);
  }
  return counts;
}

/** Makes `count` unique task ids. */
export function taskIds(count: number): string[] {
  return Array.from({ length: count }, () => crypto.randomUUID());
}
