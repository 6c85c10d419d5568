import { abortable } from "../util/abortable.ts";
import { DONE } from "./count.ts";
import { failTasks, type FailureContext } from "./failure.ts";
import type { ChordInfo, ChordOutcome } from "./request.ts";
import { inOneSlotOrApart } from "./same_slot.ts";
import type { CallOptions, Commands } from "../source/commands.ts";
import {
  BackendClosedError,
  BackendGetMetaError,
  BackendStoreError,
  ChordError,
  ConfigurationError,
  RedisConnectionError,
  RedisError,
  ResultTimeoutError,
  RetryLimitError,
} from "../errors.ts";
import { decodeChordPart } from "../protocol/chord_part.ts";
import type { TaskFailure } from "../protocol/exceptions.ts";
import type { ChordKeys } from "../protocol/keys.ts";
import { exceptionRepr, pythonRepr } from "../protocol/python_repr.ts";
import { listSignatureTasks } from "../protocol/signature.ts";
import type { Command } from "../redis/wire/command.ts";
import type { RedisText } from "../redis/link.ts";
import { TaskError, toTaskError } from "../protocol/task_error.ts";
import { toError } from "../util/to_error.ts";
import type { Format } from "../formats/types.ts";

/** A chord's header that was saved as a group: one with groups in it. */
export interface SavedGroup {
  /** The results of its tasks, in order, nested as the header was. */
  join(
    options: { timeout: number; propagate: true; signal?: AbortSignal },
  ): Promise<unknown[]>;
}

/** What the completion of chords works on. */
export interface ChordCompletionContext extends FailureContext {
  /** What runs commands, and tries them again. */
  readonly commands: Commands;
  /** How parts are written. */
  readonly codec: Format;
  /** Whole seconds that parts are kept; 0 is for ever. */
  readonly expires: number;
  /** Whether parts are kept by their place, or in a list. */
  readonly chordOrdered: boolean;
  /** Milliseconds to wait for the results of a saved group. */
  readonly chordJoinTimeout: number;
  /** The group that was saved under this id; null if none was. */
  restoreGroup(
    groupId: string,
    options: CallOptions,
  ): Promise<SavedGroup | null>;
}

/** A chord whose parts are all there. */
export interface FullChord {
  /** What `onComplete` is told. */
  readonly info: ChordInfo;
  /** The chord's keys. */
  readonly keys: ChordKeys;
  /** How many parts there are. */
  readonly count: number;
  /** How many parts the chord has. */
  readonly size: number;
  /** Sends the body; null if the part that completed the chord is a failure's. */
  readonly onComplete:
    | ((values: unknown[], info: ChordInfo) => unknown)
    | null;
  /** What ends the call. */
  readonly options: CallOptions;
}

/**
 * Parts that were counted are gone, and others are not: a replica was promoted
 * without the last writes, say. Whoever returns his part again can mend it.
 */
class PartsMissing extends Error {
  constructor(count: number, size: number) {
    super(`${count} of its ${size} parts ${count === 1 ? "is" : "are"} there`);
  }
}

/** Seconds that a claim is kept where results never expire: Celery's default for those. */
const CLAIM_EXPIRES = 86_400;

/** Completes chords: claims them, gathers the values, has the body sent, and clears up. */
export class ChordCompletion {
  readonly #context: ChordCompletionContext;

  /** Completes through `context.commands`. */
  constructor(context: ChordCompletionContext) {
    this.#context = context;
  }

  /**
   * Completes a chord, unless another call does.
   *
   * @throws {ChordError} if it could not go on; its `claim` lets a later call.
   */
  async complete(chord: FullChord): Promise<ChordOutcome> {
    try {
      return await this.#complete(chord);
    } catch (error) {
      if (wasCalledOff(error, chord.options)) throw error;
      const { groupId, claim } = chord.info;
      const cause = toError(error);
      throw new ChordError(
        `Failed to complete chord ${groupId}: ${cause.message}. ` +
          `A call with the claim ${
            JSON.stringify(claim)
          } takes up where this stopped`,
        groupId,
        { claim, cause },
      );
    }
  }

  async #complete(chord: FullChord): Promise<ChordOutcome> {
    const { info, onComplete, options, count, size } = chord;
    const claim = await this.#claim(chord);
    if (claim !== info.claim) return { type: "claimed", claim };
    let values: unknown[] | null;
    try {
      values = await this.#gather(chord);
    } catch (error) {
      if (isOutage(error) || wasCalledOff(error, options)) throw error;
      return await this.#fail(chord, joinError(info.groupId, error), null);
    }
    if (values === null) {
      // A worker of Celery's was quicker: it knows of no claims.
      await this.#end(chord, []);
      return { type: "claimed", claim: DONE };
    }
    if (onComplete === null) {
      const failure = new ChordError(
        "A task of the header failed, though all parts are there of tasks that did not: it ran twice",
        info.groupId,
      );
      return await this.#fail(chord, failure, null);
    }
    try {
      await onComplete(values, info);
    } catch (error) {
      if (wasCalledOff(error, options)) throw error;
      const failure = new ChordError(
        `Callback error: ${reprOf(error)}`,
        info.groupId,
        { cause: error },
      );
      return await this.#fail(chord, failure, values);
    }
    const cleanupError = await this.#end(chord, removal(chord.keys));
    return { type: "completed", count, size, cleanupError };
  }

  /** Who has claimed the chord: the caller, unless another was first. */
  async #claim({ info, keys, options }: FullChord): Promise<string> {
    const [, holder] = await this.#context.commands.run(
      (link) =>
        link.transaction([
          ["SET", keys.claim, info.claim, "EX", this.#claimExpires, "NX"],
          ["GET", keys.claim],
        ]),
      (_, cause) => cause,
      options,
    );
    return String(holder);
  }

  /** The values of all parts; null if the parts are gone, all of them. */
  async #gather(
    { info: { groupId }, keys, size, options }: FullChord,
  ): Promise<unknown[] | null> {
    const { chordJoinTimeout, chordOrdered, codec, commands } = this.#context;
    const group = await this.#context.restoreGroup(groupId, options);
    if (group !== null) {
      return await group.join({
        ...options,
        timeout: chordJoinTimeout,
        propagate: true,
      });
    }
    const reply = await commands.run(
      (link) =>
        link.command([chordOrdered ? "ZRANGE" : "LRANGE", keys.parts, 0, -1]),
      (_, cause) => cause,
      options,
    );
    // The reply to either command.
    const parts = reply as RedisText[];
    if (parts.length === 0) return null;
    if (parts.length < size) throw new PartsMissing(parts.length, size);
    return parts.map((stored) => {
      const { taskId, state, result } = decodeChordPart(codec, stored);
      if (state !== "FAILURE" && state !== "REVOKED") return result;
      // What `decodeChordPart()` reads in these states.
      const failure = result as TaskFailure | null;
      throw new ChordError(
        `Dependency ${taskId} raised ${
          failure === null ? "None" : exceptionRepr(failure)
        }`,
        groupId,
        {
          taskId,
          cause: toTaskError({ taskId, state, result, traceback: null }),
        },
      );
    });
  }

  /**
   * Stores the failure of the body, and returns its part where it belongs to a
   * chord itself. As in Celery, the keys are removed only if it was the callback
   * that failed: a part that comes late must not begin the count anew. Where
   * nothing expires, they are given a day.
   */
  async #fail(
    chord: FullChord,
    error: ChordError,
    values: unknown[] | null,
  ): Promise<ChordOutcome> {
    const { info: { chord: body }, keys, options, count, size } = chord;
    await failTasks(
      this.#context,
      {
        error: bodyFailure(body, error),
        state: "FAILURE",
        traceback: error.stack ?? null,
      },
      listSignatureTasks([body]),
      [],
      options,
    );
    const { parts, extra, size: total } = keys;
    const isForEver = this.#context.expires === 0;
    const cleanupError = await this.#end(
      chord,
      values !== null
        ? removal(keys)
        : (isForEver ? [parts, extra, total] : []).map((key): Command => [
          "EXPIRE",
          key,
          CLAIM_EXPIRES,
        ]),
    );
    return { type: "failed", count, size, error, values, cleanupError };
  }

  /**
   * Notes that the chord has ended; what comes late meets this. What goes wrong
   * is told, and no reason to do anything again. It is sent also when the
   * caller waits no longer: what stays behind may stay for ever.
   */
  async #end(
    { keys, options: { signal } }: FullChord,
    commands: readonly Command[],
  ): Promise<Error | null> {
    const note: Command = ["SET", keys.claim, DONE, "EX", this.#claimExpires];
    const noted = this.#context.commands.run(
      (link) =>
        inOneSlotOrApart<unknown>(
          link,
          keys,
          () => link.transaction([...commands, note]),
          // First, so that a part that comes meanwhile is nothing new.
          () =>
            link.command(note).then(() =>
              Promise.all(commands.map((command) => link.command(command)))
            ),
        ),
      (_, cause) => cause,
    );
    try {
      await (signal === undefined ? noted : abortable(noted, signal));
      return null;
    } catch (error) {
      return toError(error);
    }
  }

  get #claimExpires(): number {
    return this.#context.expires || CLAIM_EXPIRES;
  }
}

function removal({ parts, extra, size }: ChordKeys): Command[] {
  return [["DEL", parts], ["DEL", extra], ["DEL", size]];
}

/**
 * What is stored for a body. As with Celery from 5.6, the members of a group get
 * what made the chord fail, where that was a task, and anything else a ChordError.
 */
function bodyFailure(
  body: Record<string, unknown> | null,
  error: ChordError,
): unknown {
  if (body?.subtask_type === "group" && error.cause instanceof TaskError) {
    return error.cause;
  }
  return {
    excType: "ChordError",
    excModule: "celery.exceptions",
    excArgs: [error.message],
  };
}

function wasCalledOff(error: unknown, { signal }: CallOptions): boolean {
  return signal !== undefined && signal.aborted && error === signal.reason;
}

/** What says nothing about the chord, and may be otherwise with the next call. */
function isOutage(error: unknown): boolean {
  return error instanceof RedisConnectionError ||
    error instanceof RedisError ||
    error instanceof RetryLimitError ||
    error instanceof BackendGetMetaError ||
    error instanceof BackendStoreError ||
    error instanceof BackendClosedError ||
    error instanceof ConfigurationError ||
    error instanceof PartsMissing ||
    (error instanceof ResultTimeoutError &&
      error.lastConnectionError !== undefined);
}

function joinError(groupId: string, error: unknown): ChordError {
  if (error instanceof ChordError) return error;
  return new ChordError(`Join error: ${reprOf(error)}`, groupId, {
    cause: error,
    ...(error instanceof TaskError ? { taskId: error.taskId } : {}),
  });
}

/** An error as Python would write it. */
function reprOf(error: unknown): string {
  if (error instanceof TaskError) return exceptionRepr(error);
  if (!(error instanceof Error)) return pythonRepr(error);
  return exceptionRepr({ excType: error.name, excArgs: [error.message] });
}
