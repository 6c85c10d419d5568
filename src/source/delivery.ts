import { DecodeError } from "../errors.ts";
import type { StoredDocument } from "../formats/types.ts";
import { undecodableMeta } from "../protocol/decode.ts";
import type { EventOrigin, ResultEvent } from "../protocol/meta.ts";
import { hashDocument } from "./document_hash.ts";
import type { Wait, Watch } from "./watch.ts";
import type { WatchTable } from "./watch_table.ts";

/** What a {@linkcode Delivery} works with. */
export interface DeliveryOptions {
  /** Who awaits what. */
  readonly table: WatchTable;
  /** Decodes a document, or throws a {@linkcode DecodeError}. */
  decode(
    document: StoredDocument,
    taskId: string,
    origin: EventOrigin,
  ): ResultEvent;
  /** Called when nobody waits for a watch any more. */
  onAbandoned(watch: Watch): void;
}

/**
 * Delivers documents to their readers: those that were published, and those
 * that were read. A read can return a document older than, or identical to, one
 * already published. Delivering both repeats an event; dropping the wrong one
 * loses it.
 *
 * A *tick* is one step of the table's logical clock. A *fence* is a PING on the
 * subscribed connection: once it is answered, every earlier message has arrived.
 *
 * - A published outcome ends a wait only if it is known to be newer than the
 *   wait (by `publishedAfter`): the server has confirmed a SUBSCRIBE, or answered
 *   the fence of a read, that was sent after the wait began. Until then it may
 *   be from an earlier run of a reused task id, and the wait's own read decides.
 *   An outcome that is never stored does not count.
 * - An outcome that was read is delivered at once to the waits that began before
 *   the read was sent, unless a message arrived since. That message may be newer,
 *   and a reader must never go back in time: even a SUCCESS may be forgotten and
 *   its task run again. It may also be older, so the key is read once more behind
 *   the fence, as it is for a wait that left out a message.
 * - A not-ready document that was read waits for the fence, because messages
 *   still in flight may be newer. It is dropped if a message arrived after the
 *   read was sent, or if the reader already has it.
 * - A published not-ready document is always delivered. Messages are never
 *   compared with each other: a worker may report the same progress twice.
 */
export class Delivery {
  readonly #options: DeliveryOptions;

  /** Delivers to the waits in `options.table`. */
  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /**
   * Delivers a message. Returns the watch if the message could not be decoded:
   * then what the key holds decides.
   */
  deliverMessage(key: string, document: StoredDocument): Watch | undefined {
    const { table } = this.#options;
    const watch = table.get(key);
    if (watch?.newest === undefined) return undefined;
    watch.receiveMessage(table.tick());
    let event: ResultEvent;
    try {
      event = this.#options.decode(document, watch.taskId, "live");
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return watch;
    }
    if (event.ready) {
      this.#deliverToAll(watch, document, event, watch.publishedAfter);
    } else {
      const hash = hashDocument(document);
      for (const wait of watch.waits()) wait.setReceived(hash);
      this.#deliverToAll(watch, document, event, Infinity);
    }
    return undefined;
  }

  /**
   * Delivers what a read sent at tick `sent` found, if it is ready and no
   * message arrived since. Returns the number of readers it went to; undefined
   * if it is not ready, and has to wait for the fence.
   */
  deliverIfReady(
    watch: Watch,
    document: StoredDocument,
    sent: number,
  ): number | undefined {
    if (!watch.isAwaited) return 0;
    const event = this.#decodeStored(watch, document);
    if (!event.ready) return undefined;
    if (watch.hasMessageSince(sent)) return 0;
    return this.#deliverToAll(watch, document, event, sent);
  }

  /**
   * Delivers a not-ready document that a read sent at tick `sent` found, once
   * the fence was answered. Returns the number of readers it went to.
   */
  deliverFenced(watch: Watch, document: StoredDocument, sent: number): number {
    if (watch.hasMessageSince(sent)) return 0;
    const hash = hashDocument(document);
    const missing: Wait[] = [];
    // Invariant: if a wait has seen this document, so has every older wait. So
    // the walk can stop at the first that has.
    for (
      let wait = watch.waitBefore(sent);
      wait !== undefined && !wait.hasReceived(hash);
      wait = wait.older
    ) {
      missing.push(wait);
    }
    let delivered = 0;
    for (const wait of missing) {
      wait.setReceived(hash);
      const event = this.#decodeStored(watch, document);
      if (this.#deliver(wait, event, document.length)) delivered++;
    }
    return delivered;
  }

  /**
   * Delivers a document to every reader whose wait began before tick `before`.
   * It is decoded again for each, since a reader may modify its event.
   */
  #deliverToAll(
    watch: Watch,
    document: StoredDocument,
    first: ResultEvent,
    before: number,
  ): number {
    const only = watch.newest;
    if (only !== undefined && only.older === undefined) {
      if (only.since >= before) return 0;
      return this.#deliver(only, first, document.length) ? 1 : 0;
    }
    // A copy, because an outcome ends the wait.
    const waits = [...watch.waits()].filter(({ since }) => since < before);
    let delivered = 0;
    for (const [index, wait] of waits.entries()) {
      const event = index === 0
        ? first
        : this.#decodeAgain(watch, document, first);
      if (this.#deliver(wait, event, document.length)) delivered++;
    }
    return delivered;
  }

  #decodeAgain(
    watch: Watch,
    document: StoredDocument,
    { origin }: ResultEvent,
  ): ResultEvent {
    return origin === "snapshot"
      ? this.#decodeStored(watch, document)
      : this.#options.decode(document, watch.taskId, origin);
  }

  /** Returns whether the reader still waited: another reader's event may have made it leave. */
  #deliver(wait: Wait, event: ResultEvent, size: number): boolean {
    if (!wait.isOpen) return false;
    if (event.ready && this.#options.table.leave(wait)) {
      this.#options.onAbandoned(wait.watch);
    }
    wait.reader.receive(event, size);
    return true;
  }

  /** Decodes what a key holds: that is the outcome, even if it cannot be decoded. */
  #decodeStored(watch: Watch, document: StoredDocument): ResultEvent {
    try {
      return this.#options.decode(document, watch.taskId, "snapshot");
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return { ...undecodableMeta(error), origin: "snapshot" };
    }
  }
}
