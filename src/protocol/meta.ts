/**
 * The shapes of decoded documents. All of it is plain data: it survives
 * `structuredClone()` and `postMessage()`, and narrows on `state`.
 *
 * @module
 */

import type { TaskFailure } from "./exceptions.ts";

/**
 * What every meta has, whatever its state.
 *
 * @category Streams
 */
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
   * when the document's text could not be read (`extra` then has it).
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

/**
 * Why a document could not be decoded.
 *
 * @category Streams
 */
export interface DecodeFailure {
  /** What is wrong, and what to do. */
  message: string;
  /** The document's beginning, as text. */
  text: string;
  /** The format it is in, where that is one that is not accepted: `get()` throws a `ContentDisallowedError` then. */
  serializer?: string;
}

/**
 * The application's own states: their names (`"UPLOADING" | "RESIZING"`), or an
 * object type that maps each name to its payload
 * (`{ UPLOADING: { percent: number } }`).
 *
 * @category Streams
 */
export type CustomStates = string | object;

/**
 * What a meta holds in a state without an outcome, other than RETRY: one of
 * Celery's, with anything or null as the result (`{ pid, hostname }` for
 * STARTED), or one of the application's, with its payload.
 *
 * @category Streams
 */
export type WaitingMeta<Custom extends CustomStates = "PROGRESS"> =
  [Custom] extends [string] ? {
      /** A state of Celery's, or of the application's. */
      state:
        | "PENDING"
        | "RECEIVED"
        | "STARTED"
        | "REJECTED"
        | "IGNORED"
        | Custom;
      /** The outcome is still to come. */
      ready: false;
      /** What was stored with the state. */
      result: unknown;
    }
    :
      | {
        /** A state of Celery's. */
        state: Exclude<WaitingMeta<never>["state"], keyof Custom>;
        /** The outcome is still to come. */
        ready: false;
        /** What was stored with the state. */
        result: unknown;
      }
      | {
        [State in keyof Custom]-?: {
          /** The state. */
          state: State;
          /** The outcome is still to come. */
          ready: false;
          /** What was stored with the state. */
          result: Custom[State];
        };
      }[keyof Custom];

/**
 * A decoded result document, or the state of a task that has none (PENDING).
 * The `state` says which type `result` has.
 *
 * The union of states is closed, or nothing would narrow. A state that is not
 * listed can still arrive: handle it in a `default:` branch.
 *
 * @typeParam T What the task returns.
 * @typeParam Custom The application's own states. Neither they nor `T` are
 * checked at run time.
 *
 * @category Streams
 */
export type ResultMeta<
  T = unknown,
  Custom extends CustomStates = "PROGRESS",
> =
  & MetaFields
  & (
    | {
      /** The task returned. */
      state: "SUCCESS";
      /** This is the task's outcome. */
      ready: true;
      /** What the task returned. */
      result: T;
    }
    | {
      /** The task raised, or was revoked. */
      state: "FAILURE" | "REVOKED";
      /** This is the task's outcome. */
      ready: true;
      /** The exception; null if the document holds none. */
      result: TaskFailure | null;
    }
    | {
      /** The task asked to be run again. */
      state: "RETRY";
      /** The outcome is still to come. */
      ready: false;
      /** The exception that led to the retry; null if there was none. */
      result: TaskFailure | null;
    }
    | {
      /** The stored document could not be decoded. Not a state of Celery's. */
      state: "UNDECODABLE";
      /** Waiting longer would change nothing. */
      ready: true;
      /** Why the document could not be decoded. */
      result: DecodeFailure;
    }
    | WaitingMeta<Custom>
  );

/**
 * A meta as a stream delivers it.
 *
 * @category Streams
 */
export type ResultEvent<
  T = unknown,
  Custom extends CustomStates = "PROGRESS",
> =
  & ResultMeta<T, Custom>
  & {
    /** Whether it was published (`"live"`) or read from its key (`"snapshot"`). */
    origin: "live" | "snapshot";
  };

/** Whether an event was published, or read from its key. */
export type EventOrigin = ResultEvent["origin"];
