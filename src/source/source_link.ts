import type { StoredDocument } from "../formats/types.ts";
import type { RedisDriver, RedisLink } from "../redis/link.ts";
import type { Runtime } from "../runtime.ts";
import type { StatusHub } from "../status.ts";
import { Attachment, type Subscriptions } from "./attachment.ts";
import type { Delivery } from "./delivery.ts";
import { RenewalTimer } from "./renewal_timer.ts";
import type { ReadSize } from "./read_size.ts";
import { Reconciler } from "./reconciler.ts";
import type { WatchTable } from "./watch_table.ts";

/** What a {@linkcode SourceLink} works with. */
export interface SourceLinkOptions {
  /** How to reach Redis. */
  readonly driver: RedisDriver;
  /** Who awaits what. */
  readonly table: WatchTable;
  /** Where messages go. */
  readonly delivery: Delivery;
  /** How large reads may be. */
  readonly readSize: ReadSize;
  /** Milliseconds per round of re-reading; 0 turns it off. */
  readonly reconcile: number;
  /** Receives each round's outcome. */
  readonly status: StatusHub;
  /** The clock and the timers. */
  readonly runtime: Runtime;
  /** Called with what does not work as it should, but is no reason to stop. */
  onNotice(notice: Error): void;
}

/**
 * A link and what works on it: the attachment, the reconciler, and the timer of
 * its credentials. Its messages are dropped unless it is active.
 */
export class SourceLink {
  readonly #options: SourceLinkOptions;
  readonly #expiry: RenewalTimer;
  #link!: RedisLink;
  #attachment: Attachment | undefined;
  #reconciler: Reconciler | undefined;
  #activatedAt = 0;

  private constructor(options: SourceLinkOptions) {
    this.#options = options;
    this.#expiry = new RenewalTimer(options.runtime, () =>
      options.onNotice(
        new Error(
          "Cannot renew the connection before its credentials expire: their expiresAt is in the past, check the clocks",
        ),
      ));
  }

  /**
   * Makes one attempt to connect. `onStep` is called with what it waits for,
   * also later on, when the link dials again.
   */
  static async open(
    options: SourceLinkOptions,
    signal: AbortSignal,
    onStep: (step: string | undefined) => void = () => {},
  ): Promise<SourceLink> {
    const opened = new SourceLink(options);
    opened.#link = await options.driver.connect({
      onMessage: (channel, document) => opened.#receive(channel, document),
      onMoved: (channels) => opened.#rereadMoved(channels),
      onExpires: (at) => opened.#expiry.add(at),
      onNotice: (notice) => options.onNotice(notice),
      onStep,
    }, signal);
    return opened;
  }

  /** The link itself. */
  get link(): RedisLink {
    return this.#link;
  }

  /** What attaches keys to the link; undefined unless it is active. */
  get attachment(): Attachment | undefined {
    return this.#attachment;
  }

  /** Milliseconds since it was activated. */
  get age(): number {
    return this.#options.runtime.now() - this.#activatedAt;
  }

  /**
   * Delivers messages from now on, and attaches every awaited key; those that
   * the link is subscribed to already are only read.
   */
  activate(subscriptions?: Subscriptions): Attachment {
    this.#activatedAt = this.#options.runtime.now();
    return this.#attachment = new Attachment({
      ...this.#options,
      link: this.#link,
      subscriptions,
    });
  }

  /**
   * Starts to reconcile. Calls `onExpiring` when it is time to replace the
   * link, before its credentials expire.
   */
  maintain(onExpiring: () => void): void {
    if (this.#attachment === undefined) return;
    this.#reconciler = new Reconciler({
      ...this.#options,
      attachment: this.#attachment,
      period: this.#options.reconcile,
    });
    this.#expiry.start(onExpiring);
  }

  /** Delivers nothing any more. The link itself lives on. */
  deactivate(): void {
    this.#expiry.stop();
    this.#reconciler?.stop();
    this.#attachment?.stop();
    this.#attachment = this.#reconciler = undefined;
  }

  #receive(channel: string, document: StoredDocument): void {
    const attachment = this.#attachment;
    if (attachment === undefined) return;
    const undecodable = this.#options.delivery.deliverMessage(
      channel,
      document,
    );
    if (undecodable !== undefined) attachment.reread(undecodable);
  }

  #rereadMoved(channels: readonly string[]): void {
    for (const channel of channels) {
      const watch = this.#options.table.get(channel);
      if (watch !== undefined) this.#attachment?.reread(watch);
    }
  }
}
