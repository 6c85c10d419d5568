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

/** A transient error: the server's memory is full. */
const passing = new RedisError("OOM command not allowed");
/** What stays wrong. */
const unsafe = new RedisError("WRONGTYPE no");
/** What the script replies where it has stored. */
const STORED = 1;

/** A backend on a scripted Redis: it answers each command with the next reply. */
class RetryFixture implements AsyncDisposable {
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

function read(fixture: RetryFixture): Promise<unknown> {
  return fixture.done(fixture.backend.getMeta("a"));
}

function store(fixture: RetryFixture): Promise<unknown> {
  return fixture.done(fixture.backend.storeResult("a", 42, "SUCCESS"));
}

const SUCCESS = documentOf("SUCCESS", 42);

Deno.test("test_get_failed_never_retries", async () => {
  await using fixture = new RetryFixture([passing, SUCCESS], {
    retry: { maxAttempts: 1 },
  });
  const error = await assertRejects(() => read(fixture), BackendGetMetaError);
  assertStrictEquals(error.cause, passing);
  assertEquals([fixture.commands, fixture.notices.length], [1, 0]);
});

Deno.test("test_get_with_retries", async () => {
  await using fixture = new RetryFixture([passing, SUCCESS]);
  const meta = await fixture.done(fixture.backend.getMeta("a"));
  assertEquals([meta.state, meta.result], ["SUCCESS", 42]);
  assertEquals(fixture.notices, [{
    kind: "command",
    attempt: 1,
    maxAttempts: 10,
    delay: 10,
    error: passing,
    message: "Command to Redis failed: Retry (0/9) now.",
  }]);
});

Deno.test("test_get_reaching_max_retries", async () => {
  await using fixture = new RetryFixture([passing, passing, passing, SUCCESS], {
    retry: { maxAttempts: 3 },
  });
  const error = await assertRejects(() => read(fixture), BackendGetMetaError);
  assertEquals(error.taskId, "a");
  assertStrictEquals(error.cause, passing);
  assertEquals(fixture.notices.map(({ delay }) => delay), [10, 20]);
  assertEquals(fixture.commands, 3);
});

Deno.test("test_get_unsafe_exception", async () => {
  await using fixture = new RetryFixture([unsafe, SUCCESS]);
  assertStrictEquals(await assertRejects(() => read(fixture)), unsafe);
  assertEquals([fixture.commands, fixture.notices.length], [1, 0]);
});

Deno.test("test_store_result_never_retries", async () => {
  await using fixture = new RetryFixture([passing, STORED], {
    retry: { maxAttempts: 1 },
  });
  const error = await assertRejects(() => store(fixture), BackendStoreError);
  assertStrictEquals(error.cause, passing);
  assertEquals([fixture.commands, fixture.notices.length], [1, 0]);
});

Deno.test("test_store_result_with_retries", async () => {
  await using fixture = new RetryFixture([passing, STORED]);
  assertEquals(await store(fixture), true);
  assertEquals(fixture.notices.map(({ kind, attempt }) => [kind, attempt]), [
    ["command", 1],
  ]);
});

Deno.test("test_store_result_reaching_max_retries", async () => {
  await using fixture = new RetryFixture([passing, passing, passing, STORED], {
    retry: { maxAttempts: 3 },
  });
  const error = await assertRejects(() => store(fixture), BackendStoreError);
  assertEquals([error.taskId, error.state], ["a", "SUCCESS"]);
  assertStrictEquals(error.cause, passing);
  assertEquals(fixture.commands, 3);
});

Deno.test("test_store_result_unsafe_exception", async () => {
  await using fixture = new RetryFixture([unsafe, STORED]);
  assertStrictEquals(await assertRejects(() => store(fixture)), unsafe);
  assertEquals([fixture.commands, fixture.notices.length], [1, 0]);
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
    await using fixture = new RetryFixture(
      [passing, passing, SUCCESS, passing, STORED],
      { onRetry },
    );
    const status = fixture.backend.status();
    await read(fixture);
    assertEquals(await store(fixture), true);
    assertEquals(fixture.notices.length, 3);
    await fixture.backend.close();
    const told: StatusEvent[] = await Array.fromAsync(status);
    assertEquals(told.filter(({ type }) => type === "degraded").length, 1);
  }
});

Deno.test("a hook that never resolves holds nothing up", async () => {
  await using fixture = new RetryFixture([passing, SUCCESS], {
    onRetry: () => new Promise(() => {}),
  });
  await read(fixture);
  assertEquals(fixture.notices.length, 1);
});

Deno.test("a hook may close the backend: nothing more is sent, and nothing is left", async () => {
  await using fixture: RetryFixture = new RetryFixture([passing, SUCCESS], {
    onRetry: () => fixture.backend.close(),
  });
  const error = await assertRejects(() => read(fixture));
  assertEquals((error as Error).name, "BackendClosedError");
  assertEquals(fixture.commands, 1);
});

Deno.test("isRetriable makes a store outlive what this module would not retry", async () => {
  const odd = new RedisError("PROXY reloads");
  await using fixture = new RetryFixture([odd, STORED], {
    isRetriable: (error) => error.message.startsWith("PROXY"),
  });
  assertEquals(await store(fixture), true);
  assertEquals(fixture.notices.map(({ error }) => error), [odd]);
});

Deno.test("a failed connection is reported by both layers: as reconnect with its ceiling, as command with its wait", async () => {
  await using fixture = new RetryFixture([SUCCESS], {
    reconnect: { minTimeout: 2500, maxTimeout: 2500 },
    retry: { minTimeout: 100, jitter: 0 },
  });
  const refused = new RedisConnectionError("refused");
  fixture.driver.onConnect = (attempt) => attempt === 1 ? refused : undefined;
  await read(fixture);
  assertEquals(
    fixture.notices.map(({ kind, delay, message }) => [kind, delay, message]),
    [
      [
        "reconnect",
        2500,
        "Connection to Redis failed: Retry (0/Inf) in 2.50 seconds. refused",
      ],
      ["command", 100, "Command to Redis failed: Retry (0/9) now."],
    ],
  );
  for (const { error } of fixture.notices) assertInstanceOf(error, Error);
});
