import { Delivery } from "./delivery.ts";
import {
  BackendClosedError,
  RedisConnectionError,
  RetryLimitError,
} from "../errors.ts";
import { type ActiveLink, Supervisor } from "./supervisor.ts";
import { pause } from "../util/pause.ts";
import { decodeEvent } from "../protocol/decode.ts";
import type { Formats } from "../formats/formats.ts";
import type { KeySpace } from "../protocol/keys.ts";
import type { RedisDriver, RedisLink } from "../redis/link.ts";
import { mayPass } from "../redis/retriable.ts";
import {
  AttemptsExhausted,
  backoffCeiling,
  type RetryPolicy,
  runWithRetry,
} from "../retry/retry.ts";
import type { RetryListener } from "../retry/listener.ts";
import type { Runtime } from "../runtime.ts";
import type { StatusHub } from "../status.ts";
import { toError } from "../util/to_error.ts";
import {
  Latch,
  type Reader,
  type Wait,
  type Watch,
  WatchTable,
} from "./watch_table.ts";

/** A link that dies younger than this is redialled with growing waits, in milliseconds. */
const SHORT_LIFE = 1000;

/** What a source works on. */
export interface SourceOptions {
  /** The way to reach Redis. */
  readonly driver: RedisDriver;
  /** How that is called in messages: a URL without secrets. */
  readonly address: string;
  /** How links are made anew. */
  readonly reconnect: RetryPolicy;
  /** Says what is tried again, and is told of it. */
  readonly retries: RetryListener;
  /** Milliseconds for the attempts before the first success. */
  readonly firstConnectTimeout: number;
  /** Milliseconds per round of re-reading; 0 is off. */
  readonly reconcile: number;
  /** Milliseconds that commands under way have to finish when the source is closed. */
  readonly closeTimeout: number;
  /** The names of keys. */
  readonly keys: KeySpace;
  /** What integers beyond 2^53 become in events. */
  readonly integers: "bigint" | "number";
  /** The formats that documents are read in; without them, JSON. */
  readonly formats?: Formats;
  /** Told how things stand. */
  readonly status: StatusHub;
  /** The world outside. */
  readonly runtime: Runtime;
}

/** An attempt to make a link, and what that does later. */
interface Attempt {
  isOver: boolean;
  /** What it waits for. */
  step: string | undefined;
}

/** A command under way. */
interface PendingCommand {
  readonly controller: AbortController;
  readonly over: PromiseWithResolvers<void>;
}

/**
 * The reconnecting pub/sub source that all readers of a backend share: it owns
 * the one link, and the table of what is awaited, which outlives links.
 *
 * It alone reconnects, by std/async's `retry`, and only while somebody waits.
 * Each attempt makes a fresh link and attaches every awaited key to it; what
 * was stored in between is found by reading.
 */
export class ResultSource {
  readonly #options: SourceOptions;
  readonly #table = new WatchTable();
  readonly #delivery: Delivery;
  readonly #keeper: Supervisor;
  readonly #ends = new Set<Promise<void>>();
  #next = nextLink();
  #running: AbortController | undefined;
  readonly #commands = new Set<PendingCommand>();
  #wasConnected = false;
  #lastError: Error | undefined;
  // The newest one; those before it may still tell of their steps.
  #attempted: Attempt = { isOver: true, step: undefined };
  // What was last told of a fault that may pass, in this outage.
  #toldFault: string | undefined;
  #closed: Error | undefined;
  // Told when no command is under way; only `close` waits for that.
  #finished: PromiseWithResolvers<void> | undefined;
  #idle: PromiseWithResolvers<void> | undefined;

  /** Prepares; nothing is dialled before somebody waits. */
  constructor(options: SourceOptions) {
    this.#options = options;
    this.#delivery = new Delivery({
      table: this.#table,
      decode: (document, taskId, origin) =>
        decodeEvent(document, taskId, options, origin),
      onAbandoned: (watch) => this.#abandoned(watch),
    });
    this.#keeper = new Supervisor({
      ...options,
      table: this.#table,
      delivery: this.#delivery,
      isWanted: () => this.#isWanted(),
      commandsOver: () =>
        Promise.all(Array.from(this.#commands, ({ over }) => over.promise)),
      onEnded: (reason) => {
        this.#lastError = reason;
      },
      track: (work) => this.#track(work),
    });
  }

  /** The last error of a link or of an attempt to make one; undefined while all is well. */
  get lastError(): Error | undefined {
    return this.#lastError ?? this.#keeper.attachment?.unreachable;
  }

  /** What is done at the moment to reach the server and to read keys, for messages. */
  get activity(): string {
    const { address } = this.#options;
    const { isOver, step } = this.#attempted;
    const activity = this.#keeper.link !== undefined
      ? `subscribing to keys at ${address} and reading them`
      : isOver
      ? `waiting to connect to ${address} again`
      : `connecting to ${address}`;
    return step === undefined ? activity : `${activity}: ${step}`;
  }

  /** Whether the key of a task that `reader` awaits was read since it began to. */
  wasRead(reader: Reader, taskId: string): boolean {
    return reader.waits.some(({ watch, latch }) =>
      watch.taskId === taskId && latch === undefined
    );
  }

  /**
   * Lets `reader` await tasks. Resolves when each is attached: subscribed,
   * confirmed and read. A task that the reader awaits already is not awaited
   * twice.
   *
   * @throws {TypeError} at once, if an id is empty or no string; none is added then.
   * @throws {BackendClosedError} at once, after `close`.
   */
  add(reader: Reader, taskIds: Iterable<string>): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    const { keys } = this.#options;
    const wanted: [key: string, taskId: string][] = [];
    // Not Array.from, to which a number is an empty list.
    for (const taskId of taskIds) wanted.push([keys.taskKey(taskId), taskId]);
    const latch = new Latch();
    for (const [key, taskId] of wanted) {
      const added = this.#table.add(reader, key, taskId, latch);
      if (added?.isNew) this.#keeper.attachment?.add(added.watch);
      else if (added !== undefined) {
        this.#keeper.attachment?.reread(added.watch);
      }
    }
    this.#demandChanged();
    return latch.promise;
  }

  /** Ends a reader's wait for some tasks. */
  remove(reader: Reader, taskIds: Iterable<string>): void {
    for (const taskId of taskIds) {
      const watch = this.#table.get(this.#options.keys.taskKey(taskId));
      const wait = watch && this.#table.waitOf(watch, reader);
      if (wait !== undefined) this.#leave(wait);
    }
    this.#demandChanged();
  }

  /** Ends all of a reader's waits. */
  removeAll(reader: Reader): void {
    while (reader.waits.length > 0) this.#leave(reader.waits.at(-1)!);
    this.#demandChanged();
  }

  /**
   * Runs `work`, which uses {@linkcode link}; meanwhile the source sees to it
   * that there is a link. The signal that `work` gets ends its waits between
   * two tries: it aborts with `signal`, or when the source is closed.
   */
  async withLink<T>(
    work: (waits: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    if (this.#closed !== undefined) throw this.#closed;
    const controller = new AbortController();
    const abort = (): void => controller.abort(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    const command = { controller, over: Promise.withResolvers<void>() };
    this.#commands.add(command);
    this.#demandChanged();
    try {
      return await work(controller.signal);
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#commands.delete(command);
      command.over.resolve();
      if (this.#commands.size === 0) this.#finished?.resolve();
      this.#demandChanged();
    }
  }

  /**
   * The present link, or the next one. Rejects if the next attempt to make one
   * fails.
   */
  link(): Promise<RedisLink> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const { link } = this.#keeper;
    if (link !== undefined) return Promise.resolve(link);
    this.#demandChanged();
    return this.#next.promise;
  }

  /** Whether no task is awaited and no command is running. */
  get isIdle(): boolean {
    return !this.#isWanted();
  }

  /** Resolves once the source is idle. */
  async whenIdle(): Promise<void> {
    if (this.isIdle) return;
    this.#idle ??= Promise.withResolvers<void>();
    await this.#idle.promise;
  }

  /**
   * Ends every wait with a BackendClosedError; commands that have a link
   * finish, within a deadline. Resolves when nothing is left of any link.
   */
  async close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = new BackendClosedError();
      this.#fail(this.#closed);
      this.#keeper.stop(this.#closed);
      for (const { controller } of this.#commands) {
        controller.abort(this.#closed);
      }
      const { link } = this.#keeper;
      if (link !== undefined) this.#track(this.#finish(link));
    }
    // An end may still begin while others are awaited.
    while (this.#ends.size > 0) await Promise.all(this.#ends);
  }

  #leave(wait: Wait): void {
    if (this.#table.leave(wait)) this.#abandoned(wait.watch);
  }

  #abandoned(watch: Watch): void {
    const { attachment } = this.#keeper;
    if (attachment === undefined) this.#table.delete(watch);
    else attachment.leave(watch);
    this.#demandChanged();
  }

  /** Starts or stops what depends on whether anybody waits. */
  #demandChanged(): void {
    const wanted = this.#isWanted();
    this.#keeper.keepAlive(wanted);
    if (!wanted) {
      this.#idle?.resolve();
      this.#idle = undefined;
    }
    if (wanted && this.#running === undefined && this.#closed === undefined) {
      this.#running = new AbortController();
      this.#track(this.#run(this.#running.signal));
    } else if (!wanted && this.#keeper.link === undefined) {
      // Nobody waits: a dead link is not redialled until somebody does.
      this.#running?.abort();
    }
  }

  #isWanted(): boolean {
    return this.#table.awaited > 0 || this.#commands.size > 0;
  }

  async #finish(link: RedisLink): Promise<void> {
    const { closeTimeout, runtime } = this.#options;
    const over = this.#finished = Promise.withResolvers<void>();
    const timer = runtime.setTimer(over.resolve, closeTimeout, true);
    if (this.#commands.size > 0) await Promise.race([over.promise, link.ended]);
    runtime.clearTimer(timer);
    await link.end(toError(this.#closed));
  }

  /** Remembers what `close` has to wait for. */
  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#ends.delete(tracked));
    this.#ends.add(tracked);
  }

  /** The loop: one link after the other, as long as somebody waits. */
  async #run(signal: AbortSignal): Promise<void> {
    const { reconnect, retries, runtime, status } = this.#options;
    let shortLives = 0;
    let lost: Error | undefined;
    try {
      for (;;) {
        signal.throwIfAborted();
        if (lost !== undefined && shortLives > 0) {
          const ceiling = backoffCeiling(reconnect, shortLives);
          retries.notify({
            kind: "reconnect",
            attempt: shortLives,
            maxAttempts: Infinity,
            delay: ceiling,
            error: lost,
          });
          // As std's `retry` has it; a schedule of the caller's is exact.
          const jitter = reconnect.delay === undefined ? reconnect.jitter : 0;
          const wait = ceiling * (1 - jitter * runtime.random());
          await pause(wait, runtime, signal, { persistent: true });
          signal.throwIfAborted();
        }
        let place = await this.#connect(signal);
        for (;;) {
          await Promise.race([place.link.ended, place.replaced.promise]);
          if (place.successor === undefined) break;
          // At once: the old one may take its time to end, and this one die.
          place = place.successor;
        }
        const reason = this.#asLoss(await place.link.ended);
        if (this.#closed !== undefined) break;
        status.emit({ type: "disconnected", error: reason });
        if (!retries.isRetriable(reason)) throw reason;
        lost = reason;
        shortLives = runtime.now() - place.since < SHORT_LIFE
          ? shortLives + 1
          : 0;
        if (!this.#isWanted()) break;
      }
      this.#running = undefined;
    } catch (error) {
      this.#running = undefined;
      // Nobody waited any more; but somebody may have come while this ended.
      if (signal.aborted) this.#demandChanged();
      else this.#fail(toError(error));
    }
  }

  /** Makes a link, by as many attempts as it takes. */
  async #connect(signal: AbortSignal): Promise<ActiveLink> {
    const {
      address,
      driver,
      reconnect,
      retries,
      firstConnectTimeout,
      runtime,
    } = this.#options;
    const { maxAttempts } = reconnect;
    const giveUp = new AbortController();
    const timer = this.#wasConnected || firstConnectTimeout === Infinity
      ? undefined
      : runtime.setTimer(() => giveUp.abort(), firstConnectTimeout, true);
    const either = AbortSignal.any([signal, giveUp.signal]);
    let attempts = 0;
    try {
      return await runWithRetry(reconnect, (attempt) => {
        attempts = attempt;
        return this.#attempt(attempt, either);
      }, {
        signal: either,
        isRetriable: (error) => retries.isRetriable(error),
        runtime,
        ...(driver.topologyChanged === undefined ? {} : {
          drawsWaits: true,
          wakeUp: (signal) =>
            driver.topologyChanged?.(signal) ?? Promise.resolve(),
        }),
        onFailure: (error, attempt, ceiling) => {
          const failure = { attempt, maxAttempts, delay: ceiling, error };
          const message = retries.notify(
            { kind: "reconnect", ...failure },
            this.#wasConnected,
          );
          this.#options.status.emit({ type: "retrying", ...failure, message });
        },
      });
    } catch (error) {
      const isOver = error instanceof AttemptsExhausted ||
        (giveUp.signal.aborted && !signal.aborted);
      if (!isOver) throw error;
      const cause = this.#lastError;
      throw new RetryLimitError(
        `Gave up connecting to ${address} after ${attempts} ${
          attempts === 1 ? "attempt" : "attempts"
        }${
          error instanceof AttemptsExhausted
            ? ""
            : ` and ${firstConnectTimeout} ms, never having reached it`
        }: ${cause?.message ?? "no answer"}. The next call tries afresh`,
        attempts,
        cause === undefined ? undefined : { cause },
      );
    } finally {
      if (timer !== undefined) runtime.clearTimer(timer);
    }
  }

  /** One attempt: a fresh link, with every awaited key attached to it. */
  async #attempt(attempt: number, signal: AbortSignal): Promise<ActiveLink> {
    const { status } = this.#options;
    status.emit({ type: "connecting", attempt });
    let kept: ActiveLink;
    const attempted: Attempt = { isOver: false, step: undefined };
    this.#attempted = attempted;
    try {
      kept = await this.#keeper.open(signal, (step) => attempted.step = step);
    } catch (thrown) {
      // One that was called off is no attempt: the next one, or the end of
      // retrying, tells those who wait.
      if (signal.aborted) throw thrown;
      const error = this.#lastError = this.#asLoss(toError(thrown));
      this.#takeNext().reject(error);
      throw error;
    } finally {
      attempted.isOver = true;
      attempted.step = undefined;
    }
    if (signal.aborted) {
      this.#track(kept.link.end(toError(signal.reason)));
      throw signal.reason;
    }
    const { ended, attachment } = this.#keeper.activate(kept);
    this.#takeNext().resolve(kept.link);
    const keys = this.#table.awaited;
    try {
      await Promise.race([attachment.attached, ended]);
    } catch (reason) {
      throw this.#asLoss(toError(reason));
    }
    this.#lastError = this.#toldFault = undefined;
    status.emit({ type: "connected" });
    if (this.#wasConnected) status.emit({ type: "resynced", keys });
    this.#wasConnected = true;
    this.#keeper.onAttached(kept, attachment);
    return kept;
  }

  /**
   * What worked before is given time: a fault that may pass is retried like a
   * lost connection, and reported once in each outage.
   */
  #asLoss(error: Error): Error {
    const { retries, status } = this.#options;
    if (
      !this.#wasConnected || retries.isRetriable(error) || !mayPass(error)
    ) return error;
    const loss = new RedisConnectionError(
      `${error.message}; it worked before, so it is tried again`,
      { cause: error },
    );
    if (this.#toldFault !== loss.message) {
      this.#toldFault = loss.message;
      status.emit({ type: "degraded", error: loss });
    }
    return loss;
  }

  /** Tells everybody who waits that nothing more will come. */
  #fail(error: Error): void {
    const isClosing = error === this.#closed;
    this.#running?.abort(error);
    this.#takeNext().reject(error);
    this.#options.status.emit(
      isClosing ? { type: "closed" } : { type: "failed", error },
    );
    // Last: a reader that leaves may begin the next run, for commands that are
    // tried again.
    this.#table.fail(error);
  }

  /** What those wait for who asked for a link so far; it is the caller's to settle. */
  #takeNext(): PromiseWithResolvers<RedisLink> {
    const next = this.#next;
    this.#next = nextLink();
    return next;
  }
}

function nextLink(): PromiseWithResolvers<RedisLink> {
  const next = Promise.withResolvers<RedisLink>();
  // There may be nobody who waits for it.
  next.promise.catch(() => {});
  return next;
}
