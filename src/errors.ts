/**
 * The errors that a caller may want to catch. Each sets `name`, and carries
 * what led to it as `cause`.
 *
 * @module
 */

/** Options or a URL that cannot work: says which, with the value (secrets masked), and what to do. */
export class ConfigurationError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ConfigurationError";
}

/** A use of a backend after `close()`, or a wait that `close()` ended. */
export class BackendClosedError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "BackendClosedError";

  /** Says that the backend is closed; `what` names the call that this stopped. */
  constructor(what?: string, options?: ErrorOptions) {
    super(
      `${
        what === undefined
          ? "The result backend was closed"
          : `Cannot ${what}: the result backend was closed`
      }: ` +
        "create a new ResultBackend to go on",
      options,
    );
  }
}

const CODE = /^([A-Z][A-Z0-9_]*)(?=\s|$)/;
// Before Redis 7, an error inside a script is wrapped in an ERR of its own.
const SCRIPT_CODE = /^ERR .*@user_script: ?\d+: -?([A-Z][A-Z0-9_]*) /;

/** An error reply of a Redis server, with its code. */
export class RedisError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "RedisError";
  /** The reply's first word: `WRONGTYPE`, `NOPERM`, `LOADING`, `ERR`, and so on. */
  readonly code: string;

  /** Takes the server's own words; what follows them in `message` is advice. */
  constructor(reply: string, advice?: string, options?: ErrorOptions) {
    super(advice === undefined ? reply : `${reply} (${advice})`, options);
    this.code = SCRIPT_CODE.exec(reply)?.[1] ?? CODE.exec(reply)?.[1] ?? "ERR";
  }
}

/** A connection to Redis that could not be made, was lost, or went silent. The next attempt may succeed. */
export class RedisConnectionError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "RedisConnectionError";
}

/**
 * The end of reconnecting: as many attempts failed as `reconnect.maxAttempts`
 * allows. `cause` is the last attempt's error. The backend is not broken by
 * it: the next call starts afresh.
 *
 * Celery's counterpart is the `RuntimeError` that asks for a restart of the
 * application.
 */
export class RetryLimitError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "RetryLimitError";
  /** How many attempts were made. */
  readonly attempts: number;

  /** Says how many attempts failed, and with which error the last one did. */
  constructor(message: string, attempts: number, options?: ErrorOptions) {
    super(message, options);
    this.attempts = attempts;
  }
}

/** A result that could not be stored. Celery: `BackendStoreError`. */
export class BackendStoreError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "BackendStoreError";
  /** The task whose result was to be stored; of a group, its id. */
  readonly taskId: string;
  /** The state that was to be stored; of a group, SUCCESS. */
  readonly state: string;
  /** The group that was to be stored; undefined if it was a task's result. */
  readonly groupId: string | undefined;

  /** Says why the result of `taskId` was not stored. */
  constructor(
    message: string,
    taskId: string,
    state: string,
    options?: ErrorOptions & { groupId?: string },
  ) {
    super(message, options);
    this.taskId = taskId;
    this.state = state;
    this.groupId = options?.groupId;
  }
}

/** A task's state that could not be read. Celery: `BackendGetMetaError`. */
export class BackendGetMetaError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "BackendGetMetaError";
  /** The task whose state was to be read; of several, the first; of a group, its id. */
  readonly taskId: string;
  /** The group that was to be read; undefined if it was a task's state. */
  readonly groupId: string | undefined;

  /** Says why the state of `taskId` could not be read. */
  constructor(
    message: string,
    taskId: string,
    options?: ErrorOptions & { groupId?: string },
  ) {
    super(message, options);
    this.taskId = taskId;
    this.groupId = options?.groupId;
  }
}

/** What goes with a {@linkcode ChordError}. */
export interface ChordErrorOptions extends ErrorOptions {
  /** The part that failed. */
  taskId?: string;
  /** What the chord was claimed by. */
  claim?: string;
}

/**
 * A chord that failed, or a call for one that could not be finished.
 *
 * Celery: `ChordError`, for the former.
 */
export class ChordError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ChordError";
  /** The group that is the chord's header. */
  readonly groupId: string;
  /** The part that failed; null if no single one did. */
  readonly taskId: string | null;
  /**
   * What the call had claimed the chord by, or tried to, when it could not go
   * on; null if it had not come so far, or the chord has ended. A call with
   * this as its `claim` takes up where it stopped.
   */
  readonly claim: string | null;

  /** Says what happened to the chord of `groupId`. */
  constructor(
    message: string,
    groupId: string,
    { taskId, claim, ...options }: ChordErrorOptions = {},
  ) {
    super(message, options);
    this.groupId = groupId;
    this.taskId = taskId ?? null;
    this.claim = claim ?? null;
  }
}

/** A document that is none: not in a format that is read, or not what Celery stores. */
export class DecodeError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name: string = "DecodeError";
  /** The task at whose key the document stands; of a saved group, its id. */
  readonly taskId: string;
  /** The document's beginning, as text. */
  readonly text: string;
  /** The group at whose key the document stands; undefined if it is a task's. */
  readonly groupId: string | undefined;

  /** Says what is wrong with the document of `taskId`. */
  constructor(
    message: string,
    taskId: string,
    text: string,
    options?: ErrorOptions & { groupId?: string },
  ) {
    super(message, options);
    this.taskId = taskId;
    this.text = text;
    this.groupId = options?.groupId;
  }
}

/**
 * A document in a format that is not accepted: one that `acceptContent` does
 * not name, or a pickle, which is never read.
 *
 * Celery: kombu's `ContentDisallowed`.
 */
export class ContentDisallowedError extends DecodeError {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ContentDisallowedError";
  /** The format that the document is in: `pickle`, `msgpack`, `json`. */
  readonly serializer: string;

  /** Says that the document of `taskId` is in the format `serializer`. */
  constructor(
    message: string,
    taskId: string,
    text: string,
    serializer: string,
    options?: ErrorOptions,
  ) {
    super(message, taskId, text, options);
    this.serializer = serializer;
  }
}

/**
 * No outcome in time. A task that is still running, one whose result has
 * expired or was forgotten, and an id that was never sent look alike from
 * here: Redis holds no outcome for any of them.
 *
 * Celery: `celery.exceptions.TimeoutError`.
 */
export class ResultTimeoutError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "ResultTimeoutError";
  /** The task that was awaited; of several, the first that has no outcome. */
  readonly taskId: string;
  /** The last state that was seen of it; undefined if none was. */
  readonly lastState: string | undefined;
  /** The last connection error, if the connection was down when the time was up. */
  readonly lastConnectionError: Error | undefined;
  /** How many of the awaited tasks have no outcome. */
  readonly missingCount: number;
  /** The first of them, at most ten. */
  readonly missingIds: readonly string[];

  /** Says how long the wait was, and what was seen of the task, or of the first of those that are `missing`. */
  constructor(
    taskId: string,
    timeout: number,
    lastState: string | undefined,
    lastConnectionError: Error | undefined,
    missing: { total: number; count: number; taskIds: readonly string[] } = {
      total: 1,
      count: 1,
      taskIds: [taskId],
    },
  ) {
    const seen = lastState === undefined || lastState === "PENDING"
      ? "nothing is stored for it: it may be waiting or running without reporting so, its result may " +
        "have expired or been forgotten, its result may be ignored, or the id (or the database, or the " +
        "key prefix) may be wrong"
      : `the last state seen is ${lastState}`;
    const connection = lastConnectionError === undefined
      ? ""
      : `; and Redis is not reached at the moment: ${lastConnectionError.message}`;
    super(
      `${
        missing.total === 1
          ? `Task ${taskId} has no outcome after ${timeout} ms`
          : `${missing.count} of ${missing.total} tasks have no outcome after ${timeout} ms (${
            listed(missing)
          }); of the first`
      }: ${seen}${connection}`,
      lastConnectionError === undefined
        ? undefined
        : { cause: lastConnectionError },
    );
    this.taskId = taskId;
    this.lastState = lastState;
    this.lastConnectionError = lastConnectionError;
    this.missingCount = missing.count;
    this.missingIds = missing.taskIds;
  }
}

function listed(
  { count, taskIds }: { count: number; taskIds: readonly string[] },
): string {
  const names = taskIds.join(", ");
  return count > taskIds.length
    ? `${names} and ${count - taskIds.length} more`
    : names;
}

/**
 * A walk through a tree of results that came to one without an outcome: what
 * is below it is not known yet.
 *
 * Celery: `IncompleteStream`.
 */
export class IncompleteStreamError extends Error {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "IncompleteStreamError";
  /** The task, or the group, that has no outcome yet. */
  readonly id: string;

  /** Says where the walk ended. */
  constructor(id: string, options?: ErrorOptions) {
    super(
      `Cannot go on below ${id}: it has no outcome yet. ` +
        "Await it first, or pass over what is not ready by `intermediate: true`",
      options,
    );
    this.id = id;
  }
}
