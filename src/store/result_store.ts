import { BackendStoreError, DecodeError } from "../errors.ts";
import { describeValue } from "../formats/describe.ts";
import type { FormatSet } from "../formats/format_set.ts";
import type { StoredDocument } from "../formats/types.ts";
import { encodeDocument, type RequestFields } from "../protocol/encode.ts";
import type { KeySpace } from "../protocol/keys.ts";
import { isReady, stateProblem, type TaskState } from "../protocol/states.ts";
import type { RedisLink } from "../redis/link.ts";
import type { CommandArgument } from "../redis/wire/command.ts";
import type { Runtime } from "../runtime.ts";
import {
  CALL_OPTIONS,
  type CallOptions,
  type CommandRunner,
} from "../source/command_runner.ts";
import type { StatusHub } from "../status.ts";
import { abortable } from "../util/abortable.ts";
import {
  checkOptions,
  type OptionNames,
  optionNames,
} from "../util/option_names.ts";
import { toError } from "../util/to_error.ts";
import { Finality } from "./finality.ts";
import { LuaScript } from "./lua_script.ts";
import { setAndPublish } from "./set_and_publish.ts";
import { type PublishCommand, STORE_SCRIPT } from "./store_script.ts";
import { isDocument, isSameDocument } from "./stored_document.ts";

/**
 * Options for storing a result.
 *
 * @category Storing
 */
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

/** What a {@linkcode ResultStore} works with. */
export interface StoreContext {
  /** Runs and retries commands. */
  readonly commands: CommandRunner;
  /** Names the keys. */
  readonly keys: KeySpace;
  /** Seconds until a result expires, a whole number; 0: never. */
  readonly expires: number;
  /** The largest document that is stored, in bytes. */
  readonly maxResultBytes: number;
  /** The formats to write and read. */
  readonly formats: FormatSet;
  /** Whether to store the call with its result: its name, arguments and so on. */
  readonly resultExtended: boolean;
  /** Whether to publish on sharded channels. */
  readonly sharded: boolean;
  /** Where to report, once, that the server refuses scripts. */
  readonly status: StatusHub;
  /** The date of a result. */
  readonly runtime: Runtime;
}

/** The replies of the script. */
const FINAL = 0;
const STORED = 1;
/** The client must read the stored document and decide. */
const UNDECIDED = 2;

/** Keys in one DEL. */
const MAX_DELETED_KEYS = 1000;
/** How many times another client may change a document between a read and its compare-and-set. */
const MAX_COMPARE_AND_SET = 100;

/** One store under way. */
interface StoreJob {
  readonly taskId: string;
  readonly key: string;
  readonly document: StoredDocument;
  readonly state: TaskState;
  readonly signal: AbortSignal | undefined;
}

/**
 * The write side: sets and publishes a document atomically, and never replaces
 * a SUCCESS.
 *
 * Stores of one task run one at a time, in call order, so that a retry neither
 * overtakes nor is overtaken. A store whose reply was lost is sent again: it is
 * stored once, but may be published twice.
 */
export class ResultStore {
  readonly #context: StoreContext;
  readonly #finality: Finality;
  readonly #publish: PublishCommand;
  readonly #script: LuaScript;
  // By key, the last of the stores that have not ended.
  readonly #last = new Map<string, Promise<unknown>>();

  /** Stores through `context.commands`. */
  constructor(context: StoreContext) {
    this.#context = context;
    this.#finality = new Finality(context.formats);
    this.#publish = context.sharded ? "SPUBLISH" : "PUBLISH";
    this.#script = new LuaScript(STORE_SCRIPT, context.status, this.#publish);
  }

  /**
   * Stores and publishes a result. Resolves to false, having done neither, if
   * the stored result is a SUCCESS.
   */
  store(
    taskId: string,
    result: unknown,
    state: TaskState,
    options: StoreOptions,
  ): Promise<boolean> {
    checkOptions(options, STORE_OPTIONS);
    const { signal } = options;
    const key = this.#context.keys.taskKey(taskId);
    // Encoded now, so that later changes to the value do not reach the store.
    const document = this.#encode(taskId, result, state, options);
    const job: StoreJob = { taskId, key, document, state, signal };
    const previous = this.#last.get(key);
    const stored = previous === undefined
      ? this.#run(job)
      : previous.then(() => this.#run(job));
    const last = stored.catch(() => {}).then(() => {
      if (this.#last.get(key) === last) this.#last.delete(key);
    });
    this.#last.set(key, last);
    // While queued, an aborted store still holds its place. Once running, it
    // releases the queue at once, so it must send nothing after that point.
    return previous === undefined || signal === undefined
      ? stored
      : abortable(stored, signal);
  }

  /** Deletes the results of tasks. */
  async forget(
    taskIds: Iterable<string>,
    options?: CallOptions,
  ): Promise<void> {
    checkOptions(options, CALL_OPTIONS);
    const { commands } = this.#context;
    const keys: string[] = [];
    for (const taskId of taskIds) keys.push(this.#context.keys.taskKey(taskId));
    for (let i = 0; i < keys.length; i += MAX_DELETED_KEYS) {
      const chunk = keys.slice(i, i + MAX_DELETED_KEYS);
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
    const failed = `Cannot store the result of task ${taskId}`;
    const problem = stateProblem(state);
    if (problem !== undefined) {
      throw new BackendStoreError(
        `${failed}: its state ${problem}`,
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
      const { message } = toError(cause);
      throw new BackendStoreError(
        `${failed}: ${
          cause instanceof RangeError
            ? `it is too large or nested too deeply for a document (${message})`
            : message
        }`,
        taskId,
        state,
        { cause },
      );
    }
    // String documents are ASCII JSON, so `length` is the byte count.
    if (document.length <= maxResultBytes) return document;
    throw new BackendStoreError(
      `${failed}: its document has ${document.length} bytes, and Redis accepts at most ${maxResultBytes}: ` +
        "store the data elsewhere, and a reference to it as the result",
      taskId,
      state,
    );
  }

  #run(job: StoreJob): Promise<boolean> {
    const { taskId, state, signal } = job;
    return this.#context.commands.run(
      async (link, attempt) => {
        const isRetry = attempt > 1;
        const stored = await this.#script.attempt(() =>
          this.#runScript(link, job, isRetry)
        );
        return stored ?? await this.#runTransaction(link, job, isRetry);
      },
      (message, cause) =>
        new BackendStoreError(
          `Failed to store the result of task ${taskId} as ${state}: ${message}`,
          taskId,
          state,
          { cause },
        ),
      signal === undefined ? {} : { signal },
    );
  }

  async #runScript(
    link: RedisLink,
    job: StoreJob,
    isRetry: boolean,
  ): Promise<boolean> {
    const { taskId, key, document, state, signal } = job;
    const failed = `Failed to store the result of task ${taskId} as ${state}`;
    const args: CommandArgument[] = [
      1,
      key,
      document,
      this.#context.expires,
      this.#publish,
      isRetry ? "1" : "0",
    ];
    let expected: StoredDocument[] = [];
    for (let i = 0; i < MAX_COMPARE_AND_SET; i++) {
      const reply = await this.#script.run(
        link,
        [...args, ...expected],
        signal,
      );
      if (reply === STORED) return true;
      if (reply === FINAL) return false;
      if (reply !== UNDECIDED) {
        throw new BackendStoreError(
          `${failed}: the script replied ${describeValue(reply)}`,
          taskId,
          state,
        );
      }
      const stored = await this.#read(link, key);
      if (stored !== null && this.#isFinal(stored, job)) {
        return isOwn(stored, job, isRetry);
      }
      // An aborted store has released the queue.
      signal?.throwIfAborted();
      expected = stored === null ? [] : [stored];
    }
    throw new BackendStoreError(
      `${failed}: the document at ${key} changes faster than it can be read`,
      taskId,
      state,
    );
  }

  /** Stores as Celery does: reads, then writes. Another writer can come between the two. */
  async #runTransaction(
    link: RedisLink,
    job: StoreJob,
    isRetry: boolean,
  ): Promise<boolean> {
    const { key, document, signal } = job;
    const stored = await this.#read(link, key);
    if (stored !== null && this.#isFinal(stored, job)) {
      return isOwn(stored, job, isRetry);
    }
    signal?.throwIfAborted();
    const { expires } = this.#context;
    await link.transaction(
      setAndPublish(key, document, expires, this.#publish),
    );
    return true;
  }

  async #read(link: RedisLink, key: string): Promise<StoredDocument | null> {
    const reply = await link.command(["GET", key]);
    return isDocument(reply) ? reply : null;
  }

  /**
   * Whether the stored document is a SUCCESS.
   *
   * @throws {BackendStoreError} if it cannot be read, and may be one.
   */
  #isFinal(stored: StoredDocument, { taskId, state }: StoreJob): boolean {
    try {
      return this.#finality.isFinal(stored, taskId);
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause;
      throw new BackendStoreError(
        `Cannot store the result of task ${taskId}: the stored document cannot be read, and may be a SUCCESS, ` +
          `which is final (${cause.message}); call forget() first to discard it`,
        taskId,
        state,
        { cause },
      );
    }
  }
}

/** Whether a SUCCESS is our own document, stored before the reply was lost. */
function isOwn(
  stored: StoredDocument,
  { document }: StoreJob,
  isRetry: boolean,
): boolean {
  return isRetry && isSameDocument(stored, document);
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
