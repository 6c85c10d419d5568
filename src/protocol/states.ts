import { describeValue } from "../formats/describe.ts";
import { truncate } from "../util/truncate.ts";

/**
 * A state that Celery itself sets.
 *
 * @category Streams
 */
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
 * A task's state: one of Celery's own, or a custom one such as `PROGRESS`, which
 * is never ready.
 *
 * @category Streams
 */
// `string & {}` keeps Celery's states in an editor's completion list.
// deno-lint-ignore ban-types
export type TaskState = BuiltinState | (string & {});

/** Celery's own states. */
const BUILTIN_STATES: ReadonlySet<string> = new Set<BuiltinState>([
  "PENDING",
  "RECEIVED",
  "STARTED",
  "SUCCESS",
  "FAILURE",
  "REVOKED",
  "REJECTED",
  "RETRY",
  "IGNORED",
]);

/** Control characters, and Unicode's two line separators. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;
/** How many characters of a refused state an error shows. */
const MAX_SHOWN_CHARS = 100;

/** States whose result is an exception. Celery: `EXCEPTION_STATES`. */
export const EXCEPTION_STATES: ReadonlySet<string> = new Set([
  "RETRY",
  "FAILURE",
  "REVOKED",
]);

/**
 * Whether a task in `state` has its outcome: SUCCESS, FAILURE or REVOKED. Any
 * other state, `IGNORED` and custom ones included, is not ready.
 * Celery: `READY_STATES`.
 */
export function isReady(state: string): boolean {
  // Comparisons are faster than a set, and this runs once per document.
  return state === "SUCCESS" || state === "FAILURE" || state === "REVOKED";
}

/**
 * Returns why `state` cannot be stored as a state; undefined if it can. The text
 * completes "its state ...".
 *
 * A custom state may be almost any text ("PROGRESS", "in-progress",
 * "Step 1: 50%", "[2/3] loading"). Only clear mistakes are refused: a JSON
 * document, which is a result passed as the state; control characters; leading
 * or trailing white space; a lone surrogate; and a name that differs from one of
 * Celery's only in case or white space. The wait for a task in state "success"
 * would never end.
 */
export function stateProblem(state: unknown): string | undefined {
  if (typeof state !== "string" || state === "") {
    return `is ${
      show(state)
    }, expected one of Celery's or a name of your own, such as "PROGRESS"`;
  }
  if (BUILTIN_STATES.has(state)) return undefined;
  const trimmed = state.trim();
  const builtin = trimmed.toUpperCase();
  if (BUILTIN_STATES.has(builtin)) {
    return `is ${show(state)}, did you mean ${show(builtin)}?`;
  }
  if (builtin === "UNDECODABLE") {
    return `is ${
      show(state)
    }, the state of a document that cannot be decoded: use another name`;
  }
  if (isDocument(state)) {
    return `is ${
      show(state)
    }, which is a JSON document: pass the result first, and then the state`;
  }
  const isName = trimmed === state && !CONTROL.test(state) &&
    state.isWellFormed();
  if (isName) return undefined;
  return `is ${show(state)}, which cannot be the name of a state: ` +
    "use one without control characters or white space at its ends";
}

/** Whether `state` looks like a JSON object, or is a list or a string in JSON. */
function isDocument(state: string): boolean {
  if (state.startsWith("{")) return true;
  if (!/^[["]/.test(state)) return false;
  try {
    JSON.parse(state);
    return true;
  } catch {
    return false;
  }
}

function show(state: unknown): string {
  if (typeof state !== "string") return describeValue(state);
  return JSON.stringify(truncate(state, MAX_SHOWN_CHARS));
}
