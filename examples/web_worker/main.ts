// deno-lint-ignore-file no-console -- The program prints.
// Awaits results in a Worker that is only permitted to connect to Redis:
//   deno run --unstable-worker-options --allow-read=. \
//     --allow-net=127.0.0.1:6379 --allow-env=REDIS_URL \
//     examples/web_worker/main.ts [redis://...]
// The main program needs --allow-read to load the Worker's files.

import type { ResultEvent } from "../../mod.ts";

const redisUrl = Deno.args[0] ?? Deno.env.get("REDIS_URL") ??
  "redis://127.0.0.1:6379";
const { hostname, port } = new URL(redisUrl);
const worker = new Worker(new URL("worker.ts", import.meta.url), {
  type: "module",
  // Permissions that are left out are denied.
  deno: { permissions: { net: [`${hostname}:${port || 6379}`] } },
});

worker.onmessage = ({ data: event }: MessageEvent<ResultEvent>) => {
  console.log(event.state, event.result);
};
// The program ends when the Worker closes itself.
worker.postMessage({ redisUrl, taskId: crypto.randomUUID() });
