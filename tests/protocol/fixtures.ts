/**
 * Result documents, as stored in Redis. Those of `CELERY_5_2` were written
 * by Celery 5.2.6 with kombu 5.2.4; the others have the form of Celery 4.4
 * and 5.6 (with kombu 5.6).
 *
 * @module
 */

/** Documents of Celery 5.2.6: `date_done` has no offset. */
export const CELERY_5_2 = {
  /** A dict, a list, characters beyond ASCII, floats in each form. */
  success: String
    .raw`{"status": "SUCCESS", "result": {"a": 1, "\u00e9\ud83d\ude00": [1.0, null, true, -0.0, 1e+16, 1.5e-07, 1e+300]}, "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.791081", "task_id": "t1"}`,
  /** Integers around 2^53, and far beyond. */
  big: String
    .raw`{"status": "SUCCESS", "result": [9007199254740991, 9007199254740992, 9007199254740993, -18446744073709551616, 1000000000000000000000000000000], "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.791547", "task_id": "t1"}`,
  /** The numbers that JSON lacks. */
  nonfinite: String
    .raw`{"status": "SUCCESS", "result": {"loss": NaN, "best": Infinity, "worst": -Infinity}, "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.791929", "task_id": "t1"}`,
  /** datetime, date, time, Decimal and UUID in kombu up to 5.2: plain strings. */
  oldTypes: String
    .raw`{"status": "SUCCESS", "result": ["2024-01-02T03:04:05.678901Z", "2024-01-02T00:00:00", "01:02:03", "1.10", "00000000-0000-0000-0000-000000000005"], "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.792346", "task_id": "t1"}`,
  /** A lone surrogate, DEL, NUL, and characters that must be escaped. */
  surrogate: String
    .raw`{"status": "SUCCESS", "result": "\ud83d \u007f \u0000 / \"\\ \n", "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.792747", "task_id": "t1"}`,
  /** An exception with its traceback. */
  failure: String
    .raw`{"status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"}, "traceback": "Traceback (most recent call last):\n  File \"tasks.py\", line 3, in add\nValueError: boom\n", "children": null, "date_done": "2026-11-21T02:22:38.793393", "task_id": "t1"}`,
  /** Several arguments, one of which became its repr(). */
  keyError: String
    .raw`{"status": "FAILURE", "result": {"exc_type": "KeyError", "exc_message": ["boom", 3, "<object object at 0x7fcebde2d010>"], "exc_module": "builtins"}, "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.793803", "task_id": "t1"}`,
  /** A class inside a class. */
  nested: String
    .raw`{"status": "FAILURE", "result": {"exc_type": "Outer.Inner", "exc_message": ["x"], "exc_module": "__main__"}, "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.794280", "task_id": "t1"}`,
  /** An exception without arguments. */
  noArgs: String
    .raw`{"status": "FAILURE", "result": {"exc_type": "RuntimeError", "exc_message": [], "exc_module": "builtins"}, "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.794631", "task_id": "t1"}`,
  /** A task that was terminated. */
  revoked: String
    .raw`{"status": "REVOKED", "result": {"exc_type": "TaskRevokedError", "exc_message": ["terminated"], "exc_module": "celery.exceptions"}, "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.794977", "task_id": "t1"}`,
  /** A retry after an exception. */
  retry: String
    .raw`{"status": "RETRY", "result": {"exc_type": "ConnectionError", "exc_message": ["refused"], "exc_module": "builtins"}, "traceback": null, "children": null, "date_done": null, "task_id": "t1"}`,
  /** A retry without an exception. */
  retryNone: String
    .raw`{"status": "RETRY", "result": null, "traceback": null, "children": null, "date_done": null, "task_id": "t1"}`,
  /** What task_track_started stores. */
  started: String
    .raw`{"status": "STARTED", "result": {"pid": 7, "hostname": "w1@host"}, "traceback": null, "children": null, "date_done": null, "task_id": "t1"}`,
  /** A custom state. */
  progress: String
    .raw`{"status": "PROGRESS", "result": {"current": 3, "total": 10}, "traceback": null, "children": null, "date_done": null, "task_id": "t1"}`,
  /** An exception that could not be pickled. */
  wrapper: String
    .raw`{"status": "FAILURE", "result": {"exc_type": "UnpickleableExceptionWrapper", "exc_message": ["__main__", "Local", ["a", 2], "Local('a', 2)"], "exc_module": "celery.utils.serialization"}, "traceback": null, "children": null, "date_done": "2026-11-21T02:22:38.796725", "task_id": "t1"}`,
  /** With result_extended. */
  extended: String
    .raw`{"status": "SUCCESS", "result": 3, "traceback": null, "children": [], "date_done": "2026-11-21T02:22:38.799685", "group_id": "g1", "parent_id": "p1", "name": "app.add", "args": [1, 2], "kwargs": {"x": null}, "worker": "w1@host", "retries": 2, "queue": "celery", "task_id": "t1"}`,
  /** A member of a group. */
  inGroup: String
    .raw`{"status": "SUCCESS", "result": "ok", "traceback": null, "children": [], "date_done": "2026-11-21T02:22:38.804684", "group_id": "g1", "parent_id": "p1", "task_id": "t1"}`,
};

/** Documents in Celery 5.6's form: `date_done` with its offset, kombu's envelopes. */
export const CELERY_5_6 = {
  /** As written by a direct store. */
  success: String
    .raw`{"status": "SUCCESS", "result": {"a": 1, "\u00e9": [1.0, null, true]}, "traceback": null, "children": null, "date_done": "2026-11-20T15:24:35.026424+00:00", "task_id": "11111111-2222-3333-4444-555555555555"}`,
  /** With timezone = "Asia/Kolkata", and no microseconds. */
  zoned: String
    .raw`{"status": "SUCCESS", "result": null, "traceback": null, "children": [], "date_done": "2026-11-20T20:54:35+05:30", "task_id": "t1"}`,
  /** Every envelope that kombu writes. */
  envelopes: String
    .raw`{"status": "SUCCESS", "result": {"at": {"__type__": "datetime", "__value__": "2024-01-02T03:04:05.678901+05:30"}, "day": {"__type__": "date", "__value__": "2024-01-02"}, "time": {"__type__": "time", "__value__": "01:02:03.000004"}, "price": {"__type__": "decimal", "__value__": "1.10"}, "id": {"__type__": "uuid", "__value__": {"hex": "0123456789abcdef0123456789ABCDEF"}}, "text": {"__type__": "bytes", "__value__": "caf\u00e9"}, "raw": {"__type__": "base64", "__value__": "/wD+"}}, "traceback": null, "children": [], "date_done": "2026-11-20T15:24:35.026424+00:00", "task_id": "t1"}`,
  /** A task that sent another task and a group. */
  children: String
    .raw`{"status": "SUCCESS", "result": 3, "traceback": null, "children": [[["c1", null], null], [["g2", null], [[["m1", null], null], [["m2", null], null]]]], "date_done": "2026-11-20T15:24:35.026424+00:00", "parent_id": "p1", "task_id": "t1"}`,
  /** With result_extended and stamps. */
  stamped: String
    .raw`{"status": "SUCCESS", "result": 3, "traceback": null, "children": [], "date_done": "2026-11-20T15:24:35.026424+00:00", "group_id": "g1", "name": "app.add", "args": [{"__type__": "date", "__value__": "2024-01-02"}, 1], "kwargs": {"at": {"__type__": "datetime", "__value__": "2024-01-02T03:04:05"}}, "worker": "w1@host", "retries": 0, "queue": null, "stamped_headers": ["tenant"], "tenant": ["acme"], "task_id": "t1"}`,
  /** A task that was revoked before it ran. */
  revoked: String
    .raw`{"status": "REVOKED", "result": {"exc_type": "TaskRevokedError", "exc_message": ["revoked"], "exc_module": "celery.exceptions"}, "traceback": null, "children": [], "date_done": "2026-11-20T15:24:35.026424+00:00", "task_id": "t1"}`,
};

/** Documents in Celery 4.4's form. */
export const CELERY_4_4 = {
  /** As written by a worker. */
  success: String
    .raw`{"status": "SUCCESS", "result": 5, "traceback": null, "children": [], "date_done": "2020-04-01T10:11:12.000345", "task_id": "t1"}`,
  /** An exception whose only argument is not in a list, and without a module. */
  failure: String
    .raw`{"status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": "boom"}, "traceback": "Traceback", "children": [], "date_done": "2020-04-01T10:11:12", "task_id": "t1"}`,
};
