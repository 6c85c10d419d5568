import { DecodeError } from "../errors.ts";
import { parseDatetime } from "./datetime.ts";
import { decodeFailure } from "./exceptions.ts";
import { parseJsonExactly } from "./json_exact.ts";
import type { ParseOptions } from "./json_parse.ts";
import { isObject, keep, readMember, type Shape } from "./members.ts";
import type {
  DecodeFailure,
  EventOrigin,
  ResultEvent,
  ResultMeta,
} from "./meta.ts";
import { isReady } from "./states.ts";
import { reviveValues } from "./values.ts";

/** A stored or published document: a string if its bytes are UTF-8, or else the bytes. */
export type StoredDocument = string | Uint8Array;

/** How many characters of a document an error shows. */
const SHOWN = 200;

/** A document's members, before they were looked at. */
type RawDocument = Record<string, unknown>;

/**
 * Decodes a task's result document, as Celery 4.4 and later store it. An empty
 * document says PENDING, as it does to Celery.
 *
 * Celery: `Backend.decode_result` and `meta_from_decoded`.
 *
 * @throws {DecodeError} If it is not JSON, or is none of Celery's documents.
 */
export function decodeDocument<T = unknown>(
  document: StoredDocument,
  taskId: string,
  options: ParseOptions,
): ResultMeta<T> {
  return decode(document, taskId, options, undefined) as ResultMeta<T>;
}

/**
 * Decodes a document as `decodeDocument()` does, straight to an event: cheaper
 * than to copy the meta.
 *
 * @throws {DecodeError} If it is not JSON, or is none of Celery's documents.
 */
export function decodeEvent<T = unknown>(
  document: StoredDocument,
  taskId: string,
  options: ParseOptions,
  origin: EventOrigin,
): ResultEvent<T> {
  return decode(document, taskId, options, origin) as ResultEvent<T>;
}

/** The meta of a task of which nothing is known: no key, no document. */
export function pendingMeta(taskId: string): ResultMeta<never> {
  return shape(
    taskId,
    "PENDING",
    null,
    null,
    null,
    null,
    undefined,
  ) as ResultMeta<never>;
}

/** The meta that stands for a document that `decodeDocument()` refused with `error`. */
export function undecodableMeta(error: DecodeError): ResultMeta<never> {
  const result: DecodeFailure = { message: error.message, text: error.text };
  return shape(
    error.taskId,
    "UNDECODABLE",
    result,
    null,
    null,
    null,
    undefined,
  ) as ResultMeta<never>;
}

/** The one place where metas and events are made: equal members in equal order are fast to read. */
function shape(
  taskId: string,
  state: string,
  result: unknown,
  traceback: string | null,
  children: unknown,
  dateDone: Date | null,
  origin: EventOrigin | undefined,
): Shape {
  const ready = isReady(state) || state === "UNDECODABLE";
  return origin === undefined
    ? { taskId, state, ready, result, traceback, children, dateDone, extra: {} }
    : {
      taskId,
      state,
      ready,
      result,
      traceback,
      children,
      dateDone,
      extra: {},
      origin,
    };
}

function decode(
  document: StoredDocument,
  taskId: string,
  options: ParseOptions,
  origin: EventOrigin | undefined,
): Shape {
  const text = typeof document === "string"
    ? document
    : decodeText(document, taskId);
  if (text === "") {
    return shape(taskId, "PENDING", null, null, null, null, origin);
  }
  const raw = parse(text, taskId, options);
  const state = raw.status;
  if (typeof state !== "string") {
    refuse(
      taskId,
      text,
      Object.hasOwn(raw, "status")
        ? "its status is not a string"
        : "it has no status, and so is no result of Celery's",
    );
  }
  if (state === "UNDECODABLE") {
    refuse(
      taskId,
      text,
      "its status is one that this module gives itself: rename that state",
    );
  }
  const hasException = state === "FAILURE" || state === "RETRY" ||
    state === "REVOKED";
  const result = raw.result ?? null;
  const meta = shape(
    taskId,
    state,
    hasException ? decodeFailure(result) : result,
    typeof raw.traceback === "string" ? raw.traceback : null,
    raw.children ?? null,
    readDate(raw.date_done),
    origin,
  );
  for (const key in raw) {
    switch (key) {
      case "status":
      case "result":
      case "children":
      case "task_id":
        break;
      case "traceback":
        if (meta.traceback === null) keep(meta, key, raw[key]);
        break;
      case "date_done":
        if (meta.dateDone === null) keep(meta, key, raw[key]);
        break;
      default:
        readMember(meta, key, raw[key]);
    }
  }
  return meta;
}

function readDate(value: unknown): Date | null {
  if (typeof value === "string") {
    const time = parseDatetime(value);
    return Number.isNaN(time) ? null : new Date(time);
  }
  return value instanceof Date ? value : null;
}

function parse(
  text: string,
  taskId: string,
  options: ParseOptions,
): RawDocument {
  const bigints = options.integers === "bigint";
  try {
    let raw: unknown;
    let exact = false;
    try {
      raw = JSON.parse(text);
    } catch {
      raw = parseJsonExactly(text, bigints);
      exact = true;
    }
    if (isObject(raw)) {
      const mayRound = bigints && !exact;
      if (reviveValues(raw, mayRound)) return raw;
      const again = parseJsonExactly(text, bigints) as RawDocument;
      reviveValues(again, false);
      return again;
    }
  } catch (error) {
    const reason = error instanceof SyntaxError
      ? `it is not JSON (${error.message}): let Celery store JSON (result_serializer = "json")`
      : error instanceof Error
      ? error.message
      : String(error);
    refuse(taskId, text, reason, error);
  }
  refuse(taskId, text, "it is JSON, but not an object as Celery stores");
}

/** The text of bytes that were not taken for UTF-8. */
function decodeText(bytes: Uint8Array, taskId: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      bytes,
    );
  } catch (error) {
    // No character takes more than four bytes, so that this is enough to show.
    const shown = new TextDecoder().decode(bytes.subarray(0, 4 * SHOWN + 4));
    const first = bytes[0]!;
    // A map of msgpack with no member starts with 0x80 too, but no document is empty.
    if (first === 0x80) {
      refuse(
        taskId,
        shown,
        "it is a pickle, which is never read, since reading one can run any code: " +
          'let Celery store JSON (result_serializer = "json")',
        error,
      );
    }
    refuse(
      taskId,
      shown,
      `its bytes are not UTF-8 (the first is 0x${first.toString(16)}): ` +
        'let Celery store JSON (result_serializer = "json")',
      error,
    );
  }
}

function refuse(
  taskId: string,
  text: string,
  reason: string,
  cause?: unknown,
): never {
  const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text;
  throw new DecodeError(
    `Cannot decode the result of task ${JSON.stringify(taskId)}: ${reason}`,
    taskId,
    shown,
    cause === undefined ? undefined : { cause },
  );
}
