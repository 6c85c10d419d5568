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
export { ResultConsumer } from "./src/consumer.ts";
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
export { GroupResult } from "./src/group_result.ts";
export { denoRedis } from "./src/redis/deno_redis/deno_redis.ts";
export { UnreachableChannelsError } from "./src/redis/unreachable.ts";
export { datetimeText } from "./src/protocol/values.ts";
export { toJsonSafe } from "./src/protocol/json_safe.ts";
export { AsyncResult } from "./src/result.ts";
export { ResultSet } from "./src/result_set.ts";
export { TaskError, TaskRevokedError, toTaskError } from "./src/task_error.ts";

export type { ResultOptions, SaveGroupOptions } from "./src/backend.ts";
export type {
  ChordInfo,
  ChordOutcome,
  ChordPartOptions,
  ChordRequest,
  FailureOptions,
  TaskRequest,
} from "./src/chord_request.ts";
export type { CallOptions } from "./src/commands.ts";
export type { ConsumerOptions } from "./src/consumer.ts";
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
export type { JsonValue } from "./src/protocol/json_safe.ts";
export type { Serializer } from "./src/protocol/serializer.ts";
export type { BuiltinState, TaskState } from "./src/protocol/states.ts";
export type { Command, CommandArgument } from "./src/redis/command.ts";
export type {
  CredentialsProvider,
  RedisCredentials,
} from "./src/redis/credentials.ts";
export type { DenoRedisOptions } from "./src/redis/deno_redis/deno_redis.ts";
export type {
  DenoRedisClient,
  DenoRedisConnect,
  DenoRedisConnectOptions,
  DenoRedisMessage,
  DenoRedisPipeline,
  DenoRedisReplyOptions,
  DenoRedisSubscription,
} from "./src/redis/deno_redis/package.ts";
export type {
  DriverSettings,
  LinkEvents,
  RedisDriver,
  RedisLink,
  RedisText,
} from "./src/redis/link.ts";
export type { MessageHandler, RespValue } from "./src/redis/resp.ts";
export type { SentinelOptions } from "./src/redis/sentinel/options.ts";
export type { TlsOptions } from "./src/redis/tls.ts";
export type { AnyResult, GetOptions } from "./src/result.ts";
export type { OutcomeEvent } from "./src/result_set.ts";
export type {
  CollectOptions,
  Dependency,
  ResultGraph,
  ResultGraphEdge,
  ResultGraphNode,
  WalkOptions,
} from "./src/result_tree.ts";
export type { RetryOptions } from "./src/retry.ts";
export type { RetryNotice } from "./src/retry_listener.ts";
export type {
  Address,
  Runtime,
  TcpAddress,
  Timer,
  TlsSettings,
  Transport,
  UnixAddress,
} from "./src/runtime.ts";
export type { SerializerOptions } from "./src/serializers.ts";
export type { StatusEvent } from "./src/status.ts";
export type { StoreOptions } from "./src/store.ts";
export type { TaskErrorFields, TaskErrorSource } from "./src/task_error.ts";
export type { JoinOptions } from "./src/wait.ts";
