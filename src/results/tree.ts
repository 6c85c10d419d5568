import { IncompleteStreamError } from "../errors.ts";
import { undecodableError } from "../protocol/decode.ts";
import { collectTaskIds, type ResultNode } from "../protocol/result_node.ts";
import type { TaskState } from "../protocol/states.ts";
import type { WalkOptions } from "./options.ts";
import type { WaitContext } from "./wait.ts";

/** A result whose parent, members and children are of type `Node`. */
export interface TreeNode<Node> extends ResultNode {
  /** What came before it in a chain. */
  readonly parent: Node & ResultNode | null;
  /** The members of a group; undefined for a task. */
  readonly results?: readonly (Node & ResultNode)[];
}

/** What a walk needs of its backend. */
export interface TreeContext<Node> extends WaitContext {
  /** Makes results of the `children` in a task's document; null if it has none. */
  childrenOf(taskId: string, children: unknown): Node[] | null;
}

/** A result in a tree, and the one that led to it. */
export interface TreeStep<Node> {
  /** The task that sent it, or the group that it is in; null for the root. */
  parent: Node | null;
  /** The result. */
  result: Node;
}

/**
 * A tree of results, as plain data.
 *
 * @category Results
 */
export interface ResultGraph {
  /** Every result, level by level, each once. */
  nodes: {
    /** The id of the task or group. */
    id: string;
    /** Whether it is a task or a group. */
    kind: "task" | "group";
    /** The task's state; null for a group. */
    state: TaskState | null;
    /** Whether the task, or each task of the group, has its outcome. */
    ready: boolean;
  }[];
  /** The arrows between them. A result has several where several lead to it. */
  edges: {
    /** The id of the task that sent the other, or of the group that it is in. */
    from: string;
    /** The id of the other. */
    to: string;
  }[];
}

/** Walks through a tree of results, without waiting for any. */
export async function* walkTree<Node extends TreeNode<Node>>(
  root: Node,
  context: TreeContext<Node>,
  options: WalkOptions = {},
): AsyncGenerator<TreeStep<Node>, void> {
  const walk = new Walk(root, context, options);
  while (walk.level.length > 0) {
    yield* walk.level;
    await walk.read();
    walk.descend();
  }
}

/** Reads a tree of results as plain data. */
export async function readGraph<Node extends TreeNode<Node>>(
  root: Node,
  context: TreeContext<Node>,
  options: WalkOptions = {},
): Promise<ResultGraph> {
  const graph: ResultGraph = { nodes: [], edges: [] };
  const walk = new Walk(root, context, options);
  while (walk.level.length > 0) {
    await walk.read();
    for (const node of walk.describeLevel()) graph.nodes.push(node);
    for (const edge of walk.descend()) graph.edges.push(edge);
  }
  return graph;
}

/** The results that a walk has reached. A task and a group may have the same id. */
export class VisitedResults {
  readonly #keys = new Set<string>();

  /** Adds a result; returns false if it was there already. */
  add({ id, results }: ResultNode): boolean {
    const key = `${results === undefined ? "task" : "group"} ${id}`;
    if (this.#keys.has(key)) return false;
    this.#keys.add(key);
    return true;
  }
}

/** What a walk read of a task. */
interface TaskRead {
  state: TaskState;
  ready: boolean;
  children: unknown;
}

/**
 * A tree, level by level. Documents are foreign input and may form a cycle:
 * each result is visited once.
 */
class Walk<Node extends TreeNode<Node>> {
  /** The present level. */
  level: TreeStep<Node>[];
  readonly #context: TreeContext<Node>;
  readonly #options: WalkOptions;
  readonly #visited = new VisitedResults();
  readonly #tasks = new Map<string, TaskRead>();

  constructor(root: Node, context: TreeContext<Node>, options: WalkOptions) {
    this.#context = context;
    this.#options = options;
    this.#visited.add(root);
    this.level = [{ parent: null, result: root }];
  }

  /** Reads the present level, in one read, except for tasks known to be ready. */
  async read(): Promise<void> {
    const taskIds = new Set(
      collectTaskIds(this.level.map(({ result }) => result)).values().filter((
        id,
      ) => this.#tasks.get(id)?.ready !== true),
    );
    await this.#context.lookup.forEach(taskIds, (meta) => {
      if (meta.state === "UNDECODABLE") {
        throw undecodableError(meta.taskId, meta.result);
      }
      const { taskId, state, ready, children } = meta;
      this.#tasks.set(taskId, { state, ready, children });
    }, this.#options);
  }

  /** The present level, as it was read. */
  describeLevel(): ResultGraph["nodes"] {
    return this.level.map(({ result }) => ({
      id: result.id,
      ...result.results === undefined
        ? { kind: "task", state: this.#tasks.get(result.id)?.state ?? null }
        : { kind: "group", state: null },
      ready: this.#isReady(result),
    }));
  }

  /** Goes to the next level; returns the edges that lead there, or back up. */
  descend(): ResultGraph["edges"] {
    const edges: ResultGraph["edges"] = [];
    const next: TreeStep<Node>[] = [];
    for (const { result: parent } of this.level) {
      if (!this.#isReady(parent)) {
        if (this.#options.intermediate) continue;
        throw new IncompleteStreamError(parent.id);
      }
      for (const result of this.#childrenOf(parent)) {
        edges.push({ from: parent.id, to: result.id });
        if (this.#visited.add(result)) next.push({ parent, result });
      }
    }
    this.level = next;
    return edges;
  }

  #isReady(result: Node): boolean {
    return collectTaskIds([result]).values().every((id) =>
      this.#tasks.get(id)?.ready === true
    );
  }

  #childrenOf({ id, results }: Node): readonly Node[] {
    if (results !== undefined) return results;
    const children = this.#tasks.get(id)?.children;
    return this.#context.childrenOf(id, children) ?? [];
  }
}
