/**
 * What t/integration/test_tasks.py of Celery asks of a client, a worker and a
 * Redis: the client that reads is this one. README.md says what became of each
 * test there.
 *
 * @module
 */

import {
  type AsyncResult,
  type ResultBackend,
  type ResultEvent,
  ResultTimeoutError,
  TaskError,
  TaskRevokedError,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import { channelsOf, newChannels, untilChannels } from "../support/channels.ts";
import { taskIds } from "../support/results.ts";

const KEY = "celery-task-meta-";
const fixture = celeryFixture({ worker: true });

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(fixture.test(name, fn));
}

/** What Celery's tests ask of each result: status, ready, successful, failed. */
async function toldOf(result: AsyncResult): Promise<unknown[]> {
  return await Promise.all([
    result.state(),
    result.ready(),
    result.successful(),
    result.failed(),
  ]);
}

const SUCCEEDED = ["SUCCESS", true, true, false];
const FAILED = ["FAILURE", true, false, true];
const REVOKED = ["REVOKED", true, false, false];

/** Sends a task under an id that is already awaited; returns its outcome and events. */
async function eventsOf(
  backend: ResultBackend,
  name: string,
  args: unknown[] = [],
): Promise<ResultEvent[]> {
  const [taskId] = taskIds(1) as [string];
  const consumer = backend.consumer();
  await consumer.add(taskId);
  await consumer.writable.close();
  await fixture.driver.callTask(name, args, {}, { task_id: taskId });
  return await fixture.inTime(Array.fromAsync(consumer.readable));
}

// -- test_tasks ----------------------------------------------------------------------

test("test_basic_task: tasks with positional and keyword arguments return their results", async () => {
  await using backend = fixture.backend();
  const numbers = Array.from({ length: 10 }, (_, i) => i);
  for (
    const [send, expected] of [
      [(i: number) => fixture.driver.callTask("add", [i, i]), 2],
      [
        (i: number) =>
          fixture.driver.callTask("extended_add", [i], { y: 2 * i }),
        3,
      ],
    ] as const
  ) {
    const ids = await Promise.all(numbers.map(send));
    for (const [i, id] of ids.entries()) {
      const result = backend.result(id);
      assertEquals(await fixture.inTime(result.get()), expected * i);
      assertEquals(await toldOf(result), SUCCEEDED);
    }
  }
});

test("test_multithread_producer: many backends at once each get the results of their own tasks", async () => {
  await Promise.all(Array.from({ length: 10 }, async (_, j) => {
    await using backend = fixture.backend();
    const ids = await Promise.all(
      Array.from(
        { length: 20 },
        (_, i) => fixture.driver.callTask("add", [i, j]),
      ),
    );
    const values = await fixture.inTime(
      Promise.all(ids.map((id) => backend.result(id).get())),
    );
    assertEquals(values, ids.map((_, i) => i + j));
    assertEquals(await toldOf(backend.result(ids[0]!)), SUCCEEDED);
  }));
});

test("test_timeout: a wait times out, and the task continues", async () => {
  await using backend = fixture.backend();
  const taskId = await fixture.driver.callTask("wait_for_gate");
  const result = backend.result(taskId);
  await assertRejects(() => result.get({ timeout: 50 }), ResultTimeoutError);
  await fixture.driver.openGate(taskId);
  assertEquals(await fixture.inTime(result.get()), "gate opened");
});

test("test_expired: a task that expired in the queue is revoked", async () => {
  await using backend = fixture.backend();
  // The worker runs one task at a time.
  const blocker = await fixture.driver.callTask("wait_for_gate");
  const taskId = await fixture.driver.callTask("add", [1, 1], {}, {
    expires: -1,
  });
  const result = backend.result(taskId);
  const wait = result.get();
  const rejected = assertRejects(() => fixture.inTime(wait), TaskRevokedError);
  await fixture.driver.openGate(blocker);
  assertEquals((await rejected).excArgs, ["expired"]);
  assertEquals(await toldOf(result), REVOKED);
});

test("test_fail: a task that fails rejects with its exception", async () => {
  await using backend = fixture.backend();
  const result = backend.result(
    await fixture.driver.callTask("fail_key_error"),
  );
  const wait = result.get();
  const error = await assertRejects(() => fixture.inTime(wait), TaskError);
  assertEquals([error.excType, error.excArgs], ["KeyError", ["missing"]]);
  assertEquals(await toldOf(result), FAILED);
});

test("test_revoked: a task that is revoked while it waits in the queue rejects", async () => {
  await using backend = fixture.backend();
  const blocker = await fixture.driver.callTask("wait_for_gate");
  const taskId = await fixture.driver.callTask("add", [1, 1]);
  const result = backend.result(taskId);
  const wait = result.get();
  const rejected = assertRejects(() => fixture.inTime(wait), TaskRevokedError);
  await fixture.driver.revoke(taskId);
  await fixture.driver.openGate(blocker);
  await rejected;
  assertEquals(await toldOf(result), REVOKED);
});

test("test_retry: RETRY is an event but not an outcome; then comes the failure or the result", async () => {
  await using backend = fixture.backend();
  const failing = await eventsOf(backend, "retry_in_vain");
  const succeeding = await eventsOf(backend, "retry_until", [2]);
  for (
    const [events, outcome, told] of [
      [failing, "FAILURE", FAILED],
      [succeeding, "SUCCESS", SUCCEEDED],
    ] as const
  ) {
    const retry = events.find(({ state }) => state === "RETRY");
    assertEquals(retry?.ready, false);
    const last = events.at(-1)!;
    assertEquals(events.filter(({ ready }) => ready), [last]);
    assertEquals(last.state, outcome);
    assertEquals(await toldOf(backend.result(last.taskId)), told);
  }
  assertEquals(succeeding.at(-1)?.result, 2);
});

test("test_retry_with_unpickleable_exception: a retry reports an exception that cannot be pickled", async () => {
  await using backend = fixture.backend();
  const events = await eventsOf(backend, "report_unpicklable_retry");
  const retry = events.find(({ state }) => state === "RETRY");
  assert(retry?.state === "RETRY");
  assertEquals(
    [retry.result?.excType, retry.result?.excModule, retry.result?.excArgs],
    ["Unpicklable", "tasks", ["404: not here"]],
  );
  assertEquals(events.at(-1)?.result, "second time");
});

test("test_fail_with_unpickleable_exception: a failure reports an exception that cannot be pickled", async () => {
  await using backend = fixture.backend();
  const result = backend.result(
    await fixture.driver.callTask("fail_unpicklable"),
  );
  const wait = result.get();
  const error = await assertRejects(() => fixture.inTime(wait), TaskError);
  // The worker's pool cannot pickle the failure either, and soon replaces it by
  // one that says so. Which of the two a wait gets depends on when it reads.
  if (error.excType !== "MaybeEncodingError") {
    assertEquals(error.message, "Unpicklable: 404: not here");
    assertEquals(error.excArgs, ["404: not here"]);
  }
  assertEquals(await result.state(), "FAILURE");
});

test("test_unicode_task: a group of tasks with non-ASCII arguments and results", async () => {
  await using backend = fixture.backend();
  const text = "h\xe5\u5b83 valmuefr\xf8 \u{1f600}";
  const { ids } = await fixture.driver.callGroup(
    Array.from({ length: 5 }, () => ["identity", [text]]),
  );
  const values = await fixture.inTime(
    Promise.all(ids.map((id) => backend.result(id).get())),
  );
  assertEquals(values, Array(5).fill(text));
});

// -- test_task_redis_result_backend --------------------------------------------------

test("test_ignoring_result_no_subscriptions: a task whose result is ignored leaves no channel, on either side", async () => {
  await using backend = fixture.backend();
  await using client = await fixture.redis.client();
  const before = await channelsOf(client);
  const taskId = await fixture.driver.callTask("store_nothing", [], {}, {
    ignore_result: true,
  });
  const result = backend.result(taskId);
  await fixture.inTime(fixture.driver.waitAtGate(`ran-${taskId}`));
  // Reading is not waiting.
  assertEquals(await toldOf(result), ["PENDING", false, false, false]);
  assertEquals(await newChannels(client, before), []);
});

test("test_asyncresult_forget_cancels_subscription: forget() leaves no channel behind, although waits continue until their outcome", async () => {
  await using backend = fixture.backend();
  await using client = await fixture.redis.client();
  const before = await channelsOf(client);
  const [taskId] = taskIds(1) as [string];
  const result = backend.result(taskId);
  await using consumer = backend.consumer();
  await consumer.add(taskId);
  assertEquals(await newChannels(client, before), [KEY + taskId]);
  const blocker = await fixture.driver.callTask("wait_for_gate");
  await fixture.driver.callTask("add", [1, 2], {}, { task_id: taskId });

  // Celery's forget() ends the waits of its own process.
  await result.forget();
  await fixture.driver.openGate(blocker);
  const [event] = await fixture.inTime(countOutcomes(consumer.readable, 1));
  assertEquals(event?.result, 3);
  await result.forget();
  assertEquals(await result.state(), "PENDING");
  await untilChannels(client, [], before);
});

test("test_asyncresult_get_cancels_subscription: a wait subscribes to its task, and unsubscribes at the result", async () => {
  await using backend = fixture.backend();
  await using client = await fixture.redis.client();
  const before = await channelsOf(client);
  const [taskId] = taskIds(1) as [string];
  const wait = backend.result(taskId).get();
  await untilChannels(client, [KEY + taskId], before);
  await fixture.driver.callTask("add", [1, 2], {}, { task_id: taskId });
  assertEquals(await fixture.inTime(wait), 3);
  await untilChannels(client, [], before);
});

/** The next outcomes of a stream that may stay open. */
async function countOutcomes(
  stream: ReadableStream<ResultEvent>,
  count: number,
): Promise<ResultEvent[]> {
  const outcomes: ResultEvent[] = [];
  for await (const event of stream) {
    if (event.ready) outcomes.push(event);
    if (outcomes.length === count) break;
  }
  return outcomes;
}
