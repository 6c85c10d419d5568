import type { CallOptions } from "../source/commands.ts";
import { type GroupTuple, resultTuple } from "../protocol/result_tuple.ts";
import type { AsyncResult } from "./result.ts";
import type { ResultContext } from "./result_context.ts";
import { ResultSet } from "./result_set.ts";

/**
 * The results of a group, under the group's id. A group without members is
 * ready, and gives `[]`.
 *
 * Celery: `GroupResult`.
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
 */
export class GroupResult<T = unknown> extends ResultSet<T> {
  /** The group's id. */
  readonly id: string;
  /** What came before the group in a chain. */
  readonly parent: AsyncResult | GroupResult | null;
  readonly #context: ResultContext;

  /** Made by `ResultBackend.restoreGroup()` and `fromTuple()`. @internal */
  constructor(
    id: string,
    results: readonly (AsyncResult | GroupResult)[],
    parent: AsyncResult | GroupResult | null,
    context: ResultContext,
  ) {
    super(results, context);
    this.id = id;
    this.parent = parent;
    this.#context = context;
  }

  /**
   * Saves which results are in the group: `ResultBackend.restoreGroup()`, and
   * Celery's, give it back.
   *
   * @throws {RangeError} as {@linkcode AsyncResult.asTuple} does.
   * @throws {BackendStoreError} if it cannot be encoded, is too large, or Redis
   * could not be reached; `cause` says why.
   * @throws {RedisError} if Redis refuses.
   */
  async save(options?: CallOptions): Promise<void> {
    await this.#context.groups.save(resultTuple(this), options);
  }

  /** Removes what was saved of the group. The results of its members stay. */
  async delete(options?: CallOptions): Promise<void> {
    await this.#context.groups.delete(this.id, options);
  }

  /**
   * The group as Celery writes it into documents: `[[id, parent], members]`.
   *
   * @throws {RangeError} as {@linkcode AsyncResult.asTuple} does.
   */
  asTuple(): GroupTuple {
    return resultTuple(this);
  }

  /** What stands for the group where it is stored as a result, or in one: see {@linkcode asTuple}. */
  toJSON(): GroupTuple {
    return this.asTuple();
  }
}
