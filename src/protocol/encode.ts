import { encodeFailure } from "./exceptions.ts";
import { encodeJson } from "./json_encode.ts";
import { EXCEPTION_STATES, isReady, type TaskState } from "./states.ts";

/** What a document says of the request that led to the result. */
export interface RequestFields {
  /**
   * The results of the tasks that this one sent, as Celery's nested lists.
   * @default {null}
   */
  children?: unknown;
  /** The group that the task is in. */
  groupId?: string;
  /** The task that sent this one. */
  parentId?: string;
  /** The task's name. Celery writes this and what follows with `result_extended` only. */
  name?: string;
  /** The task's positional arguments. */
  args?: unknown[];
  /** The task's keyword arguments. */
  kwargs?: Record<string, unknown>;
  /** The host name of the worker. */
  worker?: string;
  /** How many times the task was retried before. */
  retries?: number;
  /** The routing key by which the task was sent. */
  queue?: string;
  /** The task's stamps. Each becomes a top-level member; `stamped_headers` lists them. */
  stamps?: Record<string, unknown>;
}

/** What a document is made of. What is missing is left out, or null where Celery always has the member. */
export interface DocumentFields extends RequestFields {
  /** The task. */
  taskId: string;
  /** Its state. */
  state: TaskState;
  /**
   * What goes with the state: the result itself; the exception of FAILURE,
   * REVOKED and RETRY in any form that `encodeFailure()` takes.
   */
  result: unknown;
  /** When it became ready. Only written, and needed, in a state that is ready. */
  dateDone: Date | null;
  /**
   * The traceback, as text.
   * @default {null}
   */
  traceback?: string | null;
}

/** The members of a document, in Celery's order, and where each comes from. */
const OPTIONAL = [
  ["group_id", "groupId"],
  ["parent_id", "parentId"],
  ["name", "name"],
  ["args", "args"],
  ["kwargs", "kwargs"],
  ["worker", "worker"],
  ["retries", "retries"],
  ["queue", "queue"],
] as const;

/** Names that a stamp must not have: it would replace the document's own member. */
const RESERVED: ReadonlySet<string> = new Set([
  "status",
  "result",
  "traceback",
  "children",
  "date_done",
  "stamped_headers",
  "task_id",
  ...OPTIONAL.map(nameOf),
]);

/**
 * Writes the document that Celery stores and publishes for a task, member for
 * member and in its order.
 *
 * Celery: `Backend._get_result_meta`, then `Backend.encode`.
 *
 * @throws {TypeError} If a value cannot be encoded (see `encodeJson()`), if a
 * ready state has no valid `dateDone`, or if a stamp has the name of a member.
 */
export function encodeDocument(fields: DocumentFields): string {
  const { state } = fields;
  const result = EXCEPTION_STATES.has(state)
    ? exceptionOf(fields)
    : fields.result;
  let text = `{"status": ${encodeJson(state, "state")}` +
    `, "result": ${encodeJson(result)}` +
    `, "traceback": ${encodeJson(fields.traceback, "traceback")}` +
    `, "children": ${encodeJson(fields.children, "children")}` +
    `, "date_done": ${dateDone(fields)}`;
  for (const [name, field] of OPTIONAL) {
    const value = fields[field];
    if (value !== undefined) text += `, "${name}": ${encodeJson(value, field)}`;
  }
  if (fields.stamps !== undefined) text += stampsText(fields.stamps);
  return `${text}, "task_id": ${encodeJson(fields.taskId, "taskId")}}`;
}

/** The exception to write. Python cannot read FAILURE or REVOKED without one; a RETRY may have none. */
function exceptionOf({ state, result }: DocumentFields): unknown {
  if (state === "RETRY" && (result === null || result === undefined)) {
    return null;
  }
  return encodeFailure(result);
}

/**
 * Celery's form since 5.5. Always six digits of a second: Celery 5.2 takes
 * whatever number stands there for microseconds.
 */
function dateDone({ state, dateDone }: DocumentFields): string {
  if (!isReady(state)) return "null";
  if (dateDone === null || Number.isNaN(dateDone.getTime())) {
    throw new TypeError(
      `Cannot encode a result in state ${JSON.stringify(state)} ` +
        `with ${dateDone} as dateDone: give the time when the task became ready`,
    );
  }
  return `"${dateDone.toISOString().replace("Z", "000+00:00")}"`;
}

function stampsText(stamps: Record<string, unknown>): string {
  const names = Object.keys(stamps);
  let text = `, "stamped_headers": ${encodeJson(names)}`;
  for (const name of names) {
    if (RESERVED.has(name)) {
      throw new TypeError(
        `Cannot encode a stamp named ${JSON.stringify(name)}: ` +
          "a result document has a member of that name; choose another",
      );
    }
    text += `, ${encodeJson(name)}: ${
      encodeJson(stamps[name], `stamps.${name}`)
    }`;
  }
  return text;
}

function nameOf(member: readonly [string, string]): string {
  return member[0];
}
