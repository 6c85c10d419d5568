import { MAX_WRITE_DEPTH } from "../formats/encodable.ts";
import { encodeString } from "../formats/json/encode.ts";
import { jsonFormat } from "../formats/json/format.ts";
import { setOwn } from "../formats/own_property.ts";
import { toPlain } from "../formats/plain.ts";
import type { Format, StoredDocument } from "../formats/types.ts";
import { encodeFailure } from "./exceptions.ts";
import { EXCEPTION_STATES, isReady, type TaskState } from "./states.ts";

/**
 * The members of a document that describe the request.
 *
 * @category Storing
 */
export interface RequestFields {
  /**
   * The results of the tasks that this one sent, as Celery's nested lists, or
   * as objects whose `toJSON()` returns these.
   * @default {null}
   */
  children?: unknown;
  /** The id of the group that the task is in. */
  groupId?: string;
  /** The id of the task that sent this one. */
  parentId?: string;
  /** The task's name. Celery stores this and the following members only with `result_extended`. */
  name?: string;
  /** The task's positional arguments. */
  args?: unknown[];
  /** The task's keyword arguments. */
  kwargs?: Record<string, unknown>;
  /** The host name of the worker. */
  worker?: string;
  /** How many times the task was retried before. */
  retries?: number;
  /** The routing key by which the task was sent. */
  queue?: string;
  /** The task's stamps. Each becomes a top-level member; `stamped_headers` lists them. */
  stamps?: Record<string, unknown>;
}

/** The content of a document. A missing field is left out, or null if Celery always stores the member. */
export interface DocumentFields extends RequestFields {
  /** The task's id. */
  taskId: string;
  /** The task's state. */
  state: TaskState;
  /**
   * What the task returned; for FAILURE, REVOKED and RETRY, the exception, in any
   * form that `encodeFailure()` accepts.
   */
  result: unknown;
  /** When the task became ready. Required in a ready state, ignored in others. */
  dateDone: Date | null;
  /**
   * The traceback, as text.
   * @default {null}
   */
  traceback?: string | null;
}

/** The optional members of a document, in Celery's order, and the field that each comes from. */
const OPTIONAL_MEMBERS = [
  ["group_id", "groupId"],
  ["parent_id", "parentId"],
  ["name", "name"],
  ["args", "args"],
  ["kwargs", "kwargs"],
  ["worker", "worker"],
  ["retries", "retries"],
  ["queue", "queue"],
] as const;

/** Names that a stamp may not have, since it would replace the document's own member. */
const RESERVED_NAMES: ReadonlySet<string> = new Set([
  "status",
  "result",
  "traceback",
  "children",
  "date_done",
  "stamped_headers",
  "task_id",
  ...OPTIONAL_MEMBERS.map(([member]) => member),
]);

/** Receives the members of a document, in Celery's order. */
interface MemberSink {
  /** Adds a member. Error messages call its value `valueName`. */
  add(key: string, value: unknown, valueName: string): void;
}

/** The JSON of the known member names: looking them up is faster than escaping them. */
const NAME_TEXTS: ReadonlyMap<string, string> = new Map(
  [...RESERVED_NAMES].map((name) => [name, `"${name}": `]),
);

/** Encodes members as they come, without an object of them all. */
class JsonDocument implements MemberSink {
  readonly #format: Format;
  #text = "";

  constructor(format: Format) {
    this.#format = format;
  }

  /** The whole document. */
  get document(): string {
    return `${this.#text}}`;
  }

  add(key: string, value: unknown, valueName: string): void {
    this.#text += (this.#text === "" ? "{" : ", ") +
      (NAME_TEXTS.get(key) ?? `${encodeString(key)}: `) +
      // The JSON format encodes to text.
      (this.#format.encode(value, valueName) as string);
  }
}

/** Collects members for a format that encodes the whole document at once. */
class PlainDocument implements MemberSink {
  /** The whole document. */
  readonly document: Record<string, unknown> = {};

  add(key: string, value: unknown, valueName: string): void {
    const plain = toPlain(value, valueName, { maxDepth: MAX_WRITE_DEPTH - 1 });
    setOwn(this.document, key, plain);
  }
}

const JSON_FORMAT = jsonFormat({ integers: "bigint" });

/**
 * Encodes the document that Celery stores and publishes for a task: the same
 * members, in the same order.
 *
 * Celery: `Backend._get_result_meta`, then `Backend.encode`.
 *
 * @throws {TypeError} If a value cannot be encoded (see `encodeJson()`), if a
 * ready state has no valid `dateDone`, or if a stamp has the name of a member.
 */
export function encodeDocument(fields: DocumentFields): string;
/** Encodes the document in another format than JSON with envelopes. */
export function encodeDocument(
  fields: DocumentFields,
  format: Format,
): StoredDocument;
export function encodeDocument(
  fields: DocumentFields,
  format: Format = JSON_FORMAT,
): StoredDocument {
  if (format.name === "json") {
    const text = new JsonDocument(format);
    addMembers(text, fields, format);
    return text.document;
  }
  const members = new PlainDocument();
  addMembers(members, fields, format);
  return format.encode(members.document, "");
}

function addMembers(
  sink: MemberSink,
  fields: DocumentFields,
  format: Format,
): void {
  const { state, stamps } = fields;
  // A failure must be storable, even if only JSON can represent its traceback.
  const traceback = format.name === "json"
    ? fields.traceback
    : fields.traceback?.toWellFormed();
  const result = EXCEPTION_STATES.has(state)
    ? encodeException(fields, format)
    : fields.result;
  sink.add("status", state, "state");
  sink.add("result", result, "result");
  sink.add("traceback", traceback, "traceback");
  sink.add("children", fields.children, "children");
  sink.add("date_done", formatDateDone(fields), "dateDone");
  for (const [key, name] of OPTIONAL_MEMBERS) {
    const value = fields[name];
    if (value !== undefined) sink.add(key, value, name);
  }
  if (stamps !== undefined) addStamps(sink, stamps);
  sink.add("task_id", fields.taskId, "taskId");
}

/** Encodes the exception. Python cannot read FAILURE or REVOKED without one; a RETRY may have none. */
function encodeException(
  { state, result }: DocumentFields,
  format: Format,
): unknown {
  if (state === "RETRY" && (result === null || result === undefined)) {
    return null;
  }
  return encodeFailure(result, format);
}

/**
 * Formats `dateDone` as Celery 5.5 and later do. It always has six digits of a
 * second: Celery 5.2 reads any number there as microseconds.
 */
function formatDateDone({ state, dateDone }: DocumentFields): string | null {
  if (!isReady(state)) return null;
  if (dateDone === null || Number.isNaN(dateDone.getTime())) {
    throw new TypeError(
      `Cannot encode a result in state ${JSON.stringify(state)} ` +
        `with ${dateDone} as dateDone: pass the time when the task became ready`,
    );
  }
  return dateDone.toISOString().replace("Z", "000+00:00");
}

function addStamps(sink: MemberSink, stamps: Record<string, unknown>): void {
  const names = Object.keys(stamps);
  sink.add("stamped_headers", names, "stamps");
  for (const name of names) {
    if (RESERVED_NAMES.has(name)) {
      throw new TypeError(
        `Cannot encode a stamp named ${JSON.stringify(name)}: ` +
          "a result document has a member of that name; choose another",
      );
    }
    sink.add(name, stamps[name], `stamps.${name}`);
  }
}
