/// <reference lib="deno.worker" />
// The Worker of main.ts: see there.

// In your program: https://deno.land/x/celery_results@v0.1.0/mod.ts
import { ResultBackend } from "../../mod.ts";

/** What main.ts asks for. */
interface Order {
  redisUrl: string;
  taskId: string;
}

self.onmessage = async ({ data }: MessageEvent<Order>): Promise<void> => {
  await follow(data);
  self.close();
};

/** Hands every event of a task to the main program: they are plain data. */
async function follow({ redisUrl, taskId }: Order): Promise<void> {
  await using backend = new ResultBackend(redisUrl);
  // In life, Python does this.
  await backend.markAsStarted(taskId);
  setTimeout(() => backend.markAsDone(taskId, { sum: 42 }), 400);
  for await (const event of backend.stream(taskId)) self.postMessage(event);
}
