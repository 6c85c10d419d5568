import { mapCeleryConfig } from "./celery_config/map.ts";
import { mergeOptions } from "./celery_config/merge.ts";
import { Chords } from "./chords/chord.ts";
import type { FailureState } from "./chords/failure.ts";
import {
  type ChordOutcome,
  type ChordPartOptions,
  type ChordRequest,
  FAILURE_OPTIONS,
  type FailureOptions,
} from "./chords/request.ts";
import {
  type ConsumerContext,
  type ConsumerOptions,
  openStream,
  ResultConsumer,
} from "./consumer/consumer.ts";
import { toIds } from "./consumer/task_ids.ts";
import { BackendClosedError } from "./errors.ts";
import {
  checkBackendOptions,
  durationWarnings,
  resolveOptions,
  type ResultBackendOptions,
} from "./options.ts";
import { KeySpace } from "./protocol/keys.ts";
import type { CustomStates, ResultEvent, ResultMeta } from "./protocol/meta.ts";
import type { TaskState } from "./protocol/states.ts";
import { createDriver } from "./redis/create_driver.ts";
import { toKeyPattern } from "./redis/server/acl.ts";
import { parseTarget } from "./redis/target.ts";
import {
  GROUP_OPTIONS,
  type GroupOptions,
  RESULT_OPTIONS,
  ResultFactory,
  type ResultOptions,
} from "./results/factory.ts";
import type {
  AnyResult,
  AsyncResult,
  GroupResult,
  ResultSet,
} from "./results/result.ts";
import { RetryListener } from "./retry/listener.ts";
import type { Runtime } from "./runtime.ts";
import { type CallOptions, CommandRunner } from "./source/command_runner.ts";
import { drainSource } from "./source/drain.ts";
import { ResultSource } from "./source/source.ts";
import { type StatusEvent, StatusHub } from "./status.ts";
import { GroupStore } from "./store/group_store.ts";
import { ResultLookup } from "./store/lookup.ts";
import {
  ResultStore,
  STORE_OPTIONS,
  type StoreOptions,
} from "./store/result_store.ts";
import { withTraceback } from "./store/with_traceback.ts";
import { numberAtLeast } from "./util/number_at_least.ts";
import {
  checkOptions,
  type OptionNames,
  optionNames,
} from "./util/option_names.ts";

/**
 * How to close a backend.
 *
 * @category Backend
 */
export interface CloseOptions {
  /**
   * Milliseconds in which waits and streams may still end by themselves. The
   * backend closes as soon as none is left.
   *
   * @default {0}
   */
  drain?: number;
}

const CLOSE_OPTIONS: OptionNames = optionNames<CloseOptions>({ drain: true });

/**
 * Celery's Redis result backend: reads, streams and stores task results.
 *
 * It connects on first use, and stays connected while anything waits. An idle
 * backend does not keep the process alive.
 *
 * Celery: `RedisBackend`.
 *
 * @example Stream the results of some tasks
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * // In production, Celery workers do this.
 * await backend.markAsDone("6f1c", 21);
 * setTimeout(() => backend.markAsDone("b0a4", 42), 10);
 *
 * const results: number[] = [];
 * for await (const event of backend.stream<number>(["6f1c", "b0a4"])) {
 *   if (event.state === "SUCCESS") results.push(event.result);
 * }
 * // Results arrive as tasks finish, not in the order of the ids.
 * assertEquals(new Set(results), new Set([21, 42]));
 * ```
 *
 * @category Backend
 */
export class ResultBackend implements AsyncDisposable {
  readonly #address: string;
  readonly #keys: KeySpace;
  readonly #runtime: Runtime;
  readonly #status = new StatusHub();
  readonly #source: ResultSource;
  readonly #store: ResultStore;
  readonly #lookup: ResultLookup;
  readonly #groups: GroupStore;
  readonly #results: ResultFactory;
  readonly #chords: Chords;
  readonly #consumers: ConsumerContext;

  /**
   * Prepares a backend, without connecting. Without a URL, it connects to
   * redis://127.0.0.1:6379/0, or wherever the option `driver` leads.
   *
   * | URL | connects to |
   * |---|---|
   * | `redis://[user][:password]@host[:port][/db][?query]` | a Redis server; `valkey://` is the same |
   * | `rediss://...`, `valkeys://...` | a server over TLS |
   * | `redis+socket:///path`, `unix:///path`, `socket:///path` | a Unix socket |
   * | `sentinel://host[:port][/db];sentinel://host[:port]` | the master that Sentinels name; see the option `sentinel` |
   * | `redis+cluster://host,host`, `rediss+cluster://host,host` | a Redis Cluster; so does `redis://host,host` with the option `cluster` |
   *
   * The query takes the keys that Celery's does. It overrides the rest of the
   * URL, and an option overrides both. `docs/reaching-redis.md` lists all of
   * them, and the permissions that each kind of URL needs.
   *
   * @throws {ConfigurationError} if the URL or an option cannot work, or an
   * option is unknown.
   * @throws {TypeError} if the options are not an object.
   */
  constructor(url?: string | URL, options: ResultBackendOptions = {}) {
    checkBackendOptions(options);
    const target = parseTarget(url, options);
    const settings = resolveOptions(options, target.defaults);
    const status = this.#status;
    for (const warning of durationWarnings(options)) status.warn(warning);
    const keys = this.#keys = new KeySpace(settings.keyPrefix);
    const runtime = this.#runtime = settings.runtime;
    const retries = new RetryListener(options, status);
    const { address } = target;
    this.#address = address;
    const source = this.#source = new ResultSource({
      ...settings,
      address,
      driver: createDriver(target, options, {
        ...settings,
        keyPatterns: keys.prefixes.map(toKeyPattern),
      }),
      closeTimeout: settings.connectTimeout,
      retries,
      keys,
      status,
    });
    const commands = new CommandRunner(source, { ...settings, retries });
    const codec = settings.formats;
    const store = this.#store = new ResultStore({
      ...settings,
      commands,
      keys,
      status,
    });
    const lookup = this.#lookup = new ResultLookup({
      ...settings,
      commands,
      keys,
    });
    const groups = this.#groups = new GroupStore({
      ...settings,
      commands,
      keys,
      codec,
    });
    this.#chords = new Chords({
      ...settings,
      commands,
      keys,
      status,
      codec,
      store: (taskId, error, state, options) =>
        store.store(taskId, error, state, options),
      restoreGroup: (groupId, options) => this.restoreGroup(groupId, options),
    });
    const consumers = this.#consumers = {
      ...settings,
      source,
      openReaders: new Set(),
    };
    this.#results = new ResultFactory(keys, {
      source,
      lookup,
      store,
      groups,
      consumers,
      runtime,
    });
  }

  /**
   * Makes a backend from Celery's settings: an object with new names
   * (`result_backend`), old names (`CELERY_TASK_RESULT_EXPIRES`), or the names
   * of Django settings (`CELERY_RESULT_BACKEND`). Pass the whole configuration:
   * settings that do not concern results are ignored.
   *
   * `overrides` are options of this module, each of which replaces what the
   * configuration, or the URL in it, says.
   *
   * Stores and reads are retried as Celery retries stores: 21 attempts, the
   * second at once and the others a second apart, unless `retry_policy` or
   * `result_backend_always_retry` say otherwise. Reconnecting is as without a
   * configuration, and has no limit, unless there is a `retry_policy`: Celery's
   * default gives up after 19 seconds, and then loses results.
   *
   * @throws {ConfigurationError} if names are unknown (it lists all), a setting
   * has two values, a value is out of range, or the configuration asks for
   * something unsupported: another kind of backend, or pickle.
   */
  static fromCeleryConfig(
    config: Record<string, unknown>,
    overrides: ResultBackendOptions = {},
  ): ResultBackend {
    checkBackendOptions(overrides);
    const { url, options } = mapCeleryConfig(config);
    return new ResultBackend(url, mergeOptions(options, overrides));
  }

  /**
   * Reads the present state of a task; it is `PENDING` if nothing is stored.
   *
   * @throws {TypeError} if the id is empty or not a string.
   * @throws {BackendGetMetaError} if Redis could not be reached; see `cause`.
   * @throws {RedisError} if Redis refuses: if the key has another type, for
   * example.
   * @throws {DecodeError} if the stored document cannot be decoded; a
   * ContentDisallowedError if its format is not accepted.
   */
  async getMeta<T = unknown, Custom extends CustomStates = "PROGRESS">(
    taskId: string,
    options?: CallOptions,
  ): Promise<ResultMeta<T, Custom>> {
    // The caller says what the task returns.
    return await this.#lookup.getMeta(taskId, options) as ResultMeta<T, Custom>;
  }

  /**
   * Reads the present states of tasks, in the order given. A key of another type
   * reads as missing: MGET does not tell them apart.
   *
   * @throws as {@linkcode getMeta} does.
   */
  async getMetas<T = unknown, Custom extends CustomStates = "PROGRESS">(
    taskIds: string | Iterable<string>,
    options?: CallOptions,
  ): Promise<ResultMeta<T, Custom>[]> {
    const metas = await this.#lookup.getMetas(toIds(taskIds), options);
    // The caller says what the tasks return.
    return metas as ResultMeta<T, Custom>[];
  }

  /**
   * Reads whether anything is stored for a task. Celery: `exists()`, from 5.7.
   *
   * @throws {TypeError} if the id is empty or not a string.
   * @throws {BackendGetMetaError} if Redis could not be reached; see `cause`.
   */
  async exists(taskId: string, options?: CallOptions): Promise<boolean> {
    return await this.#lookup.exists(taskId, options);
  }

  /**
   * Returns the result of a task, by its id. Given its `parent`, it notices when
   * that one fails: see {@linkcode AsyncResult.get}.
   *
   * @throws {TypeError} if the id is empty or not a string.
   */
  result<T = unknown, Custom extends CustomStates = "PROGRESS">(
    taskId: string,
    options: ResultOptions = {},
  ): AsyncResult<T, Custom> {
    checkOptions(options, RESULT_OPTIONS);
    return this.#results.result(taskId, options.parent ?? null);
  }

  /**
   * Returns the results of tasks, in the order given. An id may occur twice.
   *
   * @throws {TypeError} if an id is empty or not a string.
   */
  resultSet<T = unknown, Custom extends CustomStates = "PROGRESS">(
    taskIds: string | Iterable<string>,
  ): ResultSet<T, Custom> {
    return this.#results.resultSet(toIds(taskIds));
  }

  /**
   * Returns the result that a tuple in a document represents, among `children`
   * or as the value of a task: `[[id, parent], null]` for a task,
   * `[[id, parent], [member, ...]]` for a group. It also takes the older
   * `[id, null]`, and a bare id. Celery: `result_from_tuple`.
   *
   * @throws {TypeError} if it has another shape; the message says where.
   * @throws {RangeError} if more than 1,000 results nest.
   */
  fromTuple<T = unknown, Custom extends CustomStates = "PROGRESS">(
    tuple: unknown,
  ): AsyncResult<T, Custom> | GroupResult<T, Custom> {
    return this.#results.fromTuple(tuple);
  }

  /**
   * Streams the events of tasks, and closes when each has its outcome. An id
   * that occurs twice is streamed once.
   *
   * @throws {TypeError} if an id is empty or not a string.
   */
  stream<T = unknown, Custom extends CustomStates = "PROGRESS">(
    taskIds: string | Iterable<string>,
    options?: ConsumerOptions,
  ): ReadableStream<ResultEvent<T, Custom>> {
    const ids = [...toIds(taskIds)];
    // Throws at once, where the stream would only error.
    for (const id of ids) this.#keys.taskKey(id);
    return openStream(this.#consumers, ids, options);
  }

  /** Returns a reader that takes task ids as they come. */
  consumer<T = unknown, Custom extends CustomStates = "PROGRESS">(
    options?: ConsumerOptions,
  ): ResultConsumer<T, Custom> {
    return new ResultConsumer(this.#consumers, options);
  }

  /**
   * Streams changes of the connection, beginning with its present state. While
   * unread, the stream keeps only the newest events.
   */
  status(): ReadableStream<StatusEvent> {
    return this.#status.stream();
  }

  /**
   * Stores and publishes a result. Resolves to false, and stores nothing, if the
   * task has a SUCCESS already: as in Celery, but checked atomically with the
   * write.
   *
   * @throws {TypeError} if the id is empty or not a string.
   * @throws {BackendStoreError} if the result cannot be encoded, is too large,
   * or Redis could not be reached; see `cause`.
   * @throws {RedisError} if Redis refuses, for lack of a permission for example.
   */
  async storeResult(
    taskId: string,
    result: unknown,
    state: TaskState,
    options: StoreOptions = {},
  ): Promise<boolean> {
    return await this.#store.store(taskId, result, state, options);
  }

  /** Stores STARTED. Celery workers store `{ pid, hostname }` as `info`. */
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
   * Unless given, the traceback is the stack of the Error and its causes.
   * Resolves to false if the task has a SUCCESS already.
   *
   * With `request`, it also fails what waits for the task, as a Celery worker
   * does: it returns the task's part to its chord, stores FAILURE for every
   * later task of its chain (including those in groups and chords), and returns
   * the parts of those that belong to chords. A chord that this completes fails
   * with its body; see {@linkcode chordPartReturn}. If the task has a SUCCESS
   * already, the chain continues with that. Calling `link_error` is left to you.
   *
   * Every step is attempted and retried, even if one before it failed; then the
   * call rejects with the first error. It is idempotent: call it again with the
   * same arguments to do what is left.
   *
   * @example Fail a task, and the rest of its chain
   * ```ts
   * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
   * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
   *
   * await using redis = await MemoryRedis.start();
   * await using backend = new ResultBackend(redis.url);
   * // `chain` comes from the body of the task's message, last task first.
   * const chain = [{ task: "tasks.total", options: { task_id: "second" } }];
   * await backend.markAsFailure("first", new RangeError("out of paper"), {
   *   request: { taskId: "first", chain },
   * });
   * console.log((await backend.getMeta("second")).state); // FAILURE
   * ```
   *
   * @throws {TypeError} if `request` is not of this task, or is malformed.
   * @throws {RangeError} if signatures in its chain nest more than 1,000 deep.
   * @throws {ChordError} if a part could not be returned, or a chord could not
   * be completed.
   * @throws as {@linkcode storeResult} does.
   */
  async markAsFailure(
    taskId: string,
    error: unknown,
    options?: FailureOptions,
  ): Promise<boolean> {
    const withStack = withTraceback(error, options, FAILURE_OPTIONS);
    return await this.#fail(taskId, error, "FAILURE", withStack);
  }

  /** Stores RETRY, and the exception that led to it. */
  async markAsRetry(
    taskId: string,
    error: unknown = null,
    options?: StoreOptions,
  ): Promise<boolean> {
    const withStack = withTraceback(error, options, STORE_OPTIONS);
    return await this.storeResult(taskId, error, "RETRY", withStack);
  }

  /**
   * Stores REVOKED, and why. With `request`, it also revokes what waits for the
   * task: see {@linkcode markAsFailure}. (Celery returns the part of the revoked
   * task, and leaves the rest of its chain PENDING.)
   *
   * @throws as {@linkcode markAsFailure} does.
   */
  async markAsRevoked(
    taskId: string,
    reason = "",
    options: FailureOptions = {},
  ): Promise<boolean> {
    checkOptions(options, FAILURE_OPTIONS);
    const error = {
      excType: "TaskRevokedError",
      excModule: "celery.exceptions",
      excArgs: [reason],
    };
    return await this.#fail(taskId, error, "REVOKED", options);
  }

  /**
   * Sets how many parts a chord has, by the group that is its header. Call it
   * before you send the last task of the header: a part that returns earlier
   * completes nothing. Celery: `set_chord_size()`.
   *
   * @throws {TypeError} if the id is empty or not a string, or `size` is not a
   * whole number.
   * @throws {ChordError} if Redis could not be reached; see `cause`.
   * @throws {RedisError} if Redis refuses.
   */
  async setChordSize(
    groupId: string,
    size: number,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#chords.setSize(groupId, size, options);
  }

  /**
   * Adds to the size of a chord, when a task of its header has sent `count` more
   * tasks as parts of the same chord. Call it before the task's own part
   * returns. Celery: `add_to_chord()`, which adds 1.
   *
   * It is retried only if it certainly did not take effect: a chord that counts
   * a part twice never completes.
   *
   * @throws {TypeError} if the id is empty or not a string, or `count` is not a
   * whole number from 1.
   * @throws {ChordError} if Redis could not be reached, or did not answer: then
   * it may or may not have taken effect, and the message says so.
   * @throws {RedisError} if Redis refuses.
   */
  async addToChord(
    groupId: string,
    count = 1,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#chords.add(groupId, count, options);
  }

  /**
   * Returns a part to its chord, and completes the chord if it was the last:
   * `onComplete` then gets the values of all parts, in the order of the header
   * (with `chordOrdered: false`, in the order of their return), and has to send
   * the chord's body. Call it once the task's result is stored. Celery workers
   * may return other parts of the same chord. Celery: `on_chord_part_return()`.
   *
   * A part that returns twice, since its task ran twice, counts once. If the
   * results differ, a SUCCESS is kept and anything else is replaced, as with
   * results. In a list, and where Redis refuses scripts, two different results
   * count twice.
   *
   * The body is stored as FAILURE if a part failed or was revoked, `onComplete`
   * throws, or a saved header cannot be joined. Calling `link_error` is left to
   * you.
   *
   * The call that completes a chord claims it first, so that `onComplete` is
   * called once among all users of this module. The claim lasts as long as
   * results, or a day. If the process dies before it has finished, nobody else
   * takes over, since nobody else can know whether the body was sent. The claim
   * is stored at the group's key with `.c`; pass it as `claim` to resume. Celery
   * workers do not know of claims: one that returns a part again during
   * completion may send the body as well.
   *
   * @example The last part completes the chord
   * ```ts
   * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
   * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
   *
   * await using redis = await MemoryRedis.start();
   * await using backend = new ResultBackend(redis.url);
   * const chord = { task: "tasks.total", options: { task_id: "body" } };
   * await backend.setChordSize("group", 2);
   * for (const [groupIndex, taskId] of ["first", "second"].entries()) {
   *   const request = { taskId, groupId: "group", groupIndex, chord };
   *   const outcome = await backend.chordPartReturn(request, "SUCCESS", 21, {
   *     onComplete: async (values, { bodyId }) => {
   *       // Here a worker sends the body; this one does its work.
   *       const numbers = values.map(Number);
   *       await backend.markAsDone(bodyId!, numbers.reduce((a, b) => a + b));
   *     },
   *   });
   *   console.log(outcome.type); // waiting, then completed
   * }
   * console.log(await backend.result("body").get()); // 42
   * ```
   *
   * @throws {TypeError} if an id, the place or the claim cannot be one.
   * @throws {ChordError} if the part cannot be encoded, the chord's parts are
   * of the other order, or Redis could not be reached. If it has a `claim`, the
   * next call can resume with it.
   * @throws {RedisError} if Redis refuses.
   */
  async chordPartReturn(
    request: ChordRequest,
    state: TaskState,
    result: unknown,
    options: ChordPartOptions,
  ): Promise<ChordOutcome> {
    return await this.#chords.partReturn(request, state, result, options);
  }

  /** Removes the result of a task. Readers that await it continue to wait. */
  async forget(taskId: string, options?: CallOptions): Promise<void> {
    await this.#store.forget([taskId], options);
  }

  /**
   * Saves which results are in a group, so that {@linkcode restoreGroup}, or
   * Celery's, restores it. Members are task ids, results, and groups. It
   * replaces what was saved for the group. Two concurrent saves of one group may
   * take effect in either order.
   *
   * @throws {TypeError} if an id is empty or not a string.
   * @throws {RangeError} as {@linkcode AsyncResult.asTuple} does.
   * @throws {BackendStoreError} if the group cannot be encoded, is too large, or
   * Redis could not be reached; see `cause`.
   * @throws {RedisError} if Redis refuses, for lack of a permission for example.
   */
  async saveGroup<T = unknown, Custom extends CustomStates = "PROGRESS">(
    groupId: string,
    members: string | Iterable<string | AnyResult>,
    options: GroupOptions = {},
  ): Promise<GroupResult<T, Custom>> {
    checkOptions(options, GROUP_OPTIONS);
    const { parent = null, signal } = options;
    const group = this.#results.group<T, Custom>({
      id: groupId,
      members: toIds(members),
      parent,
    });
    await group.save(signal === undefined ? {} : { signal });
    return group;
  }

  /**
   * Restores a group that was saved, here or by Celery; null if there is none.
   *
   * @throws {TypeError} if the id is empty or not a string.
   * @throws {BackendGetMetaError} if Redis could not be reached; see `cause`.
   * @throws {RedisError} if Redis refuses: if the key has another type, for
   * example.
   * @throws {DecodeError} if the stored document is not a group.
   */
  async restoreGroup<T = unknown, Custom extends CustomStates = "PROGRESS">(
    groupId: string,
    options?: CallOptions,
  ): Promise<GroupResult<T, Custom> | null> {
    const saved = await this.#groups.restore(groupId, options);
    return saved === null ? null : this.#results.fromNode<T, Custom>(saved);
  }

  /** Removes a saved group. The results of its members remain. */
  async deleteGroup(groupId: string, options?: CallOptions): Promise<void> {
    await this.#groups.delete(groupId, options);
  }

  /**
   * Closes the backend: stores that were sent finish, waits reject and streams
   * error with a BackendClosedError. Resolves once nothing is left open. With
   * `drain`, waits and streams first have that long to end by themselves; a
   * second call without it ends the draining. Idempotent.
   *
   * @throws {RangeError} if `drain` is negative or not a number.
   * @throws {TypeError} if the options are not an object, or have an unknown name.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkOptions(options, CLOSE_OPTIONS);
    const drain = numberAtLeast(0, "drain", options.drain ?? 0);
    if (drain > 0) await drainSource(this.#source, drain, this.#runtime);
    const closed = this.#source.close();
    // The source does not know consumers that await nothing at the moment.
    const error = new BackendClosedError();
    for (const reader of this.#consumers.openReaders) reader.fail(error);
    await closed;
  }

  /**
   * Shows the URL, with its secrets masked, and the status to `console.log()`.
   *
   * @ignore
   */
  [Symbol.for("Deno.customInspect")](
    inspect: typeof Deno.inspect,
    options: Deno.InspectOptions,
  ): string {
    const shown = { url: this.#address, status: this.#status.current };
    return `ResultBackend ${inspect(shown, options)}`;
  }

  /** Closes the backend: see {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #fail(
    taskId: string,
    error: unknown,
    state: FailureState,
    { request, ...options }: FailureOptions,
  ): Promise<boolean> {
    if (request === undefined) {
      return await this.storeResult(taskId, error, state, options);
    }
    if (typeof request !== "object" || request?.taskId !== taskId) {
      throw new TypeError(
        `Cannot use what was given as the request of task ${taskId}: give an object ` +
          "whose taskId is the task's, and what else its message says",
      );
    }
    return await this.#chords.fail(request, error, state, options);
  }
}
