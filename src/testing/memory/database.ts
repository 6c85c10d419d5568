/**
 * The data of the memory Redis.
 *
 * @module
 */

import { ReplyError } from "./reply.ts";

/** The value of a key. */
export type Value =
  | { readonly type: "string"; bytes: Uint8Array }
  | { readonly type: "list"; readonly items: Uint8Array[] }
  /** Scores by member. */
  | { readonly type: "zset"; readonly scores: Map<string, number> };

/** What WATCHes a key. */
export interface Watcher {
  /** Called when the key changed or expired. */
  onChange(): void;
}

interface Entry {
  value: Value;
  /** In milliseconds since 1970; Infinity: never. */
  expiresAt: number;
}

/**
 * One numbered database. A key is a string of one character per byte. An
 * expired key is removed when it is next accessed.
 */
export class Database {
  readonly #entries = new Map<string, Entry>();
  readonly #watchers = new Map<string, Set<Watcher>>();

  /** The value of `key`, if it exists. */
  get(key: string): Value | undefined {
    return this.#entry(key)?.value;
  }

  /**
   * The value of `key`, if it exists.
   *
   * @throws {ReplyError} If it is of another type.
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

  /** Sets the value of `key`, to expire at `expiresAt`. */
  set(key: string, value: Value, expiresAt = Infinity): void {
    this.#entries.set(key, { value, expiresAt });
    this.touch(key);
  }

  /** Notifies the watchers of `key` that its value changed. */
  touch(key: string): void {
    for (const watcher of this.#watchers.get(key) ?? []) watcher.onChange();
  }

  /** Removes `key`; false if it does not exist. */
  delete(key: string): boolean {
    if (this.#entry(key) === undefined) return false;
    this.#entries.delete(key);
    this.touch(key);
    return true;
  }

  /** When `key` expires: Infinity if never, undefined if it does not exist. */
  expiry(key: string): number | undefined {
    return this.#entry(key)?.expiresAt;
  }

  /** Sets when `key` expires; without effect if it does not exist. */
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

  /** Removes all keys. */
  clear(): void {
    for (const key of this.keys()) this.delete(key);
  }

  /** Notifies `watcher` when `key` changes or expires. */
  watch(key: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(key);
    if (watchers === undefined) this.#watchers.set(key, new Set([watcher]));
    else watchers.add(watcher);
  }

  /** Ends what {@linkcode Database.watch} began. */
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
