// Celery's t/unit/backends/test_base.py, test_backend_retries: the names are
// its own.

import {
  BackendGetMetaError,
  BackendStoreError,
  RedisConnectionError,
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
  type RetryNotice,
  type StatusEvent,
} from "../../mod.ts";
import type { RespValue } from "../../src/redis/wire/resp.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { FakeDriver } from "../support/fake_link.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { documentOf } from "../support/recording_reader.ts";

/** What may pass, in the words of a server that has a full memory. */
const passing = new RedisError("OOM command not allowed");
/** What stays wrong. */
const unsafe = new RedisError("WRONGTYPE no");
/** What the script replies where it has stored. */
const STORED = 1;

/** A backend on a scripted Redis: it answers each command with the next reply. */
class RetryStage implements AsyncDisposable {
  readonly runtime = new FakeRuntime({ global: true });
  readonly driver = new FakeDriver();
  readonly notices: RetryNotice[] = [];
  readonly backend: ResultBackend;
  #commands = 0;

  constructor(
    replies: (RespValue | Error)[],
    { onRetry, ...options }: ResultBackendOptions = {},
  ) {
    this.driver.onLink = (link) =>
      link.onCommand = () => {
        this.#commands++;
        return replies.shift() ?? new Error("no reply is left");
      };
    this.runtime.chance = 0.5;
    this.backend = new ResultBackend(undefined, {
      driver: this.driver,
      runtime: this.runtime,
      ...options,
      onRetry: (notice) => {
        this.notices.push(notice);
        return onRetry?.(notice);
      },
    });
  }

  /** How many commands were sent. */
  get commands(): number {
    return this.#commands;
  }

  /** Lets as much time pass as a call takes, and passes on what it settles with. */
  async done<T>(call: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => void (isOver = true);
    call.then(over, over);
    // The digest of the script comes from another thread: it may come late.
    while (!isOver) await this.runtime.advance(100_000);
    return await call;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.close();
    assertEquals(this.runtime.timers, 0);
    this.runtime[Symbol.dispose]();
  }
}

function read(stage: RetryStage): Promise<unknown> {
  return stage.done(stage.backend.getMeta("a"));
}

function store(stage: RetryStage): Promise<unknown> {
  return stage.done(stage.backend.storeResult("a", 42, "SUCCESS"));
}

const SUCCESS = documentOf("SUCCESS", 42);

Deno.test("test_get_failed_never_retries", async () => {
  await using stage = new RetryStage([passing, SUCCESS], {
    retry: { maxAttempts: 1 },
  });
  const error = await assertRejects(() => read(stage), BackendGetMetaError);
  assertStrictEquals(error.cause, passing);
  assertEquals([stage.commands, stage.notices.length], [1, 0]);
});

Deno.test("test_get_with_retries", async () => {
  await using stage = new RetryStage([passing, SUCCESS]);
  const meta = await stage.done(stage.backend.getMeta("a"));
  assertEquals([meta.state, meta.result], ["SUCCESS", 42]);
  assertEquals(stage.notices, [{
    kind: "command",
    attempt: 1,
    maxAttempts: 10,
    delay: 10,
    error: passing,
    message: "Command to Redis failed: Retry (0/9) now.",
  }]);
});

Deno.test("test_get_reaching_max_retries", async () => {
  await using stage = new RetryStage([passing, passing, passing, SUCCESS], {
    retry: { maxAttempts: 3 },
  });
  const error = await assertRejects(() => read(stage), BackendGetMetaError);
  assertEquals(error.taskId, "a");
  assertStrictEquals(error.cause, passing);
  assertEquals(stage.notices.map(({ delay }) => delay), [10, 20]);
  assertEquals(stage.commands, 3);
});

Deno.test("test_get_unsafe_exception", async () => {
  await using stage = new RetryStage([unsafe, SUCCESS]);
  assertStrictEquals(await assertRejects(() => read(stage)), unsafe);
  assertEquals([stage.commands, stage.notices.length], [1, 0]);
});

Deno.test("test_store_result_never_retries", async () => {
  await using stage = new RetryStage([passing, STORED], {
    retry: { maxAttempts: 1 },
  });
  const error = await assertRejects(() => store(stage), BackendStoreError);
  assertStrictEquals(error.cause, passing);
  assertEquals([stage.commands, stage.notices.length], [1, 0]);
});

Deno.test("test_store_result_with_retries", async () => {
  await using stage = new RetryStage([passing, STORED]);
  assertEquals(await store(stage), true);
  assertEquals(stage.notices.map(({ kind, attempt }) => [kind, attempt]), [
    ["command", 1],
  ]);
});

Deno.test("test_store_result_reaching_max_retries", async () => {
  await using stage = new RetryStage([passing, passing, passing, STORED], {
    retry: { maxAttempts: 3 },
  });
  const error = await assertRejects(() => store(stage), BackendStoreError);
  assertEquals([error.taskId, error.state], ["a", "SUCCESS"]);
  assertStrictEquals(error.cause, passing);
  assertEquals(stage.commands, 3);
});

Deno.test("test_store_result_unsafe_exception", async () => {
  await using stage = new RetryStage([unsafe, STORED]);
  assertStrictEquals(await assertRejects(() => store(stage)), unsafe);
  assertEquals([stage.commands, stage.notices.length], [1, 0]);
});

Deno.test("test_get_with_retries_hook_failure_continues, test_store_result_with_retries_hook_failure_continues", async () => {
  for (
    const onRetry of [
      () => {
        throw new Error("hook failed");
      },
      () => Promise.reject(new Error("hook failed")),
    ]
  ) {
    await using stage = new RetryStage(
      [passing, passing, SUCCESS, passing, STORED],
      { onRetry },
    );
    const status = stage.backend.status();
    await read(stage);
    assertEquals(await store(stage), true);
    assertEquals(stage.notices.length, 3);
    await stage.backend.close();
    const told: StatusEvent[] = await Array.fromAsync(status);
    assertEquals(told.filter(({ type }) => type === "degraded").length, 1);
  }
});

Deno.test("a hook that never resolves holds nothing up", async () => {
  await using stage = new RetryStage([passing, SUCCESS], {
    onRetry: () => new Promise(() => {}),
  });
  await read(stage);
  assertEquals(stage.notices.length, 1);
});

Deno.test("a hook may close the backend: nothing more is sent, and nothing is left", async () => {
  await using stage: RetryStage = new RetryStage([passing, SUCCESS], {
    onRetry: () => stage.backend.close(),
  });
  const error = await assertRejects(() => read(stage));
  assertEquals((error as Error).name, "BackendClosedError");
  assertEquals(stage.commands, 1);
});

Deno.test("isRetriable makes a store outlive what this module would not retry", async () => {
  const odd = new RedisError("PROXY reloads");
  await using stage = new RetryStage([odd, STORED], {
    isRetriable: (error) => error.message.startsWith("PROXY"),
  });
  assertEquals(await store(stage), true);
  assertEquals(stage.notices.map(({ error }) => error), [odd]);
});

Deno.test("a failed connection is reported by both layers: as reconnect with its ceiling, as command with its wait", async () => {
  await using stage = new RetryStage([SUCCESS], {
    reconnect: { minTimeout: 2500, maxTimeout: 2500 },
    retry: { minTimeout: 100, jitter: 0 },
  });
  const refused = new RedisConnectionError("refused");
  stage.driver.onConnect = (attempt) => attempt === 1 ? refused : undefined;
  await read(stage);
  assertEquals(
    stage.notices.map(({ kind, delay, message }) => [kind, delay, message]),
    [
      [
        "reconnect",
        2500,
        "Connection to Redis failed: Retry (0/Inf) in 2.50 seconds. refused",
      ],
      ["command", 100, "Command to Redis failed: Retry (0/9) now."],
    ],
  );
  for (const { error } of stage.notices) assertInstanceOf(error, Error);
});
