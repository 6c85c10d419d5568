import {
  CALL_OPTIONS,
  type CallOptions,
  type CommandRunner,
} from "../source/command_runner.ts";
import { BackendGetMetaError, DecodeError } from "../errors.ts";
import { checkOptions } from "../util/option_names.ts";
import {
  decodeDocument,
  pendingMeta,
  undecodableMeta,
} from "../protocol/decode.ts";
import type { FormatSet } from "../formats/format_set.ts";
import type { KeySpace } from "../protocol/keys.ts";
import type { ResultMeta } from "../protocol/meta.ts";
import type { RedisLink } from "../redis/link.ts";
import { isDocument } from "./stored_document.ts";
import type { StoredDocument } from "../formats/types.ts";
import { ReadSize } from "../source/read_size.ts";

/** What a {@linkcode ResultLookup} works with. */
export interface LookupContext {
  /** Runs and retries commands. */
  readonly commands: CommandRunner;
  /** Names the keys. */
  readonly keys: KeySpace;
  /** The type of integers beyond 2^53. */
  readonly integers: "bigint" | "number";
  /** The formats to read. */
  readonly formats: FormatSet;
}

/** Keys in the first read. Later reads ask for fewer if the documents are large. */
const FIRST_READ_KEYS = 1000;

/** One-off reads of what is stored for tasks. */
export class ResultLookup {
  readonly #context: LookupContext;
  readonly #readSize = new ReadSize(FIRST_READ_KEYS);

  /** Reads through `context.commands`. */
  constructor(context: LookupContext) {
    this.#context = context;
  }

  /** Reads the meta of a task. It uses GET, which fails on a key of another type; MGET does not. */
  async getMeta(taskId: string, options?: CallOptions): Promise<ResultMeta> {
    checkOptions(options, CALL_OPTIONS);
    const key = this.#context.keys.taskKey(taskId);
    const reply = await this.#run(
      taskId,
      (link) => link.command(["GET", key]),
      options,
    );
    return this.#decode(taskId, isDocument(reply) ? reply : null);
  }

  /** Reads the metas of tasks, in the order given. */
  async getMetas(
    taskIds: Iterable<string>,
    options?: CallOptions,
  ): Promise<ResultMeta[]> {
    checkOptions(options, CALL_OPTIONS);
    const metas: ResultMeta[] = [];
    for await (const [taskId, document] of this.#read(taskIds, options)) {
      metas.push(this.#decode(taskId, document));
    }
    return metas;
  }

  /**
   * Calls `callback` with the meta of each task, in the order given, without
   * keeping them. A document that cannot be decoded has the state UNDECODABLE.
   * An error that `callback` throws ends the read.
   */
  async forEach(
    taskIds: ReadonlySet<string>,
    callback: (meta: ResultMeta) => void,
    options?: CallOptions,
  ): Promise<void> {
    for await (const [taskId, document] of this.#read(taskIds, options)) {
      callback(this.#decodeOrReport(taskId, document));
    }
  }

  /** Whether a result is stored for a task. */
  async exists(taskId: string, options?: CallOptions): Promise<boolean> {
    checkOptions(options, CALL_OPTIONS);
    const key = this.#context.keys.taskKey(taskId);
    return await this.#run(
      taskId,
      (link) => link.command(["EXISTS", key]),
      options,
    ) === 1;
  }

  async *#read(
    taskIds: Iterable<string>,
    options: CallOptions | undefined,
  ): AsyncGenerator<[taskId: string, document: StoredDocument | null]> {
    const { keys } = this.#context;
    const ids: string[] = [];
    // Unlike Array.from, this throws on a number.
    for (const id of taskIds) ids.push(id);
    const taskKeys = ids.map((id) => keys.taskKey(id));
    for (let i = 0; i < ids.length;) {
      const chunk = taskKeys.slice(i, i + this.#readSize.keys);
      const documents = await this.#run(
        ids[i]!,
        (link) => link.read(chunk),
        options,
      );
      let found = 0;
      let bytes = 0;
      for (const [j, document] of documents.entries()) {
        if (document !== null) {
          found++;
          bytes += document.length;
        }
        yield [ids[i + j]!, document];
      }
      this.#readSize.learn(found, bytes);
      i += chunk.length;
    }
  }

  #decodeOrReport(taskId: string, document: StoredDocument | null): ResultMeta {
    try {
      return this.#decode(taskId, document);
    } catch (error) {
      if (error instanceof DecodeError) return undecodableMeta(error);
      throw error;
    }
  }

  #decode(taskId: string, document: StoredDocument | null): ResultMeta {
    return document === null
      ? pendingMeta(taskId)
      : decodeDocument(document, taskId, this.#context);
  }

  #run<T>(
    taskId: string,
    call: (link: RedisLink) => Promise<T>,
    options: CallOptions | undefined,
  ): Promise<T> {
    return this.#context.commands.run(
      call,
      (message, cause) =>
        new BackendGetMetaError(
          `Failed to read the result of task ${taskId}: ${message}`,
          taskId,
          { cause },
        ),
      options,
    );
  }
}
