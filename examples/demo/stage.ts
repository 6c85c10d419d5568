/**
 * Everything that the demo works on: Redis, the proxy in front of it, the
 * reader behind the proxy, and the workers.
 *
 * @module
 */

// In your program: https://deno.land/x/celery_results@v0.1.0/mod.ts
import {
  BackendGetMetaError,
  ResultBackend,
  type ResultBackendOptions,
} from "../../mod.ts";
// ... and https://deno.land/x/celery_results@v0.1.0/testing.ts
import { FaultProxy, MemoryRedis } from "../../testing.ts";
import { Ledger } from "./ledger.ts";
import { Reader } from "./reader.ts";
import { Worker } from "./worker.ts";

/** Silence is noticed within two of these, in milliseconds. The default is 10 seconds. */
export const HEARTBEAT = 400;
const WORKERS = 8;

/** What the demo works on. Its disposal leaves nothing behind. */
export interface Stage extends AsyncDisposable {
  /** The server; undefined if it is not the demo's. */
  readonly redis: MemoryRedis | undefined;
  /** What the reader goes through, and every other worker. */
  readonly proxy: FaultProxy;
  /** Those who store. */
  readonly workers: readonly Worker[];
  /** Who is to get what is stored, whatever happens. */
  readonly reader: Reader;
  /** What was stored, and what came. */
  readonly ledger: Ledger;
}

/**
 * Sets the stage: with a Redis of its own if there is no `url`.
 *
 * @throws {Error} if there is no Redis at `url`.
 */
export async function setStage(
  url: string | undefined,
  signal: AbortSignal,
): Promise<Stage> {
  await using resources = new AsyncDisposableStack();
  const redis = url === undefined
    ? resources.use(await MemoryRedis.start())
    : undefined;
  const address = redis?.url ?? String(url);
  const options: ResultBackendOptions = {
    // Nobody else's tasks are touched.
    keyPrefix: `celery-results-demo-${crypto.randomUUID().slice(0, 8)}`,
    // Should the demo be killed, its keys go by themselves.
    expires: 600,
    heartbeat: HEARTBEAT,
    // The default is 5 seconds: that is longer than one likes to watch.
    reconnect: { maxTimeout: 250 },
    // Off: it would bring what was lost, half a minute later, and so hide it.
    reconcile: 0,
  };
  // Past the proxy. Three tries are enough to tell that there is no Redis.
  const direct = resources.use(
    new ResultBackend(address, { ...options, retry: { maxAttempts: 3 } }),
  );
  await checkReachable(direct, signal);
  const ledger = new Ledger();
  if (redis === undefined) resources.defer(() => forgetAll(direct, ledger));

  const proxy = resources.use(await FaultProxy.start(address));
  const backend = resources.use(new ResultBackend(proxy.url, options));
  const reader = resources.use(new Reader(backend, ledger));
  const workers = Array.from({ length: WORKERS }, (_, index) => {
    // Every other worker has a bad connection, as the reader has.
    const way = index % 2 === 0 ? address : proxy.url;
    return resources.use(new Worker(`worker${index + 1}`, way, options));
  });
  const all = resources.move();
  return {
    ...{ redis, proxy, workers, reader, ledger },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function checkReachable(
  backend: ResultBackend,
  signal: AbortSignal,
): Promise<void> {
  try {
    await backend.exists("any task", { signal });
  } catch (error) {
    // Not that it could not be read is the news, but why.
    throw error instanceof BackendGetMetaError ? error.cause : error;
  }
}

async function forgetAll(direct: ResultBackend, ledger: Ledger): Promise<void> {
  await Promise.all([...ledger.taskIds].map((id) => direct.forget(id)));
}
