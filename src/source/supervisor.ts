import { RedisConnectionError } from "../errors.ts";
import type { StoredDocument } from "../formats/types.ts";
import type { EventOrigin, ResultEvent } from "../protocol/meta.ts";
import type { RedisLink } from "../redis/link.ts";
import { backoff } from "../retry/policy.ts";
import { Deadline } from "../util/deadline.ts";
import { onAbort } from "../util/on_abort.ts";
import { pause } from "../util/pause.ts";
import { toError } from "../util/to_error.ts";
import type { Attachment, Subscriptions } from "./attachment.ts";
import { type ConnectOptions, connectWithRetry } from "./connect.ts";
import { ConnectionHistory } from "./connection_history.ts";
import { Delivery } from "./delivery.ts";
import type { PendingCommands } from "./pending_commands.ts";
import { ReadSize } from "./read_size.ts";
import { renewWithRetry, subscribeAwaited } from "./rotation.ts";
import { SourceLink, type SourceLinkOptions } from "./source_link.ts";
import type { Watch } from "./watch.ts";
import type { WatchTable } from "./watch_table.ts";

/** A link that dies younger than this is redialled after growing waits. */
const SHORT_LIFE_MS = 1000;

/** What a {@linkcode Supervisor} works with. */
export interface SupervisorOptions extends ConnectOptions {
  /** Who awaits what. */
  readonly table: WatchTable;
  /** The commands in progress. */
  readonly commands: PendingCommands;
  /** Milliseconds per round of re-reading; 0 turns it off. */
  readonly reconcile: number;
  /** Milliseconds that commands have to finish on a link that is to end. */
  readonly closeTimeout: number;
  /** Decodes a document, or throws a {@linkcode DecodeError}. */
  decode(
    document: StoredDocument,
    taskId: string,
    origin: EventOrigin,
  ): ResultEvent;
}

/** How the active link ended. */
interface Loss {
  readonly reason: Error;
  /** Milliseconds that the link was active. */
  readonly age: number;
}

/**
 * Keeps a source connected while anybody waits: it connects and reconnects,
 * attaches every awaited key to each link, delivers what the link brings, and
 * replaces the link before its credentials expire.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #linkOptions: SourceLinkOptions;
  readonly #history: ConnectionHistory;
  // What `close` has to wait for.
  readonly #tasks = new Set<Promise<void>>();
  #active: SourceLink | undefined;
  // Settled when the active link has ended.
  #lost = Promise.withResolvers<Loss>();
  // Settled with the next link, or with the failure of the attempt to make it.
  #next = nextLink();
  #running: AbortController | undefined;
  #renewal: AbortController | undefined;
  #isKeptAlive = true;
  #closed: Error | undefined;
  // Settled when nothing is awaited or running; only a drain waits for it.
  #idle: PromiseWithResolvers<void> | undefined;

  /** Prepares; nothing is dialled before {@linkcode demandChanged} finds that somebody waits. */
  constructor(options: SupervisorOptions) {
    const { table, retries, status, decode } = options;
    this.#options = options;
    this.#history = new ConnectionHistory(retries, status);
    this.#linkOptions = {
      ...options,
      delivery: new Delivery({
        table,
        decode,
        onAbandoned: (watch) => this.detach(watch),
      }),
      readSize: new ReadSize(),
      onNotice: (notice) => this.#history.reportOnce(notice),
    };
  }

  /** The last error of a link or of an attempt to connect; undefined while all is well. */
  get lastError(): Error | undefined {
    return this.#history.lastError ?? this.#active?.attachment?.unreachable;
  }

  /** What is being done to connect and to read keys, for messages. */
  get activity(): string {
    const { address } = this.#options;
    const { isConnecting, step } = this.#history.attempt;
    const activity = this.#active !== undefined
      ? `subscribing to keys at ${address} and reading them`
      : isConnecting
      ? `connecting to ${address}`
      : `waiting to connect to ${address} again`;
    return step === undefined ? activity : `${activity}: ${step}`;
  }

  /** Attaches a key for a reader that was added to it. A key that is not new is only read. */
  attach(watch: Watch, isNew: boolean): void {
    const attachment = this.#active?.attachment;
    if (isNew) attachment?.add(watch);
    else attachment?.reread(watch);
  }

  /** Detaches a key that nobody awaits any more. */
  detach(watch: Watch): void {
    const attachment = this.#active?.attachment;
    if (attachment === undefined) this.#options.table.delete(watch);
    else attachment.leave(watch);
    this.demandChanged();
  }

  /** Connects, or stops trying to, depending on whether anybody waits. */
  demandChanged(): void {
    const isWanted = this.#isWanted;
    if (this.#isKeptAlive !== isWanted) {
      this.#isKeptAlive = isWanted;
      this.#active?.link.keepAlive(isWanted);
    }
    if (isWanted) {
      if (this.#running !== undefined || this.#closed !== undefined) return;
      this.#running = new AbortController();
      this.#track(this.#run(this.#running.signal));
      return;
    }
    this.#notifyIdle();
    if (this.#active !== undefined || this.#running === undefined) return;
    // Nobody waits: a dead link is not redialled until somebody does. Settling
    // the promise releases what cancelled calls have attached to it.
    this.#running.abort();
    this.#takeNext().reject(new RedisConnectionError("Nobody waits any more"));
  }

  /** Whether no task is awaited and no command is running. */
  get isIdle(): boolean {
    return !this.#isWanted;
  }

  /** Resolves once nothing is awaited or running. */
  async whenIdle(): Promise<void> {
    if (this.isIdle) return;
    this.#idle ??= Promise.withResolvers<void>();
    await this.#idle.promise;
  }

  /** Resolves to the active link, or the next one. Rejects if the next attempt to connect fails. */
  link(): Promise<RedisLink> {
    if (this.#active !== undefined) return Promise.resolve(this.#active.link);
    this.demandChanged();
    return this.#next.promise;
  }

  /**
   * Ends every wait with `reason`; commands that have a link finish, within a
   * deadline. Resolves when nothing is left of any link.
   */
  async close(reason: Error): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = reason;
      this.#fail(reason);
      this.#renewal?.abort(reason);
      this.#options.commands.abort(reason);
      if (this.#active !== undefined) {
        this.#track(this.#endAfterCommands(this.#active.link, reason));
      }
    }
    // One task may begin another while it ends.
    while (this.#tasks.size > 0) await Promise.all(this.#tasks);
  }

  get #isWanted(): boolean {
    const { commands, table } = this.#options;
    return table.awaitedCount > 0 || commands.size > 0;
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }

  /** The loop: one link after the other, as long as anybody waits. */
  async #run(signal: AbortSignal): Promise<void> {
    const { retries, status } = this.#options;
    let shortLives = 0;
    try {
      do {
        signal.throwIfAborted();
        await connectWithRetry(
          this.#options,
          this.#history,
          (attempt, signal) => this.#attempt(attempt, signal),
          signal,
        );
        const { reason, age } = await this.#lost.promise;
        const loss = this.#history.asRetriable(reason);
        if (this.#closed !== undefined) break;
        status.emit({ type: "disconnected", error: loss });
        if (!retries.isRetriable(loss)) throw loss;
        shortLives = age < SHORT_LIFE_MS ? shortLives + 1 : 0;
        if (this.#isWanted && shortLives > 0) {
          await this.#waitToReconnect(shortLives, loss, signal);
        }
      } while (this.#isWanted);
      this.#running = undefined;
    } catch (error) {
      this.#running = undefined;
      // Nobody waited any more, but somebody may have come while this ended.
      if (signal.aborted) this.demandChanged();
      else this.#fail(toError(error));
    }
  }

  async #waitToReconnect(
    attempt: number,
    error: Error,
    signal: AbortSignal,
  ): Promise<void> {
    const { reconnect, retries, runtime } = this.#options;
    const delay = backoff(reconnect, attempt, () => runtime.random());
    retries.notify({
      kind: "reconnect",
      attempt,
      maxAttempts: Infinity,
      delay,
      error,
    });
    await pause(delay, runtime, signal, { persistent: true });
    signal.throwIfAborted();
  }

  /** Makes one attempt: a fresh link, with every awaited key attached to it. */
  async #attempt(attempt: number, signal: AbortSignal): Promise<void> {
    const { status, table } = this.#options;
    const history = this.#history;
    status.emit({ type: "connecting", attempt });
    const progress = history.beginAttempt();
    let opened: SourceLink;
    try {
      opened = await SourceLink.open(
        this.#linkOptions,
        signal,
        (step) => progress.step = step,
      );
    } catch (thrown) {
      // A cancelled attempt does not count: the next one, or the end of
      // retrying, settles the waits for a link.
      if (signal.aborted) throw thrown;
      const error = history.asRetriable(toError(thrown));
      history.failed(error);
      this.#takeNext().reject(error);
      throw error;
    } finally {
      progress.isConnecting = false;
      progress.step = undefined;
    }
    if (signal.aborted) {
      this.#track(opened.link.end(toError(signal.reason)));
      throw signal.reason;
    }
    const lost = this.#lost = Promise.withResolvers();
    const { attached } = this.#activate(opened);
    this.#takeNext().resolve(opened.link);
    const keys = table.awaitedCount;
    const loss = await Promise.race([attached, lost.promise]);
    if (loss !== undefined) throw history.asRetriable(loss.reason);
    const isFirst = !history.hasConnected;
    history.connected();
    status.emit({ type: "connected" });
    if (!isFirst) status.emit({ type: "resynced", keys });
    this.#maintain(opened);
  }

  /** Makes a link the active one, instead of the current one if there is any. */
  #activate(next: SourceLink, subscriptions?: Subscriptions): Attachment {
    this.#active?.deactivate();
    this.#active = next;
    next.link.keepAlive(this.#isKeptAlive);
    next.link.ended.then((reason) => this.#onEnded(next, reason));
    return next.activate(subscriptions);
  }

  #onEnded(ended: SourceLink, reason: Error): void {
    this.#track(ended.link.end(reason));
    // Another link may have replaced it.
    if (this.#active !== ended) return;
    ended.deactivate();
    this.#active = undefined;
    this.#history.failed(reason);
    this.#lost.resolve({ reason, age: ended.age });
  }

  #maintain(active: SourceLink): void {
    // Its end, or its replacement, may have come first.
    if (this.#active !== active) return;
    active.maintain(() => this.#track(this.#renew(active)));
  }

  /** Replaces a link before its credentials expire, without interrupting delivery. */
  async #renew(old: SourceLink): Promise<void> {
    if (this.#closed !== undefined) return;
    if (this.#isWanted) {
      const renewal = this.#renewal = new AbortController();
      const { signal } = renewal;
      old.link.ended.then((reason) => renewal.abort(reason));
      const isUnwanted = await renewWithRetry(
        this.#options,
        () => this.#replace(old, signal),
        () => this.#isWanted,
        signal,
      );
      if (!isUnwanted) return;
    }
    await old.link.end(
      new RedisConnectionError(
        "The idle connection was closed before its credentials expire",
      ),
    );
  }

  /** One attempt to replace a link. Why that loses no outcome: see {@linkcode subscribeAwaited}. */
  async #replace(old: SourceLink, signal: AbortSignal): Promise<void> {
    const { status, table } = this.#options;
    const next = await SourceLink.open(this.#linkOptions, signal);
    const { link } = next;
    using _abort = onAbort(signal, (reason) => void link.end(toError(reason)));
    try {
      const subscriptions = await subscribeAwaited(link, table);
      signal.throwIfAborted();
      const { attached } = this.#activate(next, subscriptions);
      const keys = table.awaitedCount;
      this.#track(
        Promise.race([attached, link.ended]).then(() => {
          if (this.#active !== next) return;
          status.emit({ type: "resynced", keys });
          this.#maintain(next);
        }),
      );
    } catch (error) {
      await link.end(toError(error));
      throw error;
    }
    const reason = new RedisConnectionError(
      "The connection was replaced before its credentials expire",
    );
    this.#track(this.#endAfterCommands(old.link, reason));
  }

  /** Ends a link once the commands in progress are done: some take several steps on one link. */
  async #endAfterCommands(link: RedisLink, reason: Error): Promise<void> {
    const { closeTimeout, commands, runtime } = this.#options;
    using deadline = new Deadline(runtime, closeTimeout);
    await Promise.race([commands.settled(), deadline.passed, link.ended]);
    await link.end(reason);
  }

  /** Fails everybody who waits: nothing more will come. */
  #fail(error: Error): void {
    this.#running?.abort(error);
    this.#takeNext().reject(error);
    this.#options.status.emit(
      error === this.#closed ? { type: "closed" } : { type: "failed", error },
    );
    // Last: a reader may begin the next run.
    this.#options.table.fail(error);
    // The readers that failed have nothing left to detach.
    if (this.isIdle) this.#notifyIdle();
  }

  #notifyIdle(): void {
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  /** The promise given to those who wait for a link so far; the caller settles it. */
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
