import { Attachment, ReadSize } from "./attachment.ts";
import type { Delivery } from "./delivery.ts";
import { RedisConnectionError } from "../errors.ts";
import { Reconciler } from "./reconciler.ts";
import type { RedisDriver, RedisLink } from "../redis/link.ts";
import { isPossiblyTransient } from "../redis/retriable.ts";
import type { RetryPolicy } from "../retry/retry.ts";
import type { RetryListener } from "../retry/listener.ts";
import { chunks, Expiry, rotate } from "./rotation.ts";
import type { Runtime } from "../runtime.ts";
import type { StatusHub } from "../status.ts";
import { toError } from "../util/to_error.ts";
import type { WatchTable } from "./watch_table.ts";

/** What a keeper works on. */
export interface SupervisorOptions {
  /** The way to reach Redis. */
  readonly driver: RedisDriver;
  /** What is awaited. */
  readonly table: WatchTable;
  /** Takes what links bring. */
  readonly delivery: Delivery;
  /** Milliseconds per round of re-reading; 0 is off. */
  readonly reconcile: number;
  /** Milliseconds that commands under way have to finish on a link that was replaced. */
  readonly closeTimeout: number;
  /** How a replacement is tried again. */
  readonly reconnect: RetryPolicy;
  /** Says what is tried again. */
  readonly retries: RetryListener;
  /** Told how things stand. */
  readonly status: StatusHub;
  /** The world outside. */
  readonly runtime: Runtime;
  /** Whether anybody waits. */
  isWanted(): boolean;
  /** Resolves when the commands that are under way now are over. */
  commandsOver(): Promise<unknown>;
  /** Told why the link in place has ended. */
  onEnded(reason: Error): void;
  /** Takes what the end of the source has to wait for. */
  track(work: Promise<void>): void;
}

/** A link, and what its keeper knows of it. */
export interface ActiveLink {
  /** The link itself. */
  readonly link: RedisLink;
  /** Until when it may live. */
  readonly expiry: Expiry;
  /** Whether its messages are delivered. */
  readonly gate: { isOpen: boolean };
  /** What took its place while it worked. */
  successor: ActiveLink | undefined;
  /** Settled when something did. */
  readonly replaced: PromiseWithResolvers<void>;
  /** When it got its place, by the runtime's `now()`. */
  since: number;
}

/**
 * Keeps the one link of a source, with what is at work on it: the attachment,
 * the reconciler, and the timer of its credentials. Before these expire, it
 * puts a fresh link in its place.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #readSize = new ReadSize();
  readonly #told = new Set<string>();
  #link: RedisLink | undefined;
  #attachment: Attachment | undefined;
  #reconciler: Reconciler | undefined;
  #rotation: AbortController | undefined;
  #isStopped = false;
  #kept = true;

  /** Begins with none. */
  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** The present link; undefined where there is none. */
  get link(): RedisLink | undefined {
    return this.#link;
  }

  /** What attaches keys to the present link. */
  get attachment(): Attachment | undefined {
    return this.#attachment;
  }

  /** Lets the link keep the process alive, or not. */
  keepAlive(keep: boolean): void {
    if (this.#kept === keep) return;
    this.#kept = keep;
    this.#link?.keepAlive(keep);
  }

  /** Puts no other link in the place of the present one any more. */
  stop(reason: Error): void {
    this.#isStopped = true;
    this.#rotation?.abort(reason);
  }

  /**
   * Makes a link, whose messages are dropped until it gets its place. `onStep`
   * is told what it waits for meanwhile, and later when it dials again.
   */
  async open(
    signal: AbortSignal,
    onStep: (step: string | undefined) => void = () => {},
  ): Promise<ActiveLink> {
    const { delivery, driver, runtime, table } = this.#options;
    const gate = { isOpen: false };
    const expiry = new Expiry(runtime, () =>
      this.#degraded(
        new Error(
          "Cannot renew the connection before its credentials expire: their expiresAt has passed already, check the clocks",
        ),
      ));
    const link = await driver.connect({
      onMessage: (channel, payload) => {
        if (!gate.isOpen) return;
        const undecodable = delivery.live(channel, payload);
        if (undecodable !== undefined) {
          this.#attachment?.reread(undecodable);
        }
      },
      onNotice: (error) => this.#degraded(error),
      onExpires: (at) => expiry.tell(at),
      onStep,
      onMoved: (channels) => {
        if (!gate.isOpen) return;
        for (const channel of channels) {
          const watch = table.get(channel);
          if (watch !== undefined) this.#attachment?.reread(watch);
        }
      },
    }, signal);
    return {
      link,
      expiry,
      gate,
      successor: undefined,
      replaced: Promise.withResolvers(),
      since: runtime.now(),
    };
  }

  /**
   * Gives a link its place: it delivers from now on, and every awaited key is
   * attached to it, those that are `subscribed` by being read alone. `ended`
   * rejects when the link ends.
   */
  activate(
    kept: ActiveLink,
    subscribed?: ReadonlySet<string>,
  ): { attachment: Attachment; ended: Promise<never> } {
    const { onEnded, runtime, table, track } = this.#options;
    const { link } = kept;
    this.#link = link;
    link.keepAlive(this.#kept);
    kept.since = runtime.now();
    const attachment = this.#attach(kept, subscribed);
    const ended = link.ended.then((reason) => {
      kept.expiry.stop();
      // Another one has its place.
      if (this.#link !== link) throw reason;
      onEnded(reason);
      this.#attachment?.stop();
      this.#reconciler?.stop();
      this.#link = this.#attachment = this.#reconciler = undefined;
      table.sweep();
      throw reason;
    });
    ended.catch((reason) => track(link.end(reason)));
    return { attachment, ended };
  }

  /** Every awaited key is attached to a link: what is done now and then may begin. */
  onAttached(kept: ActiveLink, attachment: Attachment): void {
    // It may be over, or another one have its place.
    if (this.#attachment !== attachment) return;
    const { table, reconcile, runtime, status, track } = this.#options;
    // An attachment may still be settled when both links are mute already.
    this.#reconciler?.stop();
    this.#reconciler = new Reconciler({
      table,
      attachment,
      period: reconcile,
      status,
      runtime,
    });
    kept.expiry.start(() => track(this.#rotate(kept)));
  }

  #attach(
    { link, gate }: ActiveLink,
    subscribed: ReadonlySet<string> = new Set(),
  ): Attachment {
    const { delivery, runtime, table } = this.#options;
    gate.isOpen = true;
    return this.#attachment = new Attachment({
      link,
      table,
      delivery,
      readSize: this.#readSize,
      runtime,
      subscribed,
    });
  }

  /** Puts a fresh link in the place of one whose credentials expire. */
  async #rotate(old: ActiveLink): Promise<void> {
    const { closeTimeout, isWanted, reconnect, runtime } = this.#options;
    if (this.#isStopped) return;
    if (!isWanted()) return await endIdle(old.link);
    const rotation = this.#rotation = new AbortController();
    old.link.ended.then((reason) => rotation.abort(reason));
    await rotate<ActiveLink>({
      open: (signal) => this.open(signal),
      channels: () => this.#channels(),
      mute: () => {
        old.gate.isOpen = false;
        this.#attachment?.stop();
        this.#reconciler?.stop();
      },
      replace: (next, subscribed) => this.#replace(old, next, subscribed),
      unmute: () => this.#unmute(old),
      onFailure: this.#failureOf(old),
      muteTimeout: closeTimeout,
      reconnect,
      runtime,
    }, rotation.signal);
    if (this.#rotation === rotation) this.#rotation = undefined;
  }

  #channels(): string[] {
    const channels: string[] = [];
    for (const { key, first } of this.#options.table) {
      if (first !== undefined) channels.push(key);
    }
    return channels;
  }

  #replace(
    old: ActiveLink,
    next: ActiveLink,
    subscribed: ReadonlySet<string>,
  ): void {
    const { table, track } = this.#options;
    old.successor = next;
    old.replaced.resolve();
    table.sweep();
    const left = Array.from(subscribed).filter((key) =>
      table.get(key) === undefined
    );
    this.#unsubscribe(next.link, left);
    this.#resync(next, this.activate(next, subscribed).attachment);
    track(this.#retire(old));
  }

  /** Goes on with the old link: the fresh one failed while both were mute. */
  #unmute(old: ActiveLink): void {
    const { table } = this.#options;
    const subscribed = new Set<string>();
    const unsure: string[] = [];
    for (const { key, first, phase } of table) {
      if (first !== undefined && phase === "subscribed") {
        subscribed.add(key);
      } else if (phase !== "queued") {
        unsure.push(key);
      }
    }
    this.#unsubscribe(old.link, unsure);
    table.sweep();
    this.#resync(old, this.#attach(old, subscribed));
  }

  /** Takes why a replacement failed, tells the first reason, and says whether to try again. */
  #failureOf(old: ActiveLink): (error: Error) => boolean {
    const { isWanted, retries, status, track } = this.#options;
    let isTold = false;
    return (error) => {
      if (!isTold) {
        isTold = true;
        const message =
          `Cannot renew the connection before its credentials expire: ${error.message}`;
        status.emit({
          type: "degraded",
          error: new Error(message, { cause: error }),
        });
      }
      // The link that is to be replaced worked.
      if (isWanted()) {
        return retries.isRetriable(error) || isPossiblyTransient(error);
      }
      track(endIdle(old.link));
      return false;
    };
  }

  /** Unsubscribes, before anything else is sent, what the next attachment takes for not subscribed. */
  #unsubscribe(link: RedisLink, keys: readonly string[]): void {
    for (const chunk of chunks(keys)) {
      // What fails on a link ends it.
      link.unsubscribe(chunk).catch((error) => link.end(toError(error)));
    }
  }

  /** Tells of an attach without a break in the connection. */
  #resync(kept: ActiveLink, attachment: Attachment): void {
    const { status, table, track } = this.#options;
    const keys = table.awaited;
    const attached = Promise.race([
      attachment.attached.then(() => {
        if (this.#attachment !== attachment) return;
        status.emit({ type: "resynced", keys });
        this.onAttached(kept, attachment);
      }),
      kept.link.ended.then(() => {}),
    ]);
    track(attached);
  }

  /**
   * Ends a link that another one has taken the place of, once the commands of
   * that moment are over: one that takes several steps goes on with its link.
   */
  async #retire({ link }: ActiveLink): Promise<void> {
    const { closeTimeout, commandsOver, runtime } = this.#options;
    const late = Promise.withResolvers<void>();
    const timer = runtime.setTimer(late.resolve, closeTimeout, false);
    await Promise.race([commandsOver(), late.promise, link.ended]);
    runtime.clearTimer(timer);
    await link.end(
      new RedisConnectionError(
        "The connection was replaced before its credentials expire",
      ),
    );
  }

  /** Each link may meet the same refusal: it is told once. */
  #degraded(error: Error): void {
    if (this.#told.has(error.message)) return;
    this.#told.add(error.message);
    this.#options.status.emit({ type: "degraded", error });
  }
}

/** Ends a link that nobody uses; the next use makes a fresh one. */
function endIdle(link: RedisLink): Promise<void> {
  return link.end(
    new RedisConnectionError(
      "The idle connection was closed before its credentials expire",
    ),
  );
}
