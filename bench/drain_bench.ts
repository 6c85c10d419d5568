// deno-lint-ignore-file no-console -- the benchmark prints

// Measures how fast published results reach a reader, compared with the floor:
// what any reader must do with the same bytes. Run with `deno bench -A bench/drain_bench.ts`.

import { ResultBackend } from "../mod.ts";
import { drainFloor } from "./floor.ts";

const SIZES = [1_000, 100_000];
const times = new Map<string, number[]>();

/** Starts a pump for these tasks in a Worker. Resolves to its port. */
function startPump(taskIds: string[]): Promise<number> {
  const worker = new Worker(new URL("./pump.ts", import.meta.url), {
    type: "module",
  });
  return new Promise((resolve) => {
    worker.onmessage = ({ data }: MessageEvent<number>): void => resolve(data);
    worker.postMessage(taskIds);
  });
}

const FIRE = new TextEncoder().encode("*1\r\n$4\r\nFIRE\r\n");

function note(name: string, milliseconds: number): void {
  const seen = times.get(name);
  if (seen === undefined) times.set(name, [milliseconds]);
  else seen.push(milliseconds);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

for (const size of SIZES) {
  const taskIds = Array.from({ length: size }, () => crypto.randomUUID());
  const port = await startPump(taskIds);
  const label = size.toLocaleString("en");
  const options = {
    group: `drain ${label}`,
    n: size > 10_000 ? 12 : 300,
    warmup: size > 10_000 ? 3 : 50,
  };

  Deno.bench({
    ...options,
    name: `floor [${label} results]`,
    baseline: true,
    async fn(b) {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port });
      const start = performance.now();
      b.start();
      await conn.write(FIRE);
      await drainFloor(conn, taskIds);
      b.end();
      note(`floor ${label}`, performance.now() - start);
      conn.close();
    },
  });

  Deno.bench({
    ...options,
    name: `ResultConsumer [${label} results]`,
    async fn(b) {
      const backend = new ResultBackend(`redis://127.0.0.1:${port}/0`);
      const consumer = backend.consumer();
      await consumer.add(taskIds);
      const reader = consumer.readable.getReader();
      const trigger = await Deno.connect({ hostname: "127.0.0.1", port });
      const start = performance.now();
      b.start();
      await trigger.write(FIRE);
      for (let left = size; left > 0; left--) await reader.read();
      b.end();
      note(`module ${label}`, performance.now() - start);
      trigger.close();
      await backend.close();
    },
  });
}

addEventListener("unload", () => {
  for (const size of SIZES) {
    const label = size.toLocaleString("en");
    const floor = median(times.get(`floor ${label}`) ?? []);
    const module = median(times.get(`module ${label}`) ?? []);
    console.log(
      `drain ${label}: ${
        Math.round(size / module * 1000).toLocaleString("en")
      } results/s, ${(floor / module).toFixed(2)} of the floor's ${
        Math.round(size / floor * 1000).toLocaleString("en")
      } results/s`,
    );
  }
});
