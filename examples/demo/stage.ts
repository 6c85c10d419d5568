/**
 * The parts of the demo: Redis, the proxy in front of it, the reader behind the
 * proxy, and the workers.
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

/** Silence is detected within two heartbeats. The default is 10 seconds. */
export const HEARTBEAT_MS = 400;
const WORKERS = 8;

/** The parts of the demo. Disposing of them removes every key and connection. */
export interface Stage extends AsyncDisposable {
  /** The server; undefined if the demo did not start it. */
  readonly redis: MemoryRedis | undefined;
  /** The proxy between Redis and the reader, and every other worker. */
  readonly proxy: FaultProxy;
  /** The workers, which store. */
  readonly workers: readonly Worker[];
  /** The reader, which should receive everything that is stored. */
  readonly reader: Reader;
  /** What was stored and what was delivered. */
  readonly ledger: Ledger;
}

/**
 * Creates the parts, with its own Redis if there is no `url`.
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
    // Other tasks on the same server stay untouched.
    keyPrefix: `celery-results-demo-${crypto.randomUUID().slice(0, 8)}`,
    // If the demo is killed, its keys expire.
    expires: 600,
    heartbeat: HEARTBEAT_MS,
    // The default of 5 seconds is too long to watch.
    reconnect: { maxTimeout: 250 },
    // Off, because it would find lost results half a minute later and hide the loss.
    reconcile: 0,
  };
  // Without the proxy. Three attempts are enough to see that there is no Redis.
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
    // Every other worker has a bad connection, like the reader.
    const workerUrl = index % 2 === 0 ? address : proxy.url;
    return resources.use(new Worker(`worker${index + 1}`, workerUrl, options));
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
    // Report why it could not be read, not that it could not.
    throw error instanceof BackendGetMetaError ? error.cause : error;
  }
}

async function forgetAll(direct: ResultBackend, ledger: Ledger): Promise<void> {
  await Promise.all([...ledger.taskIds].map((id) => direct.forget(id)));
}
