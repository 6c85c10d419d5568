import { Deque } from "../deps/deque.ts";
import type { StoredDocument } from "../formats/types.ts";
import type { RedisLink } from "../redis/link.ts";
import { UnreachableChannelsError } from "../redis/unreachable.ts";
import type { Runtime } from "../runtime.ts";
import { chunks } from "../util/chunks.ts";
import { toError } from "../util/to_error.ts";
import type { Delivery } from "./delivery.ts";
import type { ReadSize } from "./read_size.ts";
import { UnreachableKeys } from "./unreachable_keys.ts";
import type { Watch } from "./watch.ts";
import type { WatchTable } from "./watch_table.ts";

/** Channels in one SUBSCRIBE or UNSUBSCRIBE: the replies, about 90 KB, stay far below Redis's output limits. */
export const MAX_CHANNELS = 1000;
/** Commands of a kind in flight: enough to hide the round trip, few enough to hold up little else. */
const MAX_IN_FLIGHT = 4;

/**
 * The channels that a link was subscribed to, and confirmed, before it was
 * attached. For each, the `publishedAfter` to begin with: an outcome that is
 * published ends only waits that began before that tick.
 */
export type Subscriptions = ReadonlyMap<string, number>;

/** What an {@linkcode Attachment} works with. */
export interface AttachmentOptions {
  /** The link to attach. */
  readonly link: RedisLink;
  /** Who awaits what. */
  readonly table: WatchTable;
  /** Where documents go. */
  readonly delivery: Delivery;
  /** How large reads may be. */
  readonly readSize: ReadSize;
  /** The clock and the timers. */
  readonly runtime: Runtime;
  /** What the link is subscribed to already: such keys are only read. */
  readonly subscriptions?: Subscriptions | undefined;
}

/**
 * Keeps one link attached to every awaited key: it subscribes, waits until the
 * server has confirmed, and then reads what the key holds. A result that is
 * stored before the confirmation is read; one that is stored after it is
 * published to us. The opposite order, to read and then to subscribe, loses
 * what is stored in between.
 *
 * Keys go in chunks, a few in flight. What is added while a chunk is in flight
 * goes with the next one.
 */
export class Attachment {
  readonly #link: RedisLink;
  readonly #table: WatchTable;
  readonly #delivery: Delivery;
  readonly #readSize: ReadSize;
  readonly #queue = new Deque<Watch>();
  readonly #unread = new Set<Watch>();
  readonly #unreachable: UnreachableKeys;
  #leaving: Watch[] = [];
  // When it began, in ticks, which also identifies it.
  readonly #id: number;
  // Awaited before this link was made, and not yet attached to it.
  readonly #notYetAttached: Set<Watch>;
  readonly #attached = Promise.withResolvers<void>();
  #subscribing = 0;
  #reading = 0;
  #unsubscribing = 0;
  #isScheduled = false;
  #isStopped = false;

  /** Begins to attach every key in the table. */
  constructor(options: AttachmentOptions) {
    const { link, table, delivery, readSize, runtime, subscriptions } = options;
    this.#link = link;
    this.#table = table;
    this.#delivery = delivery;
    this.#readSize = readSize;
    this.#unreachable = new UnreachableKeys(runtime, (watches) => {
      for (const watch of watches) this.#queue.pushBack(watch);
      this.#schedule();
    });
    this.#id = table.tick();
    readSize.restart();
    if (subscriptions !== undefined) this.#unsubscribeUnawaited(subscriptions);
    this.#notYetAttached = new Set(table.leastRecentlyRead());
    for (const watch of this.#notYetAttached) {
      const since = subscriptions?.get(watch.key);
      if (since === undefined) {
        this.add(watch);
      } else {
        watch.confirmSubscription(since);
        this.reread(watch);
      }
    }
    if (this.#notYetAttached.size === 0) this.#attached.resolve();
  }

  /**
   * Resolves when every key that was in the table at the start is subscribed and
   * read, or left, or on a cluster node that cannot be reached.
   */
  get attached(): Promise<void> {
    return this.#attached.promise;
  }

  /** Why some keys cannot be attached for now; undefined if none is held up. */
  get unreachable(): Error | undefined {
    return this.#unreachable.error;
  }

  /** Attaches a key that is new in the table. */
  add(watch: Watch): void {
    watch.queue();
    this.#queue.pushBack(watch);
    this.#schedule();
  }

  /** Reads a key again: for a reader that joined, or after a message that could not be decoded. */
  reread(watch: Watch): void {
    // A key that is not subscribed yet is read after its confirmation.
    if (watch.phase !== "subscribed") return;
    this.#unread.add(watch);
    this.#schedule();
  }

  /**
   * Detaches a key that nobody awaits. It stays in the table until its
   * UNSUBSCRIBE is sent, so that a reader that comes before finds it subscribed.
   */
  leave(watch: Watch): void {
    this.#markAttached(watch);
    if (watch.phase === "queued") {
      this.#table.delete(watch);
    } else if (watch.phase === "subscribed" && !watch.isLeaving) {
      watch.startLeaving();
      this.#leaving.push(watch);
      this.#schedule();
    }
  }

  /**
   * Reads keys as a precaution, and delivers what no message brought. Returns
   * the number of events delivered.
   */
  async check(watches: readonly Watch[]): Promise<number> {
    const subscribed = watches.filter(({ phase }) => phase === "subscribed");
    let delivered = 0;
    try {
      while (subscribed.length > 0) {
        delivered += await this.#read(
          subscribed.splice(0, this.#readSize.keys),
        );
      }
    } catch (error) {
      this.#endLink(error);
    }
    return delivered;
  }

  /** Stops, because the link is over: from now on it leaves the table alone. */
  stop(): void {
    this.#isStopped = true;
    this.#unreachable.stop();
    // Their UNSUBSCRIBE will not be sent any more.
    this.#table.deleteAbandoned();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    // Whatever is added in the same turn goes together.
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (!this.#isStopped) this.#pump();
    });
  }

  #pump(): void {
    // A chunk that is not full waits while another is in flight: a stream of
    // results then costs a fraction of the commands.
    while (
      this.#leaving.length >= (this.#unsubscribing === 0 ? 1 : MAX_CHANNELS) &&
      this.#unsubscribing < MAX_IN_FLIGHT
    ) {
      this.#unsubscribing++;
      this.#run(this.#unsubscribe().finally(() => this.#unsubscribing--));
    }
    while (this.#subscribing < MAX_IN_FLIGHT && this.#queue.length > 0) {
      this.#subscribing++;
      this.#run(this.#subscribe().finally(() => this.#subscribing--));
    }
    // Reads are sent even if partly full: a reader is waiting.
    while (this.#unread.size > 0 && this.#reading < this.#readSize.inFlight) {
      this.#reading++;
      const chunk: Watch[] = [];
      for (const watch of this.#unread) {
        this.#unread.delete(watch);
        chunk.push(watch);
        if (chunk.length >= this.#readSize.keys) break;
      }
      this.#run(this.#read(chunk).finally(() => this.#reading--));
    }
  }

  #run(work: Promise<unknown>): void {
    work.then(() => this.#schedule(), (error) => this.#endLink(error));
  }

  /** Any failure on a link ends it; the supervisor does the rest. */
  #endLink(error: unknown): void {
    this.#link.end(toError(error));
  }

  #unsubscribeUnawaited(subscriptions: Subscriptions): void {
    const unawaited = Array.from(subscriptions.keys()).filter((channel) =>
      this.#table.get(channel) === undefined
    );
    for (const chunk of chunks(unawaited, MAX_CHANNELS)) {
      this.#run(this.#link.unsubscribe(chunk));
    }
  }

  async #unsubscribe(): Promise<void> {
    const keys: string[] = [];
    for (const watch of this.#leaving.splice(0, MAX_CHANNELS)) {
      watch.stopLeaving();
      // Awaited again in the meantime.
      if (watch.isAwaited) continue;
      this.#table.delete(watch);
      keys.push(watch.key);
    }
    // An empty UNSUBSCRIBE would drop every channel.
    if (keys.length > 0) await this.#link.unsubscribe(keys);
  }

  async #subscribe(): Promise<void> {
    const chunk: Watch[] = [];
    while (chunk.length < MAX_CHANNELS) {
      const watch = this.#queue.popFront();
      if (watch === undefined) break;
      if (!watch.isAwaited) {
        this.#markAttached(watch);
        continue;
      }
      watch.startSubscribing();
      chunk.push(watch);
    }
    if (chunk.length === 0) return;
    const sent = this.#table.tick();
    const unreachable = await this.#subscribeReachable(chunk);
    // The next link may have begun to attach them.
    if (this.#isStopped) return;
    for (const watch of chunk) {
      if (unreachable.has(watch.key)) {
        this.#postpone(watch);
        continue;
      }
      watch.confirmSubscription(sent);
      // Nobody may be waiting any more.
      if (watch.isAwaited) this.#unread.add(watch);
      else this.leave(watch);
    }
  }

  /** Subscribes, and returns the keys whose node cannot be reached. */
  async #subscribeReachable(
    chunk: readonly Watch[],
  ): Promise<ReadonlySet<string>> {
    try {
      await this.#link.subscribe(chunk.map((watch) => watch.key));
      this.#unreachable.reached();
      return new Set();
    } catch (error) {
      if (!(error instanceof UnreachableChannelsError)) throw error;
      this.#unreachable.setError(error);
      return error.channels;
    }
  }

  /** Puts off a key whose node cannot be reached: the others do not wait for it. */
  #postpone(watch: Watch): void {
    watch.queue();
    // Nobody may be waiting any more.
    if (!watch.isAwaited) return this.leave(watch);
    this.#markAttached(watch);
    this.#unreachable.add(watch);
  }

  /**
   * Reads keys and delivers what they hold; what is not ready waits for the
   * fence. Returns the number of events delivered.
   */
  async #read(chunk: readonly Watch[]): Promise<number> {
    const watches = chunk.filter((watch) => {
      if (!watch.isAwaited) this.#markAttached(watch);
      return watch.isAwaited;
    });
    if (watches.length === 0) return 0;
    const sent = this.#table.tick();
    const documents = await this.#link.read(watches.map(({ key }) => key));
    // Another attachment reads them, and its link brings the messages.
    if (this.#isStopped) return 0;
    const unready: [Watch, StoredDocument][] = [];
    const overtaken: Watch[] = [];
    let delivered = 0;
    let found = 0;
    let bytes = 0;
    for (const [index, watch] of watches.entries()) {
      const document = documents[index];
      // No key: nothing is stored, or no longer. That is not an event.
      if (document === null || document === undefined) continue;
      found++;
      bytes += document.length;
      const readers = this.#delivery.deliverIfReady(watch, document, sent);
      if (readers === undefined) unready.push([watch, document]);
      else {
        delivered += readers;
        if (watch.waitBefore(sent) !== undefined) overtaken.push(watch);
      }
    }
    this.#readSize.learn(found, bytes);
    await this.#link.fence();
    if (this.#isStopped) return delivered;
    for (const [watch, document] of unready) {
      delivered += this.#delivery.deliverFenced(watch, document, sent);
    }
    for (const watch of watches) {
      if (watch.completeRead(sent, this.#id)) this.reread(watch);
      this.#markAttached(watch);
    }
    for (const watch of overtaken) {
      // The message that overtook it may have brought the outcome.
      if (watch.waitBefore(sent) !== undefined) this.reread(watch);
    }
    return delivered;
  }

  #markAttached(watch: Watch): void {
    if (this.#notYetAttached.size === 0) return;
    this.#notYetAttached.delete(watch);
    if (this.#notYetAttached.size === 0) this.#attached.resolve();
  }
}
