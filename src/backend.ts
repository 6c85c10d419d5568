import { mapCeleryConfig } from "./celery_config.ts";
import { type CallOptions, Commands } from "./commands.ts";
import {
  type ConsumerContext,
  type ConsumerOptions,
  listOf,
  ResultConsumer,
} from "./consumer.ts";
import { BackendGetMetaError } from "./errors.ts";
import {
  type ResultBackendOptions,
  type Settings,
  settingsOf,
} from "./options.ts";
import {
  decodeDocument,
  pendingMeta,
  type StoredDocument,
} from "./protocol/decode.ts";
import { KeySpace } from "./protocol/keys.ts";
import type { ResultEvent, ResultMeta } from "./protocol/meta.ts";
import type { TaskState } from "./protocol/states.ts";
import { tracebackOf } from "./protocol/traceback.ts";
import type { RedisDriver, RedisLink } from "./redis/link.ts";
import { TcpDriver } from "./redis/tcp_link.ts";
import { maskUrl, parseRedisUrl } from "./redis/url.ts";
import { AsyncResult, type ResultContext } from "./result.ts";
import { RetryListener } from "./retry_listener.ts";
import { ResultSource } from "./source.ts";
import { StatusBoard, type StatusEvent } from "./status.ts";
import { ResultStore, type StoreOptions } from "./store.ts";

const DEFAULT_URL = "redis://127.0.0.1:6379/0";
/** Keys in one MGET of `getMetas`. */
const CHUNK = 1000;

/**
 * Celery's Redis result backend: reads, streams and stores task results.
 *
 * It connects on first use, and keeps the connection for as long as somebody
 * waits for something; an idle one does not keep the process alive.
 *
 * Celery: `RedisBackend`.
 *
 * @example Stream the results of some tasks
 * ```ts ignore
 * await using backend = new ResultBackend("redis://127.0.0.1:6379/0");
 * for await (const event of backend.stream(taskIds)) {
 *   if (event.state === "SUCCESS") console.log(event.taskId, event.result);
 * }
 * ```
 */
export class ResultBackend implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #keys: KeySpace;
  readonly #status = new StatusBoard();
  readonly #source: ResultSource;
  readonly #commands: Commands;
  readonly #store: ResultStore;
  readonly #results: ResultContext;
  readonly #consumers: ConsumerContext;

  /**
   * Prepares a backend; nothing is dialled before it is used.
   *
   * The URL is `redis://[user][:password]@host[:port][/db][?query]`; a host
   * that it does not name is localhost. Its query takes the keys that Celery's
   * does: `db`, `username`, `password`, `client_name`,
   * `socket_connect_timeout` (seconds, for `connectTimeout`),
   * `health_check_interval` (seconds, for `heartbeat`), and, without effect,
   * `socket_timeout`, `socket_keepalive`, `retry_on_timeout`,
   * `max_connections`, `virtual_host`. The query wins over the rest of the URL,
   * and an option over both.
   *
   * @throws {ConfigurationError} if the URL or an option cannot work.
   */
  constructor(
    url: string | URL = DEFAULT_URL,
    options: ResultBackendOptions = {},
  ) {
    const settings = this.#settings = settingsOf(
      options,
      options.driver === undefined ? parseRedisUrl(url) : {},
    );
    const status = this.#status;
    const keys = this.#keys = new KeySpace(settings.keyPrefix);
    const retries = new RetryListener(options, status);
    const source = this.#source = new ResultSource({
      ...settings,
      driver: options.driver ?? tcpDriver(url, options, settings),
      address: options.driver === undefined ? maskUrl(url) : "its driver",
      closeTimeout: settings.connectTimeout,
      retries,
      keys,
      status,
    });
    const commands = this.#commands = new Commands(source, {
      ...settings,
      retries,
    });
    this.#store = new ResultStore({
      ...settings,
      commands,
      keys,
      status,
    });
    this.#consumers = { ...settings, source };
    this.#results = {
      source,
      getMeta: (taskId, options) => this.getMeta(taskId, options),
      stream: (taskId, options) => this.stream(taskId, options),
      forget: (taskId, options) => this.forget(taskId, options),
      after: (ms, callback) => {
        const { runtime } = settings;
        const timer = runtime.setTimer(callback, ms, true);
        return () => runtime.clearTimer(timer);
      },
    };
  }

  /**
   * Makes a backend of Celery's own settings: an object with new names
   * (`result_backend`), old ones (`CELERY_TASK_RESULT_EXPIRES`), or those of
   * Django's settings (`CELERY_RESULT_BACKEND`). A whole configuration will do:
   * what is Celery's but not about results is left out.
   *
   * `overrides` are options of this module; each replaces what the
   * configuration, or the URL in it, says.
   *
   * Stores and reads are tried again as Celery tries stores again: 21 times,
   * the second time at once and then after waits of a second, unless
   * `retry_policy` or `result_backend_always_retry` say otherwise. The
   * connection is made anew as by default, without end, unless there is a
   * `retry_policy`: Celery's own gives up after 19 seconds, and whoever waits
   * then loses results.
   *
   * @throws {ConfigurationError} if a name is not known (all are listed), a
   * setting was given two values, a value is out of its range, or it asks for
   * what there is not: another kind of backend, TLS, Sentinel, pickle.
   */
  static fromCeleryConfig(
    config: Record<string, unknown>,
    overrides: ResultBackendOptions = {},
  ): ResultBackend {
    const { url, options } = mapCeleryConfig(config);
    // A name that is none of ours is refused with the other options.
    return new ResultBackend(
      url,
      { ...options, ...overrides } as ResultBackendOptions,
    );
  }

  /**
   * Reads the present state of a task: `PENDING` where nothing is stored.
   *
   * @throws {TypeError} if the id is empty or no string.
   * @throws {BackendGetMetaError} if Redis could not be reached; `cause` says why.
   * @throws {RedisError} if Redis refuses: a key of another type, say.
   * @throws {DecodeError} if what is stored is no document; a
   * ContentDisallowedError if it is in a format that is not accepted.
   */
  async getMeta<T = unknown>(
    taskId: string,
    options?: CallOptions,
  ): Promise<ResultMeta<T>> {
    const key = this.#keys.taskKey(taskId);
    const reply = await this.#read(
      taskId,
      (link) => link.command(["GET", key]),
      options,
    );
    const document = typeof reply === "string" || reply instanceof Uint8Array
      ? reply
      : null;
    return this.#metaOf(taskId, document);
  }

  /**
   * Reads the present states of tasks, in the order asked. A key of another
   * type reads as one that is missing: MGET does not tell them apart.
   *
   * @throws as {@linkcode getMeta} does.
   */
  async getMetas<T = unknown>(
    taskIds: string | Iterable<string>,
    options?: CallOptions,
  ): Promise<ResultMeta<T>[]> {
    const ids = [...listOf(taskIds)];
    const keys = ids.map((id) => this.#keys.taskKey(id));
    const metas: ResultMeta<T>[] = [];
    for (let i = 0; i < keys.length; i += CHUNK) {
      const documents = await this.#read(
        ids[i]!,
        (link) => link.read(keys.slice(i, i + CHUNK)),
        options,
      );
      for (const [j, document] of documents.entries()) {
        metas.push(this.#metaOf(ids[i + j]!, document));
      }
    }
    return metas;
  }

  /** Whether anything is stored for a task. Celery: `exists()`, from 5.7. */
  async exists(taskId: string, options?: CallOptions): Promise<boolean> {
    const key = this.#keys.taskKey(taskId);
    return await this.#read(
      taskId,
      (link) => link.command(["EXISTS", key]),
      options,
    ) === 1;
  }

  /**
   * The result of a task, by its id.
   *
   * @throws {TypeError} if the id is empty or no string.
   */
  result<T = unknown>(taskId: string): AsyncResult<T> {
    this.#keys.taskKey(taskId);
    return new AsyncResult<T>(taskId, this.#results);
  }

  /**
   * Streams the events of tasks, and closes when each has its outcome. A task
   * that is named twice is streamed once.
   *
   * @throws {TypeError} if an id is empty or no string.
   */
  stream<T = unknown>(
    taskIds: string | Iterable<string>,
    options?: ConsumerOptions,
  ): ReadableStream<ResultEvent<T>> {
    const ids = [...listOf(taskIds)];
    for (const id of ids) this.#keys.taskKey(id);
    const consumer = this.consumer<T>(options);
    consumer.only(ids);
    return consumer.readable;
  }

  /** A reader that takes task ids as they come. */
  consumer<T = unknown>(options?: ConsumerOptions): ResultConsumer<T> {
    return new ResultConsumer<T>(this.#consumers, options);
  }

  /**
   * How the backend stands with Redis, beginning with the present state. An
   * unread stream keeps the newest events only.
   */
  status(): ReadableStream<StatusEvent> {
    return this.#status.stream();
  }

  /**
   * Stores and publishes a result. False if an earlier SUCCESS stands: then
   * nothing is stored, as in Celery, but checked as one with the write.
   *
   * @throws {TypeError} if the id is empty or no string.
   * @throws {BackendStoreError} if the result cannot be encoded, is too large,
   * or Redis could not be reached; `cause` says why.
   * @throws {RedisError} if Redis refuses: a missing permission, say.
   */
  async storeResult(
    taskId: string,
    result: unknown,
    state: TaskState,
    options: StoreOptions = {},
  ): Promise<boolean> {
    return await this.#store.store(taskId, result, state, options);
  }

  /** Stores STARTED; `info` is `{ pid, hostname }` when a worker of Celery does it. */
  async markAsStarted(
    taskId: string,
    info: unknown = null,
    options?: StoreOptions,
  ): Promise<boolean> {
    return await this.storeResult(taskId, info, "STARTED", options);
  }

  /** Stores SUCCESS, and what the task returned. */
  async markAsDone(
    taskId: string,
    result: unknown,
    options?: StoreOptions,
  ): Promise<boolean> {
    return await this.storeResult(taskId, result, "SUCCESS", options);
  }

  /**
   * Stores FAILURE, and the exception: an Error, or what Python should raise.
   * The traceback is the Error's stack with its causes, if none is given.
   */
  async markAsFailure(
    taskId: string,
    error: unknown,
    options?: StoreOptions,
  ): Promise<boolean> {
    return await this.storeResult(
      taskId,
      error,
      "FAILURE",
      withTraceback(error, options),
    );
  }

  /** Stores RETRY, and the exception that led to it. */
  async markAsRetry(
    taskId: string,
    error: unknown = null,
    options?: StoreOptions,
  ): Promise<boolean> {
    return await this.storeResult(
      taskId,
      error,
      "RETRY",
      withTraceback(error, options),
    );
  }

  /** Stores REVOKED, and why. */
  async markAsRevoked(
    taskId: string,
    reason = "",
    options?: StoreOptions,
  ): Promise<boolean> {
    return await this.storeResult(
      taskId,
      {
        excType: "TaskRevokedError",
        excModule: "celery.exceptions",
        excArgs: [reason],
      },
      "REVOKED",
      options,
    );
  }

  /** Removes the result of a task. Readers that wait for it go on waiting. */
  async forget(taskId: string, options?: CallOptions): Promise<void> {
    const key = this.#keys.taskKey(taskId);
    await this.#commands.run(
      (link) => link.command(["DEL", key]),
      (_, cause) => cause,
      options,
    );
  }

  /**
   * Closes the backend: stores that were sent finish, waits reject and streams
   * error with a BackendClosedError. Resolves when nothing is left behind.
   */
  async close(): Promise<void> {
    await this.#source.close();
  }

  /** Closes the backend: see {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #read<T>(
    taskId: string,
    call: (link: RedisLink) => Promise<T>,
    options: CallOptions | undefined,
  ): Promise<T> {
    return this.#commands.run(
      call,
      (message, cause) =>
        new BackendGetMetaError(
          `Failed to read the result of task ${taskId}: ${message}`,
          taskId,
          { cause },
        ),
      options,
    );
  }

  #metaOf<T>(taskId: string, document: StoredDocument | null): ResultMeta<T> {
    return document === null
      ? pendingMeta(taskId)
      : decodeDocument<T>(document, taskId, this.#settings);
  }
}

function tcpDriver(
  input: string | URL,
  options: ResultBackendOptions,
  settings: Settings,
): RedisDriver {
  const url = parseRedisUrl(input);
  return new TcpDriver({
    ...settings,
    address: { hostname: url.hostname, port: url.port },
    db: url.db,
    username: options.username ?? url.username,
    password: options.password ?? url.password,
    clientName: options.clientName ?? url.clientName,
  });
}

/** A JavaScript error brings its own traceback, and that of its causes. */
function withTraceback(
  error: unknown,
  options: StoreOptions = {},
): StoreOptions {
  return options.traceback === undefined
    ? { ...options, traceback: tracebackOf(error) }
    : options;
}
