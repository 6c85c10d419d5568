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

/**
 * Options of a call to Redis.
 *
 * @category Backend
 */
export interface CallOptions {
  /** Cancels the call, which rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** The names of {@linkcode CallOptions}. */
export const CALL_OPTIONS: OptionNames = optionNames<CallOptions>({
  signal: true,
});

/** What a {@linkcode CommandRunner} works with. */
export interface CommandsOptions {
  /** How many times, and after which waits, to try again. */
  readonly retry: RetryPolicy;
  /** Says which errors are retriable, and is notified of each retry. */
  readonly retries: RetryListener;
  /** The clock, timers and randomness. */
  readonly runtime: Runtime;
}

/**
 * Runs commands on the source's link, and retries each as `retry` says. It never
 * dials: a failed attempt of the source to connect counts as one attempt of each
 * command that waits for a link.
 */
export class CommandRunner {
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
   * @throws {Error} what `giveUp` makes of the last error, if every allowed
   * attempt failed or the source gave up; the error itself, if it is not
   * retriable; the signal's reason, if it aborts.
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
              // The link may come long after the call was cancelled.
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
   * Runs `call` as {@linkcode run} does, but never again once the server may
   * have executed it: for commands that are not idempotent.
   *
   * @throws {Error} what `unsure` makes of the error, if the reply was lost;
   * otherwise as `run` does.
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
          // The server did not execute what it refused, or was never sent. But
          // the error that ends a link, which its pending commands reject with,
          // may be a RedisError, too.
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
