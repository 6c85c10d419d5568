import { describeArgument } from "../util/describe_argument.ts";
import { memberOf } from "../util/member_of.ts";

/** Celery's prefix of a task's id in its key. */
const TASK_PREFIX = "celery-task-meta-";
/** Celery's prefix of a group's id in its key. */
const GROUP_PREFIX = "celery-taskset-meta-";
/** Celery 5.5 and later add `_` to a key prefix unless it ends in one of these. */
const SEPARATORS = ":_-.";

/** The keys of a chord whose parts are returning. */
export interface ChordKeys {
  /** The parts that returned: a sorted set, or a list. Celery: `.j`. */
  readonly parts: string;
  /** How many parts were added while the chord ran. Celery: `.t`. */
  readonly extra: string;
  /** How many parts the chord was sent with. Celery: `.s`. */
  readonly size: string;
  /** Which caller completes the chord. This module's own: `.c`. */
  readonly claim: string;
}

/**
 * Maps ids to the keys under which Celery's Redis backend stores results. A task's
 * key is also the name of the channel on which its documents are published.
 *
 * Celery: `KeyValueStoreBackend.get_key_for_task` and `get_key_for_group`.
 */
export class KeySpace {
  /**
   * The prefix of all keys, with the `_` that was added to it; empty if there is
   * none.
   */
  readonly prefix: string;
  readonly #taskPrefix: string;
  readonly #groupPrefix: string;

  /**
   * Maps to keys that begin with `keyPrefix`, Celery's `global_keyprefix`. As in
   * Celery 5.5 and later, `_` is added to it unless it is empty or ends in one of
   * `:`, `_`, `-` and `.`.
   *
   * @throws {TypeError} If `keyPrefix` is not a string.
   */
  constructor(keyPrefix = "") {
    if (typeof keyPrefix !== "string") {
      throw new TypeError(
        `Cannot use ${
          describeArgument(keyPrefix)
        } as a key prefix: pass a string`,
      );
    }
    this.prefix = keyPrefix === "" || SEPARATORS.includes(keyPrefix.at(-1)!)
      ? keyPrefix
      : `${keyPrefix}_`;
    this.#taskPrefix = this.prefix + TASK_PREFIX;
    this.#groupPrefix = this.prefix + GROUP_PREFIX;
  }

  /**
   * Returns the key of a task's result, which is also the channel of its documents.
   *
   * @throws {TypeError} If `taskId` is empty, not a string, or not well-formed.
   */
  taskKey(taskId: string): string {
    if (typeof taskId !== "string" || taskId === "" || !taskId.isWellFormed()) {
      refuse("task", taskId);
    }
    return this.#taskPrefix + taskId;
  }

  /**
   * Returns the key of a saved group.
   *
   * @throws {TypeError} If `groupId` is empty, not a string, or not well-formed.
   */
  groupKey(groupId: string): string {
    if (
      typeof groupId !== "string" || groupId === "" || !groupId.isWellFormed()
    ) {
      refuse("group", groupId);
    }
    return this.#groupPrefix + groupId;
  }

  /**
   * Returns the keys of the chord whose header is this group.
   *
   * @throws {TypeError} If `groupId` is empty, not a string, or not well-formed.
   */
  chordKeys(groupId: string): ChordKeys {
    const key = this.groupKey(groupId);
    return {
      parts: `${key}.j`,
      extra: `${key}.t`,
      size: `${key}.s`,
      claim: `${key}.c`,
    };
  }

  /** The prefixes of all keys: of tasks' results, and of groups. */
  get prefixes(): readonly string[] {
    return [this.#taskPrefix, this.#groupPrefix];
  }

  /**
   * Returns the id of the task whose key, or channel, is `key`: the reverse of `taskKey()`.
   *
   * @throws {TypeError} If `key` is not a task's key with this prefix.
   */
  taskId(key: string): string {
    const prefix = this.#taskPrefix;
    if (key.length === prefix.length || !key.startsWith(prefix)) {
      throw new TypeError(
        `Cannot read a task id from the key ${describeArgument(key)}: ` +
          `expected one that starts with ${describeArgument(prefix)}`,
      );
    }
    return key.slice(prefix.length);
  }
}

/** Throws, and says why `id` is not the id of a `kind`. Separate from its callers, to keep them small. */
function refuse(kind: "task" | "group", id: unknown): never {
  if (id === "") {
    throw new TypeError(
      `Cannot use an empty ${kind} id: pass the id that Celery gave the ${kind}`,
    );
  }
  if (typeof id === "string") {
    // UTF-8 would turn it into another id, and the caller would wait without end.
    throw new TypeError(
      `Cannot use ${describeArgument(id)} as a ${kind} id: ` +
        "it holds a lone surrogate, which UTF-8 cannot encode",
    );
  }
  throw new TypeError(
    `Cannot use ${describeArgument(id)} as a ${kind} id: ${
      Array.isArray(id)
        ? "give one id, or all of them to resultSet()"
        : typeof memberOf(id, "id") === "string"
        ? "give its `id`"
        : "give a non-empty string"
    }`,
  );
}
