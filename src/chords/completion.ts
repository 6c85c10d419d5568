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
import type { Format } from "../formats/types.ts";
import { decodeChordPart } from "../protocol/chord_part.ts";
import type { TaskFailure } from "../protocol/exceptions.ts";
import type { ChordKeys } from "../protocol/keys.ts";
import { exceptionRepr, pythonRepr } from "../protocol/python_repr.ts";
import { listSignatureTasks } from "../protocol/signature.ts";
import { TaskError, toTaskError } from "../protocol/task_error.ts";
import type { RedisLink, RedisText } from "../redis/link.ts";
import type { Command } from "../redis/wire/command.ts";
import type { CallOptions, CommandRunner } from "../source/command_runner.ts";
import { abortable } from "../util/abortable.ts";
import { toError } from "../util/to_error.ts";
import { DONE } from "./count_reply.ts";
import { failTasks, type FailureContext } from "./failure.ts";
import type { ChordInfo, ChordOutcome } from "./request.ts";
import { inOneSlotOrApart } from "./same_slot.ts";

/** A chord's header that was saved as a group because it contains groups. */
export interface SavedGroup {
  /** Resolves to the results of its tasks, in order, nested like the header. */
  join(
    options: { timeout: number; propagate: true; signal?: AbortSignal },
  ): Promise<unknown[]>;
}

/** What a {@linkcode ChordCompletion} works with. */
export interface ChordCompletionContext extends FailureContext {
  /** Runs and retries commands. */
  readonly commands: CommandRunner;
  /** Reads parts. */
  readonly codec: Format;
  /** Seconds until the parts expire, a whole number; 0: never. */
  readonly expires: number;
  /** Whether the parts are in a sorted set, by their index, or in a list. */
  readonly chordOrdered: boolean;
  /** Milliseconds to wait for the results of a saved group. */
  readonly chordJoinTimeout: number;
  /** Reads the group saved under an id; null if none is saved. */
  restoreGroup(
    groupId: string,
    options: CallOptions,
  ): Promise<SavedGroup | null>;
}

/** A chord whose parts have all returned. */
export interface FullChord {
  /** What `onComplete` receives. */
  readonly info: ChordInfo;
  /** The chord's keys. */
  readonly keys: ChordKeys;
  /** How many parts have returned. */
  readonly count: number;
  /** How many parts the chord has. */
  readonly size: number;
  /** Sends the body; null if the part that completed the chord is a failure. */
  readonly onComplete:
    | ((values: unknown[], info: ChordInfo) => unknown)
    | null;
  /** Ends the call. */
  readonly options: CallOptions;
}

/**
 * Some parts that were counted are gone: a replica was promoted without the
 * last writes, for example. Returning those parts again repairs it.
 */
class MissingPartsError extends Error {
  constructor(count: number, size: number) {
    super(`Redis has ${count} of its ${size} parts`);
  }
}

/** Seconds until a claim expires if results never do: Celery's default for results. */
const CLAIM_EXPIRES_SECONDS = 86_400;

/** Completes chords: claims them, gathers the values, has the body sent, and cleans up. */
export class ChordCompletion {
  readonly #context: ChordCompletionContext;

  /** Completes through `context.commands`. */
  constructor(context: ChordCompletionContext) {
    this.#context = context;
  }

  /**
   * Completes a chord, unless another call does.
   *
   * @throws {ChordError} if it has to stop; a later call can continue with the
   * error's `claim`.
   */
  async complete(chord: FullChord): Promise<ChordOutcome> {
    try {
      return await this.#complete(chord);
    } catch (error) {
      if (isAbort(error, chord.options)) throw error;
      const { groupId, claim } = chord.info;
      const cause = toError(error);
      throw new ChordError(
        `Failed to complete chord ${groupId}: ${cause.message}. ` +
          `A call with the claim ${
            JSON.stringify(claim)
          } continues where this one stopped`,
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
      if (isUnrelatedToChord(error) || isAbort(error, options)) throw error;
      return await this.#fail(chord, joinError(info.groupId, error), null);
    }
    if (values === null) {
      // A Celery worker, which does not claim chords, has completed it.
      await this.#end(chord, []);
      return { type: "claimed", claim: DONE };
    }
    if (onComplete === null) {
      const failure = new ChordError(
        "A header task failed, yet every stored part is a success: that task must have run twice",
        info.groupId,
      );
      return await this.#fail(chord, failure, null);
    }
    try {
      await onComplete(values, info);
    } catch (error) {
      if (isAbort(error, options)) throw error;
      const failure = new ChordError(
        `Callback error: ${formatAsPython(error)}`,
        info.groupId,
        { cause: error },
      );
      return await this.#fail(chord, failure, values);
    }
    const cleanupError = await this.#end(chord, deleteKeys(chord.keys));
    return { type: "completed", count, size, cleanupError };
  }

  /** Claims the chord; resolves to the claim of another call if that was first. */
  async #claim({ info, keys, options }: FullChord): Promise<string> {
    const [, claim] = await this.#context.commands.run(
      (link) =>
        link.transaction([
          ["SET", keys.claim, info.claim, "EX", this.#claimExpires, "NX"],
          ["GET", keys.claim],
        ]),
      (_, cause) => cause,
      options,
    );
    return String(claim);
  }

  /** The values of all parts; null if a Celery worker has completed the chord. */
  async #gather(
    { info: { groupId }, keys, size, options }: FullChord,
  ): Promise<unknown[] | null> {
    const { chordJoinTimeout, codec, commands } = this.#context;
    const group = await this.#context.restoreGroup(groupId, options);
    if (group !== null) {
      return await group.join({
        ...options,
        timeout: chordJoinTimeout,
        propagate: true,
      });
    }
    const parts = await commands.run(
      (link) => this.#readParts(link, keys),
      (_, cause) => cause,
      options,
    );
    if (parts === null) return null;
    if (parts.length < size) throw new MissingPartsError(parts.length, size);
    return parts.map((stored) => {
      const { taskId, state, result } = decodeChordPart(codec, stored);
      if (state !== "FAILURE" && state !== "REVOKED") return result;
      // decodeChordPart() decodes a failure in these states.
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
   * Reads the parts. Resolves to null if a Celery worker has completed the
   * chord: it deletes the parts and the size together, while a failover that
   * loses the parts leaves the size.
   */
  async #readParts(
    link: RedisLink,
    keys: ChordKeys,
  ): Promise<RedisText[] | null> {
    const range = this.#context.chordOrdered ? "ZRANGE" : "LRANGE";
    // The reply to either command.
    const parts = await link.command([range, keys.parts, 0, -1]) as RedisText[];
    if (parts.length > 0) return parts;
    return await link.command(["GET", keys.size]) === null ? null : parts;
  }

  /**
   * Stores the failure of the body, and returns its part if the body belongs to
   * a chord itself. `values` are what the callback received; null if it was not
   * called.
   *
   * As in Celery, the keys are deleted only if the callback failed: a late part
   * must not restart the count.
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
    const cleanupError = await this.#end(
      chord,
      values === null ? this.#limitKeys(keys) : deleteKeys(keys),
    );
    return { type: "failed", count, size, error, values, cleanupError };
  }

  /** Lets keys that are kept expire after a day where results never expire. */
  #limitKeys({ parts, extra, size }: ChordKeys): Command[] {
    if (this.#context.expires !== 0) return [];
    return [parts, extra, size].map((key) => [
      "EXPIRE",
      key,
      CLAIM_EXPIRES_SECONDS,
    ]);
  }

  /**
   * Marks the chord as ended, which late parts will find, and runs `commands`.
   * An error is returned rather than thrown: the chord must not be completed
   * again. The commands are sent even if the caller aborts, since keys left
   * behind may never expire.
   */
  async #end(
    { keys, options: { signal } }: FullChord,
    commands: readonly Command[],
  ): Promise<Error | null> {
    const mark: Command = ["SET", keys.claim, DONE, "EX", this.#claimExpires];
    const marked = this.#context.commands.run(
      (link) =>
        inOneSlotOrApart<unknown>(
          link,
          keys,
          () => link.transaction([...commands, mark]),
          // First, so that a part that comes in between starts nothing.
          () =>
            link.command(mark).then(() =>
              Promise.all(commands.map((command) => link.command(command)))
            ),
        ),
      (_, cause) => cause,
    );
    try {
      await (signal === undefined ? marked : abortable(marked, signal));
      return null;
    } catch (error) {
      return toError(error);
    }
  }

  get #claimExpires(): number {
    return this.#context.expires || CLAIM_EXPIRES_SECONDS;
  }
}

function deleteKeys({ parts, extra, size }: ChordKeys): Command[] {
  return [["DEL", parts], ["DEL", extra], ["DEL", size]];
}

/**
 * The failure to store for a body. As in Celery from 5.6, if the body is a group
 * and a task made the chord fail, its tasks get that task's error; otherwise the
 * failure is a ChordError.
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

function isAbort(error: unknown, { signal }: CallOptions): boolean {
  return signal !== undefined && signal.aborted && error === signal.reason;
}

/** Whether an error has nothing to do with the chord: a later call may succeed. */
function isUnrelatedToChord(error: unknown): boolean {
  return error instanceof RedisConnectionError ||
    error instanceof RedisError ||
    error instanceof RetryLimitError ||
    error instanceof BackendGetMetaError ||
    error instanceof BackendStoreError ||
    error instanceof BackendClosedError ||
    error instanceof ConfigurationError ||
    error instanceof MissingPartsError ||
    (error instanceof ResultTimeoutError &&
      error.lastConnectionError !== undefined);
}

function joinError(groupId: string, error: unknown): ChordError {
  if (error instanceof ChordError) return error;
  return new ChordError(`Join error: ${formatAsPython(error)}`, groupId, {
    cause: error,
    ...(error instanceof TaskError ? { taskId: error.taskId } : {}),
  });
}

/** An error as Python would print it. */
function formatAsPython(error: unknown): string {
  if (error instanceof TaskError) return exceptionRepr(error);
  if (!(error instanceof Error)) return pythonRepr(error);
  return exceptionRepr({ excType: error.name, excArgs: [error.message] });
}
