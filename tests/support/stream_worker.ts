/// <reference lib="deno.worker" />
/**
 * A Worker that reads a stream, or uses a consumer, that another thread
 * transferred to it, and posts what it gets.
 *
 * @module
 */

import type { ResultEvent } from "../../mod.ts";

/** What the Worker is to do. */
export interface StreamOrder {
  /** The events to read. */
  readable: ReadableStream<ResultEvent>;
  /** Where to write `ids`. */
  writable?: WritableStream<string>;
  /** The ids to write. */
  ids?: string[];
  /** How many events to read before it cancels. */
  take?: number;
  /** Whether to wait for a "step" message after each event. */
  byStep?: boolean;
}

/** What the Worker posts. */
export type StreamReport =
  | { type: "ready" }
  | { type: "event"; event: ResultEvent }
  | { type: "closed" }
  | { type: "failed"; error: unknown };

let step = Promise.withResolvers<void>();

self.onmessage = ({ data }: MessageEvent<StreamOrder | "step">): void => {
  if (data === "step") step.resolve();
  else run(data);
};
post({ type: "ready" });

async function run(order: StreamOrder): Promise<void> {
  try {
    await follow(order);
    post({ type: "closed" });
  } catch (error) {
    post({ type: "failed", error });
  }
}

async function follow(order: StreamOrder): Promise<void> {
  const { readable, writable, ids = [], take = Infinity, byStep } = order;
  const written = writable && ReadableStream.from(ids).pipeTo(writable);
  let count = 0;
  for await (const event of readable) {
    post({ type: "event", event });
    if (++count >= take) break;
    if (byStep) await step.promise;
    step = Promise.withResolvers();
  }
  await written;
}

function post(message: StreamReport): void {
  self.postMessage(message);
}
