import { ContentDisallowedError, DecodeError } from "../errors.ts";
import { parseDatetime } from "../formats/datetime.ts";
import { DisallowedFormat } from "../formats/disallowed_format.ts";
import { reviveValues } from "../formats/envelopes.ts";
import { FormatSet } from "../formats/format_set.ts";
import { isDict } from "../formats/is_dict.ts";
import { jsonFormat } from "../formats/json/format.ts";
import { parseNatively, UNPARSED } from "../formats/json/parse.ts";
import { parseJsonExactly } from "../formats/json/parse_exact.ts";
import type { ParseOptions, StoredDocument } from "../formats/types.ts";
import { truncate } from "../util/truncate.ts";
import { type AnyMeta, createMeta } from "./any_meta.ts";
import { decodeFailure } from "./exceptions.ts";
import { keepAsExtra, readMember } from "./members.ts";
import type {
  DecodeFailure,
  EventOrigin,
  ResultEvent,
  ResultMeta,
} from "./meta.ts";

/** How to decode documents. */
export interface DecodeOptions extends ParseOptions {
  /**
   * The formats to accept.
   *
   * @default {JSON alone}
   */
  readonly formats?: FormatSet;
}

/** How many characters of a document an error shows. */
const MAX_SHOWN_CHARS = 200;

const BRACE = 0x7b;

/** A document's members, as parsed. */
type RawDocument = Record<string, unknown>;

/**
 * Decodes a task's result document, as Celery 4.4 and later store it. An empty
 * document means PENDING, as in Celery.
 *
 * Celery: `Backend.decode_result` and `meta_from_decoded`.
 *
 * @throws {ContentDisallowedError} If it is in a format that is not accepted.
 * @throws {DecodeError} If it cannot be read, or is not a result document.
 */
export function decodeDocument<
  T = unknown,
  Custom extends string = "PROGRESS",
>(
  document: StoredDocument,
  taskId: string,
  options: DecodeOptions,
): ResultMeta<T, Custom> {
  return decode(document, taskId, options, undefined) as ResultMeta<T, Custom>;
}

/**
 * Decodes a document to an event, like `decodeDocument()`: cheaper than copying a
 * meta.
 *
 * @throws {ContentDisallowedError} If it is in a format that is not accepted.
 * @throws {DecodeError} If it cannot be read, or is not a result document.
 */
export function decodeEvent<T = unknown>(
  document: StoredDocument,
  taskId: string,
  options: DecodeOptions,
  origin: EventOrigin,
): ResultEvent<T> {
  return decode(document, taskId, options, origin) as ResultEvent<T>;
}

/** Makes the meta of a task that has no document. */
export function pendingMeta(taskId: string): ResultMeta<never, never> {
  return createMeta(
    taskId,
    "PENDING",
    null,
    null,
    null,
    null,
    undefined,
  ) as ResultMeta<never, never>;
}

/** Makes the meta of a document that `decodeDocument()` refused with `error`. */
export function undecodableMeta(error: DecodeError): ResultMeta<never> {
  const { message, text } = error;
  const result: DecodeFailure = error instanceof ContentDisallowedError
    ? { message, text, serializer: error.serializer }
    : { message, text };
  return createMeta(
    error.taskId,
    "UNDECODABLE",
    result,
    null,
    null,
    null,
    undefined,
  ) as ResultMeta<never>;
}

/** Makes the error that `undecodableMeta()` described, to throw it. */
export function undecodableError(
  taskId: string,
  { message, text, serializer }: DecodeFailure,
): DecodeError {
  return serializer === undefined
    ? new DecodeError(message, taskId, text)
    : new ContentDisallowedError(message, taskId, text, serializer);
}

function decode(
  document: StoredDocument,
  taskId: string,
  options: DecodeOptions,
  origin: EventOrigin | undefined,
): AnyMeta {
  if (document.length === 0) {
    return createMeta(taskId, "PENDING", null, null, null, null, origin);
  }
  const raw = parse(document, taskId, options);
  const state = raw.status;
  if (typeof state !== "string") {
    refuse(
      taskId,
      document,
      Object.hasOwn(raw, "status")
        ? "its status is not a string"
        : "it has no status, unlike Celery's results",
    );
  }
  if (state === "UNDECODABLE") {
    refuse(
      taskId,
      document,
      "its status is reserved by this module: rename that state",
    );
  }
  const hasException = state === "FAILURE" || state === "RETRY" ||
    state === "REVOKED";
  const result = raw.result ?? null;
  const meta = createMeta(
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
        if (meta.traceback === null) keepAsExtra(meta, key, raw[key]);
        break;
      case "date_done":
        if (meta.dateDone === null) keepAsExtra(meta, key, raw[key]);
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
  document: StoredDocument,
  taskId: string,
  options: DecodeOptions,
): RawDocument {
  let raw: unknown;
  try {
    raw = isJsonObject(document, options.formats)
      ? parseObject(document, options)
      : acceptedFormats(options).decode(document);
  } catch (error) {
    const reason = error instanceof SyntaxError
      ? `it is not JSON (${error.message}): let Celery store JSON (result_serializer = "json")`
      : error instanceof Error
      ? error.message
      : String(error);
    refuse(taskId, document, reason, error);
  }
  if (isDict(raw)) return raw;
  refuse(
    taskId,
    document,
    "it is not an object, unlike Celery's results",
  );
}

/** Whether `document` is text that begins like Celery's documents in JSON, which is accepted. */
function isJsonObject(
  document: StoredDocument,
  formats: FormatSet | undefined,
): document is string {
  return typeof document === "string" && document.charCodeAt(0) === BRACE &&
    (formats === undefined || formats.prefersJson);
}

/** Decodes a JSON object like `jsonFormat()`, but faster: this is the common case. */
function parseObject(text: string, options: DecodeOptions): unknown {
  const bigints = options.integers === "bigint";
  const native = parseNatively(text);
  const isExact = native === UNPARSED;
  const raw = isExact ? parseJsonExactly(text, bigints) : native;
  // It is an object, since the text begins with a brace.
  if (reviveValues(raw as RawDocument, bigints && !isExact)) return raw;
  const again = parseJsonExactly(text, bigints) as RawDocument;
  reviveValues(again, false);
  return again;
}

function acceptedFormats(options: DecodeOptions): FormatSet {
  if (options.formats !== undefined) return options.formats;
  const json = jsonFormat(options);
  return new FormatSet(json, [json]);
}

function refuse(
  taskId: string,
  document: StoredDocument,
  reason: string,
  cause?: unknown,
): never {
  // A character has at most four bytes, so that this is enough to show.
  const text = typeof document === "string"
    ? document
    : new TextDecoder().decode(document.subarray(0, 4 * MAX_SHOWN_CHARS + 4));
  const shown = truncate(text, MAX_SHOWN_CHARS);
  const message = `Cannot decode the result of task ${
    JSON.stringify(taskId)
  }: ${reason}`;
  const options = cause === undefined ? undefined : { cause };
  if (cause instanceof DisallowedFormat) {
    throw new ContentDisallowedError(
      message,
      taskId,
      shown,
      cause.format,
      options,
    );
  }
  throw new DecodeError(message, taskId, shown, options);
}
