// deno-lint-ignore-file no-console -- The program prints.
// A worker in Deno. Python gets its results with AsyncResult(task_id).get():
//   deno run --allow-net --allow-env=REDIS_URL examples/store.ts [redis://...]

// In your program: https://deno.land/x/celery_results@v0.1.0/mod.ts
import { ResultBackend } from "../mod.ts";

await using backend = new ResultBackend(
  Deno.args[0] ?? Deno.env.get("REDIS_URL"),
  { expires: 3600 },
);

/** Runs a task, and stores its progress and its outcome. */
async function run(taskId: string, numbers: number[]): Promise<void> {
  await backend.markAsStarted(taskId, { pid: Deno.pid, hostname: "deno" });
  try {
    let sum = 0;
    for (const [index, number] of numbers.entries()) {
      if (!Number.isFinite(number)) throw new RangeError(`${number} is no sum`);
      sum += number;
      const progress = { done: index + 1, of: numbers.length };
      await backend.storeResult(taskId, progress, "PROGRESS");
    }
    await backend.markAsDone(taskId, sum);
  } catch (error) {
    await backend.markAsFailure(taskId, error);
  }
}

const taskIds = [crypto.randomUUID(), crypto.randomUUID()] as const;
await Promise.all([run(taskIds[0], [1, 2, 3]), run(taskIds[1], [Infinity])]);
for (const { taskId, state, result } of await backend.getMetas(taskIds)) {
  console.log(taskId, state, result);
}
