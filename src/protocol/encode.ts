import { jsonFormat } from "../formats/json/format.ts";
import { MAX_WRITE_DEPTH } from "../formats/encodable.ts";
import { encodeFailure } from "./exceptions.ts";
import { encodeString } from "../formats/json/encode.ts";
import { setOwn } from "../formats/own_property.ts";
import { toPlain } from "../formats/plain.ts";
import { EXCEPTION_STATES, isReady, type TaskState } from "./states.ts";
import type { Format, StoredDocument } from "../formats/types.ts";

/** What a document says of the request that led to the result. */
export interface RequestFields {
  /**
   * The results of the tasks that this one sent, as Celery's nested lists, or
   * as objects whose `toJSON()` gives these.
   * @default {null}
   */
  children?: unknown;
  /** The group that the task is in. */
  groupId?: string;
  /** The task that sent this one. */
  parentId?: string;
  /** The task's name. Celery writes this and what follows with `result_extended` only. */
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

/** What a document is made of. What is missing is left out, or null where Celery always has the member. */
export interface DocumentFields extends RequestFields {
  /** The task. */
  taskId: string;
  /** Its state. */
  state: TaskState;
  /**
   * What goes with the state: the result itself; the exception of FAILURE,
   * REVOKED and RETRY in any form that `encodeFailure()` takes.
   */
  result: unknown;
  /** When it became ready. Only written, and needed, in a state that is ready. */
  dateDone: Date | null;
  /**
   * The traceback, as text.
   * @default {null}
   */
  traceback?: string | null;
}

/** The members of a document, in Celery's order, and where each comes from. */
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

/** Names that a stamp must not have: it would replace the document's own member. */
const RESERVED_NAMES: ReadonlySet<string> = new Set([
  "status",
  "result",
  "traceback",
  "children",
  "date_done",
  "stamped_headers",
  "task_id",
  ...OPTIONAL_MEMBERS.map(nameOf),
]);

/** Takes the members of a document, in Celery's order. */
interface MemberSink {
  /** Takes one; messages call its value `name`. */
  add(key: string, value: unknown, name: string): void;
}

/** A document's own members as JSON has them, looked up: to escape each anew takes time. */
const NAME_TEXTS: ReadonlyMap<string, string> = new Map(
  [...RESERVED_NAMES].map((name) => [name, `"${name}": `]),
);

/** Writes members as text as they come: no object is made of them before. */
class JsonText implements MemberSink {
  readonly #format: Format;
  #text = "";

  constructor(format: Format) {
    this.#format = format;
  }

  /** The whole document. */
  get document(): string {
    return `${this.#text}}`;
  }

  add(key: string, value: unknown, name: string): void {
    this.#text += (this.#text === "" ? "{" : ", ") +
      (NAME_TEXTS.get(key) ?? `${encodeString(key)}: `) +
      // JSON is written as text.
      (this.#format.encode(value, name) as string);
  }
}

/** Gathers members for formats that take the document whole. */
class PlainMembers implements MemberSink {
  /** The whole document. */
  readonly document: Record<string, unknown> = {};

  add(key: string, value: unknown, name: string): void {
    const plain = toPlain(value, name, { maxDepth: MAX_WRITE_DEPTH - 1 });
    setOwn(this.document, key, plain);
  }
}

const JSON_FORMAT = jsonFormat({ integers: "bigint" });

/**
 * Writes the document that Celery stores and publishes for a task, member for
 * member and in its order.
 *
 * Celery: `Backend._get_result_meta`, then `Backend.encode`.
 *
 * @throws {TypeError} If a value cannot be encoded (see `encodeJson()`), if a
 * ready state has no valid `dateDone`, or if a stamp has the name of a member.
 */
export function encodeDocument(fields: DocumentFields): string;
/** Writes the document in another format than JSON with envelopes. */
export function encodeDocument(
  fields: DocumentFields,
  format: Format,
): StoredDocument;
export function encodeDocument(
  fields: DocumentFields,
  format: Format = JSON_FORMAT,
): StoredDocument {
  if (format.name === "json") {
    const text = new JsonText(format);
    addMembers(text, fields, format);
    return text.document;
  }
  const members = new PlainMembers();
  addMembers(members, fields, format);
  return format.encode(members.document, "");
}

function addMembers(
  sink: MemberSink,
  fields: DocumentFields,
  format: Format,
): void {
  const { state, stamps } = fields;
  // A failure must be stored, even where its text is one that only JSON can hold.
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
  sink.add("date_done", dateDone(fields), "dateDone");
  for (const [key, name] of OPTIONAL_MEMBERS) {
    const value = fields[name];
    if (value !== undefined) sink.add(key, value, name);
  }
  if (stamps !== undefined) addStamps(sink, stamps);
  sink.add("task_id", fields.taskId, "taskId");
}

/** The exception to write. Python cannot read FAILURE or REVOKED without one; a RETRY may have none. */
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
 * Celery's form since 5.5. Always six digits of a second: Celery 5.2 takes
 * whatever number stands there for microseconds.
 */
function dateDone({ state, dateDone }: DocumentFields): string | null {
  if (!isReady(state)) return null;
  if (dateDone === null || Number.isNaN(dateDone.getTime())) {
    throw new TypeError(
      `Cannot encode a result in state ${JSON.stringify(state)} ` +
        `with ${dateDone} as dateDone: give the time when the task became ready`,
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

function nameOf(member: readonly [string, string]): string {
  return member[0];
}
