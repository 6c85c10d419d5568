// deno-lint-ignore-file no-console -- The program prints.
// Watches the backend's connection while it waits for a result. Restart Redis
// in the meantime to see it reconnect:
//   deno run --allow-net --allow-env=REDIS_URL examples/status.ts [redis://...]

// In your program: https://deno.land/x/celery_results@v0.1.0/mod.ts
import { ResultBackend, type StatusEvent } from "../mod.ts";

const backend = new ResultBackend(Deno.args[0] ?? Deno.env.get("REDIS_URL"));

/** The stream ends when the backend is closed. */
async function log(status: ReadableStream<StatusEvent>): Promise<void> {
  for await (const event of status) {
    switch (event.type) {
      case "disconnected":
        console.log("disconnected:", event.error?.message ?? "not used yet");
        break;
      case "retrying":
        console.log(`attempt ${event.attempt} failed:`, event.error.message);
        break;
      case "resynced":
        console.log(`resynced: ${event.keys} awaited results read again`);
        break;
      default:
        console.log(event.type);
    }
  }
}

const logged = log(backend.status());
const taskId = crypto.randomUUID();
// In production, a Celery worker does this.
setTimeout(() => backend.markAsDone(taskId, "the result"), 2000);
console.log(await backend.result(taskId).get());
await backend.close();
await logged;
