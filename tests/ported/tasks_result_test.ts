/**
 * What t/unit/tasks/test_result.py of Celery asks of AsyncResult, asked of the
 * one here, of results that Python's Celery stored. README.md says what became
 * of each test there.
 *
 * @module
 */

import { ResultTimeoutError, TaskError } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { celeryStage } from "../support/celery_stage.ts";
import { taskIds } from "../support/results.ts";
import { timeZone } from "../support/time_zone.ts";

const stage = celeryStage();

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(stage.test(name, fn));
}

/** A document's result where a task raised a KeyError. */
function keyError(argument: string): string {
  return JSON.stringify({
    exc_type: "KeyError",
    exc_message: [argument],
    exc_module: "builtins",
  });
}

/** Has Celery store a result, and gives its task's id. */
async function stored(
  json: string,
  state: string,
  options?: { trace?: string },
): Promise<string> {
  const taskId = crypto.randomUUID();
  await stage.driver.store(taskId, json, state, options);
  return taskId;
}

const TRACEBACK = `Traceback (most recent call last):
  File "shop.py", line 7, in pay
    charge(card)
  File "cards.py", line 12, in charge
    return LIMITS[card]
KeyError: 'blue'
`;

test("test_get: a value is resolved to, None is null, a failure rejects or is resolved to", async () => {
  await using backend = stage.backend();
  const ok = await stored('"the"', "SUCCESS");
  assertEquals(await backend.result(ok).get(), "the");
  const none = backend.result(await stored("null", "SUCCESS"));
  assertStrictEquals(await none.get(), null);
  assertEquals(await none.state(), "SUCCESS");

  const failed = backend.result(await stored(keyError("brown"), "FAILURE"));
  const error = await assertRejects(() => failed.get(), TaskError);
  const same = await failed.get({ propagate: false });
  assertInstanceOf(same, TaskError);
  assertEquals([same.excType, same.excArgs], [error.excType, ["brown"]]);

  // What is retried has an exception, and no outcome.
  const retried = backend.result(await stored(keyError("red"), "RETRY"));
  const meta = await retried.meta();
  assert(meta.state === "RETRY");
  assertEquals(meta.result?.excType, "KeyError");
  assertEquals(meta.result?.excArgs, ["red"]);
});

test("test_raising: a failure rejects with the exception's class and arguments, and the worker's traceback where there is one", async () => {
  await using backend = stage.backend();
  const without = await stored(keyError("brown"), "FAILURE");
  const error = await assertRejects(
    () => backend.result(without).get(),
    TaskError,
    "KeyError: brown",
  );
  assertEquals(error.traceback, null);

  const trace = TRACEBACK;
  const withOne = await stored(keyError("blue"), "FAILURE", { trace });
  const traced = await assertRejects(
    () => backend.result(withOne).get(),
    TaskError,
  );
  assertEquals(
    [traced.excType, traced.excModule, traced.excArgs, traced.traceback],
    ["KeyError", "builtins", ["blue"], trace],
  );
  // Python's frames are no frames of this program.
  assertEquals(traced.stack?.includes("shop.py"), false);
});

test("test_get_traceback: a failure and a retry have their traceback, a success and a pending task none", async () => {
  await using backend = stage.backend();
  const trace = TRACEBACK;
  const ids = [
    await stored(keyError("blue"), "FAILURE", { trace }),
    await stored(keyError("red"), "RETRY", { trace }),
    await stored('"the"', "SUCCESS"),
    crypto.randomUUID(),
  ];
  assertEquals(
    (await backend.getMetas(ids)).map(({ traceback }) => traceback),
    [trace, trace, null, null],
  );
});

test("test_successful: a success is, a failure, a retry and a pending task are not", async () => {
  await using backend = stage.backend();
  const successful: boolean[] = [];
  for (
    const id of [
      await stored('"the"', "SUCCESS"),
      await stored(keyError("brown"), "FAILURE"),
      await stored(keyError("red"), "RETRY"),
      crypto.randomUUID(),
    ]
  ) successful.push(await backend.result(id).successful());
  assertEquals(successful, [true, false, false, false]);
});

test("test_ready: a success, a failure and a revoked task are, a retry and a pending task are not", async () => {
  await using backend = stage.backend();
  for (
    const [id, expected] of [
      [await stored('"the"', "SUCCESS"), true],
      [await stored(keyError("brown"), "FAILURE"), true],
      [await stored(keyError("gone"), "REVOKED"), true],
      [await stored(keyError("red"), "RETRY"), false],
      [crypto.randomUUID(), false],
    ] as const
  ) {
    assertEquals(await backend.result(id).ready(), expected);
    assertEquals((await stage.driver.read(id)).ready, expected);
  }
});

test("test_exists, test_exists_returns_bool: whatever was stored exists, as a boolean; an unknown id does not", async () => {
  await using backend = stage.backend();
  for (
    const id of [
      await stored('"the"', "SUCCESS"),
      await stored(keyError("brown"), "FAILURE"),
      await stored(keyError("red"), "RETRY"),
    ]
  ) assertStrictEquals(await backend.exists(id), true);
  for (const id of [crypto.randomUUID(), "totally-fake-id"]) {
    assertStrictEquals(await backend.exists(id), false);
  }
});

test("test_forget: one result is forgotten, for both sides; others stay", async () => {
  await using backend = stage.backend();
  const ids = [
    await stored('"the"', "SUCCESS"),
    await stored('"quick"', "SUCCESS"),
  ] as const;
  await backend.result(ids[0]).forget();
  assertEquals(await backend.result(ids[0]).state(), "PENDING");
  assertEquals((await stage.driver.read(ids[0])).state, "PENDING");
  assertEquals(await backend.result(ids[1]).get(), "quick");
});

for (
  const [zone, date] of [
    ["UTC", "2024-08-24T00:00:00+00:00"],
    ["America/Los_Angeles", "2024-08-23T17:00:00-07:00"],
    ["Pacific/Kwajalein", "2024-08-24T12:00:00+12:00"],
    ["Europe/Berlin", "2024-08-24T02:00:00+02:00"],
    ["none, as Celery before 5.5 writes it", "2024-08-24T00:00:00"],
  ] as const
) {
  test(`test_date_done: ${date} is the time that it says, whatever the application's time zone: ${zone}`, async () => {
    using _zone = timeZone("Asia/Kolkata");
    await using backend = stage.backend();
    await using client = await stage.redis.client();
    const [id] = taskIds(1) as [string];
    await client.send(
      "SET",
      `celery-task-meta-${id}`,
      JSON.stringify({
        status: "SUCCESS",
        result: null,
        date_done: date,
        task_id: id,
      }),
    );
    const { dateDone } = await backend.result(id).meta();
    assertEquals(dateDone, new Date("2024-08-24T00:00:00Z"));
  });
}

test("test_get_request_meta: what Celery stored of the call is told, and when it was done; a retry was not done", async () => {
  await using backend = stage.backend();
  const [id] = taskIds(1) as [string];
  const before = Date.now();
  await stage.driver.store(id, '"foo"', "SUCCESS", {
    extended: true,
    request: {
      task: "foo",
      children: [],
      args: ["one", "two"],
      kwargs: { kwarg1: "three" },
      hostname: "foo",
      retries: 1,
      delivery_info: { routing_key: "celery" },
    },
  });
  const meta = await backend.result(id).meta();
  assertEquals(
    [meta.name, meta.args, meta.kwargs],
    ["foo", ["one", "two"], { kwarg1: "three" }],
  );
  assertEquals([meta.worker, meta.retries, meta.queue], ["foo", 1, "celery"]);
  assertEquals([meta.taskId, meta.state, meta.result], [id, "SUCCESS", "foo"]);
  assertExists(meta.dateDone);
  const time = meta.dateDone.getTime();
  assert(before <= time && time <= Date.now(), String(meta.dateDone));

  const retried = await stored(keyError("red"), "RETRY");
  assertEquals((await backend.getMeta(retried)).dateDone, null);
});

test("test_get_timeout, test_get_timeout_longer: a retry and a pending task run out of time, and the last state is told", async () => {
  await using backend = stage.backend();
  const retried = await stored(keyError("red"), "RETRY");
  for (const timeout of [0, 50]) {
    const error = await assertRejects(
      () => backend.result(retried).get({ timeout }),
      ResultTimeoutError,
    );
    assertEquals([error.taskId, error.lastState], [retried, "RETRY"]);
    await assertRejects(
      () => backend.result(crypto.randomUUID()).get({ timeout }),
      ResultTimeoutError,
      "nothing is stored",
    );
  }
});
