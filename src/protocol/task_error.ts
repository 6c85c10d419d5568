import type { TaskFailure } from "./exceptions.ts";
import { EXCEPTION_STATES } from "./states.ts";

/**
 * The content of a `TaskError`.
 *
 * @category Errors
 */
export interface TaskErrorFields extends TaskFailure {
  /** The id of the task that raised. */
  taskId: string;
  /** Its state: FAILURE, REVOKED or RETRY. */
  state: string;
  /** The worker's Python traceback, or null. */
  traceback: string | null;
}

/**
 * The members of a meta or an event that `toTaskError()` reads.
 *
 * @category Errors
 */
export interface TaskErrorSource {
  /** The id of the task. */
  taskId: string;
  /** Its state: FAILURE, REVOKED or RETRY. */
  state: string;
  /** A `TaskFailure`, or null if no exception was stored. */
  result: unknown;
  /** The worker's Python traceback, or null. */
  traceback: string | null;
}

/**
 * An exception that a task raised. `excType` and `excModule` only name the Python
 * class, which is never resolved.
 *
 * @example
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { TaskError } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 *
 * const error = new TaskError({
 *   taskId: "6f1c",
 *   state: "FAILURE",
 *   traceback: null,
 *   excType: "ValueError",
 *   excModule: "builtins",
 *   excArgs: ["boom"],
 *   message: "boom",
 * });
 * assertEquals(error.message, "ValueError: boom");
 * ```
 *
 * @category Errors
 */
export class TaskError extends Error {
  /** The name of the class, which survives where `instanceof` does not. */
  override readonly name: string = "TaskError";
  /** The id of the task that raised. */
  readonly taskId: string;
  /** Its state: FAILURE, REVOKED, or RETRY. */
  readonly state: string;
  /** The exception's Python class. */
  readonly excType: string;
  /** The Python module of the class; null if it is unknown. */
  readonly excModule: string | null;
  /** The exception's arguments. */
  readonly excArgs: unknown[];
  /** The worker's Python traceback, or null. */
  readonly traceback: string | null;

  /** Makes an error whose message reads like Python's: `ValueError: boom`. */
  constructor(fields: TaskErrorFields, options?: ErrorOptions) {
    const { excType, message } = fields;
    super(message === "" ? excType : `${excType}: ${message}`, options);
    this.taskId = fields.taskId;
    this.state = fields.state;
    this.excType = excType;
    this.excModule = fields.excModule;
    this.excArgs = fields.excArgs;
    this.traceback = fields.traceback;
  }
}

/**
 * A task that was revoked, terminated, or expired. Celery: `TaskRevokedError`.
 *
 * @example A wait for a task that is revoked
 * ```ts
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { ResultBackend, TaskRevokedError } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using backend = new ResultBackend(redis.url);
 * // Normally, Celery's worker does this.
 * await backend.markAsRevoked("6f1c", "terminated");
 * await assertRejects(
 *   () => backend.result("6f1c").get(),
 *   TaskRevokedError,
 *   "terminated",
 * );
 * ```
 *
 * @category Errors
 */
export class TaskRevokedError extends TaskError {
  /** The name of the class, which survives where `instanceof` does not. */
  override readonly name = "TaskRevokedError";
}

/**
 * Converts a meta or an event in state FAILURE, REVOKED or RETRY to the error that
 * a wait for the result throws. If no exception was stored with the state, the
 * message says so.
 *
 * @throws {TypeError} If `meta` is in any other state.
 *
 * @category Errors
 */
export function toTaskError(meta: TaskErrorSource): TaskError {
  const { taskId, state, traceback } = meta;
  if (!EXCEPTION_STATES.has(state)) {
    throw new TypeError(
      `Cannot make a TaskError of task ${JSON.stringify(taskId)} ` +
        `in state ${
          JSON.stringify(state)
        }: only FAILURE, REVOKED and RETRY have an exception`,
    );
  }
  const isRevoked = state === "REVOKED";
  const failure = isTaskFailure(meta.result) ? meta.result : {
    excType: isRevoked ? "TaskRevokedError" : "Exception",
    excModule: isRevoked ? "celery.exceptions" : null,
    excArgs: [],
    message: `no exception was stored with the state ${state}`,
  };
  const fields = { ...failure, taskId, state, traceback };
  return isRevoked ? new TaskRevokedError(fields) : new TaskError(fields);
}

function isTaskFailure(result: unknown): result is TaskFailure {
  return typeof result === "object" && result !== null &&
    typeof (result as TaskFailure).excType === "string";
}
