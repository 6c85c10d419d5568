import { BackendClosedError } from "../errors.ts";
import type { FormatSet } from "../formats/format_set.ts";
import { decodeEvent } from "../protocol/decode.ts";
import type { KeySpace } from "../protocol/keys.ts";
import type { RedisLink } from "../redis/link.ts";
import type { ConnectOptions } from "./connect.ts";
import { Latch } from "./latch.ts";
import { PendingCommands } from "./pending_commands.ts";
import { Supervisor } from "./supervisor.ts";
import type { Reader, Wait } from "./watch.ts";
import { WatchTable } from "./watch_table.ts";

/** What a {@linkcode ResultSource} works with. */
export interface SourceOptions extends ConnectOptions {
  /** Milliseconds per round of re-reading; 0 turns it off. */
  readonly reconcile: number;
  /** Milliseconds that commands in progress have to finish when the source is closed. */
  readonly closeTimeout: number;
  /** The names of keys. */
  readonly keys: KeySpace;
  /** What integers beyond 2^53 become in events. */
  readonly integers: "bigint" | "number";
  /** The formats in which documents are read. @default {JSON} */
  readonly formats?: FormatSet;
}

/**
 * The reconnecting pub/sub source that all readers of a backend share. It knows
 * who waits for what, and whether anybody does; its supervisor keeps it
 * connected as long as that is so.
 */
export class ResultSource {
  readonly #keys: KeySpace;
  readonly #table = new WatchTable();
  readonly #commands = new PendingCommands();
  readonly #supervisor: Supervisor;
  #closed: Error | undefined;

  /** Prepares; nothing is dialled before somebody waits. */
  constructor(options: SourceOptions) {
    this.#keys = options.keys;
    this.#supervisor = new Supervisor({
      ...options,
      table: this.#table,
      commands: this.#commands,
      decode: (document, taskId, origin) =>
        decodeEvent(document, taskId, options, origin),
    });
  }

  /** The last error of a link or of an attempt to connect; undefined while all is well. */
  get lastError(): Error | undefined {
    return this.#supervisor.lastError;
  }

  /** What is being done to connect and to read keys, for messages. */
  get activity(): string {
    return this.#supervisor.activity;
  }

  /** Whether the key of a task that `reader` awaits was read since it began to. */
  wasRead(reader: Reader, taskId: string): boolean {
    return reader.waits.some((wait) =>
      wait.watch.taskId === taskId && wait.isAttached
    );
  }

  /**
   * Lets `reader` await tasks. Resolves when each is attached: subscribed,
   * confirmed and read. A task that the reader already awaits is one wait.
   *
   * @throws {TypeError} synchronously, if an id is empty or not a string; then
   * none is added.
   * @throws {BackendClosedError} synchronously, after `close`.
   */
  add(reader: Reader, taskIds: Iterable<string>): Promise<void> {
    if (this.#closed !== undefined) throw this.#closed;
    const wanted: [key: string, taskId: string][] = [];
    // Not Array.from, which treats a number as an empty list.
    for (const taskId of taskIds) {
      wanted.push([this.#keys.taskKey(taskId), taskId]);
    }
    const latch = new Latch();
    for (const [key, taskId] of wanted) {
      const added = this.#table.add(reader, key, taskId, latch);
      if (added !== undefined) {
        this.#supervisor.attach(added.watch, added.isNew);
      }
    }
    this.#supervisor.demandChanged();
    return latch.promise;
  }

  /** Ends a reader's waits for some tasks. */
  remove(reader: Reader, taskIds: Iterable<string>): void {
    for (const taskId of taskIds) {
      const watch = this.#table.get(this.#keys.taskKey(taskId));
      const wait = watch && this.#table.findWait(watch, reader);
      if (wait !== undefined) this.#leave(wait);
    }
  }

  /** Ends all of a reader's waits. */
  removeAll(reader: Reader): void {
    while (reader.waits.length > 0) this.#leave(reader.waits.at(-1)!);
  }

  /**
   * Runs `work`, which uses {@linkcode link}; until it is done, the source keeps
   * connected. The signal passed to `work` ends its waits between two attempts:
   * it aborts with `signal`, or when the source is closed.
   *
   * @throws {BackendClosedError} after `close`.
   */
  async withLink<T>(
    work: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    if (this.#closed !== undefined) throw this.#closed;
    const done = this.#commands.run(work, signal);
    this.#supervisor.demandChanged();
    try {
      return await done;
    } finally {
      this.#supervisor.demandChanged();
    }
  }

  /**
   * Resolves to the current link, or the next one. Rejects if the next attempt
   * to connect fails.
   */
  link(): Promise<RedisLink> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return this.#supervisor.link();
  }

  /** Whether no task is awaited and no command is running. */
  get isIdle(): boolean {
    return this.#supervisor.isIdle;
  }

  /** Resolves once the source is idle. */
  whenIdle(): Promise<void> {
    return this.#supervisor.whenIdle();
  }

  /**
   * Ends every wait with a BackendClosedError; commands that have a link finish,
   * within a deadline. Resolves when nothing is left of any link.
   */
  async close(): Promise<void> {
    this.#closed ??= new BackendClosedError();
    await this.#supervisor.close(this.#closed);
  }

  #leave(wait: Wait): void {
    if (this.#table.leave(wait)) this.#supervisor.detach(wait.watch);
  }
}
