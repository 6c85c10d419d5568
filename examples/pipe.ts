// deno-lint-ignore-file no-console -- The program prints.
// Pipes task ids in and results out:
//   deno run --allow-net --allow-env=REDIS_URL examples/pipe.ts [redis://...]

// In your program: https://deno.land/x/celery_results@v0.1.0/mod.ts
import { ResultBackend, type ResultEvent } from "../mod.ts";

await using backend = new ResultBackend(
  Deno.args[0] ?? Deno.env.get("REDIS_URL"),
);

/** In production, this sends tasks. Here it also runs them. */
async function* sendTasks(): AsyncGenerator<string> {
  for (let n = 1; n <= 5; n++) {
    const taskId = crypto.randomUUID();
    yield taskId;
    await backend.markAsStarted(taskId);
    await backend.markAsDone(taskId, n * n);
  }
}

const outcomes = new TransformStream<ResultEvent<number>, number>({
  transform(event, controller) {
    if (event.state === "SUCCESS") controller.enqueue(event.result);
  },
});

await ReadableStream.from(sendTasks())
  // Awaits at most 100 tasks at a time; beyond that, it pulls no more ids.
  .pipeThrough(backend.consumer<number>({ maxPending: 100 }))
  .pipeThrough(outcomes)
  .pipeTo(new WritableStream({ write: (result) => console.log(result) }));
