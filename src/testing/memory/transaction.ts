/**
 * MULTI, EXEC and WATCH on one connection.
 *
 * @module
 */

import type { Database, Watcher } from "./database.ts";
import { NULL_ARRAY, type Reply, ReplyError, Status } from "./reply.ts";

const QUEUED = new Status("QUEUED");

/** The commands queued between MULTI and EXEC, and the watched keys. */
export class Transaction implements Watcher {
  #queue: (() => Reply)[] | undefined;
  #hasFailed = false;
  #isStale = false;
  #watched: { database: Database; key: string }[] = [];

  /** Whether MULTI was called, and EXEC not yet. */
  get isOpen(): boolean {
    return this.#queue !== undefined;
  }

  /** Starts queueing: MULTI. */
  begin(): void {
    this.#queue = [];
  }

  /** Queues a command for EXEC. */
  queue(run: () => Reply): Reply {
    this.#queue?.push(run);
    return QUEUED;
  }

  /** Makes EXEC fail, because a command was rejected. */
  fail(): void {
    if (this.isOpen) this.#hasFailed = true;
  }

  /** Drops the queued commands, because EXEC itself was rejected. */
  abort(reason: ReplyError): ReplyError {
    this.end();
    return new ReplyError(
      `EXECABORT Transaction discarded because of: ${
        reason.message.replace(/^ERR /, "")
      }`,
    );
  }

  /** Runs all queued commands, or none if one was rejected or a watched key changed: EXEC. */
  execute(): Reply {
    // Reading the watched keys removes those that expired.
    for (const { database, key } of this.#watched) database.get(key);
    const queue = this.#queue ?? [];
    const hasFailed = this.#hasFailed;
    const isStale = this.#isStale;
    this.end();
    if (hasFailed) {
      throw new ReplyError(
        "EXECABORT Transaction discarded because of previous errors.",
      );
    }
    if (isStale) return NULL_ARRAY;
    return queue.map((run) => run());
  }

  /** Watches a key: WATCH. */
  watch(database: Database, key: string): void {
    database.watch(key, this);
    this.#watched.push({ database, key });
  }

  /** Stops watching all keys: UNWATCH. */
  unwatch(): void {
    for (const { database, key } of this.#watched) database.unwatch(key, this);
    this.#watched = [];
    this.#isStale = false;
  }

  /** Takes note that a watched key changed. */
  onChange(): void {
    this.#isStale = true;
  }

  /** Drops the queued commands and the watched keys: DISCARD. */
  end(): void {
    this.#queue = undefined;
    this.#hasFailed = false;
    this.unwatch();
  }
}
