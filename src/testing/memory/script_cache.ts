/**
 * The cache that EVAL and EVALSHA use, for scripts that are known by their text.
 *
 * @module
 */

import { type MemoryScript, scripts } from "./scripts.ts";
import { ReplyError } from "./reply.ts";

const encoder = new TextEncoder();

/** The scripts that the memory Redis knows, by SHA-1. */
let known: Promise<ReadonlyMap<string, MemoryScript>> | undefined;

async function digestAll(): Promise<ReadonlyMap<string, MemoryScript>> {
  const entries = scripts.map(async (script) => {
    const bytes = encoder.encode(script.text);
    const digest = await crypto.subtle.digest("SHA-1", bytes);
    return [new Uint8Array(digest).toHex(), script] as const;
  });
  return new Map(await Promise.all(entries));
}

/** The scripts loaded into one server since it started. */
export class ScriptCache {
  readonly #known: ReadonlyMap<string, MemoryScript>;
  readonly #loaded = new Set<string>();

  private constructor(known: ReadonlyMap<string, MemoryScript>) {
    this.#known = known;
  }

  /** Creates an empty cache. */
  static async create(): Promise<ScriptCache> {
    // Hashing is asynchronous; commands must not be, or they would overtake each other.
    known ??= digestAll();
    return new ScriptCache(await known);
  }

  /**
   * Loads a script, and returns its SHA-1.
   *
   * @throws {ReplyError} If the memory Redis does not know it.
   */
  load(text: string): string {
    for (const [sha, script] of this.#known) {
      if (script.text !== text) continue;
      this.#loaded.add(sha);
      return sha;
    }
    throw new ReplyError(
      "ERR MemoryRedis cannot run Lua: it supports only this module's own scripts, and this is not one of them",
    );
  }

  /** Whether the script with this SHA-1 is loaded. */
  has(sha: string): boolean {
    return this.#loaded.has(sha.toLowerCase());
  }

  /**
   * Returns the loaded script with this SHA-1.
   *
   * @throws {ReplyError} If it is not loaded.
   */
  get(sha: string): MemoryScript {
    const script = this.has(sha)
      ? this.#known.get(sha.toLowerCase())
      : undefined;
    if (script === undefined) {
      throw new ReplyError("NOSCRIPT No matching script. Please use EVAL.");
    }
    return script;
  }

  /** Unloads all scripts. */
  clear(): void {
    this.#loaded.clear();
  }
}
