import type { CallOptions } from "./commands.ts";
import { ResultTimeoutError } from "./errors.ts";
import { undecodableError } from "./protocol/decode.ts";
import type { ResultEvent, ResultMeta } from "./protocol/meta.ts";
import type { TaskState } from "./protocol/states.ts";
import type { ResultSource } from "./source.ts";
import { type TaskError, toTaskError } from "./task_error.ts";
import type { Reader } from "./watch_table.ts";

/** How a wait for a result is done. */
export interface GetOptions {
  /**
   * Milliseconds to wait; 0 looks once. Without it, the wait has no end. (In
   * Celery 0 means no timeout.)
   */
  timeout?: number;
  /** Ends the wait: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Whether a task that failed or was revoked rejects the wait; if not, its
   * TaskError is what the wait resolves to.
   *
   * @default {true}
   */
  propagate?: boolean;
  /** Called with each event of the task, the outcome included. What it throws is reported as uncaught, and does not end the wait. */
  onEvent?: (event: ResultEvent) => void;
}

/** What a result needs of its backend. @internal */
export interface ResultContext {
  /** Where documents come from. */
  readonly source: ResultSource;
  /** Reads the state of a task. */
  getMeta(taskId: string, options?: CallOptions): Promise<ResultMeta>;
  /** Streams the events of a task. */
  stream(
    taskId: string,
    options?: CallOptions,
  ): ReadableStream<ResultEvent>;
  /** Removes the result of a task. */
  forget(taskId: string, options?: CallOptions): Promise<void>;
  /** Calls back after some time. */
  after(ms: number, callback: () => void): () => void;
}

/**
 * The result of one task, which may still be to come. Celery: `AsyncResult`.
 *
 * @example Await a result
 * ```ts ignore
 * const sum = await backend.result<number>(taskId).get({ timeout: 10_000 });
 * ```
 *
 * @typeParam T What the task returns.
 */
export class AsyncResult<T = unknown> {
  /** The task's id. */
  readonly id: string;
  readonly #context: ResultContext;

  /** Made by `ResultBackend.result()`. @internal */
  constructor(id: string, context: ResultContext) {
    this.id = id;
    this.#context = context;
  }

  /**
   * Waits for the outcome, and resolves to what the task returned.
   *
   * @throws {TaskError} if the task failed; a TaskRevokedError if it was revoked.
   * @throws {ResultTimeoutError} if there was no outcome in time.
   * @throws {DecodeError} if what is stored is no document; a
   * ContentDisallowedError if it is in a format that is not accepted.
   * @throws {RetryLimitError} if the connection was given up.
   * @throws {BackendClosedError} if the backend was closed.
   */
  get(options?: GetOptions & { propagate?: true }): Promise<T>;
  /** Waits for the outcome; with `propagate: false`, a TaskError is resolved to and not thrown. */
  get(options: GetOptions): Promise<T | TaskError>;
  async get(options: GetOptions = {}): Promise<T | TaskError> {
    const { propagate = true, signal, timeout, onEvent } = options;
    signal?.throwIfAborted();
    if (timeout !== undefined && !(timeout >= 0)) {
      throw new RangeError(
        `Cannot wait ${timeout} ms for a result: expected a number from 0`,
      );
    }
    const outcome = timeout === 0
      ? await this.#look(signal)
      : await this.#wait(timeout, signal, onEvent);
    switch (outcome.state) {
      case "SUCCESS":
        // What the task returns is the caller's word.
        return outcome.result as T;
      case "UNDECODABLE":
        throw undecodableError(this.id, outcome.result);
      default: {
        const error = toTaskError(outcome);
        if (propagate) throw error;
        return error;
      }
    }
  }

  /** The present meta; state `PENDING` where nothing is stored. */
  async meta(options?: CallOptions): Promise<ResultMeta<T>> {
    // What the task returns is the caller's word.
    return await this.#context.getMeta(this.id, options) as ResultMeta<T>;
  }

  /** The present state; `PENDING` where nothing is stored. */
  async state(options?: CallOptions): Promise<TaskState> {
    return (await this.meta(options)).state;
  }

  /** Whether the task has its outcome. */
  async ready(options?: CallOptions): Promise<boolean> {
    return (await this.meta(options)).ready;
  }

  /** Whether the task succeeded. */
  async successful(options?: CallOptions): Promise<boolean> {
    return (await this.meta(options)).state === "SUCCESS";
  }

  /** Whether the task failed; a revoked task did not. */
  async failed(options?: CallOptions): Promise<boolean> {
    return (await this.meta(options)).state === "FAILURE";
  }

  /** The task's events, from its present state to its outcome. */
  events(options?: CallOptions): ReadableStream<ResultEvent<T>> {
    // What the task returns is the caller's word.
    return this.#context.stream(this.id, options) as ReadableStream<
      ResultEvent<T>
    >;
  }

  /** Removes the result from Redis. Other readers go on waiting. */
  async forget(options?: CallOptions): Promise<void> {
    await this.#context.forget(this.id, options);
  }

  async #look(signal: AbortSignal | undefined): Promise<ResultMeta> {
    const meta = await this.#context.getMeta(
      this.id,
      signal === undefined ? {} : { signal },
    );
    if (meta.ready) return meta;
    throw new ResultTimeoutError(this.id, 0, meta.state, undefined);
  }

  async #wait(
    timeout: number | undefined,
    signal: AbortSignal | undefined,
    onEvent: GetOptions["onEvent"],
  ): Promise<ResultMeta> {
    const { source, after } = this.#context;
    const outcome = Promise.withResolvers<ResultMeta>();
    let last: ResultEvent | undefined;
    const reader: Reader = {
      waits: [],
      take(event): void {
        last = event;
        if (onEvent !== undefined) callSafely(onEvent, event);
        if (event.ready) outcome.resolve(event);
      },
      fail: outcome.reject,
    };
    const abort = (): void => outcome.reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const forgetTimer = timeout === undefined || timeout === Infinity
      ? undefined
      : after(timeout, () =>
        outcome.reject(
          new ResultTimeoutError(
            this.id,
            timeout,
            last?.state,
            source.lastError,
          ),
        ));
    try {
      source.add(reader, [this.id]);
      return await outcome.promise;
    } finally {
      source.removeAll(reader);
      signal?.removeEventListener("abort", abort);
      forgetTimer?.();
    }
  }
}

/** A callback that throws must not break whoever calls it; nor may the error be lost. */
function callSafely(
  callback: (event: ResultEvent) => void,
  event: ResultEvent,
): void {
  try {
    callback(event);
  } catch (error) {
    reportError(error);
  }
}
