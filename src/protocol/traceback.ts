import { describeValue } from "../formats/describe.ts";
import { memberOf } from "../util/member_of.ts";
import { isError } from "./exceptions.ts";

/** How many errors one traceback holds: a chain of causes can be endless. */
const MAX_ERRORS = 20;

/**
 * Formats the traceback of a thrown value: the stack of an `Error`, followed by
 * those of its causes, and of the errors in an `AggregateError`. A Python
 * traceback, as a `TaskError` has it, takes the place of the stack. Null if
 * `thrown` is not an `Error`. It never throws, whatever the error's getters do.
 *
 * Celery: the traceback of an exception with its `__cause__`, which Python writes
 * first, and JavaScript last.
 */
export function formatTraceback(thrown: unknown): string | null {
  if (!isError(thrown)) return null;
  const lines: string[] = [];
  const seen = new Set<unknown>();
  const pending: [prefix: string, error: unknown][] = [["", thrown]];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [prefix, error] = next;
    if (seen.size === MAX_ERRORS) {
      lines.push("... and more");
      break;
    }
    if (seen.has(error)) {
      lines.push(`${prefix}${formatHead(error)} (see above)`);
      continue;
    }
    seen.add(error);
    lines.push(prefix + readStack(error));
    // What is pushed last comes next.
    const errors = memberOf(error, "errors");
    if (Array.isArray(errors)) {
      for (const [index, part] of errors.slice(0, MAX_ERRORS).entries()) {
        pending.push([`Error ${index + 1} of ${errors.length}: `, part]);
      }
    }
    const cause = memberOf(error, "cause");
    if (cause !== undefined) pending.push(["Caused by: ", cause]);
  }
  return lines.join("\n");
}

function readStack(error: unknown): string {
  for (const key of ["traceback", "stack"]) {
    const text = isError(error) ? memberOf(error, key) : undefined;
    if (typeof text === "string" && text !== "") return text.trimEnd();
  }
  return formatHead(error);
}

/** Formats the first line of a stack, for an error without one. */
function formatHead(error: unknown): string {
  if (!isError(error)) return describeValue(error);
  const name = describeValue(memberOf(error, "name") ?? "Error");
  const message = describeValue(memberOf(error, "message") ?? "");
  return message === "" ? name : `${name}: ${message}`;
}
