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
 * that were read. What was read may be older than what was published before
 * it, or the same; dropping the wrong one would lose something.
 *
 * A message may be older than a wait: from an earlier run of a reused task id,
 * for example. It is known to be newer (by `messagesSince`) once the server has
 * confirmed a SUBSCRIBE that was sent after the wait began, or answered the
 * fence of a read that was. Until then a published outcome does not end the
 * wait, and the wait's own read decides. An outcome that is never stored does
 * not count.
 *
 * A read counts for the waits that began before it was sent. An outcome that
 * was read is delivered at once, unless a message arrived after the read was
 * sent. That message may be newer, and a reader must never go back in time:
 * even a SUCCESS may be forgotten and its task run again. But it may also be
 * older, so the key is read once more behind the fence. The same goes for a
 * wait that left out a message that may be newer than its read.
 *
 * A not-ready document that was read may be older than messages still in
 * flight: it waits for the fence, and is dropped if a message arrived after the
 * read was sent, or if the reader already has it. Messages are never compared
 * with each other: a worker may report the same progress twice.
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
    if (watch?.first === undefined) return undefined;
    watch.receiveMessage(table.tick());
    let event: ResultEvent;
    try {
      event = this.#options.decode(document, watch.taskId, "live");
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return watch;
    }
    if (event.ready) {
      this.#deliverToAll(watch, document, event, watch.messagesSince);
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
    // Whatever a wait received last, all older waits received last, too: one
    // reader that joins does not cost a look at thousands of others.
    for (
      let wait = watch.waitBefore(sent);
      wait !== undefined && !wait.hasReceived(hash);
      wait = wait.next
    ) {
      missing.push(wait);
    }
    for (const wait of missing) {
      wait.setReceived(hash);
      this.#deliver(wait, this.#decodeStored(watch, document), document.length);
    }
    return missing.length;
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
    const only = watch.first;
    if (only !== undefined && only.next === undefined) {
      if (only.since >= before) return 0;
      this.#deliver(only, first, document.length);
      return 1;
    }
    // A copy, because an outcome ends the wait.
    const waits = [...watch.waits()].filter(({ since }) => since < before);
    for (const [index, wait] of waits.entries()) {
      const event = index === 0
        ? first
        : this.#decodeAgain(watch, document, first);
      this.#deliver(wait, event, document.length);
    }
    return waits.length;
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

  #deliver(wait: Wait, event: ResultEvent, size: number): void {
    // Another reader's event may have made this one leave.
    if (!wait.isOpen) return;
    if (event.ready && this.#options.table.leave(wait)) {
      this.#options.onAbandoned(wait.watch);
    }
    wait.reader.receive(event, size);
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
