/// <reference lib="deno.worker" />
/**
 * A Worker that reads a stream, or uses a consumer, that another thread handed
 * over. It tells what it gets.
 *
 * @module
 */

import type { ResultEvent } from "../../mod.ts";

/** What to do. */
export interface StreamOrder {
  /** Events to read. */
  readable: ReadableStream<ResultEvent>;
  /** Where to write these ids before. */
  writable?: WritableStream<string>;
  ids?: string[];
  /** Cancel after so many events. */
  take?: number;
  /** Read on only when told to, event by event. */
  byStep?: boolean;
}

/** What it tells. */
export type StreamTold =
  | { type: "ready" }
  | { type: "event"; event: ResultEvent }
  | { type: "closed" }
  | { type: "failed"; error: unknown };

let step = Promise.withResolvers<void>();

self.onmessage = ({ data }: MessageEvent<StreamOrder | "step">): void => {
  if (data === "step") step.resolve();
  else run(data);
};
tell({ type: "ready" });

async function run(order: StreamOrder): Promise<void> {
  try {
    await follow(order);
    tell({ type: "closed" });
  } catch (error) {
    tell({ type: "failed", error });
  }
}

async function follow(order: StreamOrder): Promise<void> {
  const { readable, writable, ids = [], take = Infinity, byStep } = order;
  const written = writable && ReadableStream.from(ids).pipeTo(writable);
  let count = 0;
  for await (const event of readable) {
    tell({ type: "event", event });
    if (++count >= take) break;
    if (byStep) await step.promise;
    step = Promise.withResolvers();
  }
  await written;
}

function tell(message: StreamTold): void {
  self.postMessage(message);
}
