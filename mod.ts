/**
 * Celery task results as Web Streams, for Deno.
 *
 * Python workers store task results in Redis with Celery's Redis backend. A
 * {@linkcode ResultBackend} awaits them, streams them, and stores its own; both
 * sides read what the other writes.
 *
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * // In production, a Celery worker does this.
 * await backend.markAsDone("6f1c", 42);
 *
 * const value = await backend.result<number>("6f1c").get({ timeout: 10_000 });
 * assertEquals(value, 42);
 * for await (const event of backend.stream<number>(["6f1c"])) {
 *   if (event.state === "SUCCESS") console.log(event.taskId, event.result);
 * }
 * ```
 *
 * @module
 */

export { ResultBackend } from "./src/backend.ts";
export { ResultConsumer } from "./src/consumer/consumer.ts";
export {
  BackendClosedError,
  BackendGetMetaError,
  BackendStoreError,
  ChordError,
  ConfigurationError,
  ContentDisallowedError,
  DecodeError,
  IncompleteStreamError,
  RedisConnectionError,
  RedisError,
  ResultTimeoutError,
  RetryLimitError,
} from "./src/errors.ts";
export { datetimeText } from "./src/formats/envelopes.ts";
export { toJsonSafe } from "./src/formats/json/json_safe.ts";
export { AsyncResult, GroupResult, ResultSet } from "./src/results/result.ts";
export {
  TaskError,
  TaskRevokedError,
  toTaskError,
} from "./src/protocol/task_error.ts";

export type { CloseOptions } from "./src/backend.ts";
export type { GroupOptions, ResultOptions } from "./src/results/factory.ts";
export type {
  ChordInfo,
  ChordOutcome,
  ChordPartOptions,
  ChordRequest,
  FailureOptions,
  TaskRequest,
} from "./src/chords/request.ts";
export type { CallOptions } from "./src/source/command_runner.ts";
export type { ConsumerOptions } from "./src/consumer/consumer.ts";
export type { ChordErrorOptions } from "./src/errors.ts";
export type { ResultBackendOptions } from "./src/options.ts";
export type {
  CustomStates,
  DecodeFailure,
  MetaFields,
  ResultEvent,
  ResultMeta,
  WaitingMeta,
} from "./src/protocol/meta.ts";
export type { RequestFields } from "./src/protocol/encode.ts";
export type { FailureLike, TaskFailure } from "./src/protocol/exceptions.ts";
export type { ResultTuple } from "./src/protocol/result_tuple.ts";
export type { JsonValue } from "./src/formats/json/json_safe.ts";
export type { Serializer } from "./src/formats/custom.ts";
export type { BuiltinState, TaskState } from "./src/protocol/states.ts";
export type {
  CredentialsProvider,
  RedisCredentials,
} from "./src/redis/server/credentials.ts";
export type { RedisOptions } from "./src/redis/options.ts";
export type { SentinelOptions } from "./src/redis/sentinel/options.ts";
export type { TlsOptions } from "./src/redis/tls/tls.ts";
export type {
  AnyResult,
  Dependency,
  OutcomeEvent,
} from "./src/results/result.ts";
export type {
  CollectOptions,
  GetOptions,
  JoinOptions,
  WalkOptions,
} from "./src/results/options.ts";
export type { ResultGraph } from "./src/results/tree.ts";
export type { RetryOptions } from "./src/retry/policy.ts";
export type { RetryNotice } from "./src/retry/listener.ts";
export type { SerializerOptions } from "./src/formats/options.ts";
export type { StatusEvent } from "./src/status.ts";
export type { StoreOptions } from "./src/store/result_store.ts";
export type {
  TaskErrorFields,
  TaskErrorSource,
} from "./src/protocol/task_error.ts";
