import { withCallSite } from "../consumer/call_site.ts";
import { ResultTimeoutError } from "../errors.ts";
import { undecodableError } from "../protocol/decode.ts";
import type { ResultEvent, ResultMeta } from "../protocol/meta.ts";
import { toTaskError } from "../protocol/task_error.ts";
import type { Runtime } from "../runtime.ts";
import type { CallOptions } from "../source/command_runner.ts";
import type { ResultSource } from "../source/source.ts";
import type { Reader, Wait } from "../source/watch.ts";
import type { ResultLookup } from "../store/lookup.ts";
import { Deadline } from "../util/deadline.ts";
import { onAbort } from "../util/on_abort.ts";
import type { JoinOptions } from "./options.ts";

/** What a wait needs of its backend. */
export interface WaitContext {
  /** Delivers documents as they are stored. */
  readonly source: ResultSource;
  /** Reads documents once. */
  readonly lookup: ResultLookup;
  /** The clock. */
  readonly runtime: Runtime;
}

/** What to wait for. */
export interface OutcomeQuery {
  /** The tasks whose outcomes are awaited. */
  readonly taskIds: ReadonlySet<string>;
  /**
   * Tasks whose failure ends the wait, the first of a chain first. Their events
   * are not events of the wait.
   */
  readonly parentIds?: ReadonlySet<string>;
  /** Called with each outcome, once per task. An error that it throws ends the wait. */
  onOutcome(outcome: ResultMeta): void;
}

/** How many of the tasks without an outcome an error names. */
const MAX_NAMED_IDS = 10;

/**
 * Waits until every task has its outcome, with one reader for all of them.
 *
 * @throws {RangeError} if `timeout` is not a number from 0.
 * @throws {TaskError} if a parent failed or was revoked, even if the awaited
 * task has an outcome already.
 * @throws {ResultTimeoutError} if an outcome is missing when the time is up.
 */
export async function waitForOutcomes(
  context: WaitContext,
  query: OutcomeQuery,
  options: JoinOptions,
): Promise<void> {
  const { signal, timeout } = options;
  signal?.throwIfAborted();
  checkTimeout(timeout);
  if (query.taskIds.size === 0) return;
  try {
    if (timeout === 0) {
      await readOnce(context, query, signal === undefined ? {} : { signal });
    } else {
      await new OutcomeWait(context, query, options).run();
    }
  } catch (error) {
    // A stack taken after an await names the async callers. Taking it here, and
    // not before the wait, costs a wait that succeeds nothing.
    throw withCallSite(error, new Error());
  }
}

/** @throws {RangeError} if `timeout` is not a number from 0. */
export function checkTimeout(timeout: number | undefined): void {
  if (timeout === undefined || timeout >= 0) return;
  throw new RangeError(
    `Cannot wait ${timeout} ms for a result: expected a number from 0`,
  );
}

/**
 * What an outcome resolves to: what the task returned, or its TaskError, which
 * `propagate` throws instead.
 *
 * @throws {DecodeError} if the document could not be decoded.
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

/** A wait with a timeout of 0: reads once. */
async function readOnce(
  { lookup }: WaitContext,
  query: OutcomeQuery,
  options: CallOptions,
): Promise<void> {
  const { taskIds } = query;
  const parentIds = parentsOnly(query);
  const missing = new Map<string, string>();
  const take = (meta: ResultMeta): void => {
    if (parentIds.has(meta.taskId)) throwIfFailed(meta);
    else if (meta.ready) query.onOutcome(meta);
    else missing.set(meta.taskId, meta.state);
  };
  const [first] = taskIds;
  if (first !== undefined && taskIds.size + parentIds.size === 1) {
    take(await lookup.getMeta(first, options));
  } else {
    await lookup.forEach(parentIds.union(taskIds), take, options);
  }
  if (missing.size > 0) throw timeoutError(missing, taskIds.size, 0);
}

/** One wait on the source, for a single {@linkcode run}. */
class OutcomeWait implements Reader {
  readonly waits: Wait[] = [];
  readonly #context: WaitContext;
  readonly #query: OutcomeQuery;
  readonly #options: JoinOptions;
  readonly #parentIds: ReadonlySet<string>;
  readonly #done = Promise.withResolvers<void>();
  // The tasks without an outcome, and the state that each was last seen in.
  readonly #missing = new Map<string, string | undefined>();
  // Until then, an outcome may be known merely because its key was read before
  // that of a parent that has failed as well.
  #areParentsRead: boolean;
  // What outcomes have thrown meanwhile, by task: the first of the chain goes
  // first, and its outcome may be known last.
  readonly #heldFailures = new Map<string, unknown>();

  constructor(
    context: WaitContext,
    query: OutcomeQuery,
    options: JoinOptions,
  ) {
    this.#context = context;
    this.#query = query;
    this.#options = options;
    this.#parentIds = parentsOnly(query);
    this.#areParentsRead = this.#parentIds.size === 0;
    for (const taskId of query.taskIds) this.#missing.set(taskId, undefined);
  }

  async run(): Promise<void> {
    const { source, runtime } = this.#context;
    const { signal, timeout = Infinity } = this.#options;
    using _abort = onAbort(signal, (reason) => this.#reject(reason));
    using deadline = timeout === Infinity
      ? undefined
      : new Deadline(runtime, timeout);
    deadline?.passed.then(() => this.#onTimeout(timeout));
    try {
      const attached = source.add(
        this,
        this.#parentIds.union(this.#query.taskIds),
      );
      if (!this.#areParentsRead) {
        attached.then(() => this.#onParentsRead(), () => {
          // The source calls `fail`, too.
        });
      }
      await this.#done.promise;
    } finally {
      this.#stop();
    }
  }

  receive(event: ResultEvent): void {
    try {
      if (this.#parentIds.has(event.taskId)) throwIfFailed(event);
      else this.#onEvent(event);
    } catch (error) {
      if (this.#areParentsRead) this.#reject(error);
      else this.#heldFailures.set(event.taskId, error);
    }
  }

  fail(error: Error): void {
    this.#reject(error);
  }

  #onEvent(event: ResultEvent): void {
    const { onEvent } = this.#options;
    if (onEvent !== undefined) callSafely(onEvent, event);
    if (event.ready) {
      this.#missing.delete(event.taskId);
      this.#query.onOutcome(event);
      this.#resolveIfDone();
    } else {
      this.#missing.set(event.taskId, event.state);
    }
  }

  #onParentsRead(): void {
    this.#areParentsRead = true;
    for (const taskId of this.#parentIds.union(this.#query.taskIds)) {
      if (!this.#heldFailures.has(taskId)) continue;
      return this.#reject(this.#heldFailures.get(taskId));
    }
    this.#resolveIfDone();
  }

  #onTimeout(timeout: number): void {
    if (this.#missing.size === 0 || this.#heldFailures.size > 0) {
      this.#onParentsRead();
      return;
    }
    const { source } = this.#context;
    const [first] = this.#missing.keys();
    this.#reject(
      timeoutError(
        this.#missing,
        this.#query.taskIds.size,
        timeout,
        source.lastError,
        source.wasRead(this, first!) ? undefined : source.activity,
      ),
    );
  }

  #resolveIfDone(): void {
    if (this.#missing.size > 0 || !this.#areParentsRead) return;
    this.#stop();
    this.#done.resolve();
  }

  #reject(reason: unknown): void {
    this.#stop();
    this.#done.reject(reason);
  }

  /** Takes no more events, not even of the present batch. Idempotent. */
  #stop(): void {
    this.#context.source.removeAll(this);
  }
}

/** The parents that are not awaited themselves: a foreign document may form a cycle. */
function parentsOnly(
  { taskIds, parentIds = new Set() }: OutcomeQuery,
): ReadonlySet<string> {
  return parentIds.difference(taskIds);
}

/** An undecodable document is not a failure: it concerns only its own readers. */
function throwIfFailed(meta: ResultMeta): void {
  if (meta.state === "FAILURE" || meta.state === "REVOKED") {
    throw toTaskError(meta);
  }
}

function timeoutError(
  missing: ReadonlyMap<string, string | undefined>,
  total: number,
  timeout: number,
  connectionError?: Error,
  activity?: string,
): ResultTimeoutError {
  const taskIds = [...missing.keys().take(MAX_NAMED_IDS)];
  const first = taskIds[0]!;
  return new ResultTimeoutError(
    first,
    timeout,
    missing.get(first),
    connectionError,
    { total, count: missing.size, taskIds },
    activity,
  );
}

/** Reports an error of the callback as uncaught, so that it neither breaks the caller nor is lost. */
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
