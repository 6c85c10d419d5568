import { mapCeleryConfig } from "./celery_config/map.ts";
import { Chords } from "./chords/chord.ts";
import type { FailureState } from "./chords/failure.ts";
import {
  type ChordOutcome,
  type ChordPartOptions,
  type ChordRequest,
  FAILURE_OPTIONS,
  type FailureOptions,
} from "./chords/request.ts";
import { type CallOptions, Commands } from "./source/commands.ts";
import {
  type ConsumerContext,
  type ConsumerOptions,
  ResultConsumer,
  toIds,
} from "./consumer/consumer.ts";
import type { GroupResult } from "./results/group_result.ts";
import { GroupStore } from "./store/group_store.ts";
import { ResultLookup } from "./store/lookup.ts";
import {
  checkOptions,
  type OptionNames,
  optionNames,
} from "./util/option_names.ts";
import {
  checkBackendOptions,
  doubtsAbout,
  resolveOptions,
  type ResultBackendOptions,
} from "./options.ts";
import { KeySpace } from "./protocol/keys.ts";
import type { ResultEvent, ResultMeta } from "./protocol/meta.ts";
import type { TaskState } from "./protocol/states.ts";
import { tracebackOf } from "./protocol/traceback.ts";
import type { AnyResult, AsyncResult } from "./results/result.ts";
import { ResultFactory } from "./results/result_factory.ts";
import type { ResultSet } from "./results/result_set.ts";
import { RetryListener } from "./retry/listener.ts";
import { ResultSource } from "./source/source.ts";
import { type StatusEvent, StatusHub } from "./status.ts";
import {
  ResultStore,
  STORE_OPTIONS,
  type StoreOptions,
} from "./store/result_store.ts";
import { createDriver, urlOptions } from "./redis/driver.ts";

/** What is known of a result beyond its id. */
export interface ResultOptions {
  /**
   * What came before the task in its chain.
   *
   * @default {null}
   */
  parent?: AnyResult | null;
}

const RESULT_OPTIONS: OptionNames = optionNames<ResultOptions>({
  parent: true,
});

/** How a group is saved. */
export interface SaveGroupOptions extends CallOptions {
  /**
   * What came before the group in its chain.
   *
   * @default {null}
   */
  parent?: AnyResult | null;
}

const SAVE_GROUP_OPTIONS: OptionNames = optionNames<SaveGroupOptions>({
  signal: true,
  parent: true,
});

/**
 * Celery's Redis result backend: reads, streams and stores task results.
 *
 * It connects on first use, and keeps the connection for as long as somebody
 * waits for something; an idle one does not keep the process alive.
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
 * // In life, Celery's workers do this.
 * await backend.markAsDone("6f1c", 21);
 * setTimeout(() => backend.markAsDone("b0a4", 42), 10);
 *
 * const results: number[] = [];
 * for await (const event of backend.stream<number>(["6f1c", "b0a4"])) {
 *   if (event.state === "SUCCESS") results.push(event.result);
 * }
 * // Each comes as soon as it is known, whatever the order of the ids.
 * assertEquals(new Set(results), new Set([21, 42]));
 * ```
 */
export class ResultBackend implements AsyncDisposable {
  readonly #address: string;
  readonly #keys: KeySpace;
  readonly #status = new StatusHub();
  readonly #source: ResultSource;
  readonly #store: ResultStore;
  readonly #lookup: ResultLookup;
  readonly #groups: GroupStore;
  readonly #results: ResultFactory;
  readonly #chords: Chords;
  readonly #consumers: ConsumerContext;

  /**
   * Prepares a backend; nothing is dialled before it is used.
   *
   * Without a URL it is redis://127.0.0.1:6379/0, or wherever `driver` goes.
   *
   * The URL is `redis://[user][:password]@host[:port][/db][?query]`; a host
   * that it does not name is localhost. Its query takes the keys that Celery's
   * does: `db`, `username`, `password`, `client_name`,
   * `socket_connect_timeout` (seconds, for `connectTimeout`),
   * `health_check_interval` (seconds, for `heartbeat`), `socket_timeout`
   * (seconds; `heartbeat` is at most half of it), and, without effect,
   * `socket_keepalive`, `retry_on_timeout`, `max_connections`, `virtual_host`.
   * The query wins over the rest of the URL, and an option over both.
   * `valkey://` is the same.
   *
   * `rediss://` (and `valkeys://`) is with TLS. Its query may also have
   * `ssl_ca_certs`, `ssl_certfile` and `ssl_keyfile`, files that are read at
   * each connect (`--allow-read`), `ssl_check_hostname`, and `ssl_cert_reqs`.
   * Without that last one, which Celery demands, a certificate is required, as
   * with `optional`: a server always shows one. `none` is told as `degraded`,
   * since Deno verifies unless it runs with
   * `--unsafely-ignore-certificate-errors=HOST`. The authorities that Deno
   * trusts are trusted, too, and paths are percent-decoded once, not twice.
   *
   * `redis+socket:///path`, `unix:///path` and `socket:///path` are Unix
   * sockets; the database is `virtual_host`, or `db`, of the query. Deno wants
   * `--allow-net=unix:/path`, `--allow-read=/path` and `--allow-write=/path`.
   *
   * `sentinel://[user][:password]@host[:port][/db];sentinel://host[:port]` asks
   * Sentinels, whose port is 26379 if not given, for the master; what they have
   * of their own, and the master's name, is in the option `sentinel`. User,
   * password and database are the servers'. `--allow-net` has to cover the
   * Sentinels and every server that may become the master.
   *
   * `redis://host:port,host:port` with the option `cluster`, or a URL that begins
   * with `redis+cluster://` (`rediss+cluster://`), names nodes of a Redis
   * Cluster. `--allow-net` has to cover every node.
   *
   * @throws {ConfigurationError} if the URL or an option cannot work, or an
   * option is unknown.
   * @throws {TypeError} if the options are no object.
   */
  constructor(
    url?: string | URL,
    options: ResultBackendOptions = {},
  ) {
    checkBackendOptions(options);
    const settings = resolveOptions(options, urlOptions(url, options));
    const status = this.#status;
    for (const doubt of doubtsAbout(options)) status.warn(doubt);
    const keys = this.#keys = new KeySpace(settings.keyPrefix);
    const retries = new RetryListener(options, status);
    const way = createDriver(url, options, settings);
    this.#address = way.address;
    const source = this.#source = new ResultSource({
      ...settings,
      ...way,
      closeTimeout: settings.connectTimeout,
      retries,
      keys,
      status,
    });
    const commands = new Commands(source, { ...settings, retries });
    this.#store = new ResultStore({
      ...settings,
      commands,
      keys,
      status,
    });
    this.#chords = new Chords({
      ...settings,
      commands,
      keys,
      status,
      codec: settings.formats,
      store: (taskId, error, state, options) =>
        this.storeResult(taskId, error, state, options),
      restoreGroup: (groupId, options) => this.restoreGroup(groupId, options),
    });
    this.#consumers = { ...settings, source };
    this.#lookup = new ResultLookup({ ...settings, commands, keys });
    this.#groups = new GroupStore({
      ...settings,
      commands,
      keys,
      codec: settings.formats,
    });
    const { runtime } = settings;
    this.#results = new ResultFactory(keys, {
      source,
      lookup: this.#lookup,
      groups: this.#groups,
      stream: (taskIds, options) => this.stream(taskIds, options),
      forget: (taskIds, options) => this.#store.forget(taskIds, options),
      childrenOf: (taskId, children) =>
        this.#results.childrenOf(taskId, children),
      after: (ms, callback) => {
        const timer = runtime.setTimer(callback, ms, true);
        return () => runtime.clearTimer(timer);
      },
      now: () => runtime.now(),
    });
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
   * what there is not: another kind of backend, pickle.
   */
  static fromCeleryConfig(
    config: Record<string, unknown>,
    overrides: ResultBackendOptions = {},
  ): ResultBackend {
    checkBackendOptions(overrides);
    const { url, options } = mapCeleryConfig(config);
    const merged: Record<string, unknown> = { ...options };
    if (overrides.credentials !== undefined) {
      // As Celery's provider does, it takes their place.
      delete merged.username;
      delete merged.password;
    }
    for (const [name, value] of Object.entries(overrides)) {
      // What is undefined, as a variable of the environment may be, says nothing.
      if (value !== undefined) merged[name] = value;
    }
    // A name that is none of ours is refused with the other options.
    return new ResultBackend(url, merged as ResultBackendOptions);
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
  async getMeta<T = unknown, Custom extends string = "PROGRESS">(
    taskId: string,
    options?: CallOptions,
  ): Promise<ResultMeta<T, Custom>> {
    // What the task returns is the caller's word.
    return await this.#lookup.getMeta(taskId, options) as ResultMeta<T, Custom>;
  }

  /**
   * Reads the present states of tasks, in the order asked. A key of another
   * type reads as one that is missing: MGET does not tell them apart.
   *
   * @throws as {@linkcode getMeta} does.
   */
  async getMetas<T = unknown, Custom extends string = "PROGRESS">(
    taskIds: string | Iterable<string>,
    options?: CallOptions,
  ): Promise<ResultMeta<T, Custom>[]> {
    // What the tasks return is the caller's word.
    return await this.#lookup.getMetas(
      toIds(taskIds),
      options,
    ) as ResultMeta<T, Custom>[];
  }

  /** Whether anything is stored for a task. Celery: `exists()`, from 5.7. */
  async exists(taskId: string, options?: CallOptions): Promise<boolean> {
    return await this.#lookup.exists(taskId, options);
  }

  /**
   * The result of a task, by its id. One that knows its `parent` notices when
   * that one fails: see `AsyncResult.get()`.
   *
   * @throws {TypeError} if the id is empty or no string.
   */
  result<T = unknown, Custom extends string = "PROGRESS">(
    taskId: string,
    options: ResultOptions = {},
  ): AsyncResult<T, Custom> {
    checkOptions(options, RESULT_OPTIONS);
    // What the task returns is the caller's word, and so are a parent's states.
    return this.#results.result(
      taskId,
      (options.parent ?? null) as AsyncResult | GroupResult | null,
    ) as AsyncResult<T, Custom>;
  }

  /**
   * The results of tasks, in the order given; a task may be named twice.
   *
   * @throws {TypeError} if an id is empty or no string.
   */
  resultSet<T = unknown>(taskIds: string | Iterable<string>): ResultSet<T> {
    // What the tasks return is the caller's word.
    return this.#results.resultSet(toIds(taskIds)) as ResultSet<T>;
  }

  /**
   * The result that stands as a tuple in a document, among `children` or as
   * what a task returned: `[[id, parent], null]` for a task,
   * `[[id, parent], [member, ...]]` for a group. The older `[id, null]` is
   * understood, too, and a bare id. Celery: `result_from_tuple`.
   *
   * @throws {TypeError} if it is none of these; says where.
   * @throws {RangeError} if more than 1,000 results nest.
   */
  fromTuple<T = unknown>(tuple: unknown): AsyncResult<T> | GroupResult<T> {
    // What the tasks return is the caller's word.
    return this.#results.fromTuple(tuple) as AsyncResult<T> | GroupResult<T>;
  }

  /**
   * Streams the events of tasks, and closes when each has its outcome. A task
   * that is named twice is streamed once.
   *
   * @throws {TypeError} if an id is empty or no string.
   */
  stream<T = unknown, Custom extends string = "PROGRESS">(
    taskIds: string | Iterable<string>,
    options?: ConsumerOptions,
  ): ReadableStream<ResultEvent<T, Custom>> {
    const ids = [...toIds(taskIds)];
    for (const id of ids) this.#keys.taskKey(id);
    const consumer = this.consumer<T, Custom>(options);
    consumer.watchOnly(ids);
    return consumer.readable;
  }

  /** A reader that takes task ids as they come. */
  consumer<T = unknown, Custom extends string = "PROGRESS">(
    options?: ConsumerOptions,
  ): ResultConsumer<T, Custom> {
    return new ResultConsumer<T, Custom>(this.#consumers, options);
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
   * The traceback is the Error's stack with its causes, if none is given. False
   * if an earlier SUCCESS stands.
   *
   * With `request`, the failure also reaches what waits for the task, as a
   * worker of Celery has it: the task's part is returned to its chord, FAILURE
   * is stored for every task behind it in its chain (in groups and chords there,
   * too), and the part of each of those that belongs to a chord is returned. A
   * chord that this completes fails, with its body; see
   * {@linkcode chordPartReturn}. If an earlier SUCCESS stands, the chain is left
   * alone: it goes on with that. `link_error` is the caller's to call.
   *
   * All of it is attempted, and retried, even if a store before it failed; then
   * the call rejects with the first error. It is idempotent: call it again with
   * the same arguments, and it does what is left to do.
   *
   * @example Fail a task, and the rest of its chain
   * ```ts
   * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
   * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
   *
   * await using redis = await MemoryRedis.start();
   * await using backend = new ResultBackend(redis.url);
   * // From the headers and the body of the task's message.
   * const headers = { id: "first", group: null, group_index: null };
   * const embed = {
   *   chord: null,
   *   chain: [{ task: "tasks.total", options: { task_id: "second" } }],
   * };
   * await backend.markAsFailure("first", new RangeError("out of paper"), {
   *   request: {
   *     taskId: headers.id,
   *     groupId: headers.group,
   *     groupIndex: headers.group_index,
   *     ...embed,
   *   },
   * });
   * console.log((await backend.getMeta("second")).state); // FAILURE
   * ```
   *
   * @throws {TypeError} if `request` is of another task, or something in it
   * cannot be what it says.
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
    return await this.#fail(
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
      withTraceback(error, options, STORE_OPTIONS),
    );
  }

  /**
   * Stores REVOKED, and why. With `request`, it reaches what waits for the task,
   * too: see {@linkcode markAsFailure}. The rest of the chain is REVOKED, then.
   * (Celery returns the part of the revoked task, and leaves the chain PENDING.)
   *
   * @throws as {@linkcode markAsFailure} does.
   */
  async markAsRevoked(
    taskId: string,
    reason = "",
    options: FailureOptions = {},
  ): Promise<boolean> {
    checkOptions(options, FAILURE_OPTIONS);
    return await this.#fail(
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

  /**
   * Says how many parts the chord has whose header is this group. Call it
   * before the last task of the header is sent: a part that returns without it
   * completes nothing. Celery: `set_chord_size()`.
   *
   * @throws {TypeError} if the id is empty or no string, or `size` is no whole
   * number.
   * @throws {ChordError} if Redis could not be reached; `cause` says why.
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
   * Says that a task of a chord's header sent `count` more tasks as parts of
   * the same chord. Call it before the task's own part returns. Celery:
   * `add_to_chord()`, which knows 1 only.
   *
   * It is tried again only where it was certainly not carried out: to count
   * twice would hold up the chord for ever.
   *
   * @throws {TypeError} if the id is empty or no string, or `count` is no whole
   * number from 1.
   * @throws {ChordError} if Redis could not be reached, or gave no answer: then
   * it may or may not have counted, and the message says so.
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
   * Returns a part of a chord, and completes the chord if it was the last: then
   * `onComplete` gets the values of all parts, in the order of the header (with
   * `chordOrdered: false`, as they came), and has to send the chord's body.
   * Call it once the task's result is stored. Workers of Celery may return
   * other parts of the same chord. Celery: `on_chord_part_return()`.
   *
   * A part that is returned again, since its task ran twice, is not counted
   * again. If the other run had another result, a SUCCESS stands, and anything
   * else is replaced, as with results; in a list, and where Redis refuses
   * scripts, two results of one task count as two.
   *
   * Of a chord with a part that failed or was revoked, the body is stored as
   * FAILURE, and so it is if `onComplete` throws, or a saved header cannot be
   * joined. Its `link_error` is the caller's to call.
   *
   * Whoever completes the chord claims it first, so that among the users of
   * this module `onComplete` is called once. The claim lasts as long as results
   * do, or a day. When a process dies behind its claim, no other takes over:
   * whether the body was sent, only its owner can know. The claim stands at
   * the group's key with `.c`, and a call with it as its `claim` goes on.
   * Workers of Celery know of no claims: one that returns a part again while
   * the chord is being completed may send the body, too.
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
   * of the other order, or Redis could not be reached; its `claim`, if there is
   * one, lets the next call go on.
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

  /** Removes the result of a task. Readers that wait for it go on waiting. */
  async forget(taskId: string, options?: CallOptions): Promise<void> {
    await this.#store.forget([taskId], options);
  }

  /**
   * Saves which results are in a group, so that {@linkcode restoreGroup}, and
   * Celery's, give it back: task ids, and results of tasks and of groups. It
   * replaces what was saved for the group. Two saves of one group that are
   * under way together may take effect in either order.
   *
   * @throws {TypeError} if an id is empty or no string.
   * @throws {RangeError} as {@linkcode AsyncResult.asTuple} does.
   * @throws {BackendStoreError} if it cannot be encoded, is too large, or Redis
   * could not be reached; `cause` says why.
   * @throws {RedisError} if Redis refuses: a missing permission, say.
   */
  async saveGroup<T = unknown>(
    groupId: string,
    members: string | Iterable<string | AnyResult>,
    options: SaveGroupOptions = {},
  ): Promise<GroupResult<T>> {
    checkOptions(options, SAVE_GROUP_OPTIONS);
    const { parent = null, signal } = options;
    const group = this.#results.group({
      id: groupId,
      // The states of a member, and of a parent, are the caller's word.
      members: toIds(members) as Iterable<
        string | AsyncResult | GroupResult
      >,
      parent: parent as AsyncResult | GroupResult | null,
    });
    await group.save(signal === undefined ? {} : { signal });
    // What the tasks return is the caller's word.
    return group as GroupResult<T>;
  }

  /**
   * Gives back a group that was saved, here or by Celery; null where none is.
   *
   * @throws {TypeError} if the id is empty or no string.
   * @throws {BackendGetMetaError} if Redis could not be reached; `cause` says why.
   * @throws {RedisError} if Redis refuses: a key of another type, say.
   * @throws {DecodeError} if what is saved is no group.
   */
  async restoreGroup<T = unknown>(
    groupId: string,
    options?: CallOptions,
  ): Promise<GroupResult<T> | null> {
    const saved = await this.#groups.restore(groupId, options);
    if (saved === null) return null;
    // What the tasks return is the caller's word.
    return this.#results.fromNode(saved) as GroupResult<T>;
  }

  /** Removes what was saved of a group. The results of its members stay. */
  async deleteGroup(groupId: string, options?: CallOptions): Promise<void> {
    await this.#groups.delete(groupId, options);
  }

  /**
   * Closes the backend: stores that were sent finish, waits reject and streams
   * error with a BackendClosedError. Resolves when nothing is left behind.
   */
  async close(): Promise<void> {
    await this.#source.close();
  }

  /** Shows the URL, without its secrets, and how things stand, to `console.log()`. @internal */
  [Symbol.for("Deno.customInspect")](
    inspect: typeof Deno.inspect,
    options: Deno.InspectOptions,
  ): string {
    const shown = { url: this.#address, status: this.#status.present };
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

/** A JavaScript error brings its own traceback, and that of its causes. */
function withTraceback(
  error: unknown,
  options: FailureOptions = {},
  known: OptionNames = FAILURE_OPTIONS,
): FailureOptions {
  // Before they are copied: the copy of a number has no options that are wrong.
  checkOptions(options, known);
  return options.traceback === undefined
    ? { ...options, traceback: tracebackOf(error) }
    : options;
}
