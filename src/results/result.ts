import { type ConsumerContext, openStream } from "../consumer/consumer.ts";
import { undecodableError } from "../protocol/decode.ts";
import type {
  CustomStates,
  ResultEvent,
  ResultMeta,
} from "../protocol/meta.ts";
import {
  collectLineageIds,
  collectTaskIds,
  listAncestors,
  type ResultNode,
} from "../protocol/result_node.ts";
import { type ResultTuple, toResultTuple } from "../protocol/result_tuple.ts";
import { isReady, type TaskState } from "../protocol/states.ts";
import type { TaskError } from "../protocol/task_error.ts";
import { CALL_OPTIONS, type CallOptions } from "../source/command_runner.ts";
import type { GroupStore } from "../store/group_store.ts";
import type { ResultStore } from "../store/result_store.ts";
import { checkOptions } from "../util/option_names.ts";
import { collectTree } from "./collect.ts";
import {
  COLLECT_OPTIONS,
  type CollectOptions,
  GET_OPTIONS,
  type GetOptions,
  JOIN_OPTIONS,
  type JoinOptions,
  WALK_OPTIONS,
  type WalkOptions,
} from "./options.ts";
import {
  readGraph,
  type ResultGraph,
  type TreeContext,
  walkTree,
} from "./tree.ts";
import { outcomeValue, waitForOutcomes } from "./wait.ts";

/**
 * What a result needs of its backend. Users cannot make one: that keeps them from
 * calling the constructors below, which are not private, since `assertInstanceOf()`
 * and the like take only classes with public ones.
 */
export interface ResultContext extends TreeContext<AsyncResult | GroupResult> {
  /** Stores and removes results. */
  readonly store: ResultStore;
  /** Stores and removes groups. */
  readonly groups: GroupStore;
  /** What streams are made of. */
  readonly consumers: ConsumerContext;
}

/**
 * An {@linkcode AsyncResult} or a {@linkcode GroupResult}, whatever its type
 * parameters are.
 *
 * @category Results
 */
export interface AnyResult {
  /** The id of the task or group. */
  readonly id: string;
  /** What came before it in a chain; null if nothing did, or if it is not known. */
  readonly parent: AnyResult | null;
  /** The members of a group; a task has none. */
  readonly results?: readonly AnyResult[];
  /** The result as Celery writes it into documents. */
  asTuple(): ResultTuple;
}

/**
 * The event that is a task's outcome.
 *
 * @category Streams
 */
export type OutcomeEvent<
  T = unknown,
  Custom extends CustomStates = "PROGRESS",
> = Extract<ResultEvent<T, Custom>, { ready: true }>;

/**
 * A result in a tree, and the one that led to it.
 *
 * @category Results
 */
export interface Dependency {
  /** The task that sent it, or the group that it is in; null for the root. */
  parent: AsyncResult | GroupResult | null;
  /** The result. */
  result: AsyncResult | GroupResult;
}

/**
 * The result of one task, which may not have finished. Get one from
 * {@linkcode ResultBackend.result}. Celery: `AsyncResult`.
 *
 * @example Await a result and follow its progress
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * // In production, a Celery worker stores the progress and the result.
 * await backend.storeResult("6f1c", { done: 1, of: 2 }, "PROGRESS");
 *
 * const states: string[] = [];
 * let done: Promise<boolean> | undefined;
 * const sum = await backend.result<number>("6f1c").get({
 *   timeout: 10_000,
 *   onEvent: ({ state }) => {
 *     states.push(state);
 *     if (state === "PROGRESS") done = backend.markAsDone("6f1c", 42);
 *   },
 * });
 * await done;
 * assertEquals(sum, 42);
 * assertEquals(states, ["PROGRESS", "SUCCESS"]);
 * ```
 *
 * @typeParam T What the task returns.
 * @typeParam Custom The application's own states: see {@linkcode CustomStates}.
 *
 * @category Results
 */
export class AsyncResult<
  T = unknown,
  Custom extends CustomStates = "PROGRESS",
> {
  /** What came before the task in its chain; null if nothing did, or if it is not known. */
  readonly parent: AsyncResult | GroupResult | null;
  readonly #id: string;
  readonly #context: ResultContext;

  /** @ignore */
  constructor(
    id: string,
    parent: AsyncResult | GroupResult | null,
    context: ResultContext,
  ) {
    this.#id = id;
    this.parent = parent;
    this.#context = context;
  }

  /** The task's id. It cannot be changed, not even at run time. */
  get id(): string {
    return this.#id;
  }

  /**
   * Waits for the outcome, and resolves to what the task returned.
   *
   * The first outcome that it sees ends the wait. Only SUCCESS is final in
   * Celery: a task that is delivered again may overwrite FAILURE or REVOKED. A
   * wait keeps the outcome that it has seen; one that begins later reads the
   * newest.
   *
   * With `timeout: 0` it reads once, as {@linkcode meta} does, and so retries
   * while Redis is unreachable. Any other timeout is a hard limit.
   *
   * With `followParents`, it also watches the tasks that came before this one
   * (each member of a group): the failure of one ends the wait, even if this
   * task has an outcome. (Celery polls each of them.)
   *
   * @throws {TaskError} if the task failed, or one before it; a TaskRevokedError if it was revoked.
   * @throws {ResultTimeoutError} if there was no outcome in time.
   * @throws {RangeError} if the timeout is negative or not a number.
   * @throws {TypeError} if the options are not an object, or have an unknown name.
   * @throws {DecodeError} if the stored document cannot be decoded; a
   * ContentDisallowedError if its format is not accepted.
   * @throws {RetryLimitError} if the backend stopped trying to connect.
   * @throws {BackendClosedError} if the backend was closed.
   * @throws {BackendGetMetaError} with `timeout: 0`, if Redis could not be reached.
   * @throws {RedisError} if Redis refuses, for lack of a permission for example.
   * @throws the reason of `signal`, if it aborts.
   */
  get(options?: GetOptions<T, Custom> & { propagate?: true }): Promise<T>;
  /** Waits for the outcome; with `propagate: false`, resolves to a TaskError instead of throwing it. */
  get(options: GetOptions<T, Custom>): Promise<T | TaskError>;
  async get(options: GetOptions<T, Custom> = {}): Promise<T | TaskError> {
    checkOptions(options, GET_OPTIONS);
    const { propagate = true, followParents = true } = options;
    const ancestors = propagate && followParents ? listAncestors(this) : [];
    let value: unknown;
    await waitForOutcomes(this.#context, {
      taskIds: new Set([this.#id]),
      parentIds: collectTaskIds(ancestors.reverse()),
      onOutcome(outcome): void {
        value = outcomeValue(outcome, propagate);
      },
      // The caller of `result<T, Custom>()` says what events hold.
    }, options as unknown as GetOptions);
    // The caller of `result<T>()` says what the task returns.
    return value as T | TaskError;
  }

  /** Reads the current metadata; its state is `PENDING` if nothing is stored. */
  async meta(options?: CallOptions): Promise<ResultMeta<T, Custom>> {
    const { lookup } = this.#context;
    // The caller of `result<T>()` says what the task returns.
    return await lookup.getMeta(this.#id, options) as ResultMeta<T, Custom>;
  }

  /** Reads the present state; it is `PENDING` if nothing is stored. */
  async state(options?: CallOptions): Promise<TaskState> {
    return (await this.#read(options)).state;
  }

  /** Reads whether the task has its outcome. */
  async ready(options?: CallOptions): Promise<boolean> {
    return (await this.#read(options)).ready;
  }

  /** Reads whether the task succeeded. */
  async successful(options?: CallOptions): Promise<boolean> {
    return (await this.#read(options)).state === "SUCCESS";
  }

  /** Reads whether the task failed; a revoked task did not. */
  async failed(options?: CallOptions): Promise<boolean> {
    return (await this.#read(options)).state === "FAILURE";
  }

  /** Reads whether anything is stored for the task. Celery: `exists()`, from 5.7. */
  async exists(options?: CallOptions): Promise<boolean> {
    return await this.#context.lookup.exists(this.#id, options);
  }

  /** Streams the task's events, from its present state to its outcome. */
  events(options?: CallOptions): ReadableStream<ResultEvent<T, Custom>> {
    return openStream(this.#context.consumers, [this.#id], options);
  }

  /**
   * Removes the result from Redis, and the results of all tasks that came before
   * it. Other readers continue to wait.
   */
  async forget(options?: CallOptions): Promise<void> {
    await this.#context.store.forget(collectLineageIds([this]), options);
  }

  /**
   * Reads which tasks this one sent; null if that is not known, as before the
   * outcome.
   *
   * @throws {DecodeError} if the stored document or its children cannot be
   * decoded.
   */
  async children(
    options?: CallOptions,
  ): Promise<(AsyncResult | GroupResult)[] | null> {
    const { children } = await this.#read(options);
    return this.#context.childrenOf(this.#id, children);
  }

  /**
   * Waits for this task, then for those that it sent, and so on, level by
   * level: yields pairs of a result and its value, in Celery's order. The value
   * of a group is the list of its members' values; the members themselves come
   * in the next level. A result that several others lead to comes once.
   *
   * `timeout` applies to the whole walk. Leaving the loop ends the
   * subscriptions.
   *
   * @throws as {@linkcode get} does.
   */
  collect(
    options?: CollectOptions,
  ): AsyncGenerator<
    [result: AsyncResult | GroupResult, value: unknown],
    void
  > {
    checkOptions(options, COLLECT_OPTIONS);
    return collectTree(this.#asNode, this.#context, options);
  }

  /**
   * Waits for the whole tree, as {@linkcode collect} does, and resolves to the
   * last value. Celery: `get_leaf`.
   *
   * @throws as {@linkcode get} does.
   */
  async leaf<L = unknown>(options?: CollectOptions): Promise<L> {
    let leaf: unknown;
    for await (const [, value] of this.collect(options)) leaf = value;
    // The caller says what the tasks return.
    return leaf as L;
  }

  /**
   * Walks through this result and those of the tasks that it sent, level by
   * level, without waiting for any. Each comes with the result that led to it.
   * The walk reads what is below a level only after it has yielded all of that
   * level: a loop that awaits each result never meets one that is not ready.
   *
   * Celery: `iterdeps`.
   *
   * @throws {IncompleteStreamError} after a level with a result that is not
   * ready, unless `intermediate` is set.
   * @throws {DecodeError} if a stored document or its children cannot be
   * decoded.
   */
  dependencies(options?: WalkOptions): AsyncGenerator<Dependency, void> {
    checkOptions(options, WALK_OPTIONS);
    return walkTree(this.#asNode, this.#context, options);
  }

  /**
   * Reads the tree below this task as plain data. Celery: `build_graph`.
   *
   * @throws as {@linkcode dependencies} does.
   */
  async graph(options?: WalkOptions): Promise<ResultGraph> {
    checkOptions(options, WALK_OPTIONS);
    return await readGraph(this.#asNode, this.#context, options);
  }

  /**
   * The result as Celery writes it into documents: `[[id, parent], null]`.
   * Celery: `as_tuple`.
   *
   * @throws {RangeError} if more than 399 results nest, counting parents and
   * groups: no more can be stored.
   */
  asTuple(): ResultTuple {
    return toResultTuple(this);
  }

  /**
   * The id of this task, then those of what came before it, the nearest first.
   * A group counts with its own id. Celery: `as_list`.
   */
  asList(): string[] {
    return [this.#id, ...listAncestors(this).map(({ id }) => id)];
  }

  /** The form in which the result is stored as a value: see {@linkcode asTuple}. */
  toJSON(): ResultTuple {
    return this.asTuple();
  }

  /**
   * Shows the result to `console.log()`, which skips getters.
   *
   * @ignore
   */
  [Symbol.for("Deno.customInspect")](
    inspect: typeof Deno.inspect,
    options: Deno.InspectOptions,
  ): string {
    const { id, parent } = this;
    return `AsyncResult ${inspect({ id, parent }, options)}`;
  }

  /** This result in a tree, where the types of values and states do not matter. */
  get #asNode(): AsyncResult | GroupResult {
    return this as unknown as AsyncResult;
  }

  async #read(options: CallOptions | undefined): Promise<ResultMeta> {
    return await this.#context.lookup.getMeta(this.#id, options);
  }
}

/**
 * The results of several tasks, in an order. Get one from
 * {@linkcode ResultBackend.resultSet}. A task that occurs several times is
 * awaited once, and has its value in each place. Members that are groups, which
 * come from saved groups and documents, have lists of values. Celery:
 * `ResultSet`.
 *
 * @example Await all results, or take them as they come
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * // In production, Celery workers do this.
 * await backend.markAsDone("a", 1);
 * await backend.markAsDone("b", 2);
 *
 * const results = backend.resultSet<number>(["b", "a"]);
 * assertEquals(await results.get({ timeout: 10_000 }), [2, 1]);
 * for await (const event of results) {
 *   if (event.state === "SUCCESS") console.log(event.taskId, event.result);
 * }
 * ```
 *
 * @typeParam T What the tasks return.
 * @typeParam Custom The application's own states: see {@linkcode CustomStates}.
 *
 * @category Results
 */
export class ResultSet<
  T = unknown,
  Custom extends CustomStates = "PROGRESS",
> implements AsyncIterable<OutcomeEvent<T, Custom>> {
  /** The members, in their order. */
  readonly results: readonly (AsyncResult | GroupResult)[];
  /** The ids of the members, in their order; of a group, its own. */
  readonly ids: readonly string[];
  readonly #context: ResultContext;

  /** @ignore */
  constructor(
    results: readonly (AsyncResult | GroupResult)[],
    context: ResultContext,
  ) {
    this.results = results;
    this.ids = results.map(({ id }) => id);
    this.#context = context;
  }

  /** How many members there are. */
  get length(): number {
    return this.results.length;
  }

  /**
   * Waits for every outcome, and resolves to what the tasks returned, in the
   * order of the members; resolves to `[]` at once if there are none. One reader
   * waits for all of them, and `timeout` applies to all together.
   *
   * Celery: `get` and `join_native`. Unlike there, `propagate` and `timeout`
   * apply to nested groups as well.
   *
   * @throws {TaskError} as soon as a task failed; a TaskRevokedError if it was revoked.
   * @throws {ResultTimeoutError} if an outcome is missing when the time is up; it says which.
   * @throws {DecodeError} as soon as a stored document cannot be decoded.
   * @throws {RetryLimitError} if the backend stopped trying to connect.
   * @throws {BackendClosedError} if the backend was closed.
   * @throws {TypeError} if the options are not an object, or have an unknown name.
   */
  get(options?: JoinOptions<T, Custom> & { propagate?: true }): Promise<T[]>;
  /** Waits for every outcome; with `propagate: false`, TaskErrors take the places of the values of tasks that failed. */
  get(options: JoinOptions<T, Custom>): Promise<(T | TaskError)[]>;
  async get(options: JoinOptions<T, Custom> = {}): Promise<(T | TaskError)[]> {
    checkOptions(options, JOIN_OPTIONS);
    const { propagate = true } = options;
    const values = new Map<string, unknown>();
    await waitForOutcomes(this.#context, {
      taskIds: collectTaskIds(this.results),
      onOutcome(outcome): void {
        values.set(outcome.taskId, outcomeValue(outcome, propagate));
      },
      // The caller of `resultSet<T, Custom>()` says what events hold.
    }, options as unknown as JoinOptions);
    // The caller of `resultSet<T>()` says what the tasks return.
    return valuesOf(this.results, values) as (T | TaskError)[];
  }

  /** Waits for every outcome: another name for {@linkcode get}. */
  join(options?: JoinOptions<T, Custom> & { propagate?: true }): Promise<T[]>;
  /** Waits for every outcome: another name for {@linkcode get}. */
  join(options: JoinOptions<T, Custom>): Promise<(T | TaskError)[]>;
  join(options: JoinOptions<T, Custom> = {}): Promise<(T | TaskError)[]> {
    return this.get(options);
  }

  /** Streams the events of all tasks, including those in nested groups. Closes when each has its outcome. */
  events(options?: CallOptions): ReadableStream<ResultEvent<T, Custom>> {
    const taskIds = collectTaskIds(this.results);
    return openStream(this.#context.consumers, taskIds, options);
  }

  /**
   * Yields the outcome of each task once, as it arrives. Leaving the loop ends
   * the subscriptions. Celery: `iter_native`.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<
    OutcomeEvent<T, Custom>,
    void
  > {
    for await (const event of this.events()) {
      // The compiler cannot evaluate `Extract` while T is open.
      if (event.ready) yield event as OutcomeEvent<T, Custom>;
    }
  }

  /**
   * Reads whether every task has its outcome: with MGET, like every method
   * here that reads states.
   *
   * @throws {DecodeError} if a stored document cannot be decoded.
   */
  async ready(options?: CallOptions): Promise<boolean> {
    const states = await this.#readStates(options);
    return states.values().every(isReady);
  }

  /**
   * Reads whether every task succeeded.
   *
   * @throws {DecodeError} if a stored document cannot be decoded.
   */
  async successful(options?: CallOptions): Promise<boolean> {
    const states = await this.#readStates(options);
    return states.values().every((state) => state === "SUCCESS");
  }

  /**
   * Reads whether a task failed; a revoked task did not.
   *
   * @throws {DecodeError} if a stored document cannot be decoded.
   */
  async failed(options?: CallOptions): Promise<boolean> {
    const states = await this.#readStates(options);
    return states.values().some((state) => state === "FAILURE");
  }

  /**
   * Reads whether a task has no outcome yet.
   *
   * @throws {DecodeError} if a stored document cannot be decoded.
   */
  async waiting(options?: CallOptions): Promise<boolean> {
    return !await this.ready(options);
  }

  /**
   * Reads how many members succeeded. A nested group counts as one, once all of
   * it succeeded. Celery: `completed_count`.
   *
   * @throws {DecodeError} if a stored document cannot be decoded.
   */
  async completedCount(options?: CallOptions): Promise<number> {
    const states = await this.#readStates(options);
    return this.results.filter((member) => isSuccessful(member, states)).length;
  }

  /**
   * Removes the results of all members from Redis, and of all that came before
   * them. Saved groups and the data of chords remain.
   */
  async forget(options?: CallOptions): Promise<void> {
    await this.#context.store.forget(collectLineageIds(this.results), options);
  }

  async #readStates(
    options: CallOptions | undefined,
  ): Promise<Map<string, TaskState>> {
    checkOptions(options, CALL_OPTIONS);
    const states = new Map<string, TaskState>();
    await this.#context.lookup.forEach(collectTaskIds(this.results), (meta) => {
      if (meta.state === "UNDECODABLE") {
        throw undecodableError(meta.taskId, meta.result);
      }
      states.set(meta.taskId, meta.state);
    }, options);
    return states;
  }
}

/**
 * The results of a group. Get one from {@linkcode ResultBackend.restoreGroup} or
 * {@linkcode ResultBackend.saveGroup}. A group without members is ready, and
 * resolves to `[]`. Celery: `GroupResult`.
 *
 * @example Save a group, and restore it elsewhere
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * await backend.saveGroup("numbers", ["one", "two"]);
 * await backend.markAsDone("one", 1);
 * await backend.markAsDone("two", 2);
 *
 * const group = await backend.restoreGroup<number>("numbers");
 * assertEquals(await group?.get({ timeout: 10_000 }), [1, 2]);
 * await group?.delete();
 * ```
 *
 * @typeParam T What the tasks return.
 * @typeParam Custom The application's own states: see {@linkcode CustomStates}.
 *
 * @category Results
 */
export class GroupResult<
  T = unknown,
  Custom extends CustomStates = "PROGRESS",
> extends ResultSet<T, Custom> {
  /** The group's id. */
  readonly id: string;
  /** What came before the group in a chain; null if nothing did, or if it is not known. */
  readonly parent: AsyncResult | GroupResult | null;
  readonly #groups: GroupStore;

  /** @ignore */
  constructor(
    id: string,
    results: readonly (AsyncResult | GroupResult)[],
    parent: AsyncResult | GroupResult | null,
    context: ResultContext,
  ) {
    super(results, context);
    this.id = id;
    this.parent = parent;
    this.#groups = context.groups;
  }

  /**
   * Saves which results are in the group, so that `restoreGroup()`, here or in
   * Celery, restores it.
   *
   * @throws {RangeError} as {@linkcode AsyncResult.asTuple} does.
   * @throws {BackendStoreError} if the group cannot be encoded, is too large, or
   * Redis could not be reached; see `cause`.
   * @throws {RedisError} if Redis refuses.
   */
  async save(options?: CallOptions): Promise<void> {
    await this.#groups.save(toResultTuple(this), options);
  }

  /** Removes the saved group. The results of its members remain. */
  async delete(options?: CallOptions): Promise<void> {
    await this.#groups.delete(this.id, options);
  }

  /**
   * The group as Celery writes it into documents: `[[id, parent], members]`.
   * Celery: `as_tuple`.
   *
   * @throws {RangeError} as {@linkcode AsyncResult.asTuple} does.
   */
  asTuple(): ResultTuple {
    return toResultTuple(this);
  }

  /** The form in which the group is stored as a value: see {@linkcode asTuple}. */
  toJSON(): ResultTuple {
    return this.asTuple();
  }
}

function isSuccessful(
  { id, results }: ResultNode,
  states: ReadonlyMap<string, TaskState>,
): boolean {
  return results === undefined
    ? states.get(id) === "SUCCESS"
    : results.every((member) => isSuccessful(member, states));
}

/** The values of results, in their order; of a group, the list of its members'. */
function valuesOf(
  results: readonly ResultNode[],
  values: ReadonlyMap<string, unknown>,
): unknown[] {
  return results.map(({ id, results }) =>
    results === undefined ? values.get(id) : valuesOf(results, values)
  );
}
