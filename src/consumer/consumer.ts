import type { CustomStates, ResultEvent } from "../protocol/meta.ts";
import type { ResultSource } from "../source/source.ts";
import type { Reader } from "../source/watch.ts";
import { numberAtLeast } from "../util/number_at_least.ts";
import { onAbort } from "../util/on_abort.ts";
import {
  checkOptions,
  type OptionNames,
  optionNames,
} from "../util/option_names.ts";
import { PullStream } from "../util/pull_stream.ts";
import { toError } from "../util/to_error.ts";
import { withCallSite } from "./call_site.ts";
import { EventQueue } from "./event_queue.ts";
import { toIds } from "./task_ids.ts";

/**
 * How a consumer or a stream reads.
 *
 * @category Streams
 */
export interface ConsumerOptions {
  /** Ends the reader: its streams error with the signal's reason. */
  signal?: AbortSignal;
  /**
   * How many not-ready events may be queued before a newer one replaces the
   * last one of its task.
   *
   * @default {the backend's, 16}
   */
  highWaterMark?: number;
  /**
   * How many bytes of documents may be queued. Past it, the reader errors, after
   * its queued events. A not-ready event that would exceed the limit replaces
   * the last one of its task, if that frees enough.
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
   * How many tasks may be in the process of being attached before a write to
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

/** The largest document whose event the stream may hold outside the queue, in bytes. */
const MAX_BYTES_AHEAD = 4096;

/** What a consumer needs of its backend. Users cannot make one, and so cannot call the constructor. */
export interface ConsumerContext {
  /** Delivers documents as they are stored. */
  readonly source: ResultSource;
  /** The backend's `highWaterMark`. */
  readonly highWaterMark: number;
  /** The backend's `maxQueueBytes`. */
  readonly maxQueueBytes: number;
  /** The readers of consumers that have not ended, even if they await nothing. */
  readonly openReaders: Set<Reader>;
}

/**
 * Streams the events of tasks; closes when each has its outcome. The caller says
 * what they return. Made by the class, so that its users do not see a method that
 * is not for them.
 */
export let openStream: <T, Custom extends CustomStates>(
  context: ConsumerContext,
  taskIds: Iterable<string>,
  options?: ConsumerOptions,
) => ReadableStream<ResultEvent<T, Custom>>;

/**
 * One reader of results: task ids in, events out. Get one from
 * {@linkcode ResultBackend.consumer}.
 *
 * Undelivered events wait in the consumer's own queue, which conflates the
 * not-ready events of a task and keeps every outcome; if that exceeds
 * `maxQueueBytes`, the consumer errors after its queued events. A slow reader
 * never delays another.
 *
 * Celery: `ResultConsumer`.
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
 *     // In production, a Celery worker does this.
 *     await backend.markAsDone(taskId, taskId.toUpperCase());
 *   }
 * }
 *
 * const results: unknown[] = [];
 * await ReadableStream.from(sendTasks())
 *   // With 100 tasks awaited, it takes no more ids until one is done.
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
 * @typeParam Custom The application's own states: see {@linkcode CustomStates}.
 *
 * @category Streams
 */
export class ResultConsumer<
  T = unknown,
  Custom extends CustomStates = "PROGRESS",
> implements
  ReadableWritablePair<ResultEvent<T, Custom>, string>,
  AsyncDisposable {
  static {
    openStream = <T, Custom extends CustomStates>(
      context: ConsumerContext,
      taskIds: Iterable<string>,
      options?: ConsumerOptions,
    ) => {
      const consumer = new ResultConsumer<T, Custom>(context, options);
      consumer.#awaitOnly(taskIds);
      return consumer.readable;
    };
  }

  /**
   * The events. It closes once `writable` is closed and every task has its
   * outcome. Cancelling it, as leaving a `for await` does, ends the consumer; to
   * read on after a loop, use `readable.values({ preventCancel: true })`.
   *
   * `tee()` gives every event to both branches, and buffers without limit what
   * the slower one has not read. Two consumers conflate independently, and still
   * share one subscription.
   *
   * It can be transferred to a Worker: it then requests events as they are read
   * there, one ahead, and a `cancel()` there ends the consumer. Only the message
   * and the stack of an error arrive. A Worker that is terminated does not
   * notify anyone: end the consumer, for example with its `signal`.
   */
  readonly readable: ReadableStream<ResultEvent<T, Custom>>;
  /**
   * Task ids, one per chunk. A write resolves once the id is queued;
   * `maxPending` and `maxAttaching` apply backpressure.
   *
   * Writing an id that is empty or not a string rejects with a TypeError and
   * ends the consumer: `readable` errors with it, too, after the queued events.
   * Aborting the writable, as a pipe from a source that fails does, ends both at
   * once, as with any transform. To get the outcomes of the ids that came before
   * such a failure, pipe with `{ preventAbort: true }`, and close the writable
   * when the pipe has ended.
   *
   * A pipe that ends waits for a pending write before it aborts the writable.
   * The consumer's own `signal` takes effect at once.
   *
   * It can be transferred to a Worker, too.
   */
  readonly writable: WritableStream<string>;
  readonly #source: ResultSource;
  readonly #openReaders: Set<Reader>;
  readonly #maxQueueBytes: number;
  readonly #maxPending: number;
  readonly #maxAttaching: number;
  readonly #queue: EventQueue;
  readonly #stream: PullStream<ResultEvent>;
  readonly #reader: Reader;
  // No reader of the stream is on the stack when it errors: the best that the
  // error can name is where the consumer was made.
  readonly #callSite = new Error();
  #writableController!: WritableStreamDefaultController;
  #attachingCount = 0;
  // Resolves when a write that is held back may check again.
  #capacity: PromiseWithResolvers<void> | undefined;
  #isInputClosed = false;
  // Why it takes no more ids; undefined while it does.
  #end: { reason: unknown } | undefined;
  #abortListener: Disposable | undefined;

  /** @ignore */
  constructor(context: ConsumerContext, options: ConsumerOptions = {}) {
    checkOptions(options, CONSUMER_OPTIONS);
    const {
      highWaterMark = context.highWaterMark,
      maxQueueBytes = context.maxQueueBytes,
      maxPending = Infinity,
      maxAttaching = 10_000,
    } = options;
    this.#source = context.source;
    this.#openReaders = context.openReaders;
    this.#maxQueueBytes = numberAtLeast(1, "maxQueueBytes", maxQueueBytes);
    this.#maxPending = numberAtLeast(1, "maxPending", maxPending);
    this.#maxAttaching = numberAtLeast(1, "maxAttaching", maxAttaching);
    this.#queue = new EventQueue(
      numberAtLeast(0, "highWaterMark", highWaterMark),
      this.#maxQueueBytes,
    );
    this.#reader = {
      waits: [],
      receive: (event, size) => this.#take(event, size),
      fail: (error) => this.#fail(error),
    };
    this.#openReaders.add(this.#reader);
    this.#stream = new PullStream<ResultEvent>({
      next: () => this.#queue.shift(),
      nextIfFinal: () => this.#queue.shiftOutcome(MAX_BYTES_AHEAD),
      isEmpty: () => this.#queue.length === 0,
      cancel: (reason) =>
        this.#abort(reason ?? abortError("its readable was canceled")),
    });
    // The caller of `consumer<T>()` says what the tasks return.
    this.readable = this.#stream.readable as ReadableStream<
      ResultEvent<T, Custom>
    >;
    this.writable = new WritableStream<string>({
      start: (controller) => {
        this.#writableController = controller;
        // `abort` below is called only when no write is pending.
        controller.signal.addEventListener("abort", () => this.#resumeWrite());
      },
      write: (taskId) => this.#write(taskId),
      close: () => this.#closeInput(),
      abort: (reason) => this.#abort(reason),
    });
    this.#abortListener = onAbort(
      options.signal,
      (reason) => this.#abort(reason),
    );
  }

  /** How many tasks are still awaited. */
  get pending(): number {
    return this.#reader.waits.length;
  }

  /**
   * Awaits more tasks. Resolves when they are attached: from then on, no result
   * that is stored for them is missed. A task that is awaited already is not
   * awaited twice; one that is added again after its outcome is a new wait.
   *
   * @throws {TypeError} if an id is empty or not a string; then none is added.
   * @throws {BackendClosedError} if the backend was closed.
   * @throws {RetryLimitError} if the backend stopped trying to connect.
   * @throws the reason why the consumer ended, if it did: an `AbortError` if
   * nothing failed.
   */
  async add(taskIds: string | Iterable<string>): Promise<void> {
    if (this.#end !== undefined) throw this.#end.reason;
    await this.#source.add(this.#reader, toIds(taskIds));
  }

  /**
   * Stops awaiting some tasks. Their queued events remain.
   *
   * @throws {TypeError} if an id is empty or not a string.
   */
  remove(taskIds: string | Iterable<string>): void {
    this.#source.remove(this.#reader, toIds(taskIds));
    this.#onProgress();
  }

  /** Ends the consumer: unsubscribes, drops queued events, and errors both streams. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#abort(abortError("it was disposed"));
    return Promise.resolve();
  }

  /** Awaits these tasks and no others: the readable closes once each has its outcome. */
  #awaitOnly(taskIds: Iterable<string>): void {
    if (this.#end !== undefined) return;
    try {
      this.#source.add(this.#reader, taskIds);
    } catch (error) {
      this.#abort(withCallSite(error, this.#callSite));
      return;
    }
    this.#closeInput();
  }

  async #write(taskId: string): Promise<void> {
    let attached: Promise<void>;
    try {
      attached = this.#source.add(this.#reader, [taskId]);
    } catch (error) {
      this.#fail(toError(error));
      throw error;
    }
    this.#attachingCount++;
    // If it rejects, the source calls `fail` as well.
    attached.catch(() => {}).finally(() => {
      this.#attachingCount--;
      this.#onProgress();
    });
    const { signal } = this.#writableController;
    while (this.#end === undefined && !signal.aborted && this.#isFull) {
      this.#capacity = Promise.withResolvers<void>();
      await this.#capacity.promise;
    }
    if (this.#end !== undefined) throw this.#end.reason;
    signal.throwIfAborted();
  }

  get #isFull(): boolean {
    return this.pending >= this.#maxPending ||
      this.#attachingCount >= this.#maxAttaching;
  }

  /** Lets a write that is held back check again. */
  #resumeWrite(): void {
    this.#capacity?.resolve();
    this.#capacity = undefined;
  }

  #take(event: ResultEvent, size: number): void {
    if (!this.#queue.push(event, size)) {
      this.#source.removeAll(this.#reader);
      this.#fail(
        new RangeError(
          `Cannot queue more than ${this.#maxQueueBytes} bytes of results (maxQueueBytes): ` +
            "read faster, or await fewer tasks at a time",
        ),
      );
      return;
    }
    this.#stream.notify();
    if (event.ready) this.#onProgress();
  }

  /** A task was attached, or left: a write may go on, and the stream may be complete. */
  #onProgress(): void {
    this.#resumeWrite();
    if (this.#isInputClosed && this.pending === 0) {
      this.#stop(abortError("every task has its outcome"));
      this.#stream.close();
    }
  }

  #closeInput(): void {
    this.#isInputClosed = true;
    this.#onProgress();
  }

  /** Errors both streams, the readable after its queued events. */
  #fail(error: Error): void {
    const reason = withCallSite(error, this.#callSite);
    this.#stop(reason);
    this.#stream.fail(reason);
  }

  /** Errors both streams at once. */
  #abort(reason: unknown): void {
    this.#stop(reason);
    this.#queue.clear();
    this.#stream.abort(reason);
  }

  /** Takes no more ids and no more events. Only the first reason counts. */
  #stop(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#abortListener?.[Symbol.dispose]();
    this.#openReaders.delete(this.#reader);
    this.#source.removeAll(this.#reader);
    // Has no effect if the writable is closed.
    this.#writableController.error(reason);
    this.#resumeWrite();
  }
}

function abortError(why: string): DOMException {
  return new DOMException(
    `The consumer takes no more task ids: ${why}`,
    "AbortError",
  );
}
