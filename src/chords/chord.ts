import { ChordCompletion, type ChordCompletionContext } from "./completion.ts";
import { DONE } from "./count.ts";
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
import { CALL_OPTIONS, type CallOptions } from "../source/commands.ts";
import { ChordError } from "../errors.ts";
import { checkOptions } from "../util/option_names.ts";
import { encodeChordPart } from "../protocol/chord_part.ts";
import type { KeySpace } from "../protocol/keys.ts";
import { isDict } from "../formats/is_dict.ts";
import { listSignatureTasks } from "../protocol/signature.ts";
import { stateProblem, type TaskState } from "../protocol/states.ts";
import type { StoredDocument } from "../formats/types.ts";

/** What chords work on. */
export interface ChordContext
  extends ChordCounterContext, Omit<ChordCompletionContext, "returnPart"> {
  /** The names of keys. */
  readonly keys: KeySpace;
  /** The largest part that is stored, in bytes. */
  readonly maxResultBytes: number;
}

/**
 * Chords: parts that return, and are counted; the last one completes the chord.
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

  /** Says how many parts a chord has. Published, too, as Celery does. */
  async setSize(
    groupId: string,
    size: number,
    options: CallOptions,
  ): Promise<void> {
    checkOptions(options, CALL_OPTIONS);
    const { commands, expires, keys } = this.#context;
    const { size: key } = keys.chordKeys(groupId);
    checkWhole(0, "size of a chord", size);
    await commands.run(
      (link) =>
        link.transaction([
          expires === 0 ? ["SET", key, size] : ["SETEX", key, expires, size],
          ["PUBLISH", key, size],
        ]),
      (message, cause) =>
        new ChordError(
          `Failed to set the size of chord ${groupId} to ${size}: ${message}`,
          groupId,
          { cause },
        ),
      options,
    );
  }

  /** Says that a chord got `count` more parts. Never sent twice. */
  async add(
    groupId: string,
    count: number,
    options: CallOptions,
  ): Promise<void> {
    checkOptions(options, CALL_OPTIONS);
    const { extra } = this.#context.keys.chordKeys(groupId);
    checkWhole(1, "number of parts to add to a chord", count);
    const failed = `Failed to add ${count} to the size of chord ${groupId}`;
    await this.#context.commands.runOnce(
      (link) => link.command(["INCRBY", extra, count]),
      (cause) =>
        new ChordError(
          `${failed}, or did so without an answer: ${cause.message}. It may or may not ` +
            `have counted, and is not sent again: compare ${extra} with what it should be`,
          groupId,
          { cause },
        ),
      (message, cause) =>
        new ChordError(`${failed}: ${message}`, groupId, { cause }),
      options,
    );
  }

  /** Returns a part, and completes the chord if it was the last. */
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
        `Cannot use ${String(onComplete)} as onComplete: give a function`,
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
   * Stores a failure, and passes it on to what waits for the task. False if an
   * earlier SUCCESS stands.
   *
   * @throws the first of what went wrong, once everything was attempted.
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
    // The rest of the chain goes on with the SUCCESS of another run.
    const stands = own.status === "fulfilled" && !own.value;
    const [rest] = await Promise.allSettled([
      failTasks(
        this.#failures,
        { error, state, traceback },
        stands ? [] : waiting,
        isPart ? [request] : [],
        signal === undefined ? {} : { signal },
      ),
    ]);
    if (own.status === "rejected") throw own.reason;
    if (rest.status === "rejected") throw rest.reason;
    return own.value;
  }

  /**
   * Returns the part of a task that failed. The claim is the task's: a call that
   * is made again for the same failure takes up where the first one stopped.
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
    // Each throws where the id cannot be one.
    keys.taskKey(taskId);
    if (groupId) keys.chordKeys(groupId);
    if (groupIndex !== null) checkWhole(0, "groupIndex", groupIndex);
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
    const { count, extra, isOwn } = counted;
    const base = counted.size ?? sizeOf(chord);
    if (base === null) return { type: "sizeUnknown", count };
    const size = base + extra;
    // A chord that was claimed was complete, whatever was counted since.
    const isFull = count === size || (isOwn && count > size);
    if (!isFull) return { type: "waiting", count, size };
    return await this.#completion.complete({
      info: { groupId, chord, bodyId: bodyIdOf(chord), claim },
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
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new ChordError(`${failed}: ${why}`, groupId, { taskId, cause });
    }
    // JSON is written in ASCII: a character is a byte.
    if (part.length <= maxResultBytes) return part;
    throw new ChordError(
      `${failed}: it has ${part.length} bytes, and Redis takes ${maxResultBytes}: ` +
        "store the data elsewhere, and a reference to it as the result",
      groupId,
      { taskId },
    );
  }
}

/** The size that senders up to Celery 5.0 put into the body's signature. */
function sizeOf(chord: Record<string, unknown> | null): number | null {
  const size = chord?.["chord_size"];
  return typeof size === "number" ? size : null;
}

function bodyIdOf(chord: Record<string, unknown> | null): string | null {
  const options = chord?.["options"];
  if (typeof options !== "object" || options === null) return null;
  const { task_id: id } = options as { task_id?: unknown };
  return typeof id === "string" && id !== "" ? id : null;
}

function checkWhole(least: number, name: string, value: unknown): void {
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
      ? "Cannot use what the request gives as its chain: expected a list of signatures, " +
        "as the task's message holds it"
      : "Cannot use what the request gives as its chord: expected a signature, " +
        "as the task's message holds it",
  );
}

function checkClaim(claim: unknown): void {
  const isName = typeof claim === "string" && claim !== "" && claim !== DONE &&
    claim.isWellFormed();
  if (isName) return;
  throw new TypeError(
    `Cannot use ${
      JSON.stringify(claim)
    } as a claim: give a name that no other call has, and not "${DONE}"`,
  );
}
