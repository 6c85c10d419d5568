import { describeValue } from "../formats/describe.ts";
import { encodeJson } from "../formats/json/encode.ts";
import { toPlain } from "../formats/plain.ts";
import type { Format } from "../formats/types.ts";
import { memberOf } from "../util/member_of.ts";

/**
 * A Python exception, as a document describes it.
 *
 * @category Streams
 */
export interface TaskFailure {
  /** The exception's class, qualified if it is nested: `ValueError`, `Outer.Inner`. It is never resolved. */
  excType: string;
  /** The Python module of the class, `builtins` for example; null if the document names none. */
  excModule: string | null;
  /** The exception's arguments. One that Celery could not encode is its `repr()`, a string. */
  excArgs: unknown[];
  /** The arguments as text, like Python's `str()` of most exceptions; empty if there are none. */
  message: string;
}

/**
 * An exception to store, in any form that has a class: a partial `TaskFailure`.
 *
 * @category Storing
 */
export interface FailureLike {
  /** The exception's class: `ValueError`. */
  excType: string;
  /** The Python module of the class, `builtins` for example. Without one, Python creates a class of that name. */
  excModule?: string | null;
  /**
   * The arguments that Python passes to the class.
   * @default {[message]}
   */
  excArgs?: unknown[];
  /** The only argument, if `excArgs` is missing. */
  message?: string;
}

/** An exception as Celery encodes it in a document, in this order. */
export interface EncodedFailure {
  /** The exception's class. */
  exc_type: string;
  /** The arguments that Python passes to the class. */
  exc_message: unknown[];
  /** The Python module of the class; null if there is none. */
  exc_module: string | null;
}

/** The class of an exception for which the document names none. */
const UNKNOWN_TYPE = "Exception";
/** What Celery stores for an exception that cannot be pickled; the arguments are the parts of the original. */
const WRAPPER_TYPE = "UnpickleableExceptionWrapper";

/**
 * Decodes the result of a task in state FAILURE, REVOKED or RETRY. It accepts all
 * that Celery does, and never throws: anything else becomes the only argument of
 * an `Exception`.
 *
 * Null means that there is no exception, as do the other values that are falsy in
 * Python: false, 0, `""`, `[]` and `{}`.
 *
 * Celery: `Backend.exception_to_python`, without resolving the class.
 */
export function decodeFailure(result: unknown): TaskFailure | null {
  if (!result || isEmpty(result)) return null;
  const fields = toFields(result);
  if (fields === undefined) return failure(UNKNOWN_TYPE, null, [result]);
  return readFailure(fields, result);
}

/** Reads a failure from `fields`, the members of `whole`. It never throws, whatever their getters do. */
function readFailure(fields: unknown, whole: unknown): TaskFailure {
  const type = memberOf(fields, "exc_type");
  const module = memberOf(fields, "exc_module");
  const message = memberOf(fields, "exc_message");
  if (typeof type !== "string" || type === "") {
    return failure(
      UNKNOWN_TYPE,
      null,
      message === undefined ? [whole] : toArgs(message),
    );
  }
  const args = toArgs(message);
  const original = type === WRAPPER_TYPE ? unwrap(args) : undefined;
  return original ??
    failure(type, typeof module === "string" ? module : null, args);
}

/** Reads the exception in a wrapper with the arguments `args`; undefined if they have another form. */
function unwrap(args: unknown[]): TaskFailure | undefined {
  const [module, type, third] = args;
  const originalArgs = copyList(third);
  const isWrapped = (typeof module === "string" || module === null) &&
    typeof type === "string" && originalArgs !== undefined;
  return isWrapped ? failure(type, module, originalArgs) : undefined;
}

const JSON_ENCODER = { encode: encodeJson };

/**
 * Encodes any thrown value as Celery stores an exception:
 *
 * - an `Error`: its class and message, without a module, so that Python raises a
 *   newly created class of that name, never one of its own.
 * - a `TaskFailure`, or an object with an `excType`: as given.
 *   `{ excType: "ValueError", excModule: "builtins", excArgs: ["x"] }` makes
 *   Python raise `ValueError("x")`.
 * - an object with an `exc_type`, Celery's own form: as given.
 * - anything else: Python's `Exception`, with the value as its argument.
 *
 * An argument that `format` cannot represent is replaced by its text. It never
 * throws, even if a getter does: a failure must be stored whatever was thrown.
 *
 * Celery: `Backend.prepare_exception`.
 */
export function encodeFailure(
  error: unknown,
  format: Pick<Format, "encode"> = JSON_ENCODER,
): EncodedFailure {
  const { excType, excModule, excArgs } = exceptionParts(error);
  return {
    exc_type: toTypeName(excType),
    exc_message: excArgs.map((argument) => toEncodable(argument, format)),
    exc_module: excModule?.toWellFormed() ?? null,
  };
}

/** Reads the class, its module, and the arguments. */
function exceptionParts(
  error: unknown,
): { excType: unknown; excModule: string | null; excArgs: unknown[] } {
  // First, because a TaskError is an Error, too, but describes a Python exception.
  const type = memberOf(error, "excType");
  if (typeof type === "string") {
    const module = memberOf(error, "excModule");
    return {
      excType: type,
      excModule: typeof module === "string" ? module : null,
      excArgs: copyList(memberOf(error, "excArgs")) ??
        messageArgs(memberOf(error, "message")),
    };
  }
  if (isError(error)) {
    return {
      excType: errorType(error),
      excModule: null,
      excArgs: messageArgs(memberOf(error, "message")),
    };
  }
  if (memberOf(error, "exc_type") !== undefined) {
    return readFailure(error, error);
  }
  return {
    excType: UNKNOWN_TYPE,
    excModule: "builtins",
    excArgs: error === undefined || error === null ? [] : [error],
  };
}

function failure(
  excType: string,
  excModule: string | null,
  excArgs: unknown[],
): TaskFailure {
  return { excType, excModule, excArgs, message: formatMessage(excArgs) };
}

function formatMessage(args: unknown[]): string {
  if (args.length === 1) return describeValue(args[0]);
  return args.map(describeValue).join(", ");
}

/** Reads `exc_message` as Python does: a list is the arguments, anything else is the only one. */
function toArgs(message: unknown): unknown[] {
  if (message === undefined) return [];
  return copyList(message) ?? [message];
}

/** Copies a list; undefined if it is not a list, or a proxy that throws. */
function copyList(value: unknown): unknown[] | undefined {
  try {
    return Array.isArray(value) ? [...value] : undefined;
  } catch {
    return undefined;
  }
}

function isEmpty(result: unknown): boolean {
  return typeof result === "object" && Object.keys(result!).length === 0 &&
    !(result instanceof Date);
}

/** Returns the members of a dict, or of a list of pairs, which Python converts to one. */
function toFields(result: unknown): Record<string, unknown> | undefined {
  if (typeof result !== "object" || result === null) return undefined;
  if (!Array.isArray(result)) return result as Record<string, unknown>;
  const isPairs = result.every((pair) =>
    Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string"
  );
  return isPairs ? Object.fromEntries(result) : undefined;
}

/** Whether `value` is an `Error`. Unlike `instanceof`, it does not throw for a revoked proxy. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error;
  } catch {
    return false;
  }
}

function messageArgs(message: unknown): unknown[] {
  return message === undefined || message === "" ? [] : [message];
}

function errorType(error: Error): unknown {
  const name = memberOf(error, "name");
  // A subclass that does not set `name` inherits Error's: the class says more.
  return name === "Error" || name === undefined
    ? memberOf(memberOf(error, "constructor"), "name")
    : name;
}

/** Makes a name that Python accepts for a class: without NUL and lone surrogates. */
function toTypeName(type: unknown): string {
  if (typeof type !== "string") return UNKNOWN_TYPE;
  return type.toWellFormed().replaceAll("\0", "") || UNKNOWN_TYPE;
}

/**
 * Copies `value` if `format` can represent it; otherwise returns its text, as
 * Celery stores the `repr()`. A copy, since a getter might return something else,
 * or throw, when the document is encoded.
 */
function toEncodable(
  value: unknown,
  format: Pick<Format, "encode">,
): unknown {
  try {
    const copy = toPlain(value);
    // As deep as in a document: inside the document, `result` and `exc_message`.
    format.encode([[[copy]]]);
    return copy;
  } catch {
    return describeValue(value).toWellFormed();
  }
}
