import { describeArgument } from "../util/describe_argument.ts";
import { memberOf } from "../util/member_of.ts";

/**
 * The ids in an argument that is one id or several. A string is one id, never
 * its letters.
 *
 * @throws {TypeError} if it is neither; the message says what to pass.
 */
export function toIds<T>(
  taskIds: string | Iterable<T>,
): Iterable<string | T> {
  if (typeof taskIds === "string") return [taskIds];
  if (typeof memberOf(taskIds, Symbol.iterator) === "function") return taskIds;
  throw new TypeError(
    `Cannot use ${describeArgument(taskIds)} as task ids: ${
      Array.isArray(memberOf(taskIds, "ids"))
        ? "give its `ids`"
        : typeof memberOf(taskIds, "id") === "string"
        ? "give its `id`"
        : typeof memberOf(taskIds, Symbol.asyncIterator) === "function"
        ? "pipe them, as in ReadableStream.from(taskIds).pipeThrough(backend.consumer())"
        : "give one id, or a list of ids"
    }`,
  );
}
