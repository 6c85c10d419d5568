/**
 * MULTI, EXEC and WATCH on one connection.
 *
 * @module
 */

import type { MemoryClient } from "./client.ts";
import type { Arguments, CommandSpec } from "./command.ts";
import { NULL_ARRAY, type Reply, ReplyError, Status } from "./reply.ts";
import type { Database, Watcher } from "./store.ts";

const QUEUED = new Status("QUEUED");

/** What is queued between MULTI and EXEC, and what is watched. */
export class Transaction implements Watcher {
  #queue: { spec: CommandSpec; args: Arguments }[] | undefined;
  #hasFailed = false;
  #isStale = false;
  #watched: { database: Database; key: string }[] = [];

  /** Whether MULTI was called and EXEC not yet. */
  get isOpen(): boolean {
    return this.#queue !== undefined;
  }

  /** MULTI. */
  begin(): void {
    this.#queue = [];
  }

  /** Keeps a command for EXEC. */
  queue(spec: CommandSpec, args: Arguments): Reply {
    this.#queue?.push({ spec, args });
    return QUEUED;
  }

  /** A command was refused: EXEC will be, too. */
  fail(): void {
    if (this.isOpen) this.#hasFailed = true;
  }

  /** EXEC itself was refused: what was queued is gone. */
  abort(reason: ReplyError): ReplyError {
    this.end();
    return new ReplyError(
      `EXECABORT Transaction discarded because of: ${
        reason.message.replace(/^ERR /, "")
      }`,
    );
  }

  /** EXEC: all commands, none if one was refused or a watched key changed. */
  execute(client: MemoryClient): Reply {
    // A look at the watched keys makes those go whose time is up.
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
    return queue.map(({ spec, args }) => client.run(spec, args));
  }

  /** WATCH. */
  watch(database: Database, key: string): void {
    database.watch(key, this);
    this.#watched.push({ database, key });
  }

  /** UNWATCH. */
  unwatch(): void {
    for (const { database, key } of this.#watched) database.unwatch(key, this);
    this.#watched = [];
    this.#isStale = false;
  }

  /** A watched key was changed. */
  changed(): void {
    this.#isStale = true;
  }

  /** DISCARD: forgets what was queued and watched. */
  end(): void {
    this.#queue = undefined;
    this.#hasFailed = false;
    this.unwatch();
  }
}
