import { encodeJson } from "../formats/json/encode.ts";
import { toPlain } from "../formats/plain.ts";
import { describeValue } from "../formats/describe.ts";
import { memberOf } from "../util/member_of.ts";

/** An exception, as a document holds it. */
export interface TaskFailure {
  /** The exception's class, qualified if it is nested: `ValueError`, `Outer.Inner`. Never resolved. */
  excType: string;
  /** The Python module of the class: `builtins`, say; null if the document does not tell. */
  excModule: string | null;
  /** What the exception was made with. What Celery could not write down is its `repr()`, a string. */
  excArgs: unknown[];
  /** The arguments as text: what Python's `str()` gives for most exceptions; empty if there are none. */
  message: string;
}

/** What `encodeFailure()` makes something like an exception from: a `TaskFailure`, in part. */
export interface FailureLike {
  /** The exception's class: `ValueError`. */
  excType: string;
  /** Its Python module, `builtins` say. Without one, Python makes a class of this name on the spot. */
  excModule?: string | null;
  /**
   * What Python passes to the class.
   * @default {[message]}
   */
  excArgs?: unknown[];
  /** The only argument, if `excArgs` is missing. */
  message?: string;
}

/** An exception as Celery writes it into a document, in this order. */
export interface EncodedFailure {
  /** The exception's class. */
  exc_type: string;
  /** What Python passes to the class. */
  exc_message: unknown[];
  /** The Python module of the class; null where there is none to look in. */
  exc_module: string | null;
}

/** Stands for an exception whose class the document does not tell. */
const UNKNOWN_TYPE = "Exception";
/** What Celery stores for an exception that pickle refused; the arguments are the original's parts. */
const WRAPPER_TYPE = "UnpickleableExceptionWrapper";

/**
 * Reads the result of a task in state FAILURE, REVOKED or RETRY. It accepts
 * all that Celery does and never throws: what makes no sense becomes the only
 * argument of an `Exception`.
 *
 * Null stands for no exception, as do the other values that Python takes for
 * false: false, 0, `""`, `[]` and `{}`.
 *
 * Celery: `Backend.exception_to_python`, without looking up any class.
 */
export function decodeFailure(result: unknown): TaskFailure | null {
  if (!result || isEmpty(result)) return null;
  const fields = asFields(result);
  if (fields === undefined) return failure(UNKNOWN_TYPE, null, [result]);
  return readFailure(fields, result);
}

/** The failure that `fields` tell of, which are the members of `whole`. No getter of theirs makes it throw. */
function readFailure(fields: unknown, whole: unknown): TaskFailure {
  const type = memberOf(fields, "exc_type");
  const module = memberOf(fields, "exc_module");
  const message = memberOf(fields, "exc_message");
  if (typeof type !== "string" || type === "") {
    return failure(
      UNKNOWN_TYPE,
      null,
      message === undefined ? [whole] : asArgs(message),
    );
  }
  const args = asArgs(message);
  const original = type === WRAPPER_TYPE ? unwrapped(args) : undefined;
  return original ??
    failure(type, typeof module === "string" ? module : null, args);
}

/** The exception in a wrapper made with `args`; undefined if it has other parts. Its module may be null, as anyone's may. */
function unwrapped(args: unknown[]): TaskFailure | undefined {
  const [module, type, third] = args;
  const originalArgs = copyList(third);
  const isWrapped = (typeof module === "string" || module === null) &&
    typeof type === "string" && originalArgs !== undefined;
  return isWrapped ? failure(type, module, originalArgs) : undefined;
}

/** What tells whether a document can hold an argument: it throws if not. */
export interface ArgumentEncoder {
  /** Encodes one argument. */
  encode(value: unknown): unknown;
}

const JSON_ENCODER: ArgumentEncoder = { encode: encodeJson };

/**
 * Makes what Celery stores for an exception, from whatever was thrown:
 *
 * - an `Error`: its class and message. Python gets no module to look in, and so
 *   raises a class made on the spot that has this name, never one of its own.
 * - a `TaskFailure`, or an object with its `excType`: as it says.
 *   `{ excType: "ValueError", excModule: "builtins", excArgs: ["x"] }` makes
 *   Python raise `ValueError("x")`.
 * - an object with `exc_type`, Celery's own form: the same.
 * - anything else: Python's `Exception`, with it as the argument.
 *
 * An argument that the document cannot hold is replaced by its text. It never
 * throws: a failure must be stored whatever was thrown, getters that throw
 * themselves included.
 *
 * Celery: `Backend.prepare_exception`.
 */
export function encodeFailure(
  error: unknown,
  encoder: ArgumentEncoder = JSON_ENCODER,
): EncodedFailure {
  const { excType, excModule, excArgs } = exceptionParts(error);
  return {
    exc_type: typeName(excType),
    exc_message: excArgs.map((argument) => encodable(argument, encoder)),
    exc_module: excModule?.toWellFormed() ?? null,
  };
}

/** The class, its module, and the arguments. */
function exceptionParts(
  error: unknown,
): { excType: unknown; excModule: string | null; excArgs: unknown[] } {
  // First, because a TaskError is an Error too, and stands for Python's.
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

/** Python's view of `exc_message`: a list is the arguments, anything else the only one. */
function asArgs(message: unknown): unknown[] {
  if (message === undefined) return [];
  return copyList(message) ?? [message];
}

/** A copy of a list; undefined if it is none, or cannot be read: a proxy may throw at anything. */
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

/** The members of a dict, or of a list of pairs, which Python makes one of. */
function asFields(result: unknown): Record<string, unknown> | undefined {
  if (typeof result !== "object" || result === null) return undefined;
  if (!Array.isArray(result)) return result as Record<string, unknown>;
  const isPairs = result.every((pair) =>
    Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string"
  );
  return isPairs ? Object.fromEntries(result) : undefined;
}

/** `instanceof` throws on a proxy that was revoked. */
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
  // A subclass that does not set `name` has that of Error: its own says more.
  return name === "Error" || name === undefined
    ? memberOf(memberOf(error, "constructor"), "name")
    : name;
}

/** A name that Python can give to a class: it refuses NUL and lone surrogates. */
function typeName(type: unknown): string {
  if (typeof type !== "string") return UNKNOWN_TYPE;
  return type.toWellFormed().replaceAll("\0", "") || UNKNOWN_TYPE;
}

/**
 * A copy of `value` if a document can hold it, or else its text, as Celery
 * stores the `repr()`. A copy, since getters may answer otherwise, or throw,
 * when the document is written.
 */
function encodable(value: unknown, encoder: ArgumentEncoder): unknown {
  try {
    const copy = toPlain(value);
    // As deep as it stands in a document: behind `result` and `exc_message`.
    encoder.encode([[[copy]]]);
    return copy;
  } catch {
    return describeValue(value).toWellFormed();
  }
}
