import { DecodeError } from "../errors.ts";
import { hashDocument } from "./document_hash.ts";
import { undecodableMeta } from "../protocol/decode.ts";
import type { EventOrigin, ResultEvent } from "../protocol/meta.ts";
import {
  isWaiting,
  type Wait,
  waitBefore,
  waitsOf,
  type Watch,
  type WatchTable,
} from "./watch_table.ts";
import type { StoredDocument } from "../formats/types.ts";

/** What delivery needs from its surroundings. */
export interface DeliveryOptions {
  /** Who awaits what. */
  readonly table: WatchTable;
  /** Decodes a document, or throws a {@linkcode DecodeError}. */
  decode(
    document: StoredDocument,
    taskId: string,
    origin: EventOrigin,
  ): ResultEvent;
  /** Told of a watch that nobody waits for any more. */
  onAbandoned(watch: Watch): void;
}

/**
 * Brings documents to their readers: those that were published, and those that
 * were read. What was read may be older than what was published before it, or
 * the same; nothing may be lost by leaving the wrong one out.
 *
 * A message may be older than a wait: of an earlier run of a task id that is
 * used again, say. It is known to be newer, by `messagesSince`, once the server
 * has confirmed a SUBSCRIBE that was sent after the wait began, or has answered
 * the fence of a read that was. Until then an outcome that is published does not
 * end the wait, and its own read decides; one that is never stored is none.
 *
 * A read counts for the waits that began before it was sent. An outcome that was
 * read is delivered at once, unless a message came in after the read was sent.
 * That may be newer, and a reader never goes back in time: SUCCESS too may be
 * forgotten, and its task run again. But it may be older, too. Hence the key is
 * read once more behind the fence; so it is for a wait that left out a message
 * that may be newer than its read.
 *
 * A not-ready document that was read may be older than messages still on their
 * way: it waits for the fence, and is left out if a message came in after the
 * read was sent, or if the reader has it already. Messages are never compared
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
   * what the key holds decides then.
   */
  live(key: string, document: StoredDocument): Watch | undefined {
    const { table } = this.#options;
    const watch = table.get(key);
    if (watch?.first === undefined) return undefined;
    watch.lastMessage = table.tick();
    let event: ResultEvent;
    try {
      event = this.#options.decode(document, watch.taskId, "live");
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return watch;
    }
    if (event.ready) {
      this.#toAll(watch, document, event, watch.messagesSince);
    } else {
      const hash = hashDocument(document);
      for (const wait of waitsOf(watch)) wait.lastHash = hash;
      this.#toAll(watch, document, event, Infinity);
    }
    return undefined;
  }

  /**
   * Delivers what a read that was sent at tick `sent` found, if that is ready
   * and no message came in since. Returns to how many readers; undefined if it
   * is not ready, and has to wait for the fence.
   */
  snapshot(
    watch: Watch,
    document: StoredDocument,
    sent: number,
  ): number | undefined {
    if (watch.first === undefined) return 0;
    const event = this.#stored(watch, document);
    if (!event.ready) return undefined;
    if (watch.lastMessage > sent) return 0;
    return this.#toAll(watch, document, event, sent);
  }

  /** Delivers a not-ready document behind the fence. Returns to how many readers. */
  fenced(watch: Watch, document: StoredDocument, sent: number): number {
    if (watch.lastMessage > sent) return 0;
    const hash = hashDocument(document);
    const missing: Wait[] = [];
    // What one has had last, those who came before it have had last, too:
    // thousands of them are not looked at for one that joins.
    for (
      let wait = waitBefore(watch, sent);
      wait !== undefined && wait.lastHash !== hash;
      wait = wait.next
    ) {
      missing.push(wait);
    }
    for (const wait of missing) {
      wait.lastHash = hash;
      this.#hand(wait, this.#stored(watch, document), document.length);
    }
    return missing.length;
  }

  /**
   * Hands a document to every reader whose wait began before tick `before`:
   * decoded for each anew, since an event is its reader's to change.
   */
  #toAll(
    watch: Watch,
    document: StoredDocument,
    first: ResultEvent,
    before: number,
  ): number {
    const only = watch.first;
    if (only !== undefined && only.next === undefined) {
      if (only.since >= before) return 0;
      this.#hand(only, first, document.length);
      return 1;
    }
    // A copy, because an outcome ends the wait.
    const waits = [...waitsOf(watch)].filter(({ since }) => since < before);
    for (const [index, wait] of waits.entries()) {
      const event = index === 0 ? first : this.#again(watch, document, first);
      this.#hand(wait, event, document.length);
    }
    return waits.length;
  }

  #again(
    watch: Watch,
    document: StoredDocument,
    { origin }: ResultEvent,
  ): ResultEvent {
    return origin === "snapshot"
      ? this.#stored(watch, document)
      : this.#options.decode(document, watch.taskId, origin);
  }

  #hand(wait: Wait, event: ResultEvent, size: number): void {
    // The event of another reader may have made this one leave.
    if (!isWaiting(wait)) return;
    if (event.ready && this.#options.table.leave(wait)) {
      this.#options.onAbandoned(wait.watch);
    }
    wait.reader.take(event, size);
  }

  /** What a key holds is the outcome, even if it cannot be decoded. */
  #stored(watch: Watch, document: StoredDocument): ResultEvent {
    try {
      return this.#options.decode(document, watch.taskId, "snapshot");
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return { ...undecodableMeta(error), origin: "snapshot" };
    }
  }
}
