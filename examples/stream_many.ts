// deno-lint-ignore-file no-console -- The program prints.
// Streams the results of many tasks as they complete:
//   deno run --allow-net --allow-env=REDIS_URL examples/stream_many.ts [redis://...]

// In your program: https://deno.land/x/celery_results@v0.1.0/mod.ts
import { ResultBackend } from "../mod.ts";

await using backend = new ResultBackend(
  Deno.args[0] ?? Deno.env.get("REDIS_URL"),
);
const taskIds = Array.from({ length: 5 }, () => crypto.randomUUID());

// In production, a Celery worker does this. The first is
// stored before it is awaited.
await backend.markAsDone(taskIds[0]!, 0);
for (const [n, id] of taskIds.entries()) {
  if (n > 0) setTimeout(() => backend.markAsDone(id, n * n), 100 * n);
}

for await (const event of backend.stream<number>(taskIds)) {
  if (event.state === "SUCCESS") console.log(event.result, event.origin);
  else if (event.ready) console.log(event.state, event.result);
}
console.log("all done");
