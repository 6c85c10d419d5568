import { RedisError } from "../errors.ts";
import type { CommandArgument } from "../redis/wire/command.ts";
import type { RedisLink } from "../redis/link.ts";
import { isCommandRefusal } from "../redis/server/acl.ts";
import type { RespValue } from "../redis/wire/resp.ts";
import { rememberScript } from "../redis/server/script_faults.ts";
import type { StatusHub } from "../status.ts";

/** A Lua script that is sent in full only to a server that has not cached it. */
export class LuaScript {
  readonly #text: string;
  readonly #status: StatusHub;
  readonly #argumentCommand: string | undefined;
  #digest: Promise<string> | undefined;
  #isRefused = false;

  /**
   * Prepares a script without sending anything. If the script calls a command
   * that it is given as an argument, `argumentCommand` names it.
   */
  constructor(text: string, status: StatusHub, argumentCommand?: string) {
    this.#text = text;
    this.#status = status;
    this.#argumentCommand = argumentCommand;
  }

  /**
   * Calls `run`, which runs the script; resolves to undefined if the server
   * refuses scripts. `status()` reports that once, and later calls do not try
   * again.
   */
  async attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
    if (this.#isRefused) return undefined;
    try {
      return await run();
    } catch (error) {
      if (!isScriptRefusal(error)) throw error;
      this.#isRefused = true;
      this.#status.emit({ type: "degraded", error });
      return undefined;
    }
  }

  /**
   * Runs the script. `args` are those of EVALSHA: the number of keys, the keys,
   * and the arguments. Once `signal` aborts, nothing more is sent.
   *
   * @throws {RedisError} if the server refuses.
   * @throws the signal's reason, if it aborts between two commands.
   */
  async run(
    link: RedisLink,
    args: readonly CommandArgument[],
    signal?: AbortSignal,
  ): Promise<RespValue> {
    this.#digest ??= this.#prepare();
    try {
      return await link.command(["EVALSHA", await this.#digest, ...args]);
    } catch (error) {
      if (!(error instanceof RedisError) || error.code !== "NOSCRIPT") {
        throw error;
      }
      // After an abort, the caller may have sent a later call already, which
      // this one must not follow.
      signal?.throwIfAborted();
      return await link.command(["EVAL", this.#text, ...args]);
    }
  }

  /** Computes the digest, by which the advice on an error finds the script. */
  async #prepare(): Promise<string> {
    const digest = await sha1(this.#text);
    rememberScript(digest, this.#text, this.#argumentCommand);
    return digest;
  }
}

/**
 * Whether the server refused a script because the user may not run scripts or
 * one of the script's commands, or because the server has no scripts. Celery's
 * transaction works there. A denied key or channel does not count: it would be
 * denied to the transaction, too.
 */
function isScriptRefusal(error: unknown): error is RedisError {
  return error instanceof RedisError &&
    (isCommandRefusal(error) || error.message.includes("unknown command"));
}

async function sha1(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const digest = await crypto.subtle.digest("SHA-1", bytes);
  return new Uint8Array(digest).toHex();
}
