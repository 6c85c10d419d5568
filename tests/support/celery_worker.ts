/**
 * A real Celery worker, as a resource of a test.
 *
 * @module
 */

import { PythonProcess } from "./celery_process.ts";

/** Options of a worker. */
export interface WorkerOptions {
  /**
   * Celery's worker pool. Only `"prefork"` can terminate a task that runs.
   *
   * @default {"prefork"}
   */
  pool?: "prefork" | "solo";
  /**
   * How many tasks run at a time. With one, the states of a task that retries
   * are stored in order; with more, its two attempts run in two processes.
   *
   * @default {1}
   */
  concurrency?: number;
}

/** A worker that runs the tasks of tests/interop/tasks.py. */
export interface CeleryWorker extends AsyncDisposable {
  /** The log so far, for the message of a failed test. */
  log(): Promise<string>;
}

/**
 * Starts a Celery worker that stores results at `redisUrl`, and resolves once it
 * accepts tasks. Disposal kills it and all its processes at once.
 */
export async function startWorker(
  redisUrl: string,
  options: WorkerOptions = {},
): Promise<CeleryWorker> {
  const { pool = "prefork", concurrency = 1 } = options;
  const logFile = await Deno.makeTempFile({ prefix: "celery_worker_" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(logFile));
  const process = stack.use(
    new PythonProcess([
      ...["-m", "celery", "-A", "tasks", "worker"],
      ...["--pool", pool, "--concurrency", String(concurrency)],
      ...["--loglevel", "INFO", "--logfile", logFile],
      ...["--without-gossip", "--without-mingle", "--without-heartbeat"],
    ], redisUrl),
  );
  const seen: string[] = [];
  while (seen.at(-1) !== "worker is ready") {
    const line = await process.readLine();
    if (line === null) {
      const text = [...seen, await process.errors()].join("\n");
      throw new Error(`Cannot start the Celery worker: it ended:\n${text}`);
    }
    seen.push(line);
  }
  return new RunningWorker(stack.move(), logFile);
}

class RunningWorker implements CeleryWorker {
  readonly #resources: AsyncDisposableStack;
  readonly #logFile: string;

  constructor(resources: AsyncDisposableStack, logFile: string) {
    this.#resources = resources;
    this.#logFile = logFile;
  }

  log(): Promise<string> {
    return Deno.readTextFile(this.#logFile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
