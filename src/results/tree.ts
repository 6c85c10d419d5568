import { located } from "../consumer/call_site.ts";
import type { CallOptions } from "../source/commands.ts";
import { IncompleteStreamError, ResultTimeoutError } from "../errors.ts";
import type { GroupResult } from "./group_result.ts";
import { type OptionNames, optionNames } from "../util/option_names.ts";
import { undecodableError } from "../protocol/decode.ts";
import type { ResultMeta } from "../protocol/meta.ts";
import { collectTaskIds, listAncestors } from "../protocol/result_node.ts";
import type { TaskState } from "../protocol/states.ts";
import type { AsyncResult } from "./result.ts";
import type { ResultContext } from "./result_context.ts";
import {
  checkTimeout,
  type GetOptions,
  outcomeValue,
  waitForOutcomes,
} from "./wait.ts";

/** How a tree of results is waited for. */
export interface CollectOptions extends GetOptions {
  /**
   * Whether what has no outcome when the time is up is left out, with all that
   * is below it; if not, it ends the walk.
   *
   * @default {false}
   */
  intermediate?: boolean;
}

/** The names in {@linkcode CollectOptions}. */
export const COLLECT_OPTIONS: OptionNames = optionNames<CollectOptions>({
  signal: true,
  timeout: true,
  propagate: true,
  onEvent: true,
  followParents: true,
  intermediate: true,
});

/** How a tree of results is walked through. */
export interface WalkOptions extends CallOptions {
  /**
   * Whether the walk goes on where a result is not ready; what is below that
   * one is left out.
   *
   * @default {false}
   */
  intermediate?: boolean;
}

/** The names in {@linkcode WalkOptions}. */
export const WALK_OPTIONS: OptionNames = optionNames<WalkOptions>({
  signal: true,
  intermediate: true,
});

/** A result in a tree, and the one that led to it. */
export interface Dependency {
  /** The task that sent it, or the group that it is in; null at the root. */
  parent: AsyncResult | GroupResult | null;
  /** The result. */
  result: AsyncResult | GroupResult;
}

/** A result, as a node of a {@linkcode ResultGraph}. */
export interface ResultGraphNode {
  /** The task's id, or the group's. */
  id: string;
  /** What it is. */
  kind: "task" | "group";
  /** The task's state; a group has none. */
  state: TaskState | null;
  /** Whether it has its outcome; of a group, whether all of it has. */
  ready: boolean;
}

/** What leads to what in a {@linkcode ResultGraph}. */
export interface ResultGraphEdge {
  /** The id of the task that sent the other, or of the group that it is in. */
  from: string;
  /** The id of the other. */
  to: string;
}

/** A tree of results, as plain data. */
export interface ResultGraph {
  /** Every result, level by level, each once. */
  nodes: ResultGraphNode[];
  /** What led to it: where two results lead to a third, both do. */
  edges: ResultGraphEdge[];
}

type Result = AsyncResult | GroupResult;

/** Walks through a tree of results, and waits for none. */
export async function* dependencies(
  root: Result,
  context: ResultContext,
  options: WalkOptions = {},
): AsyncGenerator<Dependency, void> {
  const walk = new Walk(root, context, options);
  while (walk.level.length > 0) {
    yield* walk.level;
    await walk.read();
    walk.goDown();
  }
}

/** The tree of results as plain data. */
export async function graph(
  root: Result,
  context: ResultContext,
  options: WalkOptions = {},
): Promise<ResultGraph> {
  const nodes: ResultGraphNode[] = [];
  const edges: ResultGraphEdge[] = [];
  const walk = new Walk(root, context, options);
  while (walk.level.length > 0) {
    await walk.read();
    for (const node of walk.nodes()) nodes.push(node);
    for (const edge of walk.goDown()) edges.push(edge);
  }
  return { nodes, edges };
}

/** What a walk read of a task. */
interface Found {
  state: TaskState;
  ready: boolean;
  children: unknown;
}

/** A tree, level by level. Documents are foreign input, and may lead in a circle: each result comes once. */
class Walk {
  /** The present level. */
  level: Dependency[];
  readonly #context: ResultContext;
  readonly #options: WalkOptions;
  readonly #seen = new Seen();
  readonly #found = new Map<string, Found>();

  constructor(root: Result, context: ResultContext, options: WalkOptions) {
    this.#context = context;
    this.#options = options;
    this.#seen.add(root);
    this.level = [{ parent: null, result: root }];
  }

  /** Reads the states of the present level, as far as they are not known: one read for all of it. */
  async read(): Promise<void> {
    const taskIds = new Set(
      collectTaskIds(this.level.map(({ result }) => result)).values().filter((
        id,
      ) => this.#found.get(id)?.ready !== true),
    );
    await this.#context.lookup.forEach(taskIds, (meta) => {
      if (meta.state === "UNDECODABLE") {
        throw undecodableError(meta.taskId, meta.result);
      }
      const { taskId, state, ready, children } = meta;
      this.#found.set(taskId, { state, ready, children });
    }, this.#options);
  }

  /** The present level, as it was read. */
  nodes(): ResultGraphNode[] {
    return this.level.map(({ result }) => ({
      id: result.id,
      ..."results" in result
        ? { kind: "group", state: null }
        : { kind: "task", state: this.#found.get(result.id)?.state ?? null },
      ready: this.#isReady(result),
    }));
  }

  /** Goes to the next level; returns what leads to it, or back. */
  goDown(): ResultGraphEdge[] {
    const edges: ResultGraphEdge[] = [];
    const next: Dependency[] = [];
    for (const { result: parent } of this.level) {
      if (!this.#isReady(parent)) {
        if (this.#options.intermediate) continue;
        throw new IncompleteStreamError(parent.id);
      }
      for (const result of this.#childrenOf(parent)) {
        edges.push({ from: parent.id, to: result.id });
        if (this.#seen.add(result)) next.push({ parent, result });
      }
    }
    this.level = next;
    return edges;
  }

  #isReady(result: Result): boolean {
    return collectTaskIds([result]).values().every((id) =>
      this.#found.get(id)?.ready === true
    );
  }

  #childrenOf(result: Result): readonly Result[] {
    if ("results" in result) return result.results;
    const children = this.#found.get(result.id)?.children;
    return this.#context.childrenOf(result.id, children) ?? [];
  }
}

/** Waits for a tree of results, level by level: one wait for each level. */
export async function* collect(
  root: Result,
  context: ResultContext,
  options: CollectOptions = {},
): AsyncGenerator<[result: Result, value: unknown], void> {
  const { intermediate = false } = options;
  const seen = new Seen();
  seen.add(root);
  await using outcomes = new Outcomes(context, options);
  for (let level = [root]; level.length > 0;) {
    const next: Result[] = [];
    outcomes.expect(level);
    for (const result of level) {
      let value: unknown;
      try {
        value = await outcomes.valueOf(result);
      } catch (error) {
        if (intermediate && error instanceof ResultTimeoutError) continue;
        throw located(error, new Error());
      }
      yield [result, value];
      for (const child of await outcomes.childrenOf(result)) {
        if (seen.add(child)) next.push(child);
      }
    }
    outcomes.drop(level);
    level = next;
  }
}

/** The outcomes of the tasks in a tree, as they come. Those of a group's members are kept until it is their turn. */
class Outcomes implements AsyncDisposable {
  readonly #context: ResultContext;
  readonly #options: CollectOptions;
  readonly #began: number;
  readonly #expected = new Map<string, PromiseWithResolvers<ResultMeta>>();
  readonly #left = new AbortController();
  #waiting: Promise<void> = Promise.resolve();

  constructor(context: ResultContext, options: CollectOptions) {
    checkTimeout(options.timeout);
    this.#context = context;
    this.#options = options;
    this.#began = context.now();
  }

  /** Begins to wait for a level. */
  expect(level: readonly Result[]): void {
    const { followParents = true, propagate = true, signal } = this.#options;
    const taskIds = new Set<string>();
    for (const taskId of collectTaskIds(level)) {
      if (this.#expected.has(taskId)) continue;
      taskIds.add(taskId);
      const expected = Promise.withResolvers<ResultMeta>();
      // Its turn may never come.
      expected.promise.catch(() => {});
      this.#expected.set(taskId, expected);
    }
    const ancestors = propagate && followParents
      ? level.filter((result) => !("results" in result))
        .flatMap((result) => listAncestors(result).reverse())
      : [];
    this.#waiting = waitForOutcomes(this.#context, {
      taskIds,
      parentIds: collectTaskIds(ancestors),
      onOutcome: (outcome) =>
        this.#expected.get(outcome.taskId)?.resolve(outcome),
    }, {
      ...this.#options,
      ...this.#remaining(),
      signal: signal === undefined
        ? this.#left.signal
        : AbortSignal.any([signal, this.#left.signal]),
    }).catch((error) => {
      for (const taskId of taskIds) this.#expected.get(taskId)?.reject(error);
    });
  }

  /** The value of a result, once it has its outcome; of a group, those of its members, or the first failure. */
  async valueOf(result: Result): Promise<unknown> {
    if ("results" in result) {
      return await Promise.all(
        result.results.map((member) => this.valueOf(member)),
      );
    }
    const outcome = await this.#outcomeOf(result.id);
    return outcomeValue(outcome, this.#options.propagate ?? true);
  }

  /** What is below a result that has its outcome. */
  async childrenOf(result: Result): Promise<readonly Result[]> {
    if ("results" in result) return result.results;
    const { children } = await this.#outcomeOf(result.id);
    return this.#context.childrenOf(result.id, children) ?? [];
  }

  /** Keeps no longer what the tasks of a level returned: their turn is over. */
  drop(level: readonly Result[]): void {
    for (const result of level) {
      if (!("results" in result)) this.#expected.delete(result.id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#left.abort();
    await this.#waiting;
  }

  async #outcomeOf(taskId: string): Promise<ResultMeta> {
    const expected = this.#expected.get(taskId);
    if (expected === undefined) throw new Error(`Nobody expects ${taskId}`);
    return await expected.promise;
  }

  #remaining(): { timeout?: number } {
    const { timeout } = this.#options;
    if (timeout === undefined) return {};
    const passed = this.#context.now() - this.#began;
    return { timeout: Math.max(0, Math.ceil(timeout - passed)) };
  }
}

/** The results that a walk came to. A task and a group may have the same id. */
class Seen {
  readonly #keys = new Set<string>();

  /** Adds a result; false if it is there already. */
  add(result: Result): boolean {
    const key = `${"results" in result ? "group" : "task"} ${result.id}`;
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    return true;
  }
}
