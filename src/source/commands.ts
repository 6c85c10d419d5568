import { abortable } from "../util/abortable.ts";
import { RedisError, RetryLimitError } from "../errors.ts";
import { type OptionNames, optionNames } from "../util/option_names.ts";
import type { RedisLink } from "../redis/link.ts";
import { UnreachableNodeError } from "../redis/unreachable.ts";
import { AttemptsExhausted, runWithRetry } from "../retry/retry.ts";
import type { RetryListener } from "../retry/listener.ts";
import type { Runtime } from "../runtime.ts";
import type { ResultSource } from "./source.ts";
import { toError } from "../util/to_error.ts";
import type { RetryPolicy } from "../retry/policy.ts";

/** What ends a call before it is done. */
export interface CallOptions {
  /** Ends the wait: the call rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The names in {@linkcode CallOptions}. */
export const CALL_OPTIONS: OptionNames = optionNames<CallOptions>({
  signal: true,
});

/** How commands are tried again. */
export interface CommandsOptions {
  /** How often, and after which waits. */
  readonly retry: RetryPolicy;
  /** Says what is tried again, and is told of it. */
  readonly retries: RetryListener;
  /** The world outside. */
  readonly runtime: Runtime;
}

/**
 * Runs commands on the source's link, each tried again as `retry` says. It
 * never dials: a failed attempt of the source to connect counts as one try of
 * each command that waits for it.
 */
export class Commands {
  readonly #source: ResultSource;
  readonly #options: CommandsOptions;

  /** Runs commands on `source`'s link. */
  constructor(source: ResultSource, options: CommandsOptions) {
    this.#source = source;
    this.#options = options;
  }

  /**
   * Runs `call` until it succeeds.
   *
   * @throws what `giveUp` makes of the last error, if it was tried often enough
   * or the source gave up; the error itself, if another try cannot help; the
   * signal's reason, if it aborts.
   */
  async run<T>(
    call: (link: RedisLink, attempt: number) => Promise<T>,
    giveUp: (message: string, cause: Error) => Error,
    { signal }: CallOptions = {},
  ): Promise<T> {
    signal?.throwIfAborted();
    const { retry, retries, runtime } = this.#options;
    const { maxAttempts } = retry;
    try {
      return await this.#source.withLink(
        (waits) =>
          runWithRetry(retry, (attempt) => {
            const done = this.#source.link().then((link) => {
              // The link may come long after the caller was told that it ended.
              signal?.throwIfAborted();
              return call(link, attempt);
            });
            return signal === undefined ? done : abortable(done, signal);
          }, {
            signal: waits,
            isRetriable: (error) => retries.isRetriable(error),
            drawsWaits: true,
            runtime,
            onFailure: (error, attempt, delay) => {
              const kind = "command";
              retries.notify({ kind, attempt, maxAttempts, delay, error });
            },
          }),
        signal,
      );
    } catch (error) {
      if (error instanceof AttemptsExhausted) {
        const { cause, attempts } = error;
        throw giveUp(
          `tried ${attempts} ${
            attempts === 1 ? "time" : "times"
          }, last: ${cause.message}`,
          cause,
        );
      }
      if (error instanceof RetryLimitError) throw giveUp(error.message, error);
      throw error;
    }
  }

  /**
   * Runs `call` as {@linkcode run} does, but never again after the server may
   * have carried it out: for what must not be done twice.
   *
   * @throws what `unsure` makes of the error, if the reply was lost; otherwise
   * as `run` does.
   */
  async runOnce<T>(
    call: (link: RedisLink) => Promise<T>,
    unsure: (cause: Error) => Error,
    giveUp: (message: string, cause: Error) => Error,
    options?: CallOptions,
  ): Promise<T> {
    return await this.run(
      async (link) => {
        try {
          return await call(link);
        } catch (error) {
          // What the server refused, or was never sent, it did not do. But what
          // ends a link is what its commands reject with, and may be a server's
          // words too.
          const ended = await Promise.race([link.ended, undefined]);
          if (error instanceof RedisError && error !== ended) throw error;
          if (error instanceof UnreachableNodeError) throw error;
          throw unsure(toError(error));
        }
      },
      giveUp,
      options,
    );
  }
}
