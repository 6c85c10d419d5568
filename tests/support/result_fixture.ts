/**
 * A Redis server, a reader and a writer of results, as a resource of a test.
 *
 * @module
 */

import { ResultBackend, type ResultBackendOptions } from "../../mod.ts";
import type { TestClient } from "./client.ts";
import { type RedisServer, startRedis } from "./redis_server.ts";
import { until } from "./until.ts";

/** Starts a server of its own, with a backend that reads from it and one that writes to it. */
export async function startStage(
  options?: ResultBackendOptions,
): Promise<ResultStage> {
  const redis = await startRedis();
  return new ResultStage(redis, await redis.client(), options);
}

/** What reads results, what stores them, and what stands in between. */
export class ResultStage implements AsyncDisposable {
  readonly redis: RedisServer;
  /** To look into the server. */
  readonly client: TestClient;
  /** What is to be tested. */
  readonly backend: ResultBackend;
  /** Stores results, as a worker does. */
  readonly writer: ResultBackend;

  constructor(
    redis: RedisServer,
    client: TestClient,
    options?: ResultBackendOptions,
  ) {
    this.redis = redis;
    this.client = client;
    this.backend = new ResultBackend(redis.url, options);
    this.writer = new ResultBackend(redis.url);
  }

  /** Stores SUCCESS for each task; the result is its id. */
  async done(...taskIds: string[]): Promise<void> {
    await Promise.all(taskIds.map((id) => this.writer.markAsDone(id, id)));
  }

  /** How many channels the server has subscribers of. */
  async channels(): Promise<number> {
    const channels = await this.client.send("PUBSUB", "CHANNELS");
    return (channels as unknown[]).length;
  }

  /** Resolves once that many tasks are subscribed, and no others. */
  async subscribed(count: number): Promise<void> {
    await until(async () => await this.channels() === count, {
      what: `${count} channels to be subscribed`,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.close();
    await this.writer.close();
    await this.client.close();
    await this.redis[Symbol.asyncDispose]();
  }
}
