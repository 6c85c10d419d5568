import type { CallOptions } from "../source/commands.ts";
import type { GroupResult } from "./group_result.ts";
import {
  checkOptions,
  type OptionNames,
  optionNames,
} from "../util/option_names.ts";
import type { ResultEvent, ResultMeta } from "../protocol/meta.ts";
import {
  ancestorsOf,
  lineageIdsOf,
  taskIdsOf,
} from "../protocol/result_node.ts";
import { type ResultTuple, resultTuple } from "../protocol/result_tuple.ts";
import type { TaskState } from "../protocol/states.ts";
import type { ResultContext } from "./result_context.ts";
import {
  collect,
  COLLECT_OPTIONS,
  type CollectOptions,
  dependencies,
  type Dependency,
  graph,
  type ResultGraph,
  WALK_OPTIONS,
  type WalkOptions,
} from "./tree.ts";
import type { TaskError } from "../protocol/task_error.ts";
import { type GetOptions, outcomeValue, waitForOutcomes } from "./wait.ts";
const GET_OPTIONS: OptionNames = optionNames<GetOptions>({
  signal: true,
  timeout: true,
  propagate: true,
  onEvent: true,
  followParents: true,
});

/** A result that is handed in, whatever its own states are. */
export type AnyResult = AsyncResult<unknown, string> | GroupResult;

/**
 * The result of one task, which may still be to come. Celery: `AsyncResult`.
 *
 * @example Await a result, and see what comes before it
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * // In life, Celery's worker does this, and what is marked below.
 * await backend.storeResult("6f1c", { done: 1, of: 2 }, "PROGRESS");
 *
 * const states: string[] = [];
 * const sum = await backend.result<number>("6f1c").get({
 *   timeout: 10_000,
 *   onEvent: ({ state }) => {
 *     states.push(state);
 *     if (state === "PROGRESS") backend.markAsDone("6f1c", 42);
 *   },
 * });
 * assertEquals(sum, 42);
 * assertEquals(states, ["PROGRESS", "SUCCESS"]);
 * ```
 *
 * @typeParam T What the task returns.
 * @typeParam Custom The application's own states.
 */
export class AsyncResult<T = unknown, Custom extends string = "PROGRESS"> {
  /** The task's id. It cannot be changed, at run time either: waits and stores go by it. */
  declare readonly id: string;
  /** What came before the task in its chain; null if nothing did, or it is not known. */
  readonly parent: AsyncResult | GroupResult | null;
  readonly #context: ResultContext;

  /** Made by `ResultBackend.result()`. @internal */
  constructor(
    id: string,
    parent: AsyncResult | GroupResult | null,
    context: ResultContext,
  ) {
    // A property of its own, not a getter, so that console.log() shows it.
    Object.defineProperty(this, "id", { value: id, enumerable: true });
    this.parent = parent;
    this.#context = context;
  }

  /**
   * Waits for the outcome, and resolves to what the task returned.
   *
   * The first outcome that it sees ends the wait. Only SUCCESS is final in
   * Celery: a FAILURE or a REVOKED may be overwritten, when a task is delivered
   * again, say. A wait that has seen it keeps to it, and one that begins later
   * gets what stands then.
   *
   * With `timeout: 0` it reads once, as {@linkcode meta} does, and so is tried
   * again while Redis is away; a wait with any other timeout ends in time.
   *
   * With `followParents`, the tasks that came before it are watched as well:
   * the failure of one ends the wait, also where this task has an outcome all
   * the same. (Celery asks for each of them again and again.) Of a group, each
   * member is watched.
   *
   * @throws {TaskError} if the task failed, or one before it; a TaskRevokedError if it was revoked.
   * @throws {ResultTimeoutError} if there was no outcome in time.
   * @throws {RangeError} if the timeout is negative, or no number.
   * @throws {TypeError} if the options are no object, or have an unknown name.
   * @throws {DecodeError} if what is stored is no document; a
   * ContentDisallowedError if it is in a format that is not accepted.
   * @throws {RetryLimitError} if the connection was given up.
   * @throws {BackendClosedError} if the backend was closed.
   * @throws {BackendGetMetaError} with `timeout: 0`, if Redis could not be reached.
   * @throws {RedisError} if Redis refuses: a missing permission, say.
   * @throws the reason of `signal`, if it aborts.
   */
  get(options?: GetOptions<T, Custom> & { propagate?: true }): Promise<T>;
  /** Waits for the outcome; with `propagate: false`, a TaskError is resolved to and not thrown. */
  get(options: GetOptions<T, Custom>): Promise<T | TaskError>;
  async get(options: GetOptions<T, Custom> = {}): Promise<T | TaskError> {
    checkOptions(options, GET_OPTIONS);
    const { propagate = true, followParents = true } = options;
    const ancestors = propagate && followParents ? ancestorsOf(this) : [];
    let value: unknown;
    await waitForOutcomes(this.#context, {
      taskIds: new Set([this.id]),
      parentIds: taskIdsOf(ancestors.reverse()),
      onOutcome(outcome): void {
        value = outcomeValue(outcome, propagate);
      },
      // The same word: what an event holds is known to the caller alone.
    }, options as GetOptions);
    // What the task returns is the caller's word.
    return value as T | TaskError;
  }

  /** The present meta; state `PENDING` where nothing is stored. */
  async meta(options?: CallOptions): Promise<ResultMeta<T, Custom>> {
    const { lookup } = this.#context;
    // What the task returns is the caller's word.
    return await lookup.getMeta(this.id, options) as ResultMeta<T, Custom>;
  }

  /** The present state; `PENDING` where nothing is stored. */
  async state(options?: CallOptions): Promise<TaskState> {
    return (await this.meta(options)).state;
  }

  /** Whether the task has its outcome. */
  async ready(options?: CallOptions): Promise<boolean> {
    return (await this.meta(options)).ready;
  }

  /** Whether the task succeeded. */
  async successful(options?: CallOptions): Promise<boolean> {
    return (await this.meta(options)).state === "SUCCESS";
  }

  /** Whether the task failed; a revoked task did not. */
  async failed(options?: CallOptions): Promise<boolean> {
    return (await this.meta(options)).state === "FAILURE";
  }

  /** Whether anything is stored for the task. Celery: `exists()`, from 5.7. */
  async exists(options?: CallOptions): Promise<boolean> {
    return await this.#context.lookup.exists(this.id, options);
  }

  /** The task's events, from its present state to its outcome. */
  events(options?: CallOptions): ReadableStream<ResultEvent<T, Custom>> {
    // What the task returns is the caller's word.
    return this.#context.stream([this.id], options) as ReadableStream<
      ResultEvent<T, Custom>
    >;
  }

  /** Removes the result from Redis, and those of all tasks that came before it. Other readers go on waiting. */
  async forget(options?: CallOptions): Promise<void> {
    await this.#context.forget(lineageIdsOf([this]), options);
  }

  /**
   * The results of the tasks that this one sent; null if nothing is known of
   * them, as before the outcome.
   *
   * @throws {DecodeError} if what is stored is no document, or its children are none.
   */
  async children(
    options?: CallOptions,
  ): Promise<(AsyncResult | GroupResult)[] | null> {
    const { children } = await this.meta(options);
    return this.#context.childrenOf(this.id, children);
  }

  /**
   * Waits for this task, then for those that it sent, and so on, level by
   * level: a pair of result and value each, in Celery's order. Of a group, the
   * value is the list of its members' values; the members come in the next
   * level. A result that two others lead to comes once.
   *
   * `timeout` is for the whole walk. Leaving the loop ends the subscriptions.
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
    // Its own states do not matter to the walk, here and below.
    return collect(this as AsyncResult, this.#context, options);
  }

  /**
   * Waits for the whole tree, as {@linkcode collect} does, and resolves to the
   * value that comes last. Celery: `get_leaf`.
   *
   * @throws as {@linkcode get} does.
   */
  async leaf<L = unknown>(options?: CollectOptions): Promise<L> {
    let leaf: unknown;
    for await (const [, value] of this.collect(options)) leaf = value;
    // What the tasks return is the caller's word.
    return leaf as L;
  }

  /**
   * Walks through this task's result and those of the tasks that it sent, level
   * by level, each with the one that led to it, and waits for none. What is
   * below a result is read after its level was given: whoever awaits each
   * result that he gets never meets one that is not ready.
   *
   * Celery: `iterdeps`.
   *
   * @throws {IncompleteStreamError} behind a level with a result that is not ready, unless `intermediate`.
   * @throws {DecodeError} if a stored document is none, or its children are none.
   */
  dependencies(options?: WalkOptions): AsyncGenerator<Dependency, void> {
    checkOptions(options, WALK_OPTIONS);
    return dependencies(this as AsyncResult, this.#context, options);
  }

  /**
   * The tree below this task as plain data. Celery: `build_graph`.
   *
   * @throws as {@linkcode dependencies} does.
   */
  async graph(options?: WalkOptions): Promise<ResultGraph> {
    checkOptions(options, WALK_OPTIONS);
    return await graph(this as AsyncResult, this.#context, options);
  }

  /**
   * The result as Celery writes it into documents: `[[id, parent], null]`.
   * Celery: `as_tuple`.
   *
   * @throws {RangeError} if more than 399 results nest, parents and groups
   * counted: no more can be stored.
   */
  asTuple(): ResultTuple {
    return resultTuple(this);
  }

  /** The id of this task, then those of what came before it, the nearest first; a group counts with its own id. Celery: `as_list`. */
  asList(): string[] {
    return [this.id, ...ancestorsOf(this).map(({ id }) => id)];
  }

  /** What stands for the result where it is stored as a result, or in one: see {@linkcode asTuple}. */
  toJSON(): ResultTuple {
    return this.asTuple();
  }
}
