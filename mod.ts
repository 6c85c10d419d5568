/**
 * Celery task results as Web Streams, for Deno.
 *
 * Python workers store results in Redis with Celery's Redis backend; this
 * module awaits them, streams them, and stores its own, wire-compatible in both
 * directions.
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
export { GroupResult } from "./src/results/group_result.ts";
export { datetimeText } from "./src/formats/envelopes.ts";
export { toJsonSafe } from "./src/formats/json/json_safe.ts";
export { AsyncResult } from "./src/results/result.ts";
export { ResultSet } from "./src/results/result_set.ts";
export {
  TaskError,
  TaskRevokedError,
  toTaskError,
} from "./src/protocol/task_error.ts";

export type { ResultOptions, SaveGroupOptions } from "./src/backend.ts";
export type {
  ChordInfo,
  ChordOutcome,
  ChordPartOptions,
  ChordRequest,
  FailureOptions,
  TaskRequest,
} from "./src/chords/request.ts";
export type { CallOptions } from "./src/source/commands.ts";
export type { ConsumerOptions } from "./src/consumer/consumer.ts";
export type { ChordErrorOptions } from "./src/errors.ts";
export type { ResultBackendOptions } from "./src/options.ts";
export type {
  DecodeFailure,
  EventOrigin,
  FailureMeta,
  MetaFields,
  ResultEvent,
  ResultMeta,
  RetryMeta,
  SuccessMeta,
  UndecodableMeta,
  WaitingMeta,
} from "./src/protocol/meta.ts";
export type { RequestFields } from "./src/protocol/encode.ts";
export type { FailureLike, TaskFailure } from "./src/protocol/exceptions.ts";
export type {
  GroupTuple,
  ResultTuple,
  TaskTuple,
} from "./src/protocol/result_tuple.ts";
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
export type { AnyResult } from "./src/results/result.ts";
export type { OutcomeEvent } from "./src/results/result_set.ts";
export type {
  CollectOptions,
  Dependency,
  ResultGraph,
  ResultGraphEdge,
  ResultGraphNode,
  WalkOptions,
} from "./src/results/tree.ts";
export type { RetryNotice } from "./src/retry/listener.ts";
export type { SerializerOptions } from "./src/formats/options.ts";
export type { StatusEvent } from "./src/status.ts";
export type { StoreOptions } from "./src/store/result_store.ts";
export type {
  TaskErrorFields,
  TaskErrorSource,
} from "./src/protocol/task_error.ts";
export type { JoinOptions } from "./src/results/wait.ts";
export type { GetOptions } from "./src/results/wait.ts";
export type { RetryOptions } from "./src/retry/policy.ts";
