import { located } from "../consumer/call_site.ts";
import type { CallOptions } from "../source/commands.ts";
import { ResultTimeoutError } from "../errors.ts";
import { undecodableError } from "../protocol/decode.ts";
import type { ResultLookup } from "../store/lookup.ts";
import type { ResultEvent, ResultMeta } from "../protocol/meta.ts";
import type { ResultSource } from "../source/source.ts";
import { toTaskError } from "../protocol/task_error.ts";
import type { Reader, Wait } from "../source/watch.ts";

/**
 * How a wait for several results is done.
 *
 * @typeParam T What the tasks return.
 * @typeParam Custom The application's own states.
 */
export interface JoinOptions<T = unknown, Custom extends string = "PROGRESS">
  extends CallOptions {
  /**
   * Milliseconds to wait in all; 0 looks once. Without it, the wait has no end.
   * (In Celery 0 means no timeout.)
   */
  timeout?: number;
  /**
   * Whether a task that failed or was revoked rejects the wait at once; if not,
   * its TaskError is what stands in its place.
   *
   * @default {true}
   */
  propagate?: boolean;
  /**
   * Called with each event of an awaited task, the outcome included; not with a
   * `timeout` of 0, which reads and does not wait. What it throws is reported
   * as uncaught, and does not end the wait.
   */
  onEvent?: (event: ResultEvent<T, Custom>) => void;
}

/** What a wait needs of its backend. */
export interface WaitContext {
  /** Where documents come from. */
  readonly source: ResultSource;
  /** What looks once. */
  readonly lookup: ResultLookup;
  /** Calls back after some time, unless the function that it gives is called before. */
  after(ms: number, callback: () => void): () => void;
}

/** What is waited for. */
export interface OutcomeQuery {
  /** The tasks whose outcomes are awaited. */
  readonly taskIds: ReadonlySet<string>;
  /**
   * Tasks that must not fail meanwhile, the first of a chain first. What they
   * do is no event of the wait.
   */
  readonly parentIds?: ReadonlySet<string>;
  /** Takes each outcome, once per task. What it throws ends the wait. */
  onOutcome(outcome: ResultMeta): void;
}

/** How many of the tasks without an outcome an error names. */
const MAX_NAMED_IDS = 10;

/**
 * Waits until every task has its outcome, with one reader for all of them.
 *
 * @throws {RangeError} if `timeout` is no number from 0.
 * @throws {TaskError} if a parent failed or was revoked, even if the awaited
 * task has an outcome already.
 * @throws {ResultTimeoutError} if an outcome is missing when the time is up.
 */
export async function waitForOutcomes(
  context: WaitContext,
  wanted: OutcomeQuery,
  options: JoinOptions,
): Promise<void> {
  const { signal, timeout } = options;
  signal?.throwIfAborted();
  checkTimeout(timeout);
  if (wanted.taskIds.size === 0) return;
  try {
    if (timeout === 0) {
      await look(context, wanted, signal === undefined ? {} : { signal });
    } else {
      await new OutcomeWait(context, wanted, options).run();
    }
  } catch (error) {
    // A stack that is taken behind an await names those who await this. So it
    // need not be taken when the wait begins, and one that succeeds pays nothing.
    throw located(error, new Error());
  }
}

/** @throws {RangeError} if `timeout` is no number from 0. */
export function checkTimeout(timeout: number | undefined): void {
  if (timeout === undefined || timeout >= 0) return;
  throw new RangeError(
    `Cannot wait ${timeout} ms for a result: expected a number from 0`,
  );
}

/**
 * What an outcome gives to whoever waited: what the task returned, or its
 * TaskError, which is thrown with `propagate`.
 *
 * @throws {DecodeError} if it could not be decoded.
 */
export function outcomeValue(outcome: ResultMeta, propagate: boolean): unknown {
  switch (outcome.state) {
    case "SUCCESS":
      return outcome.result;
    case "UNDECODABLE":
      throw undecodableError(outcome.taskId, outcome.result);
    default: {
      const error = toTaskError(outcome);
      if (propagate) throw error;
      return error;
    }
  }
}

/** A wait that looks once, and does not wait. */
async function look(
  { lookup }: WaitContext,
  wanted: OutcomeQuery,
  options: CallOptions,
): Promise<void> {
  const { taskIds } = wanted;
  const parentIds = parentsOnly(wanted);
  const missing = new Map<string, string>();
  const take = (meta: ResultMeta): void => {
    if (parentIds.has(meta.taskId)) throwFailure(meta);
    else if (meta.ready) wanted.onOutcome(meta);
    else missing.set(meta.taskId, meta.state);
  };
  const [only] = taskIds;
  if (only !== undefined && taskIds.size + parentIds.size === 1) {
    take(await lookup.getMeta(only, options));
  } else {
    await lookup.forEach(parentIds.union(taskIds), take, options);
  }
  if (missing.size > 0) throw timeoutError(missing, taskIds.size, 0);
}

/** One wait on the source; made for one {@linkcode run}. */
class OutcomeWait implements Reader {
  readonly waits: Wait[] = [];
  readonly #context: WaitContext;
  readonly #wanted: OutcomeQuery;
  readonly #options: JoinOptions;
  readonly #parentIds: ReadonlySet<string>;
  readonly #done = Promise.withResolvers<void>();
  // The tasks without an outcome, and the state that each was last seen in.
  readonly #missing = new Map<string, string | undefined>();
  // Until then an outcome may only be known because it was read before a
  // parent's failure, which is as old.
  #areParentsRead: boolean;

  constructor(
    context: WaitContext,
    wanted: OutcomeQuery,
    options: JoinOptions,
  ) {
    this.#context = context;
    this.#wanted = wanted;
    this.#options = options;
    this.#parentIds = parentsOnly(wanted);
    this.#areParentsRead = this.#parentIds.size === 0;
    for (const taskId of wanted.taskIds) this.#missing.set(taskId, undefined);
  }

  async run(): Promise<void> {
    const { source, after } = this.#context;
    const { signal, timeout } = this.#options;
    const abort = (): void => this.#reject(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const forgetTimer = timeout === undefined || timeout === Infinity
      ? undefined
      : after(timeout, () => this.#late(timeout));
    try {
      const attached = source.add(
        this,
        this.#parentIds.union(this.#wanted.taskIds),
      );
      if (!this.#areParentsRead) {
        attached.then(() => {
          this.#areParentsRead = true;
          this.#settle();
        }, () => {
          // The reader is told, too.
        });
      }
      await this.#done.promise;
    } finally {
      this.#end();
      signal?.removeEventListener("abort", abort);
      forgetTimer?.();
    }
  }

  receive(event: ResultEvent): void {
    try {
      if (this.#parentIds.has(event.taskId)) throwFailure(event);
      else this.#takeOwn(event);
    } catch (error) {
      this.#reject(error);
    }
  }

  fail(error: Error): void {
    this.#reject(error);
  }

  #takeOwn(event: ResultEvent): void {
    const { onEvent } = this.#options;
    if (onEvent !== undefined) callSafely(onEvent, event);
    if (event.ready) {
      this.#missing.delete(event.taskId);
      this.#wanted.onOutcome(event);
      this.#settle();
    } else {
      this.#missing.set(event.taskId, event.state);
    }
  }

  #settle(): void {
    if (this.#missing.size > 0 || !this.#areParentsRead) return;
    this.#end();
    this.#done.resolve();
  }

  #late(timeout: number): void {
    if (this.#missing.size === 0) {
      this.#areParentsRead = true;
      this.#settle();
      return;
    }
    const { source } = this.#context;
    const [first] = this.#missing.keys();
    this.#reject(
      timeoutError(
        this.#missing,
        this.#wanted.taskIds.size,
        timeout,
        source.lastError,
        source.wasRead(this, first!) ? undefined : source.activity,
      ),
    );
  }

  #reject(reason: unknown): void {
    this.#end();
    this.#done.reject(reason);
  }

  /** Nothing more is taken: not even what comes in the same batch. Once more does no harm. */
  #end(): void {
    this.#context.source.removeAll(this);
  }
}

/** The parents that are not awaited themselves: a foreign document may lead in a circle. */
function parentsOnly(
  { taskIds, parentIds = new Set() }: OutcomeQuery,
): ReadonlySet<string> {
  return parentIds.difference(taskIds);
}

/** What cannot be decoded is no failure: only its own readers need to know. */
function throwFailure(meta: ResultMeta): void {
  if (meta.state === "FAILURE" || meta.state === "REVOKED") {
    throw toTaskError(meta);
  }
}

function timeoutError(
  missing: ReadonlyMap<string, string | undefined>,
  total: number,
  timeout: number,
  connectionError?: Error,
  unread?: string,
): ResultTimeoutError {
  const taskIds = [...missing.keys().take(MAX_NAMED_IDS)];
  const first = taskIds[0]!;
  return new ResultTimeoutError(
    first,
    timeout,
    missing.get(first),
    connectionError,
    { total, count: missing.size, taskIds },
    unread,
  );
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

/**
 * How a wait for a result is done.
 *
 * @typeParam T What the task returns.
 * @typeParam Custom The application's own states.
 */
export interface GetOptions<T = unknown, Custom extends string = "PROGRESS">
  extends JoinOptions<T, Custom> {
  /**
   * Whether the failure of a task that came before this one in its chain
   * rejects the wait: this one is then never run. It needs `propagate`, and a
   * result that knows its `parent`.
   *
   * @default {true}
   */
  followParents?: boolean;
}
