import { ChordCompletion, type ChordCompletionContext } from "./completion.ts";
import { DONE } from "./count_reply.ts";
import { ChordCounter, type ChordCounterContext } from "./counter.ts";
import {
  failTasks,
  type FailureContext,
  type FailureState,
} from "./failure.ts";
import {
  CHORD_PART_OPTIONS,
  type ChordOutcome,
  type ChordPartOptions,
  type ChordRequest,
  type FailureOptions,
  type TaskRequest,
} from "./request.ts";
import { CALL_OPTIONS, type CallOptions } from "../source/command_runner.ts";
import { ChordError } from "../errors.ts";
import { checkOptions } from "../util/option_names.ts";
import { encodeChordPart } from "../protocol/chord_part.ts";
import type { KeySpace } from "../protocol/keys.ts";
import { isDict } from "../formats/is_dict.ts";
import { listSignatureTasks } from "../protocol/signature.ts";
import { stateProblem, type TaskState } from "../protocol/states.ts";
import { setAndPublish } from "../store/set_and_publish.ts";
import type { StoredDocument } from "../formats/types.ts";
import { toError } from "../util/to_error.ts";

/** What {@linkcode Chords} work with. */
export interface ChordContext
  extends ChordCounterContext, Omit<ChordCompletionContext, "returnPart"> {
  /** Names the keys. */
  readonly keys: KeySpace;
  /** The largest part that is stored, in bytes. */
  readonly maxResultBytes: number;
}

/**
 * Counts the parts of chords as they return, and completes a chord with its
 * last part.
 *
 * Celery: `RedisBackend.set_chord_size`, `add_to_chord` and
 * `on_chord_part_return`.
 */
export class Chords {
  readonly #context: ChordContext;
  readonly #counter: ChordCounter;
  readonly #failures: FailureContext;
  readonly #completion: ChordCompletion;

  /** Works through `context.commands`. */
  constructor(context: ChordContext) {
    this.#context = context;
    this.#counter = new ChordCounter(context);
    const returnPart: FailureContext["returnPart"] = (
      request,
      failure,
      state,
      options,
    ) => this.#returnFailed(request, failure, state, options);
    this.#failures = { store: context.store, returnPart };
    this.#completion = new ChordCompletion({ ...context, returnPart });
  }

  /** Sets the number of parts of a chord, and publishes it as Celery does. */
  async setSize(
    groupId: string,
    size: number,
    options: CallOptions,
  ): Promise<void> {
    checkOptions(options, CALL_OPTIONS);
    const { commands, expires, keys } = this.#context;
    const { size: key } = keys.chordKeys(groupId);
    checkInteger(0, "size of a chord", size);
    await commands.run(
      (link) => link.transaction(setAndPublish(key, size, expires)),
      (message, cause) =>
        new ChordError(
          `Failed to set the size of chord ${groupId} to ${size}: ${message}`,
          groupId,
          { cause },
        ),
      options,
    );
  }

  /** Adds `count` to the number of parts of a chord. Sent once at most. */
  async add(
    groupId: string,
    count: number,
    options: CallOptions,
  ): Promise<void> {
    checkOptions(options, CALL_OPTIONS);
    const { extra } = this.#context.keys.chordKeys(groupId);
    checkInteger(1, "number of parts to add to a chord", count);
    const failed = `Failed to add ${count} to the size of chord ${groupId}`;
    await this.#context.commands.runOnce(
      (link) => link.command(["INCRBY", extra, count]),
      (cause) =>
        new ChordError(
          `${failed}, or lost the reply: ${cause.message}. It may or may not have been ` +
            `added, and is not sent again: compare ${extra} with what it should be`,
          groupId,
          { cause },
        ),
      (message, cause) =>
        new ChordError(`${failed}: ${message}`, groupId, { cause }),
      options,
    );
  }

  /** Returns a part, and completes the chord if it is the last. */
  async partReturn(
    request: ChordRequest,
    state: TaskState,
    result: unknown,
    options: ChordPartOptions,
  ): Promise<ChordOutcome> {
    checkOptions(options, CHORD_PART_OPTIONS);
    const { taskId, groupId } = request;
    const { onComplete, claim = crypto.randomUUID(), signal } = options;
    const call: CallOptions = signal === undefined ? {} : { signal };
    if (!taskId || !groupId) return { type: "ignored" };
    this.#check(request);
    checkClaim(claim);
    if (typeof onComplete !== "function") {
      throw new TypeError(
        `Cannot use ${String(onComplete)} as onComplete: expected a function`,
      );
    }
    return await this.#return(
      { ...request, groupId },
      state,
      result,
      { onComplete, claim, call },
    );
  }

  /**
   * Stores a failure, and passes it on to the tasks and chords that wait for
   * the task. Resolves to false if the stored result is a SUCCESS.
   *
   * @throws the first error, after everything was attempted.
   */
  async fail(
    request: TaskRequest,
    error: unknown,
    state: FailureState,
    options: Omit<FailureOptions, "request">,
  ): Promise<boolean> {
    const { taskId, groupId, chord, chain } = request;
    this.#check(request);
    checkSignatures(request);
    const waiting = listSignatureTasks(chain ?? []);
    const isPart = Boolean(groupId) && isDict(chord);
    const { signal, traceback = null } = options;
    const [own] = await Promise.allSettled([
      this.#context.store(taskId, error, state, {
        ...(groupId ? { groupId } : {}),
        ...options,
      }),
    ]);
    // If another run of the task succeeded, the chain goes on with its result.
    const hasSucceeded = own.status === "fulfilled" && !own.value;
    const [rest] = await Promise.allSettled([
      failTasks(
        this.#failures,
        { error, state, traceback },
        hasSucceeded ? [] : waiting,
        isPart ? [request] : [],
        signal === undefined ? {} : { signal },
      ),
    ]);
    if (own.status === "rejected") throw own.reason;
    if (rest.status === "rejected") throw rest.reason;
    return own.value;
  }

  /**
   * Returns the part of a failed task. The claim names the task, so that a
   * second call for the same failure continues where the first one stopped.
   */
  async #returnFailed(
    request: ChordRequest,
    error: unknown,
    state: FailureState,
    call: CallOptions,
  ): Promise<void> {
    const { taskId, groupId } = request;
    if (!groupId) return;
    const claim = `failure of task ${taskId}`;
    const completion = { onComplete: null, claim, call };
    await this.#return({ ...request, groupId }, state, error, completion);
  }

  #check({ taskId, groupId, groupIndex = null }: ChordRequest): void {
    const { keys } = this.#context;
    // Both throw if the id is invalid.
    keys.taskKey(taskId);
    if (groupId) keys.chordKeys(groupId);
    if (groupIndex !== null) checkInteger(0, "groupIndex", groupIndex);
  }

  async #return(
    request: ChordRequest & { groupId: string },
    state: TaskState,
    result: unknown,
    { onComplete, claim, call }: {
      onComplete: ChordPartOptions["onComplete"] | null;
      claim: string;
      call: CallOptions;
    },
  ): Promise<ChordOutcome> {
    const { taskId, groupId, groupIndex = null, chord = null } = request;
    const keys = this.#context.keys.chordKeys(groupId);
    const part = this.#encode(groupId, taskId, state, result);
    const counted = await this.#counter.count(
      { groupId, keys, taskId, groupIndex, part, claim },
      call,
    );
    if (counted.count === undefined) {
      return { type: "claimed", claim: counted.claim };
    }
    const { count, extra, isClaimed } = counted;
    const base = counted.size ?? readSize(chord);
    if (base === null) return { type: "sizeUnknown", count };
    const size = base + extra;
    // A chord that this call has claimed was complete then, whatever was counted
    // since.
    const isFull = count === size || (isClaimed && count > size);
    if (!isFull) return { type: "waiting", count, size };
    return await this.#completion.complete({
      info: { groupId, chord, bodyId: readBodyId(chord), claim },
      keys,
      count,
      size,
      onComplete,
      options: call,
    });
  }

  #encode(
    groupId: string,
    taskId: string,
    state: TaskState,
    result: unknown,
  ): StoredDocument {
    const { codec, maxResultBytes } = this.#context;
    const failed =
      `Cannot return the part of task ${taskId} to chord ${groupId}`;
    const problem = stateProblem(state);
    if (problem !== undefined) {
      throw new ChordError(`${failed}: its state ${problem}`, groupId, {
        taskId,
      });
    }
    let part: StoredDocument;
    try {
      part = encodeChordPart(codec, taskId, state, result);
    } catch (cause) {
      const { message } = toError(cause);
      throw new ChordError(`${failed}: ${message}`, groupId, { taskId, cause });
    }
    // String parts are ASCII JSON, so `length` is the byte count.
    if (part.length <= maxResultBytes) return part;
    throw new ChordError(
      `${failed}: it has ${part.length} bytes, and Redis accepts at most ${maxResultBytes}: ` +
        "store the data elsewhere, and a reference to it as the result",
      groupId,
      { taskId },
    );
  }
}

/** The size that senders up to Celery 5.0 put into the signature of the body. */
function readSize(chord: Record<string, unknown> | null): number | null {
  const size = chord?.["chord_size"];
  return typeof size === "number" ? size : null;
}

function readBodyId(chord: Record<string, unknown> | null): string | null {
  const options = chord?.["options"];
  if (typeof options !== "object" || options === null) return null;
  const { task_id: id } = options as { task_id?: unknown };
  return typeof id === "string" && id !== "" ? id : null;
}

function checkInteger(least: number, name: string, value: unknown): void {
  if (Number.isSafeInteger(value) && Number(value) >= least) return;
  throw new TypeError(
    `Cannot use ${
      String(value)
    } as the ${name}: expected a whole number from ${least}`,
  );
}

function checkSignatures({ chord, chain }: TaskRequest): void {
  const isChain = (chain ?? null) === null ||
    (Array.isArray(chain) && chain.every(isDict));
  const isChord = (chord ?? null) === null || isDict(chord);
  if (isChain && isChord) return;
  throw new TypeError(
    isChord
      ? "Cannot use the request's chain: expected a list of signatures, as in the task's message"
      : "Cannot use the request's chord: expected a signature, as in the task's message",
  );
}

function checkClaim(claim: unknown): void {
  const isValid = typeof claim === "string" && claim !== "" && claim !== DONE &&
    claim.isWellFormed();
  if (isValid) return;
  throw new TypeError(
    `Cannot use ${
      JSON.stringify(claim)
    } as a claim: expected a name unique to this call, other than "${DONE}"`,
  );
}
