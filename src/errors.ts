/**
 * The errors that a caller may want to catch. Each sets `name`, and `cause` if
 * another error led to it.
 *
 * @module
 */

/**
 * An invalid option or URL. The message names it, shows the value (with secrets
 * masked), and says what to do.
 *
 * @example A URL with another scheme
 * ```ts
 * import { assertThrows } from "npm:deno-std@1.4.0/assert/throws.js";
 * import { ConfigurationError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 *
 * assertThrows(
 *   () => new ResultBackend("amqp://localhost"),
 *   ConfigurationError,
 * );
 * ```
 *
 * @category Errors
 */
export class ConfigurationError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ConfigurationError";
}

/**
 * A call on a closed backend, or a wait that `close()` ended.
 *
 * @example A wait that closing the backend ends
 * ```ts
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { BackendClosedError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * const backend = new ResultBackend(redis.url);
 * const wait = backend.result("6f1c").get();
 * backend.close();
 * await assertRejects(() => wait, BackendClosedError);
 * ```
 *
 * @category Errors
 */
export class BackendClosedError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "BackendClosedError";

  /** Creates the error. `call` describes the call that failed, as in "Cannot {call}". */
  constructor(call?: string, options?: ErrorOptions) {
    super(
      `${
        call === undefined
          ? "The result backend was closed"
          : `Cannot ${call}: the result backend was closed`
      }: create a new ResultBackend to go on`,
      options,
    );
  }
}

const CODE = /^([A-Z][A-Z0-9_]*)(?=\s|$)/;
// Before Redis 7, an error in a script is wrapped in another ERR.
const SCRIPT_CODE = /^ERR .*@user_script: ?\d+: -?([A-Z][A-Z0-9_]*) /;

/**
 * An error reply from Redis, with its code.
 *
 * @example A wrong password
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { RedisError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start({ password: "right" });
 * await using backend = new ResultBackend(redis.url, { password: "wrong" });
 * const error = await assertRejects(
 *   () => backend.result("6f1c").get(),
 *   RedisError,
 * );
 * assertEquals(error.code, "WRONGPASS");
 * ```
 *
 * @category Errors
 */
export class RedisError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "RedisError";
  /** The reply's first word: `WRONGTYPE`, `NOPERM`, `LOADING`, `ERR`, and so on. */
  readonly code: string;

  /**
   * Creates the error from the server's `reply`, followed by `advice` in
   * parentheses. `code` is needed only if the reply is masked.
   */
  constructor(
    reply: string,
    advice?: string,
    options?: ErrorOptions & { code?: string },
  ) {
    super(advice === undefined ? reply : `${reply} (${advice})`, options);
    this.code = options?.code ?? SCRIPT_CODE.exec(reply)?.[1] ??
      CODE.exec(reply)?.[1] ?? "ERR";
  }
}

/**
 * A connection to Redis that could not be made, was lost, or went silent. It is
 * a transient error, found as the `cause` of other errors.
 *
 * @example Why a wait timed out
 * ```ts
 * import { assertInstanceOf } from "npm:deno-std@1.4.0/assert/instance_of.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import {
 *   RedisConnectionError,
 *   ResultBackend,
 *   ResultTimeoutError,
 * } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * await redis.stop();
 * const error = await assertRejects(
 *   () => backend.result("6f1c").get({ timeout: 500 }),
 *   ResultTimeoutError,
 * );
 * assertInstanceOf(error.cause, RedisConnectionError);
 * ```
 *
 * @category Errors
 */
export class RedisConnectionError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name: string = "RedisConnectionError";
}

/**
 * Reconnecting failed as often as `reconnect.maxAttempts` allows. `cause` is the
 * error of the last attempt. A backend that gave up can still be used: the next
 * call reconnects.
 *
 * Celery raises a `RuntimeError` here, which asks you to restart the application.
 *
 * @example Use the backend again after an outage
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { ResultBackend, RetryLimitError } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url, {
 *   reconnect: { maxAttempts: 2, minTimeout: 1 },
 * });
 * await redis.stop();
 * const error = await assertRejects(
 *   () => backend.result("6f1c").get(),
 *   RetryLimitError,
 * );
 * assertEquals(error.attempts, 2);
 *
 * await redis.restart();
 * await backend.markAsDone("6f1c", 42);
 * assertEquals(await backend.result("6f1c").get(), 42);
 * ```
 *
 * @category Errors
 */
export class RetryLimitError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "RetryLimitError";
  /** How many attempts failed. */
  readonly attempts: number;

  /** Creates the error after `attempts` attempts. */
  constructor(message: string, attempts: number, options?: ErrorOptions) {
    super(message, options);
    this.attempts = attempts;
  }
}

/**
 * A result or a group could not be stored. Celery: `BackendStoreError`.
 *
 * @example A result that is too large
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { BackendStoreError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url, {
 *   maxResultBytes: 1000,
 * });
 * const error = await assertRejects(
 *   () => backend.markAsDone("6f1c", "long ".repeat(1000)),
 *   BackendStoreError,
 * );
 * assertEquals([error.taskId, error.state], ["6f1c", "SUCCESS"]);
 * ```
 *
 * @category Errors
 */
export class BackendStoreError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "BackendStoreError";
  /** The task whose result was to be stored, or the id of the group. */
  readonly taskId: string;
  /** The state that was to be stored; SUCCESS for a group. */
  readonly state: string;
  /** The id of the group; undefined for a task's result. */
  readonly groupId: string | undefined;

  /** Creates the error. For a group, `taskId` is its id. */
  constructor(
    message: string,
    taskId: string,
    state: string,
    options?: ErrorOptions & { groupId?: string },
  ) {
    super(message, options);
    this.taskId = taskId;
    this.state = state;
    this.groupId = options?.groupId;
  }
}

/**
 * The state of a task, or a group, could not be read. Celery:
 * `BackendGetMetaError`.
 *
 * @example A read during an outage
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { BackendGetMetaError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url, {
 *   retry: { maxAttempts: 2, minTimeout: 1 },
 * });
 * await redis.stop();
 * const error = await assertRejects(
 *   () => backend.getMeta("6f1c"),
 *   BackendGetMetaError,
 * );
 * assertEquals(error.taskId, "6f1c");
 * ```
 *
 * @category Errors
 */
export class BackendGetMetaError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "BackendGetMetaError";
  /** The task whose state was to be read, the first one of several, or the id of the group. */
  readonly taskId: string;
  /** The id of the group; undefined for a task's state. */
  readonly groupId: string | undefined;

  /** Creates the error. For a group, `taskId` is its id. */
  constructor(
    message: string,
    taskId: string,
    options?: ErrorOptions & { groupId?: string },
  ) {
    super(message, options);
    this.taskId = taskId;
    this.groupId = options?.groupId;
  }
}

/**
 * Options of a {@linkcode ChordError}.
 *
 * @category Errors
 */
export interface ChordErrorOptions extends ErrorOptions {
  /** The task whose part failed. */
  taskId?: string;
  /** The claim on the chord. */
  claim?: string;
}

/**
 * A chord failed, or a call for it could not finish.
 *
 * Celery: `ChordError`, for a chord that failed.
 *
 * @example A part that failed
 * ```ts
 * import { assertInstanceOf } from "npm:deno-std@1.4.0/assert/instance_of.js";
 * import { ChordError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * await backend.setChordSize("group", 1);
 * const outcome = await backend.chordPartReturn(
 *   { taskId: "6f1c", groupId: "group", groupIndex: 0 },
 *   "FAILURE",
 *   new Error("boom"),
 *   { onComplete: () => console.log("not called") },
 * );
 * assertInstanceOf(outcome.type === "failed" && outcome.error, ChordError);
 * ```
 *
 * @category Errors
 */
export class ChordError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ChordError";
  /** The id of the chord's header. */
  readonly groupId: string;
  /** The task whose part failed; null if no single part did. */
  readonly taskId: string | null;
  /**
   * The claim of a call that stopped while it completed the chord: a later call
   * with this `claim` continues there. Null if the call had not begun to, or the
   * chord has ended.
   */
  readonly claim: string | null;

  /** Creates the error for the chord of `groupId`. */
  constructor(
    message: string,
    groupId: string,
    { taskId, claim, ...options }: ChordErrorOptions = {},
  ) {
    super(message, options);
    this.groupId = groupId;
    this.taskId = taskId ?? null;
    this.claim = claim ?? null;
  }
}

/**
 * A document that cannot be decoded: it is malformed, or not one that Celery
 * stores.
 *
 * @example Another kind of value at a task's key
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { DecodeError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * using client = await Deno.connect({ port: redis.port });
 * await client.write(
 *   new TextEncoder().encode("SET celery-task-meta-6f1c nonsense\r\n"),
 * );
 * await client.read(new Uint8Array(5));
 * const error = await assertRejects(
 *   () => backend.result("6f1c").get(),
 *   DecodeError,
 * );
 * assertEquals([error.taskId, error.text], ["6f1c", "nonsense"]);
 * ```
 *
 * @category Errors
 */
export class DecodeError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name: string = "DecodeError";
  /** The task whose document it is, or the id of the saved group. */
  readonly taskId: string;
  /** The beginning of the document, as text. */
  readonly text: string;
  /** The id of the saved group; undefined for a task's document. */
  readonly groupId: string | undefined;

  /** Creates the error. For a saved group, `taskId` is its id. */
  constructor(
    message: string,
    taskId: string,
    text: string,
    options?: ErrorOptions & { groupId?: string },
  ) {
    super(message, options);
    this.taskId = taskId;
    this.text = text;
    this.groupId = options?.groupId;
  }
}

/**
 * A document in a format that is not accepted: `acceptContent` does not name it,
 * or it is a pickle, which is never read.
 *
 * Celery: kombu's `ContentDisallowed`.
 *
 * @example A reader of JSON finds msgpack
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { ContentDisallowedError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using writer = new ResultBackend(redis.url, { serializer: "msgpack" });
 * await writer.markAsDone("6f1c", 42);
 * await using reader = new ResultBackend(redis.url);
 * const error = await assertRejects(
 *   () => reader.result("6f1c").get(),
 *   ContentDisallowedError,
 * );
 * assertEquals(error.serializer, "msgpack");
 * ```
 *
 * @category Errors
 */
export class ContentDisallowedError extends DecodeError {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ContentDisallowedError";
  /** The format of the document: `pickle`, `msgpack` or `json`. */
  readonly serializer: string;

  /** Creates the error for a document in the format `serializer`. */
  constructor(
    message: string,
    taskId: string,
    text: string,
    serializer: string,
    options?: ErrorOptions,
  ) {
    super(message, taskId, text, options);
    this.serializer = serializer;
  }
}

/**
 * A wait ended before the task had an outcome. A task that is still running, one
 * whose result expired or was forgotten, and an id that was never sent look the
 * same: Redis has no outcome for any of them. If the key was not read in that
 * time, the message says so, and what the connection was doing.
 *
 * Celery: `celery.exceptions.TimeoutError`.
 *
 * @example A task that does not finish in time
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { ResultBackend, ResultTimeoutError } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * await backend.markAsStarted("6f1c");
 * const error = await assertRejects(
 *   () => backend.result("6f1c").get({ timeout: 500 }),
 *   ResultTimeoutError,
 * );
 * assertEquals([error.taskId, error.lastState], ["6f1c", "STARTED"]);
 * ```
 *
 * @category Errors
 */
export class ResultTimeoutError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ResultTimeoutError";
  /** The awaited task, or the first one of several that has no outcome. */
  readonly taskId: string;
  /** The last state seen; undefined if none was. */
  readonly lastState: string | undefined;
  /**
   * Whether the task's key was read during the wait. If not, Redis may have an
   * outcome: the connection was not made in time, for example.
   */
  readonly wasRead: boolean;
  /** The last connection error, if the connection was down at the end of the wait. */
  readonly lastConnectionError: Error | undefined;
  /** How many of the awaited tasks have no outcome. */
  readonly missingCount: number;
  /** The ids of the first of these tasks, at most ten. */
  readonly missingIds: readonly string[];

  /**
   * Creates the error for a wait of `timeout` milliseconds for `taskId`, the
   * first one of `missing`. If its key was not read, `unread` says what the
   * connection was doing.
   */
  constructor(
    taskId: string,
    timeout: number,
    lastState: string | undefined,
    lastConnectionError: Error | undefined,
    missing: { total: number; count: number; taskIds: readonly string[] } = {
      total: 1,
      count: 1,
      taskIds: [taskId],
    },
    unread?: string,
  ) {
    const isUnknown = lastState === undefined || lastState === "PENDING";
    const seen = isUnknown && unread !== undefined
      ? `its key was not read in that time, so its state is unknown (${unread})`
      : isUnknown
      ? "nothing is stored for it: it may be queued, or running without reporting that it started; its result " +
        "may have expired, been forgotten, or be ignored; or the id, the database or the key prefix may be wrong"
      : `the last state seen is ${lastState}`;
    const connection = lastConnectionError === undefined
      ? ""
      : `; Redis is not connected: ${lastConnectionError.message}`;
    super(
      `${
        missing.total === 1
          ? `Task ${taskId} has no outcome after ${timeout} ms`
          : `${missing.count} of ${missing.total} tasks have no outcome after ${timeout} ms (${
            listIds(missing)
          }); of the first`
      }: ${seen}${connection}`,
      lastConnectionError === undefined
        ? undefined
        : { cause: lastConnectionError },
    );
    this.taskId = taskId;
    this.lastState = lastState;
    this.wasRead = unread === undefined;
    this.lastConnectionError = lastConnectionError;
    this.missingCount = missing.count;
    this.missingIds = missing.taskIds;
  }
}

function listIds(
  { count, taskIds }: { count: number; taskIds: readonly string[] },
): string {
  const names = taskIds.join(", ");
  return count > taskIds.length
    ? `${names} and ${count - taskIds.length} more`
    : names;
}

/**
 * A walk through a tree of results reached one without an outcome, whose children
 * are not known yet.
 *
 * Celery: `IncompleteStream`.
 *
 * @example A task without an outcome
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { IncompleteStreamError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * const error = await assertRejects(
 *   () => backend.result("6f1c").graph(),
 *   IncompleteStreamError,
 * );
 * assertEquals(error.id, "6f1c");
 * ```
 *
 * @category Errors
 */
export class IncompleteStreamError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "IncompleteStreamError";
  /** The task, or the group, that has no outcome yet. */
  readonly id: string;

  /** Creates the error for a walk that stopped at `id`. */
  constructor(id: string, options?: ErrorOptions) {
    super(
      `Cannot read the children of ${id}: it has no outcome yet. ` +
        "Await it first, or skip results that are not ready with `intermediate: true`",
      options,
    );
    this.id = id;
  }
}
