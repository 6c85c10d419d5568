import { decodeFailure, encodeFailure } from "./exceptions.ts";
import { EXCEPTION_STATES, type TaskState } from "./states.ts";
import type { Format, StoredDocument } from "../formats/types.ts";

/** One part of a chord: what a task of its header returned. */
export interface ChordPart {
  /** The task. */
  readonly taskId: string;
  /** Its state. */
  readonly state: string;
  /** What it returned; a `TaskFailure` (or null) in state FAILURE, REVOKED or RETRY. */
  readonly result: unknown;
}

/**
 * What Celery's workers keep of a part, to the byte.
 *
 * An argument of an exception that the format cannot hold is replaced by its
 * text, as in a document: a part that was refused would leave the chord waiting.
 *
 * Celery: the first lines of `on_chord_part_return`.
 *
 * @throws {TypeError} If `result` is not an exception and cannot be encoded.
 */
export function encodeChordPart(
  codec: Format,
  taskId: string,
  state: TaskState,
  result: unknown,
): StoredDocument {
  const isNone = state === "RETRY" && (result ?? null) === null;
  const written = EXCEPTION_STATES.has(state) && !isNone
    ? encodeFailure(result, codec)
    : result;
  // Nobody reads the first item; it is a version that Celery never raised.
  return codec.encode([1, taskId, state, written ?? null], "part");
}

/**
 * Reads a part.
 *
 * Celery: `_unpack_chord_result`.
 *
 * @throws {Error} If it is none; says why.
 */
export function decodeChordPart(
  codec: Format,
  stored: StoredDocument,
): ChordPart {
  const part = codec.decode(stored);
  if (!Array.isArray(part) || part.length !== 4) {
    throw new TypeError("Cannot read a chord's part: expected a list of four");
  }
  const [, taskId, state, result] = part;
  if (typeof taskId !== "string" || typeof state !== "string") {
    throw new TypeError(
      "Cannot read a chord's part: expected a task id and a state as second and third item",
    );
  }
  return {
    taskId,
    state,
    result: EXCEPTION_STATES.has(state) ? decodeFailure(result) : result,
  };
}
