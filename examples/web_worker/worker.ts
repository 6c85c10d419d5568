/// <reference lib="deno.worker" />
// The Worker that main.ts starts.

// In your program: https://deno.land/x/celery_results@v0.1.0/mod.ts
import { ResultBackend } from "../../mod.ts";

/** What main.ts posts. */
interface Job {
  redisUrl: string;
  taskId: string;
}

self.onmessage = async ({ data }: MessageEvent<Job>): Promise<void> => {
  await follow(data);
  self.close();
};

/** Posts every event of a task to the main program: events are plain data. */
async function follow({ redisUrl, taskId }: Job): Promise<void> {
  await using backend = new ResultBackend(redisUrl);
  // In production, a Celery worker does this.
  await backend.markAsStarted(taskId);
  setTimeout(() => backend.markAsDone(taskId, { sum: 42 }), 400);
  for await (const event of backend.stream(taskId)) self.postMessage(event);
}
