/**
 * What a worker says about a chord's part, and the outcome it gets.
 *
 * @module
 */

import type { CallOptions } from "../source/command_runner.ts";
import type { ChordError } from "../errors.ts";
import { type OptionNames, optionNames } from "../util/option_names.ts";
import { STORE_OPTIONS, type StoreOptions } from "../store/result_store.ts";

/**
 * A task in a chord, as its worker knows it: Celery's `request`.
 *
 * @category Chords
 */
export interface ChordRequest {
  /** The task's id. Celery: `request.id`. */
  taskId: string;
  /** The id of the chord's header, a group. Celery: `request.group`. */
  groupId?: string | null;
  /**
   * The task's index in the header. Parts without one come last. Celery:
   * `request.group_index`.
   */
  groupIndex?: number | null;
  /**
   * The chord's body: its signature, as in the task's message. Celery:
   * `request.chord`.
   */
  chord?: Record<string, unknown> | null;
}

/**
 * A task, and the tasks that wait for it, as in its message. Celery: `request`.
 *
 * @category Storing
 */
export interface TaskRequest extends ChordRequest {
  /**
   * The tasks that follow this one in its chain: the message's `embed.chain`,
   * unchanged, whose signatures begin with the last task. Celery:
   * `request.chain`.
   */
  chain?: readonly Record<string, unknown>[] | null;
}

/**
 * Options for storing a failure.
 *
 * @category Storing
 */
export interface FailureOptions extends StoreOptions {
  /**
   * The request in the task's message. With it, the failure also reaches
   * everything that waits for the task: the rest of its chain, and the chords
   * that the task and the chain belong to. Its `groupId` is stored with the
   * result. Without it, only this result is stored.
   *
   * @default {undefined}
   */
  request?: TaskRequest;
}

/** The names in {@linkcode FailureOptions}. */
export const FAILURE_OPTIONS: OptionNames = new Set([
  ...STORE_OPTIONS,
  "request" satisfies keyof FailureOptions,
]);

/**
 * The chord whose values `onComplete` receives.
 *
 * @category Chords
 */
export interface ChordInfo {
  /** The id of the chord's header. */
  readonly groupId: string;
  /** The signature of the body; null if the request had none. */
  readonly chord: Record<string, unknown> | null;
  /** The task id to send the body with; null if its signature has none. */
  readonly bodyId: string | null;
  /** The claim on the chord. */
  readonly claim: string;
}

/**
 * Options for returning a part.
 *
 * @category Chords
 */
export interface ChordPartOptions extends CallOptions {
  /**
   * Sends the body, with the values of all parts in the order of the header.
   * Of all workers that return parts through this module, one calls it, once.
   * An error that it throws fails the chord, so it should retry transient errors
   * itself. If it rejects with the signal's reason, the chord stays claimed, and
   * a later call with the same `claim` can continue.
   */
  onComplete: (values: unknown[], info: ChordInfo) => unknown;
  /**
   * The name by which the call claims the chord if its part completes it. It is
   * unique to the call, and not `done`. A later call with the same name
   * continues where the first one stopped, and may call `onComplete` again.
   *
   * Pass one if you pass `signal`: an aborted call rejects with the signal's
   * reason, which does not carry the claim as a ChordError does.
   *
   * @default {a random UUID}
   */
  claim?: string;
}

/** The names in {@linkcode ChordPartOptions}. */
export const CHORD_PART_OPTIONS: OptionNames = optionNames<ChordPartOptions>({
  signal: true,
  onComplete: true,
  claim: true,
});

/**
 * The outcome of returning a part. Redis counted the parts when it added this one.
 *
 * @category Chords
 */
export type ChordOutcome =
  | {
    /** The request names no task or no group: nothing was done. */
    type: "ignored";
  }
  | {
    /**
     * The part was counted, but the size of the chord is neither in Redis (it
     * was not set, or expired) nor in the signature: the chord will not complete.
     */
    type: "sizeUnknown";
    /** How many parts have returned. */
    count: number;
  }
  | {
    /**
     * The part was counted, and the chord waits for others. A `count` above
     * `size` means that a part was counted twice: the chord will not complete.
     */
    type: "waiting";
    /** How many parts have returned. */
    count: number;
    /** How many parts the chord has. */
    size: number;
  }
  | {
    /** Another call completes the chord, or the chord has ended. */
    type: "claimed";
    /** The other call's claim; `done` if the chord has ended. */
    claim: string;
  }
  | {
    /** The part completed the chord, and `onComplete` succeeded. */
    type: "completed";
    /** How many parts have returned. */
    count: number;
    /** How many parts the chord has. */
    size: number;
    /**
     * Why the chord's keys may not have been deleted; null if they were. Keys
     * left behind are harmless, and expire with the results.
     */
    cleanupError: Error | null;
  }
  | {
    /** The part was the last one, and the chord failed. */
    type: "failed";
    /** How many parts have returned. */
    count: number;
    /** How many parts the chord has. */
    size: number;
    /** The failure, stored as the body's result if its id is known. */
    error: ChordError;
    /** The values, if `onComplete` failed; otherwise null. */
    values: unknown[] | null;
    /** As for `completed`; the keys are deleted only if `onComplete` failed. */
    cleanupError: Error | null;
  };
