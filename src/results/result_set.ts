import { CALL_OPTIONS, type CallOptions } from "../source/commands.ts";
import type { GroupResult } from "./group_result.ts";
import {
  checkOptions,
  type OptionNames,
  optionNames,
} from "../util/option_names.ts";
import { undecodableError } from "../protocol/decode.ts";
import type { ResultEvent } from "../protocol/meta.ts";
import {
  lineageIdsOf,
  type ResultNode,
  taskIdsOf,
} from "../protocol/result_node.ts";
import { isReady, type TaskState } from "../protocol/states.ts";
import type { AsyncResult } from "./result.ts";
import type { ResultContext } from "./result_context.ts";
import type { TaskError } from "../protocol/task_error.ts";
import { type JoinOptions, outcomeValue, waitForOutcomes } from "./wait.ts";

const JOIN_OPTIONS: OptionNames = optionNames<JoinOptions>({
  signal: true,
  timeout: true,
  propagate: true,
  onEvent: true,
});

/** The event that is a task's outcome. */
export type OutcomeEvent<T = unknown> = Extract<
  ResultEvent<T>,
  { ready: true }
>;

/**
 * The results of several tasks, in an order. The same task may stand in it more
 * than once: it is awaited once, and its value stands at each place. Groups may
 * be among them, if they came from a saved group or a document: their place is
 * taken by a list of values.
 *
 * Celery: `ResultSet`.
 *
 * @example Await all, or take them as they come
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * await backend.markAsDone("a", 1); // what workers do
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
 */
export class ResultSet<T = unknown> implements AsyncIterable<OutcomeEvent<T>> {
  /** The members, in their order. */
  readonly results: readonly (AsyncResult | GroupResult)[];
  /** The members' ids, in their order; of a group, its own. */
  readonly ids: readonly string[];
  readonly #context: ResultContext;

  /** Made by `ResultBackend.resultSet()`. @internal */
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
   * order of the members; at once to `[]` if there are none. One reader waits
   * for all of them, and `timeout` is for all of them together, those in nested
   * groups included.
   *
   * Celery: `get` and `join_native`. Unlike there, `propagate` and `timeout`
   * hold in nested groups, too.
   *
   * @throws {TaskError} as soon as one of the tasks failed; a TaskRevokedError if it was revoked.
   * @throws {ResultTimeoutError} if an outcome was missing when the time was up; it says which.
   * @throws {DecodeError} as soon as a stored document is none.
   * @throws {RetryLimitError} if the connection was given up.
   * @throws {BackendClosedError} if the backend was closed.
   * @throws {TypeError} if the options are no object, or have an unknown name.
   */
  get(options?: JoinOptions & { propagate?: true }): Promise<T[]>;
  /** Waits for every outcome; with `propagate: false`, the TaskErrors of those that failed stand in their places. */
  get(options: JoinOptions): Promise<(T | TaskError)[]>;
  async get(options: JoinOptions = {}): Promise<(T | TaskError)[]> {
    checkOptions(options, JOIN_OPTIONS);
    const { propagate = true } = options;
    const values = new Map<string, unknown>();
    await waitForOutcomes(this.#context, {
      taskIds: taskIdsOf(this.results),
      onOutcome(outcome): void {
        values.set(outcome.taskId, outcomeValue(outcome, propagate));
      },
    }, options);
    // What the tasks return is the caller's word.
    return valuesOf(this.results, values) as (T | TaskError)[];
  }

  /** Waits for every outcome: another name for {@linkcode get}. */
  join(options?: JoinOptions & { propagate?: true }): Promise<T[]>;
  /** Waits for every outcome: another name for {@linkcode get}. */
  join(options: JoinOptions): Promise<(T | TaskError)[]>;
  join(options: JoinOptions = {}): Promise<(T | TaskError)[]> {
    return this.get(options);
  }

  /** The events of all tasks, those in nested groups included; it closes when each has its outcome. */
  events(options?: CallOptions): ReadableStream<ResultEvent<T>> {
    // What the tasks return is the caller's word.
    return this.#context.stream(
      taskIdsOf(this.results),
      options,
    ) as ReadableStream<ResultEvent<T>>;
  }

  /**
   * Gives the outcome of each task as it comes, each once. Leaving the loop
   * ends the subscriptions. Celery: `iter_native`.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<OutcomeEvent<T>, void> {
    for await (const event of this.events()) {
      // While T is open, the compiler does not see that this is what `Extract` leaves.
      if (event.ready) yield event as OutcomeEvent<T>;
    }
  }

  /**
   * Whether every task has its outcome. Like the other questions, it reads the
   * present state of all tasks, by MGET.
   *
   * @throws {DecodeError} if a stored document is none.
   */
  async ready(options?: CallOptions): Promise<boolean> {
    const states = await this.#states(options);
    return states.values().every(isReady);
  }

  /**
   * Whether every task succeeded.
   *
   * @throws {DecodeError} if a stored document is none.
   */
  async successful(options?: CallOptions): Promise<boolean> {
    const states = await this.#states(options);
    return states.values().every((state) => state === "SUCCESS");
  }

  /**
   * Whether one of the tasks failed; a revoked task did not.
   *
   * @throws {DecodeError} if a stored document is none.
   */
  async failed(options?: CallOptions): Promise<boolean> {
    const states = await this.#states(options);
    return states.values().some((state) => state === "FAILURE");
  }

  /**
   * Whether one of the tasks has no outcome yet.
   *
   * @throws {DecodeError} if a stored document is none.
   */
  async waiting(options?: CallOptions): Promise<boolean> {
    return !await this.ready(options);
  }

  /**
   * How many members succeeded; a nested group counts as one, when all of it
   * did. Celery: `completed_count`.
   *
   * @throws {DecodeError} if a stored document is none.
   */
  async completedCount(options?: CallOptions): Promise<number> {
    const states = await this.#states(options);
    return this.results.filter((member) => isSuccessful(member, states)).length;
  }

  /**
   * Removes the results of all members from Redis, and of all that came before
   * them. What was saved of a group, and what belongs to its chord, stays.
   */
  async forget(options?: CallOptions): Promise<void> {
    await this.#context.forget(lineageIdsOf(this.results), options);
  }

  async #states(
    options: CallOptions | undefined,
  ): Promise<Map<string, TaskState>> {
    checkOptions(options, CALL_OPTIONS);
    const states = new Map<string, TaskState>();
    await this.#context.lookup.each(taskIdsOf(this.results), (meta) => {
      if (meta.state === "UNDECODABLE") {
        throw undecodableError(meta.taskId, meta.result);
      }
      states.set(meta.taskId, meta.state);
    }, options);
    return states;
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

/** The values of results, in their order; of a group, a list of its members'. */
function valuesOf(
  results: readonly (AsyncResult | GroupResult)[],
  values: ReadonlyMap<string, unknown>,
): unknown[] {
  return results.map((result) =>
    "results" in result
      ? valuesOf(result.results, values)
      : values.get(result.id)
  );
}
