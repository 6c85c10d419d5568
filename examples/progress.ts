// deno-lint-ignore-file no-console -- The program prints.
// Follows the progress of a task in two ways:
//   deno run --allow-net --allow-env=REDIS_URL examples/progress.ts [redis://...]

// In your program: https://deno.land/x/celery_results@v0.1.0/mod.ts
import { ResultBackend } from "../mod.ts";

await using backend = new ResultBackend(
  Deno.args[0] ?? Deno.env.get("REDIS_URL"),
);
const taskId = crypto.randomUUID();
const result = backend.result<string>(taskId);

// In production, a Celery worker does this: self.update_state(state="PROGRESS", meta={...}).
const steps = [
  () => backend.markAsStarted(taskId),
  () => backend.storeResult(taskId, { done: 1, of: 2 }, "PROGRESS"),
  () => backend.storeResult(taskId, { done: 2, of: 2 }, "PROGRESS"),
  () => backend.markAsDone(taskId, "a picture"),
];
for (const [index, step] of steps.entries()) {
  setTimeout(step, 200 * (index + 1));
}

// With a callback, while you await the result ...
const picture = result.get({
  onEvent: ({ state }) => console.log("onEvent:", state),
});
// ... or as a stream of the task's events.
for await (const event of result.events()) {
  if (event.state === "PROGRESS") console.log("events():", event.result);
}
console.log(await picture);
