import { DecodeError } from "../errors.ts";
import { describeValue } from "../formats/describe.ts";
import type { KeySpace } from "../protocol/keys.ts";
import type { ResultNode } from "../protocol/result_node.ts";
import { parseResultTuple } from "../protocol/result_tuple.ts";
import type { CustomStates } from "../protocol/meta.ts";
import type { CallOptions } from "../source/command_runner.ts";
import { type OptionNames, optionNames } from "../util/option_names.ts";
import {
  type AnyResult,
  AsyncResult,
  GroupResult,
  type ResultContext,
  ResultSet,
} from "./result.ts";

type Result = AsyncResult | GroupResult;

/** How many characters of children that cannot be read an error shows. */
const MAX_SHOWN_CHARS = 200;

/**
 * What is known of a result beyond its id.
 *
 * @category Results
 */
export interface ResultOptions {
  /**
   * What came before the task in its chain.
   *
   * @default {null}
   */
  parent?: AnyResult | null;
}

/** The names in {@linkcode ResultOptions}. */
export const RESULT_OPTIONS: OptionNames = optionNames<ResultOptions>({
  parent: true,
});

/**
 * How to save a group.
 *
 * @category Results
 */
export interface GroupOptions extends CallOptions {
  /**
   * What came before the group in its chain.
   *
   * @default {null}
   */
  parent?: AnyResult | null;
}

/** The names in {@linkcode GroupOptions}. */
export const GROUP_OPTIONS: OptionNames = optionNames<GroupOptions>({
  signal: true,
  parent: true,
});

/** A group whose members are ids or results. */
export interface GroupParts {
  /** The group's id. */
  readonly id: string;
  /** Its members. */
  readonly members: Iterable<string | AnyResult>;
  /** What came before it in a chain. */
  readonly parent: AnyResult | null;
}

/**
 * Makes results of ids, of Celery's tuples, and of saved groups. The caller says
 * what the tasks return, and which states they have.
 */
export class ResultFactory {
  readonly #keys: KeySpace;
  readonly #context: ResultContext;

  /** Makes results that work through `context`. */
  constructor(keys: KeySpace, context: Omit<ResultContext, "childrenOf">) {
    this.#keys = keys;
    this.#context = {
      ...context,
      childrenOf: (taskId, children) => this.#childrenOf(taskId, children),
    };
  }

  /** The result of a task. */
  result<T, Custom extends CustomStates>(
    taskId: string,
    parent: AnyResult | null,
  ): AsyncResult<T, Custom> {
    this.#keys.taskKey(taskId);
    return new AsyncResult(taskId, parent as Result | null, this.#context);
  }

  /** The results of tasks, in their order. */
  resultSet<T, Custom extends CustomStates>(
    taskIds: Iterable<string>,
  ): ResultSet<T, Custom> {
    const results: AsyncResult[] = [];
    for (const taskId of taskIds) results.push(this.result(taskId, null));
    return new ResultSet(results, this.#context);
  }

  /** The results of a group. */
  group<T, Custom extends CustomStates>(
    { id, members, parent }: GroupParts,
  ): GroupResult<T, Custom> {
    this.#keys.groupKey(id);
    const results: Result[] = [];
    for (const member of members) {
      results.push(
        member instanceof AsyncResult || member instanceof GroupResult
          ? member
          // Refused if it is not an id.
          : this.result(member as string, null),
      );
    }
    return new GroupResult(id, results, parent as Result | null, this.#context);
  }

  /** The result that one of Celery's tuples represents. */
  fromTuple<T, Custom extends CustomStates>(
    tuple: unknown,
  ): AsyncResult<T, Custom> | GroupResult<T, Custom> {
    return this.fromNode(parseResultTuple(tuple));
  }

  /** The result that was parsed from a tuple. Parsing limits the depth, so recursion is safe. */
  fromNode<T, Custom extends CustomStates>(
    node: ResultNode & { readonly results: readonly ResultNode[] },
  ): GroupResult<T, Custom>;
  /** The result that was parsed from a tuple. */
  fromNode<T, Custom extends CustomStates>(
    node: ResultNode,
  ): AsyncResult<T, Custom> | GroupResult<T, Custom>;
  fromNode<T, Custom extends CustomStates>(
    { id, parent, results }: ResultNode,
  ): AsyncResult<T, Custom> | GroupResult<T, Custom> {
    const before: Result | null = parent === null
      ? null
      : this.fromNode(parent);
    if (results === undefined) return this.result(id, before);
    const members = results.map((member): Result => this.fromNode(member));
    return this.group({ id, members, parent: before });
  }

  #childrenOf(
    taskId: string,
    children: unknown,
  ): Result[] | null {
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
