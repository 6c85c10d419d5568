import {
  CALL_OPTIONS,
  type CallOptions,
  type Commands,
} from "../source/commands.ts";
import { BackendGetMetaError, DecodeError } from "../errors.ts";
import { checkOptions } from "../util/option_names.ts";
import {
  decodeDocument,
  pendingMeta,
  undecodableMeta,
} from "../protocol/decode.ts";
import type { Formats } from "../formats/formats.ts";
import type { KeySpace } from "../protocol/keys.ts";
import type { ResultMeta } from "../protocol/meta.ts";
import type { RedisLink } from "../redis/link.ts";
import type { StoredDocument } from "../formats/types.ts";
import { ReadSize } from "../source/read_size.ts";

/** What lookups work on. */
export interface LookupContext {
  /** What runs commands, and tries them again. */
  readonly commands: Commands;
  /** The names of keys. */
  readonly keys: KeySpace;
  /** What integers beyond 2^53 become. */
  readonly integers: "bigint" | "number";
  /** The formats that are read. */
  readonly formats: Formats;
}

/** Keys in the first read of several: fewer once documents turn out to be large. */
const FIRST_READ = 1000;

/** One-off reads: what is stored for tasks at this moment. */
export class ResultLookup {
  readonly #context: LookupContext;
  readonly #readSize = new ReadSize(FIRST_READ);

  /** Reads through `context.commands`. */
  constructor(context: LookupContext) {
    this.#context = context;
  }

  /** The present meta of a task. Unlike MGET, the GET that reads it tells a key of another type. */
  async getMeta(taskId: string, options?: CallOptions): Promise<ResultMeta> {
    checkOptions(options, CALL_OPTIONS);
    const key = this.#context.keys.taskKey(taskId);
    const reply = await this.#run(
      taskId,
      (link) => link.command(["GET", key]),
      options,
    );
    const isDocument = typeof reply === "string" || reply instanceof Uint8Array;
    return this.#decode(taskId, isDocument ? reply : null);
  }

  /** The present metas of tasks, in the order asked. */
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
   * Hands on the present meta of each task, in the order asked, and keeps none.
   * What cannot be decoded is UNDECODABLE. What `take` throws ends it.
   */
  async each(
    taskIds: ReadonlySet<string>,
    take: (meta: ResultMeta) => void,
    options?: CallOptions,
  ): Promise<void> {
    for await (const [taskId, document] of this.#read(taskIds, options)) {
      take(this.#tolerant(taskId, document));
    }
  }

  /** Whether anything is stored for a task. */
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
    // Not Array.from, to which a number is an empty list.
    for (const id of taskIds) ids.push(id);
    const wanted = ids.map((id) => keys.taskKey(id));
    for (let i = 0; i < ids.length;) {
      const chunk = wanted.slice(i, i + this.#readSize.keys);
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

  #tolerant(taskId: string, document: StoredDocument | null): ResultMeta {
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
