/**
 * The errors that a caller may want to catch. Each sets `name`, and carries
 * what led to it as `cause`.
 *
 * @module
 */

/**
 * Options or a URL that cannot work: says which, with the value (secrets
 * masked), and what to do.
 *
 * @example A URL of another kind
 * ```ts
 * import { assertThrows } from "npm:deno-std@1.4.0/assert/throws.js";
 * import { ConfigurationError, ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 *
 * assertThrows(
 *   () => new ResultBackend("amqp://localhost"),
 *   ConfigurationError,
 * );
 * ```
 */
export class ConfigurationError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ConfigurationError";
}

/**
 * A use of a backend after `close()`, or a wait that `close()` ended.
 *
 * @example A wait when the program ends
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
 */
export class BackendClosedError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "BackendClosedError";

  /** Says that the backend is closed; `what` names the call that this stopped. */
  constructor(what?: string, options?: ErrorOptions) {
    super(
      `${
        what === undefined
          ? "The result backend was closed"
          : `Cannot ${what}: the result backend was closed`
      }: ` +
        "create a new ResultBackend to go on",
      options,
    );
  }
}

const CODE = /^([A-Z][A-Z0-9_]*)(?=\s|$)/;
// Before Redis 7, an error inside a script is wrapped in an ERR of its own.
const SCRIPT_CODE = /^ERR .*@user_script: ?\d+: -?([A-Z][A-Z0-9_]*) /;

/**
 * An error reply of a Redis server, with its code.
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
 */
export class RedisError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "RedisError";
  /** The reply's first word: `WRONGTYPE`, `NOPERM`, `LOADING`, `ERR`, and so on. */
  readonly code: string;

  /**
   * Takes the server's own words; what follows them in `message` is advice. A
   * `code` is given where the words are masked.
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
 * A connection to Redis that could not be made, was lost, or went silent. The
 * next attempt may succeed; it is met as the `cause` of other errors.
 *
 * @example Why a wait was not answered in time
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
 */
export class RedisConnectionError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name: string = "RedisConnectionError";
}

/**
 * The end of reconnecting: as many attempts failed as `reconnect.maxAttempts`
 * allows. `cause` is the last attempt's error. The backend is not broken by
 * it: the next call starts afresh.
 *
 * Celery's counterpart is the `RuntimeError` that asks for a restart of the
 * application.
 *
 * @example An outage, and what comes after it
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
 */
export class RetryLimitError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "RetryLimitError";
  /** How many attempts were made. */
  readonly attempts: number;

  /** Says how many attempts failed, and with which error the last one did. */
  constructor(message: string, attempts: number, options?: ErrorOptions) {
    super(message, options);
    this.attempts = attempts;
  }
}

/**
 * A result that could not be stored. Celery: `BackendStoreError`.
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
 */
export class BackendStoreError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "BackendStoreError";
  /** The task whose result was to be stored; of a group, its id. */
  readonly taskId: string;
  /** The state that was to be stored; of a group, SUCCESS. */
  readonly state: string;
  /** The group that was to be stored; undefined if it was a task's result. */
  readonly groupId: string | undefined;

  /** Says why the result of `taskId` was not stored. */
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
 * A task's state that could not be read. Celery: `BackendGetMetaError`.
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
 */
export class BackendGetMetaError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "BackendGetMetaError";
  /** The task whose state was to be read; of several, the first; of a group, its id. */
  readonly taskId: string;
  /** The group that was to be read; undefined if it was a task's state. */
  readonly groupId: string | undefined;

  /** Says why the state of `taskId` could not be read. */
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

/** What goes with a {@linkcode ChordError}. */
export interface ChordErrorOptions extends ErrorOptions {
  /** The part that failed. */
  taskId?: string;
  /** What the chord was claimed by. */
  claim?: string;
}

/**
 * A chord that failed, or a call for one that could not be finished.
 *
 * Celery: `ChordError`, for the former.
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
 */
export class ChordError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ChordError";
  /** The group that is the chord's header. */
  readonly groupId: string;
  /** The part that failed; null if no single one did. */
  readonly taskId: string | null;
  /**
   * What the call had claimed the chord by, or tried to, when it could not go
   * on; null if it had not come so far, or the chord has ended. A call with
   * this as its `claim` takes up where it stopped.
   */
  readonly claim: string | null;

  /** Says what happened to the chord of `groupId`. */
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
 * A document that is none: not in a format that is read, or not what Celery
 * stores.
 *
 * @example Something else at a task's key
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
 */
export class DecodeError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name: string = "DecodeError";
  /** The task at whose key the document stands; of a saved group, its id. */
  readonly taskId: string;
  /** The document's beginning, as text. */
  readonly text: string;
  /** The group at whose key the document stands; undefined if it is a task's. */
  readonly groupId: string | undefined;

  /** Says what is wrong with the document of `taskId`. */
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
 * A document in a format that is not accepted: one that `acceptContent` does
 * not name, or a pickle, which is never read.
 *
 * Celery: kombu's `ContentDisallowed`.
 *
 * @example A reader of JSON meets msgpack
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
 */
export class ContentDisallowedError extends DecodeError {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ContentDisallowedError";
  /** The format that the document is in: `pickle`, `msgpack`, `json`. */
  readonly serializer: string;

  /** Says that the document of `taskId` is in the format `serializer`. */
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
 * No outcome in time. A task that is still running, one whose result has
 * expired or was forgotten, and an id that was never sent look alike from
 * here: Redis holds no outcome for any of them. If the key could not even be
 * read in that time, the error says so, and what the connection was doing.
 *
 * Celery: `celery.exceptions.TimeoutError`.
 *
 * @example A task that is not done in time
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
 *   () => backend.result("6f1c").get({ timeout: 50 }),
 *   ResultTimeoutError,
 * );
 * assertEquals([error.taskId, error.lastState], ["6f1c", "STARTED"]);
 * ```
 */
export class ResultTimeoutError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ResultTimeoutError";
  /** The task that was awaited; of several, the first that has no outcome. */
  readonly taskId: string;
  /** The last state that was seen of it; undefined if none was. */
  readonly lastState: string | undefined;
  /**
   * Whether the task's key was read during the wait. If not, it is not known
   * whether Redis holds an outcome: the connection was not made in time, say.
   */
  readonly wasRead: boolean;
  /** The last connection error, if the connection was down when the time was up. */
  readonly lastConnectionError: Error | undefined;
  /** How many of the awaited tasks have no outcome. */
  readonly missingCount: number;
  /** The first of them, at most ten. */
  readonly missingIds: readonly string[];

  /**
   * Says how long the wait was, and what was seen of the task, or of the first of
   * those that are `missing`. If its key was not read, `unread` says what the
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
      ? `its key was not read in that time, so what is stored for it is not known (${unread})`
      : isUnknown
      ? "nothing is stored for it: it may be waiting or running without reporting so, its result may " +
        "have expired or been forgotten, its result may be ignored, or the id (or the database, or the " +
        "key prefix) may be wrong"
      : `the last state seen is ${lastState}`;
    const connection = lastConnectionError === undefined
      ? ""
      : `; and Redis is not reached at the moment: ${lastConnectionError.message}`;
    super(
      `${
        missing.total === 1
          ? `Task ${taskId} has no outcome after ${timeout} ms`
          : `${missing.count} of ${missing.total} tasks have no outcome after ${timeout} ms (${
            listed(missing)
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

function listed(
  { count, taskIds }: { count: number; taskIds: readonly string[] },
): string {
  const names = taskIds.join(", ");
  return count > taskIds.length
    ? `${names} and ${count - taskIds.length} more`
    : names;
}

/**
 * A walk through a tree of results that came to one without an outcome: what
 * is below it is not known yet.
 *
 * Celery: `IncompleteStream`.
 *
 * @example A task that is still to come
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
 */
export class IncompleteStreamError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "IncompleteStreamError";
  /** The task, or the group, that has no outcome yet. */
  readonly id: string;

  /** Says where the walk ended. */
  constructor(id: string, options?: ErrorOptions) {
    super(
      `Cannot go on below ${id}: it has no outcome yet. ` +
        "Await it first, or pass over what is not ready by `intermediate: true`",
      options,
    );
    this.id = id;
  }
}
