import { withCallSite } from "../consumer/call_site.ts";
import { ResultTimeoutError } from "../errors.ts";
import type { ResultMeta } from "../protocol/meta.ts";
import { collectTaskIds, listAncestors } from "../protocol/result_node.ts";
import type { CollectOptions } from "./options.ts";
import { type TreeContext, type TreeNode, VisitedResults } from "./tree.ts";
import { checkTimeout, outcomeValue, waitForOutcomes } from "./wait.ts";

/** Waits for a tree of results, level by level, with one wait for each level. */
export async function* collectTree<Node extends TreeNode<Node>>(
  root: Node,
  context: TreeContext<Node>,
  options: CollectOptions = {},
): AsyncGenerator<[result: Node, value: unknown], void> {
  const { intermediate = false } = options;
  const visited = new VisitedResults();
  visited.add(root);
  await using outcomes = new Outcomes(context, options);
  for (let level = [root]; level.length > 0;) {
    const next: Node[] = [];
    outcomes.expect(level);
    for (const result of level) {
      let value: unknown;
      try {
        value = await outcomes.valueOf(result);
      } catch (error) {
        if (intermediate && error instanceof ResultTimeoutError) continue;
        throw withCallSite(error, new Error());
      }
      yield [result, value];
      for (const child of await outcomes.childrenOf(result)) {
        if (visited.add(child)) next.push(child);
      }
    }
    outcomes.drop(level);
    level = next;
  }
}

/**
 * The outcomes of the tasks in a tree, as they arrive. Those of a group's
 * members are kept for the next level.
 */
class Outcomes<Node extends TreeNode<Node>> implements AsyncDisposable {
  readonly #context: TreeContext<Node>;
  readonly #options: CollectOptions;
  readonly #startedAt: number;
  readonly #expected = new Map<string, PromiseWithResolvers<ResultMeta>>();
  readonly #disposed = new AbortController();
  #waiting: Promise<void> = Promise.resolve();

  constructor(context: TreeContext<Node>, options: CollectOptions) {
    checkTimeout(options.timeout);
    this.#context = context;
    this.#options = options;
    this.#startedAt = context.runtime.now();
  }

  /** Starts to wait for a level. */
  expect(level: readonly Node[]): void {
    const { followParents = true, propagate = true, signal } = this.#options;
    const taskIds = new Set<string>();
    for (const taskId of collectTaskIds(level)) {
      if (this.#expected.has(taskId)) continue;
      taskIds.add(taskId);
      const expected = Promise.withResolvers<ResultMeta>();
      // The walk may end before it awaits this one.
      expected.promise.catch(() => {});
      this.#expected.set(taskId, expected);
    }
    const ancestors = propagate && followParents
      ? level.filter(({ results }) => results === undefined)
        .flatMap((result) => listAncestors(result).reverse())
      : [];
    this.#waiting = waitForOutcomes(this.#context, {
      taskIds,
      parentIds: collectTaskIds(ancestors),
      onOutcome: (outcome) =>
        this.#expected.get(outcome.taskId)?.resolve(outcome),
    }, {
      ...this.#options,
      ...this.#remainingTime(),
      signal: signal === undefined
        ? this.#disposed.signal
        : AbortSignal.any([signal, this.#disposed.signal]),
    }).catch((error) => {
      for (const taskId of taskIds) this.#expected.get(taskId)?.reject(error);
    });
  }

  /** The value of a task; of a group, those of its members, or the first failure. */
  async valueOf({ id, results }: Node): Promise<unknown> {
    if (results !== undefined) {
      return await Promise.all(results.map((member) => this.valueOf(member)));
    }
    const outcome = await this.#outcomeOf(id);
    return outcomeValue(outcome, this.#options.propagate ?? true);
  }

  /** The results below one that has its outcome. */
  async childrenOf({ id, results }: Node): Promise<readonly Node[]> {
    if (results !== undefined) return results;
    const { children } = await this.#outcomeOf(id);
    return this.#context.childrenOf(id, children) ?? [];
  }

  /** Releases the outcomes of a level that the walk has passed. */
  drop(level: readonly Node[]): void {
    for (const { id, results } of level) {
      if (results === undefined) this.#expected.delete(id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    await this.#waiting;
  }

  async #outcomeOf(taskId: string): Promise<ResultMeta> {
    const expected = this.#expected.get(taskId);
    if (expected === undefined) throw new Error(`Unexpected task ${taskId}`);
    return await expected.promise;
  }

  #remainingTime(): { timeout?: number } {
    const { timeout } = this.#options;
    if (timeout === undefined) return {};
    const passed = this.#context.runtime.now() - this.#startedAt;
    return { timeout: Math.max(0, Math.ceil(timeout - passed)) };
  }
}
