/**
 * EVAL and EVALSHA for scripts that are known by their text.
 *
 * @module
 */

import { type MemoryScript, scripts } from "./scripts.ts";
import { ReplyError } from "./reply.ts";

const encoder = new TextEncoder();

/** Scripts by their SHA1, of those that the memory Redis knows. */
let known: Promise<ReadonlyMap<string, MemoryScript>> | undefined;

async function digestAll(): Promise<ReadonlyMap<string, MemoryScript>> {
  const entries = scripts.map(async (script) => {
    const bytes = encoder.encode(script.text);
    const digest = await crypto.subtle.digest("SHA-1", bytes);
    return [new Uint8Array(digest).toHex(), script] as const;
  });
  return new Map(await Promise.all(entries));
}

/** The scripts that were loaded into one server since its start. */
export class ScriptCache {
  readonly #known: ReadonlyMap<string, MemoryScript>;
  readonly #loaded = new Set<string>();

  private constructor(known: ReadonlyMap<string, MemoryScript>) {
    this.#known = known;
  }

  /** An empty cache. */
  static async create(): Promise<ScriptCache> {
    // Digests take a promise; commands must not, or they would overtake each other.
    known ??= digestAll();
    return new ScriptCache(await known);
  }

  /**
   * Loads a script, and gives its SHA1.
   *
   * @throws {ReplyError} If it is not one of those that the memory Redis knows.
   */
  load(text: string): string {
    for (const [sha, script] of this.#known) {
      if (script.text !== text) continue;
      this.#loaded.add(sha);
      return sha;
    }
    throw new ReplyError(
      "ERR MemoryRedis runs no Lua: it knows only this module's own scripts, and this is none of them",
    );
  }

  /** Whether a script was loaded. */
  has(sha: string): boolean {
    return this.#loaded.has(sha.toLowerCase());
  }

  /**
   * A script that was loaded.
   *
   * @throws {ReplyError} If none with this SHA1 was.
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

  /** Forgets what was loaded. */
  clear(): void {
    this.#loaded.clear();
  }
}
