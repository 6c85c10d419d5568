import type { Format, StoredDocument } from "../formats/types.ts";
import { decodeFailure, encodeFailure } from "./exceptions.ts";
import { EXCEPTION_STATES, type TaskState } from "./states.ts";

/** One part of a chord: the outcome of a task in its header. */
export interface ChordPart {
  /** The task. */
  readonly taskId: string;
  /** Its state. */
  readonly state: string;
  /** What the task returned; a `TaskFailure` (or null) in state FAILURE, REVOKED or RETRY. */
  readonly result: unknown;
}

/**
 * Encodes a part, byte for byte as Celery's workers do.
 *
 * An argument of an exception that the format cannot represent is replaced by
 * its text, as in a document: without the part, the chord would never complete.
 *
 * Celery: the first lines of `on_chord_part_return`.
 *
 * @throws {TypeError} If `result` is not an exception and cannot be encoded.
 */
export function encodeChordPart(
  format: Format,
  taskId: string,
  state: TaskState,
  result: unknown,
): StoredDocument {
  const isNone = state === "RETRY" && (result ?? null) === null;
  const content = EXCEPTION_STATES.has(state) && !isNone
    ? encodeFailure(result, format)
    : result;
  // The first item is a version, always 1, that Celery does not read.
  return format.encode([1, taskId, state, content ?? null], "part");
}

/**
 * Decodes a part.
 *
 * Celery: `_unpack_chord_result`.
 *
 * @throws {Error} If it is not a part. The message gives the reason.
 */
export function decodeChordPart(
  format: Format,
  stored: StoredDocument,
): ChordPart {
  const part = format.decode(stored);
  if (!Array.isArray(part) || part.length !== 4) {
    throw new TypeError("Cannot read a chord's part: expected a list of four");
  }
  const [, taskId, state, result] = part;
  if (typeof taskId !== "string" || typeof state !== "string") {
    throw new TypeError(
      "Cannot read a chord's part: expected a task id and a state as its second and third item",
    );
  }
  return {
    taskId,
    state,
    result: EXCEPTION_STATES.has(state) ? decodeFailure(result) : result,
  };
}
