/** A state that Celery gives to tasks by itself. */
export type BuiltinState =
  | "PENDING"
  | "RECEIVED"
  | "STARTED"
  | "SUCCESS"
  | "FAILURE"
  | "REVOKED"
  | "REJECTED"
  | "RETRY"
  | "IGNORED";

/**
 * A task's state: one of Celery's own, or any string of the application's
 * (`PROGRESS`, say), which is then a state that is not ready.
 */
// `string & {}` keeps the names above in an editor's completion list.
// deno-lint-ignore ban-types
export type TaskState = BuiltinState | (string & {});

/** States in which a task has its outcome. Celery: `READY_STATES`. */
export const READY_STATES: ReadonlySet<string> = new Set([
  "SUCCESS",
  "FAILURE",
  "REVOKED",
]);

/**
 * Celery's own states in which a task has no outcome yet. Celery:
 * `UNREADY_STATES`. `IGNORED` and custom states are in neither set, and count
 * as not ready.
 */
export const UNREADY_STATES: ReadonlySet<string> = new Set([
  "PENDING",
  "RECEIVED",
  "STARTED",
  "REJECTED",
  "RETRY",
]);

/** States whose result is an exception. Celery: `EXCEPTION_STATES`. */
export const EXCEPTION_STATES: ReadonlySet<string> = new Set([
  "RETRY",
  "FAILURE",
  "REVOKED",
]);

/** States whose exception a wait for the result throws. Celery: `PROPAGATE_STATES`. */
export const PROPAGATE_STATES: ReadonlySet<string> = new Set([
  "FAILURE",
  "REVOKED",
]);

/** Tells whether a task in `state` has its outcome. */
export function isReady(state: string): boolean {
  // Not a look-up in the set: this is asked once a document.
  return state === "SUCCESS" || state === "FAILURE" || state === "REVOKED";
}
