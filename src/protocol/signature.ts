import { isDict } from "../formats/is_dict.ts";
import type { RequestFields } from "./encode.ts";

/** The part that a task in a chord's header returns to the chord. */
export interface SignaturePart {
  /** The id of the task. */
  readonly taskId: string;
  /** The id of the group that is the chord's header. */
  readonly groupId: string;
  /** The task's index in the group; null if the signature has none. */
  readonly groupIndex: number | null;
  /** The signature of the chord's body. */
  readonly chord: Record<string, unknown>;
}

/** A task that a signature sends, or the id of several: a group or a chord. */
export interface SignatureTask {
  /** The id. */
  readonly taskId: string;
  /** The members of its document that describe the request. */
  readonly fields: Pick<RequestFields, "groupId" | "parentId" | "name">;
  /** The part that it returns to a chord; null if it returns none. */
  readonly part: SignaturePart | null;
}

/** How deep signatures may nest: about three times as deep as Python's JSON parser reads. */
const MAX_SIGNATURE_DEPTH = 1000;

/**
 * Lists the tasks with known ids that `signatures` send, including those in
 * groups, chains and chords. Signatures are dicts, as in a message; anything else
 * is skipped.
 *
 * If the members of a group return parts to a chord, the group itself returns
 * none: the chord counts its members. The tasks in the header of a chord among
 * the signatures return none, since that chord has not started.
 *
 * Celery: the loop over `request.chain` in `Backend.mark_as_failure`, which after
 * 5.6 includes the body of a chord, but never the members of a group.
 *
 * @throws {RangeError} If signatures nest more than 1,000 deep.
 */
export function listSignatureTasks(
  signatures: readonly unknown[],
): SignatureTask[] {
  const tasks = new Map<string, SignatureTask>();
  for (const signature of signatures) collect(signature, tasks, false, 0);
  return [...tasks.values()];
}

/** Adds the tasks of one signature; returns whether any of them returns a part. */
function collect(
  signature: unknown,
  tasks: Map<string, SignatureTask>,
  inHeader: boolean,
  depth: number,
): boolean {
  if (!isDict(signature)) return false;
  if (depth === MAX_SIGNATURE_DEPTH) {
    throw new RangeError(
      `Cannot use a signature that is nested more than ${MAX_SIGNATURE_DEPTH} levels deep`,
    );
  }
  let returnsPart = false;
  for (const [inner, isHeader] of innerSignatures(signature)) {
    const hasPart = collect(inner, tasks, inHeader || isHeader, depth + 1);
    returnsPart ||= hasPart;
  }
  const task = readTask(signature, inHeader || returnsPart);
  if (task === null) return returnsPart;
  // A chord and its header have the same id.
  if (task.part !== null || !tasks.has(task.taskId)) {
    tasks.set(task.taskId, task);
  }
  return returnsPart || task.part !== null;
}

/** Lists the signatures inside one, and whether each is in the header of a chord. */
function innerSignatures(
  { subtask_type: type, kwargs }: Record<string, unknown>,
): [signature: unknown, isHeader: boolean][] {
  if (!isDict(kwargs)) return [];
  switch (type) {
    case "group":
    case "chain":
      return toList(kwargs.tasks).map((task) => [task, false]);
    case "chord": {
      const { header, body } = kwargs;
      const headers = Array.isArray(header) ? header : [header];
      return [
        ...headers.map((task): [unknown, boolean] => [task, true]),
        [body, false],
      ];
    }
    default:
      return [];
  }
}

function readTask(
  { task, options }: Record<string, unknown>,
  returnsNoPart: boolean,
): SignatureTask | null {
  if (!isDict(options)) return null;
  const taskId = readId(options.task_id);
  if (taskId === undefined) return null;
  const groupId = readId(options.group_id);
  const parentId = readId(options.parent_id);
  const { chord, group_index: groupIndex } = options;
  const hasPart = !returnsNoPart && groupId !== undefined && isDict(chord);
  return {
    taskId,
    fields: {
      ...(groupId === undefined ? {} : { groupId }),
      ...(parentId === undefined ? {} : { parentId }),
      ...(typeof task === "string" ? { name: task } : {}),
    },
    part: hasPart
      ? { taskId, groupId, groupIndex: readIndex(groupIndex), chord }
      : null,
  };
}

function readId(value: unknown): string | undefined {
  const isId = typeof value === "string" && value !== "" &&
    value.isWellFormed();
  return isId ? value : undefined;
}

function readIndex(value: unknown): number | null {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
    ? value
    : null;
}

function toList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
