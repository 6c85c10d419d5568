import { abortable } from "../util/abortable.ts";
import {
  CALL_OPTIONS,
  type CallOptions,
  type Commands,
} from "../source/commands.ts";
import { BackendStoreError, RedisError } from "../errors.ts";
import {
  checkOptions,
  type OptionNames,
  optionNames,
} from "../util/option_names.ts";
import { encodeDocument } from "../protocol/encode.ts";
import type { FormatSet } from "../formats/format_set.ts";
import { Finality } from "./finality.ts";
import type { RequestFields } from "../protocol/encode.ts";
import type { KeySpace } from "../protocol/keys.ts";
import { isReady, stateProblem, type TaskState } from "../protocol/states.ts";
import { describeValue } from "../formats/describe.ts";
import type { CommandArgument } from "../redis/wire/command.ts";
import type { RedisLink, RedisText } from "../redis/link.ts";
import type { Runtime } from "../runtime.ts";
import { isScriptRefusal, Script } from "./lua_script.ts";
import type { StatusHub } from "../status.ts";
import {
  type PublishCommand,
  SHARDED_STORE_SCRIPT,
  STORE_SCRIPT,
} from "./store_script.ts";
import type { StoredDocument } from "../formats/types.ts";

/** What goes with a result that is stored. */
export interface StoreOptions extends CallOptions, RequestFields {
  /** The traceback of a failure, as text. */
  traceback?: string | null;
}

/** The names in {@linkcode StoreOptions}. */
export const STORE_OPTIONS: OptionNames = optionNames<StoreOptions>({
  signal: true,
  traceback: true,
  children: true,
  groupId: true,
  parentId: true,
  name: true,
  args: true,
  kwargs: true,
  worker: true,
  retries: true,
  queue: true,
  stamps: true,
});

/** What the write side works on. */
export interface StoreContext {
  /** What runs commands, and tries them again. */
  readonly commands: Commands;
  /** The names of keys. */
  readonly keys: KeySpace;
  /** Whole seconds that a result is kept; 0 is for ever. */
  readonly expires: number;
  /** The largest document that is stored, in bytes. */
  readonly maxResultBytes: number;
  /** The formats that are written and read. */
  readonly formats: FormatSet;
  /** Whether what is told of the call is stored. */
  readonly resultExtended: boolean;
  /** Whether documents are published on sharded channels. */
  readonly sharded: boolean;
  /** Told once where scripts are refused. */
  readonly status: StatusHub;
  /** The world outside. */
  readonly runtime: Runtime;
}

/** What the script replies. */
const STORED = 1;
const STANDS = 0;
/** Keys in one DEL. */
const CHUNK = 1000;
/** How often a document may change under a store that has to judge it. */
const MAX_JUDGEMENTS = 100;

/**
 * The write side: a document is set and published as one, and a stored SUCCESS
 * is final.
 *
 * Stores of one task go in call order, one at a time, so that a retry neither
 * overtakes nor is overtaken. A store whose reply was lost is sent again, and
 * may so be published twice; it is stored once.
 */
export class ResultStore {
  readonly #context: StoreContext;
  readonly #judge: Finality;
  readonly #publish: PublishCommand;
  readonly #script: Script;
  // The last store of each task that is still under way.
  readonly #last = new Map<string, Promise<unknown>>();
  #scriptsRefused = false;

  /** Stores through `context.commands`. */
  constructor(context: StoreContext) {
    this.#context = context;
    this.#judge = new Finality(context.formats);
    this.#publish = context.sharded ? "SPUBLISH" : "PUBLISH";
    this.#script = new Script(
      context.sharded ? SHARDED_STORE_SCRIPT : STORE_SCRIPT,
    );
  }

  /**
   * Stores a result. False if an earlier SUCCESS stands: nothing is stored
   * then, nor published.
   */
  store(
    taskId: string,
    result: unknown,
    state: TaskState,
    options: StoreOptions,
  ): Promise<boolean> {
    checkOptions(options, STORE_OPTIONS);
    const key = this.#context.keys.taskKey(taskId);
    // Encoded now: what the caller changes afterwards is not what was stored.
    const document = this.#encode(taskId, result, state, options);
    const before = this.#last.get(key);
    const store = (): Promise<boolean> =>
      this.#store(taskId, key, document, state, options);
    const stored = before === undefined ? store() : before.then(store);
    const last = stored.catch(() => {}).then(() => {
      if (this.#last.get(key) === last) this.#last.delete(key);
    });
    this.#last.set(key, last);
    // One that is called off before its turn leaves at once, and keeps its
    // place: those behind it still come after those before it.
    const { signal } = options;
    return before === undefined || signal === undefined
      ? stored
      : abortable(stored, signal);
  }

  /** Removes the results of tasks. */
  async forget(
    taskIds: Iterable<string>,
    options?: CallOptions,
  ): Promise<void> {
    checkOptions(options, CALL_OPTIONS);
    const { commands, keys } = this.#context;
    const forgotten: string[] = [];
    for (const taskId of taskIds) forgotten.push(keys.taskKey(taskId));
    for (let i = 0; i < forgotten.length; i += CHUNK) {
      const chunk = forgotten.slice(i, i + CHUNK);
      await commands.run(
        (link) => link.command(["DEL", ...chunk]),
        (_, cause) => cause,
        options,
      );
    }
  }

  #encode(
    taskId: string,
    result: unknown,
    state: TaskState,
    { signal: _, traceback = null, ...request }: StoreOptions,
  ): StoredDocument {
    const { formats, maxResultBytes, resultExtended, runtime } = this.#context;
    const problem = stateProblem(state);
    if (problem !== undefined) {
      throw new BackendStoreError(
        `Cannot store the result of task ${taskId}: its state ${problem}`,
        taskId,
        describeValue(state),
      );
    }
    let document: StoredDocument;
    try {
      document = encodeDocument({
        ...(resultExtended ? request : withoutCall(request)),
        taskId,
        state,
        result,
        traceback,
        dateDone: isReady(state) ? runtime.date() : null,
      }, formats);
    } catch (cause) {
      throw new BackendStoreError(
        `Cannot store the result of task ${taskId}: ${
          cause instanceof RangeError
            ? `it is too large, or nested too deep, for a document (${cause.message})`
            : cause instanceof Error
            ? cause.message
            : String(cause)
        }`,
        taskId,
        state,
        { cause },
      );
    }
    // A string is JSON, and all ASCII: a character is a byte.
    if (document.length <= maxResultBytes) return document;
    throw new BackendStoreError(
      `Cannot store the result of task ${taskId}: its document has ${document.length} bytes, ` +
        `and Redis takes ${maxResultBytes}: store the data elsewhere, and a reference to it as the result`,
      taskId,
      state,
    );
  }

  #store(
    taskId: string,
    key: string,
    document: StoredDocument,
    state: TaskState,
    options: CallOptions,
  ): Promise<boolean> {
    return this.#context.commands.run(
      async (link, attempt) => {
        if (!this.#scriptsRefused) {
          try {
            return await this.#byScript(
              link,
              taskId,
              key,
              document,
              state,
              attempt,
              options.signal,
            );
          } catch (error) {
            if (!isScriptRefusal(error)) throw error;
            this.#scriptsRefused = true;
            this.#context.status.emit({ type: "degraded", error });
          }
        }
        return await this.#byTransaction(
          link,
          taskId,
          key,
          document,
          state,
          attempt,
          options.signal,
        );
      },
      (message, cause) =>
        new BackendStoreError(
          `Failed to store the result of task ${taskId} as ${state}: ${message}`,
          taskId,
          state,
          { cause },
        ),
      options,
    );
  }

  async #byScript(
    link: RedisLink,
    taskId: string,
    key: string,
    document: StoredDocument,
    state: TaskState,
    attempt: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const expires = this.#context.expires;
    const retry = attempt > 1 ? "1" : "0";
    const words: CommandArgument[] = [1, key, document, expires, retry];
    for (let i = 0; i < MAX_JUDGEMENTS; i++) {
      const reply = await this.#script.run(link, words, signal);
      if (reply === STORED) return true;
      if (reply === STANDS) return false;
      const stands = await this.#read(link, key);
      if (this.#isSuccess(stands, taskId, state)) {
        return attempt > 1 && isEqual(stands, document);
      }
      // The next store of this task does not wait for one that was called off:
      // this one must not come behind it.
      signal?.throwIfAborted();
      words.length = 5;
      if (stands !== null) words.push(stands);
    }
    throw new RedisError(
      `ERR the document at ${key} changes faster than it can be read`,
    );
  }

  /** Celery's own way: check first, then write. Two writers can come between each other. */
  async #byTransaction(
    link: RedisLink,
    taskId: string,
    key: string,
    document: StoredDocument,
    state: TaskState,
    attempt: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { expires } = this.#context;
    const stands = await this.#read(link, key);
    if (this.#isSuccess(stands, taskId, state)) {
      return attempt > 1 && isEqual(stands, document);
    }
    signal?.throwIfAborted();
    await link.transaction([
      expires === 0
        ? ["SET", key, document]
        : ["SETEX", key, expires, document],
      [this.#publish, key, document],
    ]);
    return true;
  }

  async #read(link: RedisLink, key: string): Promise<RedisText | null> {
    const reply = await link.command(["GET", key]);
    return typeof reply === "string" || reply instanceof Uint8Array
      ? reply
      : null;
  }

  /**
   * Whether what stands is a SUCCESS.
   *
   * @throws {BackendStoreError} if it may be one, and cannot be read.
   */
  #isSuccess(
    stands: RedisText | null,
    taskId: string,
    state: TaskState,
  ): boolean {
    if (stands === null) return false;
    const verdict = this.#judge.isSuccess(stands, taskId);
    if (typeof verdict === "boolean") return verdict;
    throw new BackendStoreError(
      `Cannot store the result of task ${taskId}: what is stored for it may be a SUCCESS, which is final, ` +
        `and cannot be read (${verdict.message}); forget() it first if it is worth nothing`,
      taskId,
      state,
      { cause: verdict },
    );
  }
}

/** What Celery stores without `result_extended`. */
function withoutCall(
  { children, groupId, parentId }: RequestFields,
): RequestFields {
  return {
    children,
    ...(groupId === undefined ? {} : { groupId }),
    ...(parentId === undefined ? {} : { parentId }),
  };
}

/** Whether two documents have the same bytes: a text that was read may have been stored as bytes. */
function isEqual(a: RedisText | null, b: StoredDocument): boolean {
  if (a === null || a === b) return a === b;
  const [first, second] = [bytesOf(a), bytesOf(b)];
  return first.length === second.length &&
    first.every((byte, index) => byte === second[index]);
}

function bytesOf(document: StoredDocument): Uint8Array {
  return typeof document === "string"
    ? new TextEncoder().encode(document)
    : document;
}
