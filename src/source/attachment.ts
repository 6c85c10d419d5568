import { Deque } from "../deps/deque.ts";
import type { Delivery } from "./delivery.ts";
import type { RedisLink } from "../redis/link.ts";
import { UnreachableChannelsError } from "../redis/unreachable.ts";
import type { Runtime, Timer } from "../runtime.ts";
import { toError } from "../util/to_error.ts";
import { waitBefore, type Watch, type WatchTable } from "./watch_table.ts";
import type { StoredDocument } from "../formats/types.ts";

/** Keys in one SUBSCRIBE, UNSUBSCRIBE or read: a reply of that many stays far below every limit. */
const CHUNK = 1000;
/** Chunks in flight: enough to hide the round trip, few enough to be overtaken by nothing much. */
const IN_FLIGHT = 4;
/** Milliseconds until keys are tried again whose node of a cluster could not be reached; twice as many each time. */
const UNREACHABLE_WAIT = 250;
/** At most so many. */
const LONGEST_WAIT = 5000;
/** The size at which a read's reply is large enough. */
const READ_BYTES = 4 * 1024 * 1024;
/** Keys in the first read, when it is not known how large documents are. */
const FIRST_READ = 16;
/** How many times as many keys the next read may ask for, at most. */
const READ_GROWTH = 8;

/** How many keys a read may ask for, learnt from what earlier reads brought. It outlives links. */
export class ReadSize {
  readonly #first: number;
  #keys: number;
  #isKnown = false;

  /** Begins with reads of `first` keys. */
  constructor(first = FIRST_READ) {
    this.#first = this.#keys = first;
  }

  /** Keys to ask for in one read. */
  get keys(): number {
    return this.#keys;
  }

  /** How many reads may be in flight: one, until it is known how large documents are. */
  get inFlight(): number {
    return this.#isKnown ? IN_FLIGHT : 1;
  }

  /**
   * Begins small again, as behind an outage: keys that held nothing before may
   * all hold large documents now.
   */
  restart(): void {
    this.#keys = Math.min(this.#keys, this.#first);
    this.#isKnown = false;
  }

  /**
   * Learns from a read that found `count` documents of `bytes` bytes in all. A
   * missing key says nothing about how large documents are.
   */
  learn(count: number, bytes: number): void {
    const fitting = bytes === 0
      ? CHUNK
      : Math.min(CHUNK, Math.max(1, Math.trunc(READ_BYTES / (bytes / count))));
    // Down at once, up in steps: the next documents may be larger.
    const most = this.#keys * READ_GROWTH;
    this.#keys = Math.min(fitting, most);
    this.#isKnown ||= fitting <= most;
  }
}

/** What an attachment works on. */
export interface AttachmentOptions {
  /** The link that it belongs to. */
  readonly link: RedisLink;
  /** Who awaits what. */
  readonly table: WatchTable;
  /** Where documents go. */
  readonly delivery: Delivery;
  /** How large reads may be. */
  readonly readSize: ReadSize;
  /** The world outside. */
  readonly runtime: Runtime;
  /** Keys that the link is subscribed to already, and the server has confirmed: they are only read. */
  readonly subscribed?: ReadonlySet<string>;
}

/**
 * Keeps one link attached to every awaited key: subscribe, wait until the
 * server confirmed, then read what the key holds. A result that is stored
 * before the confirmation is read; one that is stored after it is published to
 * us. The other order, read and then subscribe, loses what is stored between
 * the two.
 *
 * Keys go in chunks, a few in flight. What is added while a chunk is on its
 * way goes with the next one.
 */
export class Attachment {
  readonly #link: RedisLink;
  readonly #table: WatchTable;
  readonly #delivery: Delivery;
  readonly #readSize: ReadSize;
  readonly #runtime: Runtime;
  readonly #queue = new Deque<Watch>();
  readonly #unread = new Set<Watch>();
  #leaving: Watch[] = [];
  // Their node cannot be reached: they are queued anew when the timer fires.
  #unreachable: Watch[] = [];
  #unreachableTimer: Timer | undefined;
  #unreachableWait = UNREACHABLE_WAIT;
  #lastUnreachable: Error | undefined;
  readonly #began: number;
  // Awaited before this link was made, and not yet attached to it.
  readonly #inherited: Set<Watch>;
  readonly #attached = Promise.withResolvers<void>();
  #subscribing = 0;
  #reading = 0;
  #unsubscribing = 0;
  #scheduled = false;
  #isStopped = false;

  /** Begins to attach every key in the table. */
  constructor(
    { link, table, delivery, readSize, runtime, subscribed }: AttachmentOptions,
  ) {
    this.#link = link;
    this.#table = table;
    this.#delivery = delivery;
    this.#readSize = readSize;
    this.#runtime = runtime;
    this.#began = table.tick();
    readSize.restart();
    this.#inherited = new Set(table.byReading());
    for (const watch of this.#inherited) {
      if (subscribed?.has(watch.key)) {
        watch.phase = "subscribed";
        watch.isLeaving = false;
        this.reread(watch);
      } else {
        this.add(watch);
      }
    }
    if (this.#inherited.size === 0) this.#attached.resolve();
  }

  /**
   * Resolves when every key that the table held at the start is subscribed and
   * read, or left, or at a node of a cluster that cannot be reached.
   */
  get attached(): Promise<void> {
    return this.#attached.promise;
  }

  /** Why some keys are not attached; undefined where all are, or are on their way. */
  get unreachable(): Error | undefined {
    return this.#lastUnreachable;
  }

  /** Attaches a key that is new in the table. */
  add(watch: Watch): void {
    watch.phase = "queued";
    watch.isLeaving = false;
    this.#queue.pushBack(watch);
    this.#schedule();
  }

  /** Reads a key again: for a reader that joined, or after a message that could not be decoded. */
  reread(watch: Watch): void {
    // One that is not subscribed yet is read after its confirmation.
    if (watch.phase !== "subscribed") return;
    this.#unread.add(watch);
    this.#schedule();
  }

  /**
   * Lets go of a key that nobody awaits. Until its UNSUBSCRIBE is sent it stays
   * in the table, so that a reader who comes meanwhile finds it subscribed.
   */
  leave(watch: Watch): void {
    this.#settle(watch);
    if (watch.phase === "queued") {
      this.#table.delete(watch);
    } else if (watch.phase === "subscribed" && !watch.isLeaving) {
      watch.isLeaving = true;
      this.#leaving.push(watch);
      this.#schedule();
    }
  }

  /**
   * Reads keys that should hold nothing new, and delivers what they hold all
   * the same. Returns how many events that brought.
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
      this.#broken(error);
    }
    return delivered;
  }

  /** The link is over: what is under way must not touch the table any more. */
  stop(): void {
    this.#isStopped = true;
    if (this.#unreachableTimer !== undefined) {
      this.#runtime.clearTimer(this.#unreachableTimer);
      this.#unreachableTimer = undefined;
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#isStopped) return;
    this.#scheduled = true;
    // What is added in the same turn goes together.
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.#isStopped) this.#pump();
    });
  }

  #pump(): void {
    // One that is not full waits while another is on its way: a stream of
    // results then costs a fraction of the commands.
    while (
      this.#leaving.length >= (this.#unsubscribing === 0 ? 1 : CHUNK) &&
      this.#unsubscribing < IN_FLIGHT
    ) {
      this.#unsubscribing++;
      this.#run(this.#unsubscribe().finally(() => this.#unsubscribing--));
    }
    while (this.#subscribing < IN_FLIGHT && this.#queue.length > 0) {
      this.#subscribing++;
      this.#run(this.#subscribe().finally(() => this.#subscribing--));
    }
    // A read does not: somebody waits for it.
    while (
      this.#unread.size > 0 && this.#reading < this.#readSize.inFlight
    ) {
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
    work.then(() => this.#schedule(), (error) => this.#broken(error));
  }

  /** Whatever goes wrong on a link ends it; who made the link sees to the rest. */
  #broken(error: unknown): void {
    this.#link.end(toError(error));
  }

  async #unsubscribe(): Promise<void> {
    const keys: string[] = [];
    for (const watch of this.#leaving.splice(0, CHUNK)) {
      watch.isLeaving = false;
      // Wanted again meanwhile.
      if (watch.first !== undefined) continue;
      this.#table.delete(watch);
      keys.push(watch.key);
    }
    // Sent empty, it would drop every channel.
    if (keys.length > 0) await this.#link.unsubscribe(keys);
  }

  async #subscribe(): Promise<void> {
    const chunk: Watch[] = [];
    while (chunk.length < CHUNK) {
      const watch = this.#queue.popFront();
      if (watch === undefined) break;
      if (watch.first === undefined) {
        this.#settle(watch);
        continue;
      }
      watch.phase = "subscribing";
      chunk.push(watch);
    }
    if (chunk.length === 0) return;
    const sent = this.#table.tick();
    const unreachable = await this.#subscribeReachable(chunk);
    // The next link may have begun to attach them.
    if (this.#isStopped) return;
    for (const watch of chunk) {
      if (unreachable?.has(watch.key)) {
        this.#putOff(watch);
        continue;
      }
      watch.phase = "subscribed";
      watch.messagesSince = sent;
      // Nobody may be waiting any more.
      if (watch.first === undefined) this.leave(watch);
      else this.#unread.add(watch);
    }
  }

  /** Subscribes, and returns the keys with which that has to wait. */
  async #subscribeReachable(
    chunk: readonly Watch[],
  ): Promise<ReadonlySet<string> | undefined> {
    try {
      await this.#link.subscribe(chunk.map((watch) => watch.key));
      if (this.#unreachable.length === 0) {
        this.#lastUnreachable = undefined;
        this.#unreachableWait = UNREACHABLE_WAIT;
      }
      return undefined;
    } catch (error) {
      if (!(error instanceof UnreachableChannelsError)) throw error;
      this.#lastUnreachable = error;
      return error.channels;
    }
  }

  /** Lets a key wait whose node cannot be reached: the others do not wait for it. */
  #putOff(watch: Watch): void {
    watch.phase = "queued";
    // Nobody may be waiting any more.
    if (watch.first === undefined) return this.leave(watch);
    this.#settle(watch);
    this.#unreachable.push(watch);
    if (this.#unreachableTimer !== undefined) return;
    const wait = this.#unreachableWait;
    this.#unreachableWait = Math.min(2 * wait, LONGEST_WAIT);
    this.#unreachableTimer = this.#runtime.setTimer(
      () => {
        const watches = this.#unreachable;
        this.#unreachableTimer = undefined;
        this.#unreachable = [];
        if (watches.every(({ first }) => first === undefined)) {
          this.#lastUnreachable = undefined;
        }
        for (const each of watches) this.#queue.pushBack(each);
        this.#schedule();
      },
      wait,
      false,
    );
  }

  /** Reads and delivers; what is not ready waits for the fence. Returns how many events that brought. */
  async #read(chunk: readonly Watch[]): Promise<number> {
    const watches = chunk.filter((watch) => {
      if (watch.first !== undefined) return true;
      this.#settle(watch);
      return false;
    });
    if (watches.length === 0) return 0;
    const sent = this.#table.tick();
    const documents = await this.#link.read(watches.map(({ key }) => key));
    // Another attachment reads them, and its link brings the messages.
    if (this.#isStopped) return 0;
    const fenced: [Watch, StoredDocument][] = [];
    const overtaken: Watch[] = [];
    let delivered = 0;
    let found = 0;
    let bytes = 0;
    for (const [index, watch] of watches.entries()) {
      const document = documents[index];
      // No key: nothing is stored, or nothing any more. That is no event.
      if (document === null || document === undefined) continue;
      found++;
      bytes += document.length;
      const readers = this.#delivery.snapshot(watch, document, sent);
      if (readers === undefined) fenced.push([watch, document]);
      else {
        delivered += readers;
        if (waitBefore(watch, sent) !== undefined) overtaken.push(watch);
      }
    }
    this.#readSize.learn(found, bytes);
    await this.#link.fence();
    if (this.#isStopped) return delivered;
    for (const [watch, document] of fenced) {
      delivered += this.#delivery.fenced(watch, document, sent);
    }
    for (const watch of watches) this.#covered(watch, sent);
    for (const watch of overtaken) {
      // The message that overtook it may have brought the outcome.
      if (waitBefore(watch, sent) !== undefined) this.reread(watch);
    }
    return delivered;
  }

  /**
   * A read that was sent at tick `sent` is done, and its fence answered: a wait
   * that began before is attached, unless a message was left out for it that
   * may be newer than what was read. Then the next read makes sure.
   */
  #covered(watch: Watch, sent: number): void {
    watch.readBy = this.#began;
    const attached = watch.lastMessage > sent
      ? Math.min(watch.messagesSince, sent)
      : sent;
    const newest = waitBefore(watch, sent);
    if (newest !== undefined && newest.since >= attached) this.reread(watch);
    // Those who came before one that is attached are attached.
    for (
      let wait = waitBefore(watch, attached);
      wait?.latch !== undefined;
      wait = wait.next
    ) {
      wait.latch.countDown();
      wait.latch = undefined;
    }
    watch.messagesSince = Math.max(watch.messagesSince, sent);
    this.#settle(watch);
  }

  #settle(watch: Watch): void {
    if (this.#inherited.size === 0) return;
    this.#inherited.delete(watch);
    if (this.#inherited.size === 0) this.#attached.resolve();
  }
}
