/**
 * The data of the memory Redis.
 *
 * @module
 */

import { ReplyError } from "./reply.ts";

/** What a key holds. */
export type Value =
  | { readonly type: "string"; bytes: Uint8Array }
  | { readonly type: "list"; readonly items: Uint8Array[] }
  /** Scores by member. */
  | { readonly type: "zset"; readonly scores: Map<string, number> };

/** Somebody who WATCHes a key. */
export interface Watcher {
  /** The key was changed, or its time was up. */
  changed(): void;
}

interface Entry {
  value: Value;
  /** Milliseconds since 1970; Infinity: for ever. */
  expiresAt: number;
}

/**
 * One numbered database. Keys are texts of one character a byte. Keys whose
 * time is up go when somebody looks at them.
 */
export class Database {
  readonly #entries = new Map<string, Entry>();
  readonly #watchers = new Map<string, Set<Watcher>>();

  /** What `key` holds, if anything. */
  get(key: string): Value | undefined {
    return this.#entry(key)?.value;
  }

  /**
   * What `key` holds, if it holds anything.
   *
   * @throws {ReplyError} If it holds something of another type.
   */
  getAs<Type extends Value["type"]>(
    key: string,
    type: Type,
  ): Extract<Value, { type: Type }> | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    if (!isOfType(value, type)) {
      throw new ReplyError(
        "WRONGTYPE Operation against a key holding the wrong kind of value",
      );
    }
    return value;
  }

  /** Puts a value at `key`, for ever unless `expiresAt` says otherwise. */
  set(key: string, value: Value, expiresAt = Infinity): void {
    this.#entries.set(key, { value, expiresAt });
    this.touch(key);
  }

  /** Tells those who watch `key` that what it holds was changed. */
  touch(key: string): void {
    for (const watcher of this.#watchers.get(key) ?? []) watcher.changed();
  }

  /** Removes `key`; false if there is none. */
  delete(key: string): boolean {
    if (this.#entry(key) === undefined) return false;
    this.#entries.delete(key);
    this.touch(key);
    return true;
  }

  /** When `key` goes: Infinity if never, undefined if there is none. */
  expiry(key: string): number | undefined {
    return this.#entry(key)?.expiresAt;
  }

  /** Sets when `key` goes; without effect if there is none. */
  expire(key: string, expiresAt: number): void {
    const entry = this.#entry(key);
    if (entry === undefined) return;
    entry.expiresAt = expiresAt;
    this.touch(key);
  }

  /** All keys. */
  keys(): string[] {
    return [...this.#entries.keys()].filter((key) =>
      this.#entry(key) !== undefined
    );
  }

  /** Removes everything. */
  clear(): void {
    for (const key of this.keys()) this.delete(key);
  }

  /** Tells `watcher` when `key` changes. */
  watch(key: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(key);
    if (watchers === undefined) this.#watchers.set(key, new Set([watcher]));
    else watchers.add(watcher);
  }

  /** Tells it no longer. */
  unwatch(key: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(key);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#watchers.delete(key);
  }

  #entry(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresAt > Date.now()) return entry;
    this.#entries.delete(key);
    this.touch(key);
    return undefined;
  }
}

function isOfType<Type extends Value["type"]>(
  value: Value,
  type: Type,
): value is Extract<Value, { type: Type }> {
  return value.type === type;
}
