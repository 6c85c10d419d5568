import { describeArgument } from "../util/describe_argument.ts";
import { memberOf } from "../util/member_of.ts";

/** What the Celery backends put before a task's id; the channel of the same name carries its documents. */
const TASK_PREFIX = "celery-task-meta-";
/** What they put before a group's id. */
const GROUP_PREFIX = "celery-taskset-meta-";
/** A prefix that ends in one of these gets no `_` from Celery 5.5 and later. */
const SEPARATORS = ":_-.";

/** The names of what is kept of a chord while its parts return. */
export interface ChordKeys {
  /** The parts: a sorted set, or a list. Celery: `.j`. */
  readonly parts: string;
  /** How many parts were added while it ran. Celery: `.t`. */
  readonly extra: string;
  /** How many parts it was sent with. Celery: `.s`. */
  readonly size: string;
  /** Who completes it. This module's own: `.c`. */
  readonly claim: string;
}

/**
 * The names under which Celery's Redis backend keeps results. A task's key is
 * also the name of the channel that its documents are published on.
 *
 * Celery: `KeyValueStoreBackend.get_key_for_task` and `get_key_for_group`.
 */
export class KeySpace {
  /**
   * The prefix as it stands in the keys: with the `_` that was added to it, or
   * empty.
   */
  readonly prefix: string;
  readonly #taskPrefix: string;
  readonly #groupPrefix: string;

  /**
   * Makes the names that start with `keyPrefix`, Celery's `global_keyprefix`.
   * As in Celery 5.5 and later, `_` is added unless the prefix ends in one of
   * `:`, `_`, `-` and `.`; an empty prefix is none.
   *
   * @throws {TypeError} If `keyPrefix` is not a string.
   */
  constructor(keyPrefix = "") {
    if (typeof keyPrefix !== "string") {
      throw new TypeError(
        `Cannot use ${
          describeArgument(keyPrefix)
        } as a key prefix: give a string`,
      );
    }
    this.prefix = keyPrefix === "" || SEPARATORS.includes(keyPrefix.at(-1)!)
      ? keyPrefix
      : `${keyPrefix}_`;
    this.#taskPrefix = this.prefix + TASK_PREFIX;
    this.#groupPrefix = this.prefix + GROUP_PREFIX;
  }

  /**
   * The key of a task's result, and the channel of its documents.
   *
   * @throws {TypeError} If `taskId` is empty, is not a string, or has no UTF-8.
   */
  taskKey(taskId: string): string {
    if (typeof taskId !== "string" || taskId === "" || !taskId.isWellFormed()) {
      refuse("task", taskId);
    }
    return this.#taskPrefix + taskId;
  }

  /**
   * The key of a saved group.
   *
   * @throws {TypeError} If `groupId` is empty, is not a string, or has no UTF-8.
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
   * The keys of the chord whose header is this group.
   *
   * @throws {TypeError} If `groupId` is empty, is not a string, or has no UTF-8.
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

  /** What every key begins with: that of a task's result, and that of a group's. */
  get prefixes(): readonly string[] {
    return [this.#taskPrefix, this.#groupPrefix];
  }

  /**
   * The task whose key, or channel, `key` is: the reverse of `taskKey()`.
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

/** Says why `id` cannot name a `kind`. Apart from the callers, to keep them small. */
function refuse(kind: "task" | "group", id: unknown): never {
  if (id === "") {
    throw new TypeError(
      `Cannot use an empty ${kind} id: give the id that Celery gave the ${kind}`,
    );
  }
  if (typeof id === "string") {
    // Redis would be sent another id, and the caller would wait for ever.
    throw new TypeError(
      `Cannot use ${describeArgument(id)} as a ${kind} id: ` +
        "it holds half a surrogate pair, which UTF-8 cannot write",
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
