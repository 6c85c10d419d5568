import { ResultBackend, type ResultBackendOptions } from "../../mod.ts";
import { MemoryRedis } from "../../testing.ts";
import { connect, type TestClient } from "./client.ts";

/** A backend on a MemoryRedis, and a client for the commands that a backend does not send. */
export class BackendFixture implements AsyncDisposable {
  /** The server. */
  readonly redis: MemoryRedis;
  /** The backend under test. */
  readonly backend: ResultBackend;
  /** Connects to the server directly. */
  readonly client: TestClient;

  /** Starts the server, the client and the backend. */
  static async start(options?: ResultBackendOptions): Promise<BackendFixture> {
    const redis = await MemoryRedis.start();
    const client = await connect(redis.url);
    return new BackendFixture(redis, client, options);
  }

  private constructor(
    redis: MemoryRedis,
    client: TestClient,
    options: ResultBackendOptions | undefined,
  ) {
    this.redis = redis;
    this.client = client;
    this.backend = new ResultBackend(redis.url, options);
  }

  /** Stores SUCCESS, with these children. */
  async done(
    taskId: string,
    result: unknown = null,
    children: unknown = [],
  ): Promise<void> {
    await this.backend.markAsDone(taskId, result, { children });
  }

  /** Stores a ValueError, even in place of a SUCCESS. */
  async failed(taskId: string): Promise<void> {
    await this.backend.forget(taskId);
    await this.backend.markAsFailure(taskId, {
      excType: "ValueError",
      excModule: "builtins",
      message: "boom",
    });
  }

  /** Sets a task's document. */
  async put(taskId: string, document: string): Promise<void> {
    await this.client.send("SET", `celery-task-meta-${taskId}`, document);
  }

  /** All keys, sorted. */
  async keys(): Promise<string[]> {
    const keys = await this.client.send("KEYS", "*");
    return (keys as string[]).sort();
  }

  /** How many channels have subscribers, once all earlier commands are done. */
  async channels(): Promise<number> {
    await using fence = this.backend.consumer();
    await fence.add("fence");
    const channels = await this.client.send("PUBSUB", "CHANNELS");
    return (channels as unknown[]).length - 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.close();
    await this.client[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
  }
}
