import {
  CALL_OPTIONS,
  type CallOptions,
  type CommandRunner,
} from "../source/command_runner.ts";
import {
  BackendGetMetaError,
  BackendStoreError,
  DecodeError,
} from "../errors.ts";
import { checkOptions } from "../util/option_names.ts";
import type { KeySpace } from "../protocol/keys.ts";
import type { ResultNode } from "../protocol/result_node.ts";
import { type GroupTuple, parseResultTuple } from "../protocol/result_tuple.ts";
import { setAndPublish } from "./set_and_publish.ts";
import { isDocument } from "./stored_document.ts";
import type { Format, StoredDocument } from "../formats/types.ts";
import { toError } from "../util/to_error.ts";

/** What a {@linkcode GroupStore} works with. */
export interface GroupStoreContext {
  /** Runs and retries commands. */
  readonly commands: CommandRunner;
  /** Names the keys. */
  readonly keys: KeySpace;
  /** Writes and reads documents. */
  readonly codec: Format;
  /** Seconds until a group expires, a whole number; 0: never. */
  readonly expires: number;
  /** The largest document that is stored, in bytes. */
  readonly maxResultBytes: number;
}

/** A group and the results in it. */
export type GroupNode = ResultNode & {
  readonly results: readonly ResultNode[];
};

/** How many characters of a document an error shows. */
const MAX_SHOWN_CHARS = 200;

/**
 * Saves which results belong to a group, byte for byte as Celery does. The
 * results themselves stay at their own keys.
 *
 * Celery: `save_group`, `restore_group` and `delete_group`.
 */
export class GroupStore {
  readonly #context: GroupStoreContext;

  /** Stores through `context.commands`. */
  constructor(context: GroupStoreContext) {
    this.#context = context;
  }

  /** Saves a group, replacing an earlier one of that id, and publishes it as Celery does. */
  async save(tuple: GroupTuple, options?: CallOptions): Promise<void> {
    checkOptions(options, CALL_OPTIONS);
    const { commands, expires, keys } = this.#context;
    const [[groupId]] = tuple;
    const key = keys.groupKey(groupId);
    const document = this.#encode(groupId, tuple);
    await commands.run(
      (link) => link.transaction(setAndPublish(key, document, expires)),
      (message, cause) =>
        storeError(`Failed to save group ${groupId}: ${message}`, groupId, {
          cause,
        }),
      options,
    );
  }

  /** Reads a saved group; null if none is saved. */
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
    // To Celery, an empty document is a missing one.
    if (!isDocument(document) || document.length === 0) return null;
    try {
      return this.#decode(document);
    } catch (cause) {
      throw new DecodeError(
        `Cannot restore group ${JSON.stringify(groupId)}: ${
          toError(cause).message
        }`,
        groupId,
        excerpt(document),
        { cause, groupId },
      );
    }
  }

  /** Deletes a saved group. The results of its tasks stay. */
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
        `Cannot save group ${groupId}: ${toError(cause).message}`,
        groupId,
        { cause },
      );
    }
    // String documents are ASCII JSON, so `length` is the byte count.
    if (document.length <= maxResultBytes) return document;
    throw storeError(
      `Cannot save group ${groupId}: its document has ${document.length} bytes, ` +
        `and Redis accepts at most ${maxResultBytes}: split it into several groups`,
      groupId,
    );
  }

  #decode(document: StoredDocument): GroupNode {
    const value = this.#context.codec.decode(document);
    if (
      typeof value !== "object" || value === null || !("result" in value)
    ) {
      throw new TypeError(
        "it has no result, so it is not a group that Celery saved",
      );
    }
    const { id, parent, results } = parseResultTuple(value.result);
    if (results === undefined) {
      throw new TypeError(`it holds the result of task ${id}, not a group`);
    }
    return { id, parent, results };
  }
}

/** As in Celery, the error's state is SUCCESS. */
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

function excerpt(document: StoredDocument): string {
  const text = typeof document === "string"
    ? document
    : new TextDecoder().decode(document.subarray(0, 4 * MAX_SHOWN_CHARS));
  return text.length > MAX_SHOWN_CHARS
    ? `${text.slice(0, MAX_SHOWN_CHARS)}...`
    : text;
}
