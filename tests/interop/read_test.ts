/**
 * A Python Celery worker runs tasks, whose results are awaited and streamed here.
 *
 * @module
 */

import type { ResultBackend, ResultEvent } from "../../mod.ts";
import {
  datetimeText,
  ResultTimeoutError,
  TaskError,
  TaskRevokedError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import { timeZone } from "../support/time_zone.ts";

const fixture = celeryFixture({ worker: true });

/** Collects the events of a task, from before it was sent to its outcome. */
async function eventsOf(
  backend: ResultBackend,
  name: string,
  args: unknown[] = [],
): Promise<ResultEvent[]> {
  const taskId = crypto.randomUUID();
  const consumer = backend.consumer();
  await consumer.add(taskId);
  await consumer.writable.close();
  await fixture.driver.callTask(name, args, {}, { task_id: taskId });
  return await fixture.inTime(Array.fromAsync(consumer.readable));
}

async function failureOf(
  name: string,
  args: unknown[] = [],
): Promise<TaskError> {
  await using backend = fixture.backend();
  const taskId = await fixture.driver.callTask(name, args);
  const wait = backend.result(taskId).get();
  const error = await assertRejects(() => fixture.inTime(wait), TaskError);
  assertEquals([error.taskId, error.state], [taskId, "FAILURE"]);
  return error;
}

function statesOf(events: ResultEvent[]): string[] {
  return events.map((event) => event.state);
}

// -- values --------------------------------------------------------------------

/** The return values of the task `value`, by its argument; see VALUES in tasks.py. */
const values: Record<string, unknown> = {
  "none": null,
  "true": true,
  "text": "plain",
  "empty text": "",
  "unicode":
    'Za\u017c\xf3\u0142\u0107 \u2603 \u{1f600} \x7f \x00 "quoted" \\ /',
  "lone surrogate": "\ud800 and \udfff",
  "integer": 42,
  "last safe integer": Number.MAX_SAFE_INTEGER,
  "big integer": 2n ** 53n + 1n,
  "huge integer": -(10n ** 40n),
  "float": 1.5,
  "whole float": 1,
  "small float": 1.5e-7,
  "large float": 1e308,
  "negative zero": -0,
  "nan": NaN,
  "infinities": [Infinity, -Infinity],
  "nested": {
    "a": [1, { "b": [null, true, "\u0142"] }, []],
    "\xe9": {},
    "": 0,
  },
  "other keys": { "1": "one", "null": "none", "1.5": "one and a half" },
  "tuple": [1, ["two", 3.5]],
  "enum": 1,
  "decimal": "1.10",
  "uuid": "12345678-1234-5678-1234-567812345678",
  // A literal would set the prototype.
  "prototype key": JSON.parse(
    '{"__proto__": {"polluted": true}, "constructor": 1}',
  ),
  "long text": "0123456789abcdef".repeat(65_536),
};

for (const [kind, expected] of Object.entries(values)) {
  Deno.test(
    fixture.test(`AsyncResult.get() resolves to what the task returned: ${kind}`, async () => {
      await using backend = fixture.backend();
      const taskId = await fixture.driver.callTask("value", [kind]);
      const value = await fixture.inTime(backend.result(taskId).get());
      // assertEquals does not distinguish 0 and -0.
      if (typeof expected === "number") assertStrictEquals(value, expected);
      else assertEquals(value, expected);
    }),
  );
}

Deno.test(
  fixture.test("AsyncResult.get() resolves to what the task returned: nesting 200 levels deep", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("value", ["deep"]);
    let value = await fixture.inTime(backend.result(taskId).get());
    let depth = 0;
    for (; Array.isArray(value); depth++) value = value[0];
    assertEquals([depth, value], [200, "bottom"]);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() reads dates and times as this version of kombu writes them", async () => {
    await using backend = fixture.backend();
    const kinds = ["datetime", "date", "time"];
    const [datetime, date, time] = await fixture.inTime(Promise.all(
      kinds.map(async (kind) =>
        await backend.result(await fixture.driver.callTask("value", [kind]))
          .get()
      ),
    ));
    const [major = 0, minor = 0] = (await fixture.driver.versions()).kombu
      .split(".").map(Number);
    assertEquals(time, "01:02:03");
    if (major > 5 || major === 5 && minor >= 3) {
      assertInstanceOf(datetime, Date);
      assertEquals(datetime, new Date("2024-01-02T03:04:05.678Z"));
      assertEquals(datetimeText(datetime), "2024-01-02T03:04:05.678901+00:00");
      assertEquals(date, "2024-01-02");
    } else {
      assertEquals(datetime, "2024-01-02T03:04:05.678901Z");
      assertEquals(date, "2024-01-02T00:00:00");
    }
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() resolves while Celery's own client waits for the same task", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("wait_for_gate");
    const python = fixture.driver.wait(taskId);
    const wait = backend.result(taskId).get();
    await fixture.inTime(python.waiting);
    await fixture.driver.openGate(taskId);
    assertEquals(await fixture.inTime(wait), "gate opened");
    assertEquals(await python.outcome, { value: "'gate opened'" });
  }),
);

Deno.test(
  fixture.test("AsyncResult.meta() has the time of the outcome, whatever the local time zone", async () => {
    using _zone = timeZone("Asia/Kolkata");
    await using backend = fixture.backend();
    const before = Date.now();
    const taskId = await fixture.driver.callTask("add", [1, 2]);
    const result = backend.result<number>(taskId);
    assertEquals(await fixture.inTime(result.get()), 3);
    const meta = await result.meta();
    assertEquals([meta.state, meta.result, meta.ready], ["SUCCESS", 3, true]);
    assertEquals([meta.traceback, meta.children], [null, []]);
    assertEquals(meta.extra, {});
    assertExists(meta.dateDone);
    const time = meta.dateDone.getTime();
    assert(before <= time && time <= Date.now(), String(meta.dateDone));
  }),
);

// -- failures ------------------------------------------------------------------

Deno.test(
  fixture.test("AsyncResult.get() rejects with the exception's class, arguments and traceback", async () => {
    const error = await failureOf("fail_value_error");
    assertEquals([error.excType, error.excModule], ["ValueError", "builtins"]);
    assertEquals(error.excArgs, [
      "boom",
      3,
      { nested: ["\u0142", null] },
      2n ** 53n + 1n,
    ]);
    assertExists(error.traceback);
    assertMatch(error.traceback, /^Traceback \(most recent call last\):\n/);
    assertStringIncludes(error.traceback, "in fail_value_error");
    assertMatch(error.traceback, /\nValueError: \('boom', 3, .*\)\n$/);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() resolves to the error if propagate is false", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("fail_key_error");
    const wait = backend.result(taskId).get({ propagate: false });
    const error = await fixture.inTime(wait);
    assertInstanceOf(error, TaskError);
    assertEquals(error.message, "KeyError: missing");
    assertEquals([error.excType, error.excArgs], ["KeyError", ["missing"]]);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() names a nested exception class by its qualified name", async () => {
    const error = await failureOf("fail_nested");
    assertEquals([error.excType, error.excModule], ["Outer.Inner", "tasks"]);
    assertEquals(error.excArgs, ["from inside", 7]);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() returns the repr of arguments that JSON cannot represent", async () => {
    const error = await failureOf("fail_odd_args");
    assertEquals(error.excArgs, ["boom", 3, "<class 'tasks.Outer'>"]);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() rejects with an exception that has no arguments", async () => {
    const error = await failureOf("fail_without_args");
    assertEquals([error.excType, error.excArgs], ["RuntimeError", []]);
    assertEquals(error.message, "RuntimeError");
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() rejects with a traceback that includes the cause", async () => {
    const { traceback } = await failureOf("fail_with_cause");
    assertExists(traceback);
    assertStringIncludes(traceback, "KeyError: 'the cause'");
    assertStringIncludes(traceback, "direct cause of the following exception");
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() rejects if the task returned what JSON cannot represent", async () => {
    const error = await failureOf("value", ["no JSON"]);
    assertEquals(error.excModule, "kombu.exceptions");
    assertStringIncludes(error.message, "not JSON serializable");
  }),
);

Deno.test(
  fixture.test("ResultConsumer streams a failure if the worker does not know the task", async () => {
    await using backend = fixture.backend();
    const events = await eventsOf(backend, "no_such_task");
    const [event] = events;
    assert(event?.state === "FAILURE");
    assertEquals(event.result?.excType, "NotRegistered");
    assertEquals(event.result?.excArgs, ["tasks.no_such_task"]);
  }),
);

Deno.test(
  fixture.test("ResultConsumer streams an exception that cannot be pickled once, even if a worker stores a second failure", async () => {
    await using backend = fixture.backend();
    const events = await eventsOf(backend, "fail_unpicklable");
    assertEquals(statesOf(events), ["STARTED", "FAILURE"]);
    const [, event] = events;
    assert(event?.state === "FAILURE");
    assertEquals(event.result?.excType, "Unpicklable");
    assertEquals(event.result?.excModule, "tasks");
    assertEquals(event.result?.excArgs, ["404: not here"]);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() unwraps an exception that a worker could not pickle", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await fixture.driver.storeFailure(taskId, ["boom", 3], { wrapped: true });
    const wait = backend.result(taskId).get({ propagate: false });
    const error = await fixture.inTime(wait);
    assertInstanceOf(error, TaskError);
    assertEquals([error.excType, error.excModule], ["ValueError", "builtins"]);
    assertEquals(error.excArgs, ["boom", 3]);
  }),
);

// -- intermediate states ---------------------------------------------------------

Deno.test(
  fixture.test("ResultConsumer streams every state of a task in order, live", async () => {
    await using backend = fixture.backend();
    const events = await eventsOf(backend, "report_progress", [5]);
    assertEquals(statesOf(events), [
      "STARTED",
      ...Array(5).fill("PROGRESS"),
      "SUCCESS",
    ]);
    const [started, ...rest] = events;
    const { pid, hostname } = started?.result as Record<string, unknown>;
    assertEquals([typeof pid, typeof hostname], ["number", "string"]);
    assertEquals(rest.map((event) => event.result), [
      ...[1, 2, 3, 4, 5].map((current) => ({ current, total: 5 })),
      5,
    ]);
    for (const event of events) {
      assertEquals(event.origin, "live");
      assertEquals(event.ready, event.state === "SUCCESS");
      assertEquals(event.dateDone !== null, event.ready);
    }
  }),
);

Deno.test(
  fixture.test("AsyncResult.events() keeps up with a task that waits for its reader", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("report_gated_progress", [3]);
    const steps: unknown[] = [];
    for await (const event of backend.result(taskId).events()) {
      if (event.state === "PROGRESS") {
        steps.push(event.result);
        await fixture.inTime(fixture.driver.openGate(taskId));
      } else if (event.ready) {
        assertEquals([event.state, event.result], ["SUCCESS", 3]);
      }
    }
    assertEquals(steps, [1, 2, 3].map((current) => ({ current, total: 3 })));
  }),
);

Deno.test(
  fixture.test("ResultConsumer streams equal progress reports separately", async () => {
    await using backend = fixture.backend();
    const report = ["PROGRESS", { current: 1 }];
    const events = await eventsOf(backend, "report_states", [
      [report, report, report],
    ]);
    assertEquals(statesOf(events), [
      "STARTED",
      "PROGRESS",
      "PROGRESS",
      "PROGRESS",
      "SUCCESS",
    ]);
  }),
);

Deno.test(
  fixture.test("ResultConsumer streams Celery's and custom states that are not outcomes", async () => {
    await using backend = fixture.backend();
    const reports = [
      ["RECEIVED", null],
      ["REJECTED", "no"],
      ["IGNORED", 0],
      ["PENDING", null],
      ["Almost done \u2603", [1.5]],
    ] as const;
    const events = await eventsOf(backend, "report_states", [reports]);
    assertEquals(
      events.slice(1, -1).map((event) => [event.state, event.result]),
      reports.map((report) => [...report]),
    );
    assertEquals(events.filter((event) => event.ready), events.slice(-1));
  }),
);

Deno.test(
  fixture.test("ResultConsumer streams each retry with its exception, then the success", async () => {
    await using backend = fixture.backend();
    const events = await eventsOf(backend, "retry_until", [3]);
    assertEquals(statesOf(events), [
      ...["STARTED", "RETRY", "STARTED", "RETRY"],
      ...["STARTED", "SUCCESS"],
    ]);
    const retries = events.filter((event) => event.state === "RETRY");
    assertEquals(
      retries.map((event) => event.result),
      [1, 2].map((attempt) => ({
        excType: "ValueError",
        excModule: "builtins",
        excArgs: ["not yet", attempt],
        message: `not yet, ${attempt}`,
      })),
    );
    for (const event of retries) {
      assertExists(event.traceback);
      assertStringIncludes(event.traceback, "Retry in 0s");
    }
    assertEquals(events.at(-1)?.result, 3);
  }),
);

Deno.test(
  fixture.test("ResultConsumer streams a retry without an exception as one without", async () => {
    await using backend = fixture.backend();
    const events = await eventsOf(backend, "retry_without_exception");
    assertEquals(statesOf(events), ["STARTED", "RETRY", "STARTED", "SUCCESS"]);
    assertEquals(events[1]?.result, null);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() rejects with the last exception if all retries failed", async () => {
    const error = await failureOf("retry_in_vain");
    assertEquals([error.excType, error.excArgs], ["ValueError", ["never"]]);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() calls onEvent for every state", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("wait_for_gate");
    const started = Promise.withResolvers<void>();
    const states: string[] = [];
    const wait = backend.result(taskId).get({
      onEvent(event): void {
        states.push(event.state);
        started.resolve();
      },
    });
    await fixture.inTime(started.promise);
    await fixture.driver.openGate(taskId);
    await fixture.inTime(wait);
    assertEquals(states, ["STARTED", "SUCCESS"]);
  }),
);

// -- revoked and ignored -----------------------------------------------------------

Deno.test(
  fixture.test("AsyncResult.get() rejects with TaskRevokedError if the task was revoked before it ran", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await fixture.driver.revoke(taskId);
    await fixture.driver.callTask("add", [1, 2], {}, { task_id: taskId });
    const wait = backend.result(taskId).get();
    const error = await assertRejects(
      () => fixture.inTime(wait),
      TaskRevokedError,
      "revoked",
    );
    assertEquals([error.state, error.excArgs], ["REVOKED", ["revoked"]]);
    assertEquals(error.excModule, "celery.exceptions");
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() rejects with TaskRevokedError if the task had expired", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("add", [1, 2], {}, {
      expires: -1,
    });
    const wait = backend.result(taskId).get();
    const error = await assertRejects(
      () => fixture.inTime(wait),
      TaskRevokedError,
    );
    assertEquals(error.excArgs, ["expired"]);
  }),
);

Deno.test(
  fixture.test("ResultBackend.exists() is false for a task that ignores its result, and get() names that cause", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("store_nothing");
    await fixture.inTime(fixture.driver.waitAtGate(`ran-${taskId}`));
    assertEquals(await backend.exists(taskId), false);
    assertEquals((await backend.getMeta(taskId)).state, "PENDING");
    await assertRejects(
      () => backend.result(taskId).get({ timeout: 50 }),
      ResultTimeoutError,
    );
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() does not return what a task stored before Ignore", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("ignore");
    await fixture.inTime(fixture.driver.waitAtGate(`ran-${taskId}`));
    // The worker runs one task at a time: once the next is done, so is this one.
    const next = await fixture.driver.callTask("add", [1, 2]);
    await fixture.inTime(backend.result(next).get());
    const error = await assertRejects(
      () => backend.result(taskId).get({ timeout: 0 }),
      ResultTimeoutError,
    );
    assertStringIncludes(error.message, "PROGRESS");
  }),
);

Deno.test(
  fixture.test("AsyncResult.state() is PENDING after Python's forget()", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("add", [1, 2]);
    const result = backend.result(taskId);
    assertEquals(await fixture.inTime(result.get()), 3);
    await fixture.driver.forget(taskId);
    assertEquals(await result.state(), "PENDING");
  }),
);

// -- tasks of tasks ------------------------------------------------------------------

Deno.test(
  fixture.test("AsyncResult.meta() has the tasks that a task sent", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("call_others", [3]);
    const result = backend.result(taskId);
    await fixture.inTime(result.get());
    const { children } = await result.meta();
    const ids = (children as [[string, unknown], unknown][])
      .map(([[id]]) => id);
    assertEquals(ids.length, 3);
    const events = await fixture.inTime(Array.fromAsync(backend.stream(ids)));
    const outcomes = events.filter((event) => event.ready);
    assertEquals(
      new Map(outcomes.map((event) => [event.taskId, event.result])),
      new Map(ids.map((id, index) => [id, 2 * index])),
    );
    assertEquals(outcomes.map((event) => event.parentId), [
      taskId,
      taskId,
      taskId,
    ]);
  }),
);

Deno.test(
  fixture.test("ResultBackend.getMetas() returns the tasks of a chain in order, each with its parent", async () => {
    await using backend = fixture.backend();
    const ids = await fixture.driver.callChain([
      ["add", [1, 2]],
      ["add", [10]],
      ["add", [100]],
    ]);
    await fixture.inTime(backend.result(ids[2]!).get());
    const metas = await backend.getMetas(ids);
    assertEquals(metas.map((meta) => meta.taskId), ids);
    assertEquals(metas.map((meta) => meta.result), [3, 13, 113]);
    assertEquals(metas.map((meta) => meta.parentId), [
      undefined,
      ids[0],
      ids[1],
    ]);
  }),
);

Deno.test(
  fixture.test("ResultBackend.stream() streams the members of a group, each with the group's id", async () => {
    await using backend = fixture.backend();
    const { id, ids } = await fixture.driver.callGroup([
      ["add", [1, 1]],
      ["fail_key_error"],
      ["add", [3, 3]],
    ]);
    const events = await fixture.inTime(Array.fromAsync(backend.stream(ids)));
    const outcomes = events.filter((event) => event.ready);
    assertEquals(
      new Map(outcomes.map((event) => [event.taskId, event.state])),
      new Map([
        [ids[0]!, "SUCCESS"],
        [ids[1]!, "FAILURE"],
        [ids[2]!, "SUCCESS"],
      ]),
    );
    for (const event of outcomes) assertEquals(event.groupId, id);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() resolves to the result of a chord's body", async () => {
    await using backend = fixture.backend();
    const { id } = await fixture.driver.callChord(
      [["add", [1, 2]], ["add", [3, 4]], ["add", [5, 6]]],
      ["total"],
    );
    assertEquals(await fixture.inTime(backend.result(id).get()), 21);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() rejects with ChordError if a part of the chord failed", async () => {
    await using backend = fixture.backend();
    const { id, ids } = await fixture.driver.callChord(
      [["add", [1, 2]], ["fail_key_error"]],
      ["total"],
    );
    const wait = backend.result(id).get();
    const error = await assertRejects(() => fixture.inTime(wait), TaskError);
    assertEquals(error.excType, "ChordError");
    assertEquals(error.excArgs, [
      `Dependency ${ids[1]} raised KeyError('missing')`,
    ]);
  }),
);

Deno.test(
  fixture.test("ResultBackend.stream() streams the outcome of each of 500 tasks once", async () => {
    await using backend = fixture.backend();
    const ids = Array.from({ length: 500 }, () => crypto.randomUUID());
    const events = Array.fromAsync(backend.stream<number>(ids));
    await Promise.all(
      ids.map((task_id, index) =>
        fixture.driver.callTask("add", [index, index], {}, { task_id })
      ),
    );
    const outcomes = (await fixture.inTime(events)).filter((event) =>
      event.ready
    );
    assertEquals(outcomes.length, 500);
    assertEquals(
      new Map(outcomes.map((event) => [event.taskId, event.result])),
      new Map(ids.map((id, index) => [id, 2 * index])),
    );
  }),
);

// -- result_extended -----------------------------------------------------------------

Deno.test(
  fixture.test("AsyncResult.meta() describes the call if result_extended is on", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("extended_add", [38], {
      y: 4,
    });
    const result = backend.result(taskId);
    assertEquals(await fixture.inTime(result.get()), 42);
    const meta = await result.meta();
    assertEquals(meta.name, "tasks.extended_add");
    assertEquals(meta.args, [38]);
    assertEquals(meta.kwargs, { y: 4 });
    assertEquals([meta.retries, meta.queue], [0, "celery"]);
    assertMatch(meta.worker ?? "", /^celery@/);
    assertEquals(meta.extra, {});
  }),
);

Deno.test(
  fixture.test("AsyncResult.meta() describes the call that failed if result_extended is on", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("extended_fail", ["why"]);
    const wait = backend.result(taskId).get({ propagate: false });
    assertInstanceOf(await fixture.inTime(wait), TaskError);
    const meta = await backend.result(taskId).meta();
    assertEquals([meta.state, meta.name], ["FAILURE", "tasks.extended_fail"]);
    assertEquals([meta.args, meta.kwargs], [["why"], {}]);
  }),
);

// Keep this last: the worker takes up to five seconds to replace the process that it ends.
Deno.test(
  fixture.test("AsyncResult.get() rejects with TaskRevokedError if the task was terminated", async () => {
    await using backend = fixture.backend();
    const taskId = await fixture.driver.callTask("wait_for_gate");
    const started = Promise.withResolvers<void>();
    const wait = backend.result(taskId).get({
      onEvent: (): void => started.resolve(),
    });
    const rejected = assertRejects(
      () => fixture.inTime(wait),
      TaskRevokedError,
    );
    await fixture.inTime(started.promise);
    await fixture.driver.revoke(taskId, { terminate: true });
    // Celery 5.6 stores "revoked" first, and "terminated" over it.
    const [reason] = (await rejected).excArgs;
    assertMatch(String(reason), /^(terminated|revoked)$/);
  }),
);
