import type { CustomStates, ResultEvent } from "../protocol/meta.ts";
import type { CallOptions } from "../source/command_runner.ts";
import { type OptionNames, optionNames } from "../util/option_names.ts";

/**
 * How to wait for several results.
 *
 * @typeParam T What the tasks return.
 * @typeParam Custom The application's own states.
 *
 * @category Results
 */
export interface JoinOptions<
  T = unknown,
  Custom extends CustomStates = "PROGRESS",
> extends CallOptions {
  /**
   * Milliseconds to wait in all; 0 reads once. (In Celery, 0 means no timeout.)
   *
   * @default {Infinity}
   */
  timeout?: number;
  /**
   * Whether a task that failed or was revoked rejects the wait at once.
   * Otherwise its TaskError takes the place of its value.
   *
   * @default {true}
   */
  propagate?: boolean;
  /**
   * Called with each event of an awaited task, including the outcome; not with
   * a `timeout` of 0, which reads and does not wait. An error that it throws is
   * reported as uncaught, and does not end the wait.
   */
  onEvent?: (event: ResultEvent<T, Custom>) => void;
}

/** The names in {@linkcode JoinOptions}. */
export const JOIN_OPTIONS: OptionNames = optionNames<JoinOptions>({
  signal: true,
  timeout: true,
  propagate: true,
  onEvent: true,
});

/**
 * How to wait for a result.
 *
 * @typeParam T What the task returns.
 * @typeParam Custom The application's own states.
 *
 * @category Results
 */
export interface GetOptions<
  T = unknown,
  Custom extends CustomStates = "PROGRESS",
> extends JoinOptions<T, Custom> {
  /**
   * Whether the failure of a task that came before this one in its chain
   * rejects the wait, since this one will then never run. Requires `propagate`,
   * and a result that knows its `parent`.
   *
   * @default {true}
   */
  followParents?: boolean;
}

/** The names in {@linkcode GetOptions}. */
export const GET_OPTIONS: OptionNames = optionNames<GetOptions>({
  signal: true,
  timeout: true,
  propagate: true,
  onEvent: true,
  followParents: true,
});

/**
 * How to wait for a tree of results.
 *
 * @category Results
 */
export interface CollectOptions extends GetOptions {
  /**
   * Whether to leave out a result without an outcome when the time is up, with
   * everything below it. Otherwise it ends the walk.
   *
   * @default {false}
   */
  intermediate?: boolean;
}

/** The names in {@linkcode CollectOptions}. */
export const COLLECT_OPTIONS: OptionNames = optionNames<CollectOptions>({
  signal: true,
  timeout: true,
  propagate: true,
  onEvent: true,
  followParents: true,
  intermediate: true,
});

/**
 * How to walk through a tree of results.
 *
 * @category Results
 */
export interface WalkOptions extends CallOptions {
  /**
   * Whether the walk goes on where a result is not ready, and leaves out what
   * is below it.
   *
   * @default {false}
   */
  intermediate?: boolean;
}

/** The names in {@linkcode WalkOptions}. */
export const WALK_OPTIONS: OptionNames = optionNames<WalkOptions>({
  signal: true,
  intermediate: true,
});
