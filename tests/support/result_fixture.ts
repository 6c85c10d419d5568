/**
 * A Redis server with a backend that reads and one that writes.
 *
 * @module
 */

import { ResultBackend, type ResultBackendOptions } from "../../mod.ts";
import type { TestClient } from "./client.ts";
import { type RedisServer, startRedis } from "./redis_server.ts";
import { until } from "./until.ts";

/** Starts a Redis server, with a backend that reads from it and one that writes to it. */
export async function startResultFixture(
  options?: ResultBackendOptions,
): Promise<ResultFixture> {
  const redis = await startRedis();
  return new ResultFixture(redis, await redis.client(), options);
}

/** A Redis server, a backend that reads results and one that stores them. */
export class ResultFixture implements AsyncDisposable {
  /** The server between them. */
  readonly redis: RedisServer;
  /** A plain client of the server. */
  readonly client: TestClient;
  /** The backend under test. */
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

  /** How many channels have subscribers. */
  async channels(): Promise<number> {
    const channels = await this.client.send("PUBSUB", "CHANNELS");
    return (channels as unknown[]).length;
  }

  /** Resolves once exactly `count` channels have subscribers. */
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
