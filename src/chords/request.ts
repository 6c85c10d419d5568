/**
 * What a worker tells of a chord's part, and what it is told.
 *
 * @module
 */

import type { CallOptions } from "../source/commands.ts";
import type { ChordError } from "../errors.ts";
import { type OptionNames, optionNames } from "../util/option_names.ts";
import { STORE_OPTIONS, type StoreOptions } from "../store/result_store.ts";

/** The task whose part returns, as a worker knows it: Celery's `request`. */
export interface ChordRequest {
  /** The task. Celery: `request.id`. */
  taskId: string;
  /** The group that is the chord's header. Celery: `request.group`. */
  groupId?: string | null;
  /**
   * The task's place in the group. Without it, the part comes behind those that
   * have one. Celery: `request.group_index`.
   */
  groupIndex?: number | null;
  /**
   * The chord's body: the signature, as the task's message holds it. Celery:
   * `request.chord`.
   */
  chord?: Record<string, unknown> | null;
}

/** A task as its message tells of it, and what waits for it. Celery: `request`. */
export interface TaskRequest extends ChordRequest {
  /**
   * The tasks behind this one in its chain: the `chain` of what the message
   * calls embed, as it is: signatures, the last task first. Celery:
   * `request.chain`.
   */
  chain?: readonly Record<string, unknown>[] | null;
}

/** What goes with a failure that is stored. */
export interface FailureOptions extends StoreOptions {
  /**
   * What the task's message says. With it, the failure also reaches all that
   * waits for the task: the rest of its chain, and the chords that it and the
   * chain belong to. Its `groupId` is stored with the result, too.
   *
   * @default {undefined}, which stores this one result
   */
  request?: TaskRequest;
}

/** The names in {@linkcode FailureOptions}. */
export const FAILURE_OPTIONS: OptionNames = new Set([
  ...STORE_OPTIONS,
  "request" satisfies keyof FailureOptions,
]);

/** What goes with the values of a chord. */
export interface ChordInfo {
  /** The group that was the chord's header. */
  readonly groupId: string;
  /** The body's signature; null if the request had none. */
  readonly chord: Record<string, unknown> | null;
  /** The id that the body has to be sent with; null if its signature has none. */
  readonly bodyId: string | null;
  /** What the chord is claimed by. */
  readonly claim: string;
}

/** How a part is returned. */
export interface ChordPartOptions extends CallOptions {
  /**
   * Sends the body, with the values of all parts in the order of the header. It
   * is called for one return of each chord, once, however many workers of this
   * module return parts. What it throws is the end of the chord, so that it has
   * to try again by itself what may pass; only when it rejects with the
   * signal's reason the chord stays claimed, for a later call to take up.
   */
  onComplete: (values: unknown[], info: ChordInfo) => unknown;
  /**
   * What the call claims the chord by, if its part completes it: a name that no
   * other call has, and not `done`. A later call with the same name takes up
   * where the first one stopped, and may then call `onComplete` again.
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

/** What the return of a part led to. Counts are those that the server saw with the part. */
export type ChordOutcome =
  | {
    /** The request names no task, or no group: nothing was done. */
    type: "ignored";
  }
  | {
    /**
     * The part was counted, but Redis knows of no size for the chord (none was
     * set, or it expired), nor does the signature: it will not complete.
     */
    type: "sizeUnknown";
    /** How many parts there are. */
    count: number;
  }
  | {
    /**
     * The part was counted, and others are to come; if there are more than the
     * size says, one was counted twice, and the chord will not complete.
     */
    type: "waiting";
    /** How many parts there are. */
    count: number;
    /** How many parts the chord has. */
    size: number;
  }
  | {
    /** The chord is another call's to complete, or has ended. */
    type: "claimed";
    /** What the other call claimed it by; `done` if the chord has ended. */
    claim: string;
  }
  | {
    /** The part completed the chord, and `onComplete` has done its work. */
    type: "completed";
    /** How many parts there were. */
    count: number;
    /** How many parts the chord had. */
    size: number;
    /**
     * Why it is not known that the chord's keys are removed; null if they are.
     * What is left harms nobody, and expires with the results.
     */
    cleanupError: Error | null;
  }
  | {
    /** The part was the last, and the chord has failed. */
    type: "failed";
    /** How many parts there were. */
    count: number;
    /** How many parts the chord had. */
    size: number;
    /** What is stored as the body's failure, if its id is known. `cause` is what led to it. */
    error: ChordError;
    /** The values, if it was `onComplete` that failed; or else null. */
    values: unknown[] | null;
    /** As above, of the keys that are removed when `onComplete` fails. */
    cleanupError: Error | null;
  };
