/**
 * The shapes of decoded documents. All of it is plain data: it survives
 * `structuredClone()` and `postMessage()`, and narrows on `state`.
 *
 * @module
 */

import type { TaskFailure } from "./exceptions.ts";

/** What every meta has, whatever its state. */
export interface MetaFields {
  /** The task, as the reader named it. */
  taskId: string;
  /** The worker's Python traceback, if there is one. */
  traceback: string | null;
  /**
   * The results of the tasks that this one sent, as Celery's nested lists
   * (`[[id, parent], null]` for a task, `[[id, parent], [child, ...]]` for a
   * group), or null if no request is known.
   */
  children: unknown;
  /**
   * When the task got its outcome, to the millisecond; null before that, and
   * when the document's text could not be read (it then stands in `extra`).
   */
  dateDone: Date | null;
  /**
   * Top-level members of the document that have no name of their own here, as
   * stored: `stamped_headers` and the stamps that it names, say. A known
   * member whose value is not of its type stands here too, under the
   * document's name for it. Never shared: yours to change.
   */
  extra: Record<string, unknown>;
  /** The task that sent this one; for a task that was retried, itself. */
  parentId?: string;
  /** The group that the task is in. */
  groupId?: string;
  /** The task's name. This and what follows needs Celery's `result_extended`. */
  name?: string;
  /** The task's positional arguments. */
  args?: unknown[];
  /** The task's keyword arguments. */
  kwargs?: Record<string, unknown>;
  /** The host name of the worker that ran the task. */
  worker?: string;
  /** How many times the task was retried before. */
  retries?: number;
  /** The routing key by which the task was sent. */
  queue?: string;
}

/** The meta of a task that succeeded. */
export interface SuccessMeta<T = unknown> extends MetaFields {
  /** The task returned. */
  state: "SUCCESS";
  /** It has its outcome. */
  ready: true;
  /** What it returned. */
  result: T;
}

/** The meta of a task that raised, or that was revoked. */
export interface FailureMeta extends MetaFields {
  /** The task raised, or was revoked. */
  state: "FAILURE" | "REVOKED";
  /** It has its outcome. */
  ready: true;
  /** The exception; null if the document holds none. */
  result: TaskFailure | null;
}

/** The meta of a task that waits to be run again. */
export interface RetryMeta extends MetaFields {
  /** The task asked to be run again. */
  state: "RETRY";
  /** Its outcome is still to come. */
  ready: false;
  /** The exception that led to it; null if there was none. */
  result: TaskFailure | null;
}

/** Stands for a document that could not be decoded. Not one of Celery's. */
export interface UndecodableMeta extends MetaFields {
  /** The document at the task's key is none of Celery's, or is in a format that is not read. */
  state: "UNDECODABLE";
  /** Nothing better will come by waiting. */
  ready: true;
  /** What is wrong with it. */
  result: DecodeFailure;
}

/** The meta of a task that has no outcome yet, in any other state. */
export interface WaitingMeta<Custom extends string = "PROGRESS">
  extends MetaFields {
  /** A state of Celery's, or of the application's. */
  state:
    | "PENDING"
    | "RECEIVED"
    | "STARTED"
    | "REJECTED"
    | "IGNORED"
    | Custom;
  /** Its outcome is still to come. */
  ready: false;
  /**
   * What was stored with the state: `{ pid, hostname }` for STARTED, anything
   * for a state of the application's, null for PENDING.
   */
  result: unknown;
}

/** Why a document could not be decoded. */
export interface DecodeFailure {
  /** What is wrong, and what to do. */
  message: string;
  /** The document's beginning, as text. */
  text: string;
  /** The format it is in, where that is one that is not accepted: `get()` throws a `ContentDisallowedError` then. */
  serializer?: string;
}

/**
 * A decoded result document, or the state of a task that has none (PENDING).
 *
 * `T` is what the task returns. `Custom` lists the application's own states as
 * literals (`"UPLOADING" | "RESIZING"`); with `string`, nothing narrows. The
 * union is closed for the same reason: a state that is not listed can still
 * arrive, and a `default:` should expect it.
 */
export type ResultMeta<T = unknown, Custom extends string = "PROGRESS"> =
  | SuccessMeta<T>
  | FailureMeta
  | RetryMeta
  | UndecodableMeta
  | WaitingMeta<Custom>;

/**
 * Where an event came from: the channel (`"live"`), or a read of the key
 * (`"snapshot"`).
 */
export type EventOrigin = "live" | "snapshot";

/** A meta as a stream delivers it. */
export type ResultEvent<T = unknown, Custom extends string = "PROGRESS"> =
  & ResultMeta<T, Custom>
  & {
    /** Whether it was published (`"live"`) or read from its key (`"snapshot"`). */
    origin: EventOrigin;
  };
