import { isDict } from "../formats/is_dict.ts";
import type { RequestFields } from "./encode.ts";

/** The part that a task returns to the chord whose header it is in. */
export interface SignaturePart {
  /** The task. */
  readonly taskId: string;
  /** The group that is the chord's header. */
  readonly groupId: string;
  /** The task's place in the group; null if the signature has none. */
  readonly groupIndex: number | null;
  /** The chord's body: its signature. */
  readonly chord: Record<string, unknown>;
}

/** A task that a signature sends, or what stands for several: a group, a chord. */
export interface SignatureTask {
  /** Its id. */
  readonly taskId: string;
  /** What its document says of the call. */
  readonly fields: Pick<RequestFields, "groupId" | "parentId" | "name">;
  /** The part that it returns to a chord; null if it returns none. */
  readonly part: SignaturePart | null;
}

/** How deep signatures may nest. Python's JSON parser reads about a third of that. */
const MAX_SIGNATURE_DEPTH = 1000;

/**
 * All tasks that signatures send, as far as their ids are known: those of
 * groups, chains and chords within them, too. `signatures` are dicts as a
 * message holds them. What is not a signature is passed over.
 *
 * A group that belongs to a chord returns no part itself if its members do: the
 * chord counts the members. The tasks in the header of a chord among the
 * signatures return none, as their chord does not begin before they are sent.
 *
 * Celery: the loop over `request.chain` in `Backend.mark_as_failure`, which
 * looks into the body of a chord (after 5.6), and into no group.
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

/** Adds the tasks of one signature; whether any of them returns a part. */
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
  // A group and the chord whose header it is have the same id.
  if (task.part !== null || !tasks.has(task.taskId)) {
    tasks.set(task.taskId, task);
  }
  return returnsPart || task.part !== null;
}

/** The signatures within one, and whether each is in the header of a chord. */
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
