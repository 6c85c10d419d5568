import { describeArgument } from "../util/describe_argument.ts";
import { located } from "./call_site.ts";
import { EventQueue } from "./event_queue.ts";
import {
  checkOptions,
  type OptionNames,
  optionNames,
} from "../util/option_names.ts";
import { PullStream } from "../util/pull_stream.ts";
import type { ResultEvent } from "../protocol/meta.ts";
import type { ResultSource } from "../source/source.ts";
import { toError } from "../util/to_error.ts";
import type { Reader } from "../source/watch_table.ts";
import { memberOf } from "../util/member_of.ts";

/** How one reader reads. */
export interface ConsumerOptions {
  /** Ends the reader: its streams error with the signal's reason. */
  signal?: AbortSignal;
  /**
   * How many not-ready events may be queued before a newer one takes the place
   * of its task's last.
   *
   * @default {the backend's, 16}
   */
  highWaterMark?: number;
  /**
   * How many bytes of documents may be queued; past it, the reader errors,
   * after its queued events. A not-ready event that would exceed it takes the
   * place of its task's last, if that makes enough room.
   *
   * @default {the backend's, 268435456}
   */
  maxQueueBytes?: number;
  /**
   * How many tasks may be awaited before a write to `writable` waits for an
   * outcome.
   *
   * @default {Infinity}
   */
  maxPending?: number;
  /**
   * How many tasks may be on their way to being attached before a write to
   * `writable` waits for one of them.
   *
   * @default {10000}
   */
  maxAttaching?: number;
}

const CONSUMER_OPTIONS: OptionNames = optionNames<ConsumerOptions>({
  signal: true,
  highWaterMark: true,
  maxQueueBytes: true,
  maxPending: true,
  maxAttaching: true,
});

/** What the stream may hold without being counted, per event, in bytes. */
const MAX_SIZE_AHEAD = 4096;

/** What a consumer is made of. @internal */
export interface ConsumerContext {
  /** Where documents come from. */
  readonly source: ResultSource;
  /** The backend's `highWaterMark`. */
  readonly highWaterMark: number;
  /** The backend's `maxQueueBytes`. */
  readonly maxQueueBytes: number;
}

/**
 * One reader of results: task ids in, events out.
 *
 * What it has not been asked for waits in a queue of its own, in which the
 * not-ready events of a task are conflated; an outcome is always kept. A slow
 * reader holds up nobody else.
 *
 * Celery's counterpart is `ResultConsumer`.
 *
 * @example As a transform: task ids in, events out
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 *
 * async function* sendTasks(): AsyncGenerator<string> {
 *   for (const taskId of ["6f1c", "b0a4"]) {
 *     yield taskId;
 *     // In life, Celery's worker does this.
 *     await backend.markAsDone(taskId, taskId.toUpperCase());
 *   }
 * }
 *
 * const results: unknown[] = [];
 * await ReadableStream.from(sendTasks())
 *   // At most 100 tasks are awaited at a time: then it asks for no more ids.
 *   .pipeThrough(backend.consumer({ maxPending: 100 }))
 *   .pipeTo(
 *     new WritableStream({
 *       write: ({ result }) => void results.push(result),
 *     }),
 *   );
 * assertEquals(results.sort(), ["6F1C", "B0A4"]);
 * ```
 *
 * @typeParam T What the tasks return.
 * @typeParam Custom The application's own states.
 */
export class ResultConsumer<T = unknown, Custom extends string = "PROGRESS">
  implements
    ReadableWritablePair<ResultEvent<T, Custom>, string>,
    AsyncDisposable {
  /**
   * The events. It closes once `writable` is closed and every task has its
   * outcome. Cancelling it (leaving a `for await` does) ends the consumer;
   * `readable.values({ preventCancel: true })` is for a loop that others follow.
   *
   * `tee()` gives every event to both branches, and for that it keeps without
   * limit what the slower one has not read. Two consumers conflate each for
   * itself, and cost one subscription all the same.
   *
   * It can be transferred to a Worker: it then asks for events as they are read
   * there, one ahead, and a `cancel()` there ends the consumer. Of an error only
   * the message and the stack arrive. A Worker that is terminated tells nobody:
   * end the consumer, by its `signal` say.
   */
  readonly readable: ReadableStream<ResultEvent<T, Custom>>;
  /**
   * Task ids, one a chunk. A write resolves once the id is queued; `maxPending`
   * and `maxAttaching` hold it back.
   *
   * A write of an id that is empty or no string rejects with a TypeError, and
   * ends the consumer: `readable` errors with it too, behind the events that are
   * queued. Aborting the writable, which a pipe from a source that fails does,
   * ends both at once, as with any transform. To have the outcomes of the ids
   * that came before such a failure, pipe with `{ preventAbort: true }`, and
   * close the writable when the pipe is over.
   *
   * A pipe that ends waits for a write that is held back before it aborts the
   * writable. The consumer's own `signal` waits for nothing.
   *
   * It can be transferred to a Worker, too.
   */
  readonly writable: WritableStream<string>;
  readonly #source: ResultSource;
  readonly #options: Required<Omit<ConsumerOptions, "signal">>;
  readonly #signal: AbortSignal | undefined;
  readonly #queue: EventQueue;
  readonly #outlet: PullStream<ResultEvent>;
  readonly #reader: Reader;
  // Where it was made, which is all that an error of its stream can tell of the
  // caller: nothing that reads a stream is on the stack when it errors.
  readonly #site = new Error();
  #ids!: WritableStreamDefaultController;
  #attaching = 0;
  // A write that is held back.
  #room: PromiseWithResolvers<void> | undefined;
  // No more ids will come.
  #isComplete = false;
  // Why it takes no more ids; undefined while it does.
  #end: { reason: unknown } | undefined;

  /** Made by `ResultBackend.consumer()`. @internal */
  constructor(context: ConsumerContext, options: ConsumerOptions = {}) {
    checkOptions(options, CONSUMER_OPTIONS);
    this.#source = context.source;
    this.#options = {
      highWaterMark: atLeast(
        0,
        "highWaterMark",
        options.highWaterMark ?? context.highWaterMark,
      ),
      maxQueueBytes: atLeast(
        1,
        "maxQueueBytes",
        options.maxQueueBytes ?? context.maxQueueBytes,
      ),
      maxPending: atLeast(1, "maxPending", options.maxPending ?? Infinity),
      maxAttaching: atLeast(1, "maxAttaching", options.maxAttaching ?? 10_000),
    };
    this.#queue = new EventQueue(
      this.#options.highWaterMark,
      this.#options.maxQueueBytes,
    );
    this.#reader = {
      waits: [],
      take: (event, size) => this.#take(event, size),
      fail: (error) => this.#fail(error),
    };
    this.#outlet = new PullStream<ResultEvent>({
      next: () => this.#queue.shift(),
      nextIfFinal: () => this.#queue.shiftOutcome(MAX_SIZE_AHEAD),
      isEmpty: () => this.#queue.length === 0,
      cancel: (reason) =>
        this.#abort(reason ?? aborted("its readable was canceled")),
    });
    // The caller of `consumer<T>()` says what the tasks return; nothing here can know it.
    this.readable = this.#outlet.readable as ReadableStream<
      ResultEvent<T, Custom>
    >;
    this.writable = new WritableStream<string>({
      start: (controller) => {
        this.#ids = controller;
        // `abort` below comes only once no write is on its way.
        controller.signal.addEventListener("abort", () => this.#letGo());
      },
      write: (taskId) => this.#write(taskId),
      close: () => this.#complete(),
      abort: (reason) => this.#abort(reason),
    });
    this.#signal = options.signal;
    if (this.#signal?.aborted) this.#onAbort();
    else this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** How many tasks are still awaited. */
  get pending(): number {
    return this.#reader.waits.length;
  }

  /**
   * Awaits more tasks. Resolves when they are attached: from then on nothing
   * that is stored for them is missed. A task that is awaited already is not
   * awaited twice; one that is added again after its outcome is a new wait.
   *
   * @throws {TypeError} if an id is empty or no string; none is added then.
   * @throws {BackendClosedError} after the end of the backend; after that of
   * the consumer, what ended it (an `AbortError` where nothing failed).
   * @throws {RetryLimitError} if the connection was given up meanwhile.
   */
  async add(taskIds: string | Iterable<string>): Promise<void> {
    if (this.#end !== undefined) throw this.#end.reason;
    await this.#source.add(this.#reader, toIds(taskIds));
  }

  /** Awaits some tasks no longer. Their queued events stay. */
  cancel(taskIds: string | Iterable<string>): void {
    this.#source.remove(this.#reader, toIds(taskIds));
    this.#changed();
  }

  /** Awaits these tasks and no others: the readable closes once each has its outcome. @internal */
  watchOnly(taskIds: Iterable<string>): void {
    if (this.#end !== undefined) return;
    try {
      this.#source.add(this.#reader, taskIds);
    } catch (error) {
      this.#abort(located(error, this.#site));
      return;
    }
    this.#complete();
  }

  /** Ends the consumer: unsubscribes, drops what is queued, and errors both streams. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#abort(aborted("it was disposed"));
    return Promise.resolve();
  }

  async #write(taskId: string): Promise<void> {
    const { maxPending, maxAttaching } = this.#options;
    let attached: Promise<void>;
    try {
      attached = this.#source.add(this.#reader, [taskId]);
    } catch (error) {
      this.#fail(toError(error));
      throw error;
    }
    this.#attaching++;
    // Where it is rejected, the source has told the reader too.
    attached.catch(() => {}).finally(() => {
      this.#attaching--;
      this.#changed();
    });
    const { signal } = this.#ids;
    while (
      this.#end === undefined && !signal.aborted &&
      (this.pending >= maxPending || this.#attaching >= maxAttaching)
    ) {
      this.#room = Promise.withResolvers<void>();
      await this.#room.promise;
    }
    if (this.#end !== undefined) throw this.#end.reason;
    signal.throwIfAborted();
  }

  /** A write that is held back may look again. */
  #letGo(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  #take(event: ResultEvent, size: number): void {
    if (!this.#queue.push(event, size)) {
      this.#source.removeAll(this.#reader);
      this.#fail(
        new RangeError(
          `Cannot queue more than ${this.#options.maxQueueBytes} bytes of results (maxQueueBytes): ` +
            "read faster, or await fewer tasks at a time",
        ),
      );
      return;
    }
    this.#outlet.notify();
    if (event.ready) this.#changed();
  }

  /** Something was settled: a write may go on, and the stream may be done. */
  #changed(): void {
    this.#letGo();
    if (this.#isComplete && this.pending === 0) {
      this.#stop(aborted("every task has its outcome"));
      this.#outlet.close();
    }
  }

  #complete(): void {
    this.#isComplete = true;
    this.#changed();
  }

  /** The source has nothing more to say: told after what is queued. */
  #fail(error: Error): void {
    const reason = located(error, this.#site);
    this.#stop(reason);
    this.#outlet.fail(reason);
  }

  /** Ends both streams now. */
  #abort(reason: unknown): void {
    this.#stop(reason);
    this.#queue.clear();
    this.#outlet.abort(reason);
  }

  /** Ends what comes in. The first reason counts. */
  #stop(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#source.removeAll(this.#reader);
    // Has no effect on a writable that is closed already.
    this.#ids.error(reason);
    this.#letGo();
  }

  readonly #onAbort = (): void => this.#abort(this.#signal?.reason);
}

/**
 * A string is one id, never its letters.
 *
 * @throws {TypeError} if it is neither that nor a list; says what to hand over.
 */
export function toIds<T>(
  taskIds: string | Iterable<T>,
): Iterable<string | T> {
  if (typeof taskIds === "string") return [taskIds];
  if (typeof memberOf(taskIds, Symbol.iterator) === "function") return taskIds;
  throw new TypeError(
    `Cannot use ${describeArgument(taskIds)} as task ids: ${
      Array.isArray(memberOf(taskIds, "ids"))
        ? "give its `ids`"
        : typeof memberOf(taskIds, "id") === "string"
        ? "give its `id`"
        : typeof memberOf(taskIds, Symbol.asyncIterator) === "function"
        ? "pipe them, as in ReadableStream.from(taskIds).pipeThrough(backend.consumer())"
        : "give one id, or a list of ids"
    }`,
  );
}

function aborted(why: string): DOMException {
  return new DOMException(
    `The consumer takes no more task ids: ${why}`,
    "AbortError",
  );
}

function atLeast(least: number, name: string, value: number): number {
  if (value >= least) return value;
  throw new RangeError(
    `Cannot use ${value} as ${name}: expected a number from ${least}`,
  );
}
