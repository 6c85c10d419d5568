import {
  CALL_OPTIONS,
  type CallOptions,
  type Commands,
} from "../source/commands.ts";
import {
  BackendGetMetaError,
  BackendStoreError,
  DecodeError,
} from "../errors.ts";
import { checkOptions } from "../util/option_names.ts";
import type { KeySpace } from "../protocol/keys.ts";
import type { ResultNode } from "../protocol/result_node.ts";
import { type GroupTuple, parseResultTuple } from "../protocol/result_tuple.ts";
import type { Format, StoredDocument } from "../formats/types.ts";

/** What groups are saved with. */
export interface GroupStoreContext {
  /** What runs commands, and tries them again. */
  readonly commands: Commands;
  /** The names of keys. */
  readonly keys: KeySpace;
  /** How values are written. */
  readonly codec: Format;
  /** Whole seconds that a group is kept; 0 is for ever. */
  readonly expires: number;
  /** The largest document that is stored, in bytes. */
  readonly maxResultBytes: number;
}

/** A group, and the results in it. */
export type GroupNode = ResultNode & {
  readonly results: readonly ResultNode[];
};

/** How many characters of a document an error shows. */
const MAX_SHOWN_CHARS = 200;

/**
 * Saves which results are in a group, byte for byte as Celery does. What the
 * members returned is not saved with it: each has its own key.
 *
 * Celery: `save_group`, `restore_group` and `delete_group`.
 */
export class GroupStore {
  readonly #context: GroupStoreContext;

  /** Stores through `context.commands`. */
  constructor(context: GroupStoreContext) {
    this.#context = context;
  }

  /** Saves a group, over what is saved for it. It is published, too, as Celery does. */
  async save(tuple: GroupTuple, options?: CallOptions): Promise<void> {
    checkOptions(options, CALL_OPTIONS);
    const { commands, expires, keys } = this.#context;
    const [[groupId]] = tuple;
    const key = keys.groupKey(groupId);
    const document = this.#encode(groupId, tuple);
    await commands.run(
      (link) =>
        link.transaction([
          expires === 0
            ? ["SET", key, document]
            : ["SETEX", key, expires, document],
          ["PUBLISH", key, document],
        ]),
      (message, cause) =>
        storeError(`Failed to save group ${groupId}: ${message}`, groupId, {
          cause,
        }),
      options,
    );
  }

  /** Reads a saved group; null where none is saved. */
  async restore(
    groupId: string,
    options?: CallOptions,
  ): Promise<GroupNode | null> {
    checkOptions(options, CALL_OPTIONS);
    const key = this.#context.keys.groupKey(groupId);
    const document = await this.#context.commands.run(
      (link) => link.command(["GET", key]),
      (message, cause) =>
        new BackendGetMetaError(
          `Failed to read group ${groupId}: ${message}`,
          groupId,
          { cause, groupId },
        ),
      options,
    );
    const isDocument = typeof document === "string" ||
      document instanceof Uint8Array;
    // Celery takes an empty document for none, too.
    if (!isDocument || document.length === 0) return null;
    try {
      return this.#decode(document);
    } catch (cause) {
      throw new DecodeError(
        `Cannot restore group ${JSON.stringify(groupId)}: ${
          cause instanceof Error ? cause.message : String(cause)
        }`,
        groupId,
        shown(document),
        { cause, groupId },
      );
    }
  }

  /** Forgets what is in a group; the results of its members stay. */
  async delete(groupId: string, options?: CallOptions): Promise<void> {
    checkOptions(options, CALL_OPTIONS);
    const key = this.#context.keys.groupKey(groupId);
    await this.#context.commands.run(
      (link) => link.command(["DEL", key]),
      (_, cause) => cause,
      options,
    );
  }

  #encode(groupId: string, tuple: GroupTuple): StoredDocument {
    const { codec, maxResultBytes } = this.#context;
    let document: StoredDocument;
    try {
      document = codec.encode({ result: tuple }, "group");
    } catch (cause) {
      throw storeError(
        `Cannot save group ${groupId}: ${
          cause instanceof Error ? cause.message : String(cause)
        }`,
        groupId,
        { cause },
      );
    }
    // Text is ASCII: a character is a byte.
    if (document.length <= maxResultBytes) return document;
    throw storeError(
      `Cannot save group ${groupId}: its document has ${document.length} bytes, ` +
        `and Redis takes ${maxResultBytes}: make several groups of it`,
      groupId,
    );
  }

  #decode(document: StoredDocument): GroupNode {
    const value = this.#context.codec.decode(document);
    if (
      typeof value !== "object" || value === null || !("result" in value)
    ) {
      throw new TypeError("it has no result, and so is no group of Celery's");
    }
    const { id, parent, results } = parseResultTuple(value.result);
    if (results === undefined) {
      throw new TypeError(`it holds the result of a task (${id}), not a group`);
    }
    return { id, parent, results };
  }
}

/** State SUCCESS is what Celery gives it. */
function storeError(
  message: string,
  groupId: string,
  options?: ErrorOptions,
): BackendStoreError {
  return new BackendStoreError(message, groupId, "SUCCESS", {
    ...options,
    groupId,
  });
}

function shown(document: StoredDocument): string {
  const text = typeof document === "string"
    ? document
    : new TextDecoder().decode(document.subarray(0, 4 * MAX_SHOWN_CHARS));
  return text.length > MAX_SHOWN_CHARS
    ? `${text.slice(0, MAX_SHOWN_CHARS)}...`
    : text;
}
