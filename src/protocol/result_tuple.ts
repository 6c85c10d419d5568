import { MAX_WRITE_DEPTH as MAX_WRITTEN_DEPTH } from "../formats/encodable.ts";
import type { ResultNode } from "./result_node.ts";
import { describeValue } from "../formats/describe.ts";
import { MAX_READ_DEPTH as MAX_READ_DEPTH } from "../formats/envelopes.ts";

/**
 * A result as Celery writes it into documents: its id, its parent, and the
 * members of a group, or null for a task. Celery: `as_tuple()`.
 */
export type ResultTuple = [
  [id: string, parent: ResultTuple | null],
  members: ResultTuple[] | null,
];

/** The result of a group as Celery writes it into documents. */
export type GroupTuple = [
  [id: string, parent: ResultTuple | null],
  members: ResultTuple[],
];

/**
 * How many results one inside the other are written: as many as can be stored.
 * Each opens two lists inside the one before. All of them stand in a list of
 * children, or in a group's document.
 */
const MAX_WRITTEN = Math.floor((MAX_WRITTEN_DEPTH - 1) / 2);
/** How many are read: as many as a document can hold. Celery stores more where its stack is shallow. */
const MAX_READ = MAX_READ_DEPTH / 2;
/** How many characters of a bad tuple an error shows. */
const MAX_SHOWN_CHARS = 100;

/**
 * Writes a result as Celery does.
 *
 * Celery: `AsyncResult.as_tuple` and `GroupResult.as_tuple`.
 *
 * @throws {RangeError} If more than 399 results nest, parents and groups
 * counted: no more can be stored, see `MAX_WRITE_DEPTH` in `encodable.ts`.
 */
export function resultTuple(
  result: ResultNode & { readonly results: readonly ResultNode[] },
): GroupTuple;
/** Writes the result of a task or of a group as Celery does. */
export function resultTuple(result: ResultNode): ResultTuple;
export function resultTuple(result: ResultNode): ResultTuple {
  return write(result, 1);
}

function write(result: ResultNode, depth: number): ResultTuple {
  if (depth > MAX_WRITTEN) {
    throw new RangeError(
      `Cannot write more than ${MAX_WRITTEN} results one inside the other, parents and groups counted ` +
        `(the next is ${result.id}): Python would not read them back`,
    );
  }
  const { id, parent, results } = result;
  const head: [string, ResultTuple | null] = [
    id,
    parent === null ? null : write(parent, depth + 1),
  ];
  if (results === undefined) return [head, null];
  return [head, results.map((member) => write(member, depth + 1))];
}

/**
 * Reads a result as Celery writes it, and in the older forms that Celery still
 * reads: `["id", null]`. A bare id stands for a task, too.
 *
 * Celery: `result_from_tuple`.
 *
 * @throws {TypeError} If it is of another shape; says where.
 * @throws {RangeError} If more than 1,000 results nest.
 */
export function parseResultTuple(tuple: unknown): ResultNode {
  return parse(tuple, 1);
}

function parse(tuple: unknown, depth: number): ResultNode {
  if (depth > MAX_READ) {
    throw new RangeError(
      `Cannot read more than ${MAX_READ} results one inside the other, parents and groups counted`,
    );
  }
  if (typeof tuple === "string") {
    return { id: idOf(tuple, tuple), parent: null };
  }
  if (!Array.isArray(tuple) || tuple.length !== 2) {
    refuse(tuple, "expected [[id, parent], null] or [[id, parent], members]");
  }
  // An array's members are anything.
  const [head, members] = tuple as [unknown, unknown];
  if (Array.isArray(head) && head.length !== 2) {
    refuse(tuple, "it does not begin with [id, parent]");
  }
  const [id, parent] = Array.isArray(head)
    ? head as [unknown, unknown]
    : [head, null];
  const node = {
    id: idOf(id, tuple),
    parent: parent === null ? null : parse(parent, depth + 1),
  };
  if (members === null) return node;
  if (!Array.isArray(members)) {
    refuse(tuple, "its members are neither null nor a list");
  }
  return {
    ...node,
    results: members.map((member) => parse(member, depth + 1)),
  };
}

function idOf(id: unknown, tuple: unknown): string {
  if (typeof id === "string" && id !== "" && id.isWellFormed()) return id;
  refuse(tuple, "its id is not a non-empty string with a UTF-8 form");
}

function refuse(tuple: unknown, reason: string): never {
  const text = describeValue(tuple);
  const shown = text.length > MAX_SHOWN_CHARS
    ? `${text.slice(0, MAX_SHOWN_CHARS)}...`
    : text;
  throw new TypeError(
    `Cannot read a result from ${
      typeof tuple === "string" ? JSON.stringify(shown) : shown
    }: ${reason}`,
  );
}
