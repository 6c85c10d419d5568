// deno-lint-ignore-file no-console -- The program prints.
// Awaits the results of two tasks, one of which fails:
//   deno run --allow-net --allow-env=REDIS_URL examples/await_one.ts [redis://...]

// In your program: https://deno.land/x/celery_results@v0.1.0/mod.ts
import { ResultBackend, ResultTimeoutError, TaskError } from "../mod.ts";

await using backend = new ResultBackend(
  Deno.args[0] ?? Deno.env.get("REDIS_URL"),
);
const [sum, root] = [crypto.randomUUID(), crypto.randomUUID()];

// In production, a Celery worker does this.
setTimeout(() => {
  backend.markAsDone(sum, 42);
  const excArgs = ["math domain error"];
  backend.markAsFailure(root, { excType: "ValueError", excArgs });
}, 300);

for (const taskId of [sum, root]) {
  try {
    // In milliseconds. Without a timeout, the wait has no limit.
    console.log(
      await backend.result<number>(taskId).get({ timeout: 10_000 }),
    );
  } catch (error) {
    if (error instanceof TaskError) {
      console.log("failed:", error.message);
    } else if (error instanceof ResultTimeoutError) {
      console.log("not yet:", error.message);
    } else throw error;
  }
}
