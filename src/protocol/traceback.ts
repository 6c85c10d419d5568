import { isError } from "./exceptions.ts";
import { describeValue } from "../formats/describe.ts";
import { memberOf } from "../util/member_of.ts";

/** How many errors one traceback tells of: causes can go round in a circle. */
const MAX_ERRORS = 20;

/**
 * The traceback of something thrown: the stack of an `Error`, and behind it
 * that of what it was caused by, and of the errors in an `AggregateError`. For
 * an error that has a Python traceback (a `TaskError`) it is that one. Null if
 * it is no `Error`. It never throws, whatever the error's getters do.
 *
 * Celery: the traceback of an exception with its `__cause__`, which Python
 * tells first, and JavaScript last.
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
      lines.push(`${prefix}${formatHead(error)} (told above)`);
      continue;
    }
    seen.add(error);
    lines.push(prefix + readStack(error));
    // What is pushed last is told next.
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

/** The first line of a stack: an error without one has this at least. */
function formatHead(error: unknown): string {
  if (!isError(error)) return describeValue(error);
  const name = describeValue(memberOf(error, "name") ?? "Error");
  const message = describeValue(memberOf(error, "message") ?? "");
  return message === "" ? name : `${name}: ${message}`;
}
