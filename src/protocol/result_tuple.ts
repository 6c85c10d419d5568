import { describeValue } from "../formats/describe.ts";
import { MAX_WRITE_DEPTH } from "../formats/encodable.ts";
import { MAX_READ_DEPTH } from "../formats/envelopes.ts";
import { truncate } from "../util/truncate.ts";
import type { ResultNode } from "./result_node.ts";

/**
 * A result as Celery writes it into documents: its id, its parent, and the
 * members of a group, or null for a task. Celery: `as_tuple()`.
 *
 * @category Results
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
 * How deep results may nest to be written: as deep as can be stored. Each adds two
 * lists, and the outermost is inside a list of children, or a group's document.
 */
const MAX_WRITTEN_RESULTS = Math.floor((MAX_WRITE_DEPTH - 1) / 2);
/** How deep results may nest to be read: as deep as a document can. Celery can store more than is written here. */
const MAX_READ_RESULTS = MAX_READ_DEPTH / 2;
/** How many characters of a bad tuple an error shows. */
const MAX_SHOWN_CHARS = 100;

/**
 * Converts a group's result to Celery's form.
 *
 * Celery: `AsyncResult.as_tuple` and `GroupResult.as_tuple`.
 *
 * @throws {RangeError} If results nest more than 399 deep, parents and groups
 * counted: more cannot be stored, see `MAX_WRITE_DEPTH`.
 */
export function toResultTuple(
  result: ResultNode & { readonly results: readonly ResultNode[] },
): GroupTuple;
/** Converts the result of a task or a group to Celery's form. */
export function toResultTuple(result: ResultNode): ResultTuple;
export function toResultTuple(result: ResultNode): ResultTuple {
  return toTuple(result, 1);
}

function toTuple(result: ResultNode, depth: number): ResultTuple {
  if (depth > MAX_WRITTEN_RESULTS) {
    throw new RangeError(
      `Cannot write more than ${MAX_WRITTEN_RESULTS} results inside one another, parents and groups counted ` +
        `(the next is ${result.id}): Python would not read them back`,
    );
  }
  const { id, parent, results } = result;
  const head: [string, ResultTuple | null] = [
    id,
    parent === null ? null : toTuple(parent, depth + 1),
  ];
  if (results === undefined) return [head, null];
  return [head, results.map((member) => toTuple(member, depth + 1))];
}

/**
 * Parses a result in Celery's form, or in the older ones that Celery still reads:
 * `["id", null]`, and the bare id of a task.
 *
 * Celery: `result_from_tuple`.
 *
 * @throws {TypeError} If it has another shape. The message shows the part.
 * @throws {RangeError} If results nest more than 1,000 deep.
 */
export function parseResultTuple(tuple: unknown): ResultNode {
  return parse(tuple, 1);
}

function parse(tuple: unknown, depth: number): ResultNode {
  if (depth > MAX_READ_RESULTS) {
    throw new RangeError(
      `Cannot read more than ${MAX_READ_RESULTS} results inside one another, parents and groups counted`,
    );
  }
  if (typeof tuple === "string") {
    return { id: checkId(tuple, tuple), parent: null };
  }
  if (!Array.isArray(tuple) || tuple.length !== 2) {
    refuse(tuple, "expected [[id, parent], null] or [[id, parent], members]");
  }
  const [head, members] = tuple as [unknown, unknown];
  if (Array.isArray(head) && head.length !== 2) {
    refuse(tuple, "it does not begin with [id, parent]");
  }
  const [id, parent] = Array.isArray(head)
    ? head as [unknown, unknown]
    : [head, null];
  const node = {
    id: checkId(id, tuple),
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

function checkId(id: unknown, tuple: unknown): string {
  if (typeof id === "string" && id !== "" && id.isWellFormed()) return id;
  refuse(tuple, "its id is not a non-empty, well-formed string");
}

function refuse(tuple: unknown, reason: string): never {
  const shown = truncate(describeValue(tuple), MAX_SHOWN_CHARS);
  throw new TypeError(
    `Cannot read a result from ${
      typeof tuple === "string" ? JSON.stringify(shown) : shown
    }: ${reason}`,
  );
}
