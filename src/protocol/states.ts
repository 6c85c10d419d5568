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

/** States whose result is an exception. Celery: `EXCEPTION_STATES`. */
export const EXCEPTION_STATES: ReadonlySet<string> = new Set([
  "RETRY",
  "FAILURE",
  "REVOKED",
]);

/**
 * Tells whether a task in `state` has its outcome: SUCCESS, FAILURE or REVOKED.
 * Any other state, `IGNORED` and the application's own included, is not ready.
 * Celery: `READY_STATES`.
 */
export function isReady(state: string): boolean {
  // Not a look-up in the set: this is asked once a document.
  return state === "SUCCESS" || state === "FAILURE" || state === "REVOKED";
}
