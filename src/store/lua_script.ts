import { RedisError } from "../errors.ts";
import type { CommandArgument } from "../redis/wire/command.ts";
import type { RedisLink } from "../redis/link.ts";
import { isCommandRefusal } from "../redis/server/acl.ts";
import type { RespValue } from "../redis/wire/resp.ts";
import { rememberScript } from "../redis/server/script_commands.ts";

/** A Lua script that is sent whole only to a server that does not know it yet. */
export class Script {
  readonly #text: string;
  #digest: Promise<string> | undefined;

  /** Prepares; nothing is sent. */
  constructor(text: string) {
    this.#text = text;
  }

  /**
   * Runs it: `words` are the number of keys, the keys, and the arguments. Once
   * `signal` aborts, nothing more is sent.
   *
   * @throws {RedisError} if the server refuses; see {@linkcode isScriptRefusal}.
   * @throws the signal's reason, if it aborts between two commands.
   */
  async run(
    link: RedisLink,
    words: readonly CommandArgument[],
    signal?: AbortSignal,
  ): Promise<RespValue> {
    this.#digest ??= this.#remembered();
    try {
      return await link.command(["EVALSHA", await this.#digest, ...words]);
    } catch (error) {
      if (!(error instanceof RedisError) || error.code !== "NOSCRIPT") {
        throw error;
      }
      // What the caller sent since may be before this already.
      signal?.throwIfAborted();
      return await link.command(["EVAL", this.#text, ...words]);
    }
  }

  /** The digest; from now on, a refusal can be explained. */
  async #remembered(): Promise<string> {
    const digest = await sha1(this.#text);
    rememberScript(digest, this.#text);
    return digest;
  }
}

/**
 * The user may not run scripts, or not what they do, or the server has none;
 * Celery's way needs neither. A key or a channel that is refused is no such
 * refusal: Celery's way would meet it, too.
 */
export function isScriptRefusal(error: unknown): error is RedisError {
  return error instanceof RedisError &&
    (isCommandRefusal(error) || error.message.includes("unknown command"));
}

async function sha1(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const digest = await crypto.subtle.digest("SHA-1", bytes);
  return Array.from(
    new Uint8Array(digest),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}
