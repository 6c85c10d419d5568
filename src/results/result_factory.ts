import { DecodeError } from "../errors.ts";
import { GroupResult } from "./group_result.ts";
import type { KeySpace } from "../protocol/keys.ts";
import type { ResultNode } from "../protocol/result_node.ts";
import { parseResultTuple } from "../protocol/result_tuple.ts";
import { describeValue } from "../formats/describe.ts";
import { AsyncResult } from "./result.ts";
import type { ResultContext } from "./result_context.ts";
import { ResultSet } from "./result_set.ts";

/** How many characters of children that make no sense an error shows. */
const MAX_SHOWN_CHARS = 200;

/** A group whose members are given in any form. */
export interface GroupParts {
  /** The group's id. */
  readonly id: string;
  /** Its members. */
  readonly members: Iterable<string | AsyncResult | GroupResult>;
  /** What came before it in a chain. */
  readonly parent: AsyncResult | GroupResult | null;
}

/**
 * Makes results: of ids, of Celery's tuples, of saved groups. It knows all
 * kinds, so that these need not know each other.
 */
export class ResultFactory {
  readonly #keys: KeySpace;
  readonly #context: ResultContext;

  /** Makes results that work through `context`. */
  constructor(keys: KeySpace, context: ResultContext) {
    this.#keys = keys;
    this.#context = context;
  }

  /** The result of a task. */
  result(
    taskId: string,
    parent: AsyncResult | GroupResult | null,
  ): AsyncResult {
    this.#keys.taskKey(taskId);
    return new AsyncResult(taskId, parent, this.#context);
  }

  /** The results of tasks, in their order. */
  resultSet(taskIds: Iterable<string>): ResultSet {
    const results: AsyncResult[] = [];
    for (const taskId of taskIds) results.push(this.result(taskId, null));
    return new ResultSet(results, this.#context);
  }

  /** The result of a group. */
  group({ id, members, parent }: GroupParts): GroupResult {
    this.#keys.groupKey(id);
    const results: (AsyncResult | GroupResult)[] = [];
    for (const member of members) {
      const isResult = member instanceof AsyncResult ||
        member instanceof GroupResult;
      results.push(isResult ? member : this.result(member, null));
    }
    return new GroupResult(id, results, parent, this.#context);
  }

  /** The result that a tuple of Celery's stands for. */
  fromTuple(tuple: unknown): AsyncResult | GroupResult {
    return this.fromNode(parseResultTuple(tuple));
  }

  /** The result that was read from a tuple. Those nest no deeper than recursion is safe. */
  fromNode(
    node: ResultNode & { readonly results: readonly ResultNode[] },
  ): GroupResult;
  /** The result that was read from a tuple. */
  fromNode(node: ResultNode): AsyncResult | GroupResult;
  fromNode({ id, parent, results }: ResultNode): AsyncResult | GroupResult {
    const before = parent === null ? null : this.fromNode(parent);
    if (results === undefined) return this.result(id, before);
    const members = results.map((member) => this.fromNode(member));
    return this.group({ id, members, parent: before });
  }

  /** The results that the `children` of a task's document stand for; null where it has none. */
  childrenOf(
    taskId: string,
    children: unknown,
  ): (AsyncResult | GroupResult)[] | null {
    if (children === null) return null;
    try {
      if (!Array.isArray(children)) {
        throw new TypeError("expected null or a list");
      }
      return children.map((child) => this.fromTuple(child));
    } catch (cause) {
      throw new DecodeError(
        `Cannot read the children of task ${JSON.stringify(taskId)}: ${
          cause instanceof Error ? cause.message : String(cause)
        }`,
        taskId,
        describeValue(children).slice(0, MAX_SHOWN_CHARS),
        { cause },
      );
    }
  }
}
