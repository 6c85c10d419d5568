/**
 * What t/unit/tasks/test_result.py of Celery asks of AsyncResult, of groups and of
 * their tuples, asked of those here, of results that Python's Celery stored. README.md says what became
 * of each test there.
 *
 * @module
 */

import {
  AsyncResult,
  GroupResult,
  IncompleteStreamError,
  type ResultBackend,
  ResultTimeoutError,
  type ResultTuple,
  TaskError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import { taskIds } from "../support/results.ts";
import { timeZone } from "../support/time_zone.ts";

const fixture = celeryFixture();

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(fixture.test(name, fn));
}

/** The result in the document of a task that raised a KeyError. */
function keyError(argument: string): string {
  return JSON.stringify({
    exc_type: "KeyError",
    exc_message: [argument],
    exc_module: "builtins",
  });
}

/** Makes Celery store a result; returns the task's id. */
async function stored(
  json: string,
  state: string,
  options?: { trace?: string },
): Promise<string> {
  const taskId = crypto.randomUUID();
  await fixture.driver.store(taskId, json, state, options);
  return taskId;
}

/** Makes Celery store the results of tasks; returns their ids. */
async function storedAll(values: readonly number[]): Promise<string[]> {
  const ids: string[] = [];
  for (const value of values) {
    ids.push(await stored(String(value), "SUCCESS"));
  }
  return ids;
}

/** A group of tasks that was never saved. */
function groupOf(
  backend: ResultBackend,
  taskIds: readonly string[],
): GroupResult {
  const group = backend.fromTuple([[crypto.randomUUID(), null], [...taskIds]]);
  assertInstanceOf(group, GroupResult);
  return group;
}

const TRACEBACK = `Traceback (most recent call last):
  File "shop.py", line 7, in pay
    charge(card)
  File "cards.py", line 12, in charge
    return LIMITS[card]
KeyError: 'blue'
`;

test("test_get: resolves to a value, to null for None, and rejects with a failure or resolves to it", async () => {
  await using backend = fixture.backend();
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

  // A retry has an exception, and is not an outcome.
  const retried = backend.result(await stored(keyError("red"), "RETRY"));
  const meta = await retried.meta();
  assert(meta.state === "RETRY");
  assertEquals(meta.result?.excType, "KeyError");
  assertEquals(meta.result?.excArgs, ["red"]);
});

test("test_raising: a failure rejects with the exception's class and arguments, and the worker's traceback if there is one", async () => {
  await using backend = fixture.backend();
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
  // Python's frames are not frames of this program.
  assertEquals(traced.stack?.includes("shop.py"), false);
});

test("test_get_traceback: a failure and a retry have a traceback, a success and a pending task have none", async () => {
  await using backend = fixture.backend();
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
  await using backend = fixture.backend();
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
  await using backend = fixture.backend();
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
    assertEquals((await fixture.driver.read(id)).ready, expected);
  }
});

test("test_exists, test_exists_returns_bool: every stored result exists, as a boolean; an unknown id does not", async () => {
  await using backend = fixture.backend();
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

test("test_forget: one result is removed, for both sides; others remain", async () => {
  await using backend = fixture.backend();
  const ids = [
    await stored('"the"', "SUCCESS"),
    await stored('"quick"', "SUCCESS"),
  ] as const;
  await backend.result(ids[0]).forget();
  assertEquals(await backend.result(ids[0]).state(), "PENDING");
  assertEquals((await fixture.driver.read(ids[0])).state, "PENDING");
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
  test(`test_date_done: ${date} is the same moment in every time zone of the application: ${zone}`, async () => {
    using _zone = timeZone("Asia/Kolkata");
    await using backend = fixture.backend();
    await using client = await fixture.redis.client();
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

test("test_get_request_meta: reports what Celery stored of the call, and when it finished; a retry has not", async () => {
  await using backend = fixture.backend();
  const [id] = taskIds(1) as [string];
  const before = Date.now();
  await fixture.driver.store(id, '"foo"', "SUCCESS", {
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

test("test_get_timeout, test_get_timeout_longer: a retry and a pending task time out, with the last state in the error", async () => {
  await using backend = fixture.backend();
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

test("test_propagates_for_parent: a parent's failure rejects, a parent's success does not", async () => {
  await using backend = fixture.backend();
  const failed = await stored(keyError("foo"), "FAILURE");
  const pending = backend.result(crypto.randomUUID(), {
    parent: backend.result(failed),
  });
  const error = await assertRejects(
    () => fixture.inTime(pending.get()),
    TaskError,
  );
  assertEquals([error.taskId, error.excType], [failed, "KeyError"]);

  const parent = backend.result(await stored("42", "SUCCESS"));
  const id = await stored("84", "SUCCESS");
  assertEquals(await backend.result(id, { parent }).get(), 84);
});

test("test_forget: the parents of a result are removed with it, its children are not", async () => {
  await using backend = fixture.backend();
  const [grandparent, parent, id] = await storedAll([1, 2, 3]);
  const child = await stored("4", "SUCCESS");
  await backend.forget(id!);
  await backend.markAsDone(id!, 3, { children: [backend.result(child)] });
  const result = backend.result(id!, {
    parent: backend.result(parent!, { parent: backend.result(grandparent!) }),
  });
  await result.forget();
  for (const forgotten of [grandparent!, parent!, id!]) {
    assertEquals(await backend.exists(forgotten), false);
    assertEquals((await fixture.driver.read(forgotten)).state, "PENDING");
  }
  assertEquals(await backend.exists(child), true);
});

/** Stores a result with a child, and so on: 0, 1, 2; returns their ids. */
async function storeLine(backend: ResultBackend): Promise<string[]> {
  const ids = taskIds(3);
  for (const [value, id] of ids.entries()) {
    const next = ids[value + 1];
    const children = next === undefined ? [] : [backend.result(next)];
    await backend.markAsDone(id, value, { children });
  }
  return ids;
}

test("test_children: the children of a task are results", async () => {
  await using backend = fixture.backend();
  const [first, second] = await storeLine(backend);
  const children = await backend.result(first!).children();
  assertExists(children);
  const [child] = children;
  assertEquals(children.length, 1);
  assertInstanceOf(child, AsyncResult);
  assertEquals([child.id, await child.get()], [second, 1]);
  assertEquals((await fixture.driver.read(first!)).children, [second]);
});

test("test_build_graph_get_leaf_collect: the graph, the leaf and the values of a tree are those of Python", async () => {
  await using backend = fixture.backend();
  const ids = await storeLine(backend);
  const root = backend.result(ids[0]!);
  const { nodes, edges } = await root.graph();
  assertEquals(nodes.map(({ id }) => id), ids);
  assertEquals(edges, [
    { from: ids[0]!, to: ids[1]! },
    { from: ids[1]!, to: ids[2]! },
  ]);
  assertEquals(await root.leaf(), 2);
  const collected: [string, string][] = [];
  for await (const [{ id }, value] of root.collect()) {
    collected.push([id, String(value)]);
  }
  assertEquals(collected, ids.map((id, value) => [id, String(value)]));
  assertEquals(collected, await fixture.driver.collect(ids[0]!));
});

test("test_iterdeps: each result comes with its parent; one that is not ready ends the walk, or is skipped", async () => {
  await using backend = fixture.backend();
  const children = await storedAll([1, 2, 3]);
  const id = crypto.randomUUID();
  const options = {
    children: children.map((child) => backend.result(child)),
  };
  await backend.markAsDone(id, 0, options);
  const found: [string | null, string][] = [];
  for await (const { parent, result } of backend.result(id).dependencies()) {
    found.push([parent?.id ?? null, result.id]);
  }
  assertEquals(found, [
    [null, id],
    ...children.map((child): [string, string] => [id, child]),
  ]);
  assertEquals(found, await fixture.driver.dependencies(id));

  const pending = backend.result(crypto.randomUUID());
  await assertRejects(
    () => Array.fromAsync(pending.dependencies()),
    IncompleteStreamError,
  );
  const walked = pending.dependencies({ intermediate: true });
  assertEquals((await Array.fromAsync(walked)).length, 1);
});

// -- ResultSet, GroupResult ------------------------------------------------------------

test("test_get_empty: an empty set resolves to no values at once", async () => {
  await using backend = fixture.backend();
  assertEquals(await backend.resultSet([]).get({ timeout: 0 }), []);
  const group = groupOf(backend, []);
  assertEquals([await group.get(), await group.join()], [[], []]);
});

test("test_join_native: the values come in the order of the group", async () => {
  await using backend = fixture.backend();
  const values = Array.from({ length: 10 }, (_, i) => i);
  const ids = await storedAll(values);
  assertEquals(await groupOf(backend, ids).join(), values);
  const turned = ids.toReversed();
  assertEquals(await groupOf(backend, turned).get(), values.toReversed());
});

test("test_join_native_raises: a failure rejects, or takes the place of the value", async () => {
  await using backend = fixture.backend();
  const failed = await stored(keyError("foo"), "FAILURE");
  const group = groupOf(backend, [...await storedAll([1, 2]), failed]);
  const error = await assertRejects(() => group.join(), TaskError);
  assertEquals([error.taskId, error.excArgs], [failed, ["foo"]]);
  const values = await group.join({ propagate: false });
  assertEquals(values.slice(0, 2), [1, 2]);
  assertInstanceOf(values[2], TaskError);
});

test("test_join_timeout: a group that is not ready times out, and names the missing tasks", async () => {
  await using backend = fixture.backend();
  const done = await storedAll([1, 2]);
  const retried = await stored(keyError("red"), "RETRY");
  const group = groupOf(backend, [...done, retried]);
  for (const timeout of [0, 50]) {
    const error = await assertRejects(
      () => group.join({ timeout }),
      ResultTimeoutError,
    );
    assertEquals(error.missingIds, [retried]);
  }
  // One that is ready in time does not.
  const wait = group.join({ timeout: 10_000 });
  await fixture.driver.store(retried, "3", "SUCCESS");
  assertEquals(await wait, [1, 2, 3]);
});

test("test_iter_native: yields each outcome of a group once, with its task; none of an empty group", async () => {
  await using backend = fixture.backend();
  const values = Array.from({ length: 10 }, (_, i) => i);
  const ids = await storedAll(values);
  const found = new Map<string, unknown>();
  for await (const { taskId, result } of groupOf(backend, ids)) {
    assertEquals(found.has(taskId), false);
    found.set(taskId, result);
  }
  assertEquals(found, new Map(ids.map((id, value) => [id, value])));
  assertEquals(await Array.fromAsync(groupOf(backend, [])), []);
});

test("test_save_restore: a saved group is restored by its id, until it is deleted", async () => {
  await using backend = fixture.backend();
  await using other = fixture.backend();
  const ids = await storedAll([1, 2, 3]);
  const group = groupOf(backend, ids);
  assertEquals(await other.restoreGroup(group.id), null);
  await group.save();
  const restored = await other.restoreGroup<number>(group.id);
  assertExists(restored);
  assertEquals(restored.ids, ids);
  assertEquals(await restored.get(), [1, 2, 3]);
  assertEquals(await fixture.driver.restoreTuple(group.id), group.asTuple());
  await restored.delete();
  assertEquals(await backend.restoreGroup(group.id), null);
  assertEquals(await fixture.driver.getGroup(group.id), null);
});

test("test_successful, test_failed, test_waiting, test_ready, test_completed_count: a group reports the same of its members as in Python", async () => {
  await using backend = fixture.backend();
  const ok = await storedAll([1, 2]);
  const failed = await stored(keyError("brown"), "FAILURE");
  const revoked = await stored(keyError("gone"), "REVOKED");
  const retried = await stored(keyError("red"), "RETRY");
  const pending = crypto.randomUUID();
  for (
    const [ids, successful, isFailed, ready, completedCount] of [
      [ok, true, false, true, 2],
      [[...ok, failed], false, true, true, 2],
      [[...ok, revoked], false, false, true, 2],
      [[...ok, retried], false, false, false, 2],
      [[...ok, failed, pending], false, true, false, 2],
      [[pending, retried], false, false, false, 0],
      [[], true, false, true, 0],
    ] as const
  ) {
    const groupId = crypto.randomUUID();
    const group = await backend.saveGroup(groupId, ids);
    const told = {
      successful: await group.successful(),
      failed: await group.failed(),
      waiting: await group.waiting(),
      ready: await group.ready(),
      completedCount: await group.completedCount(),
    };
    assertEquals(told, {
      successful,
      failed: isFailed,
      waiting: !ready,
      ready,
      completedCount,
    });
    assertEquals(told, await fixture.driver.readGroup(groupId));
  }
});

// -- test_tuples -----------------------------------------------------------------------

for (
  const [name, tuple] of [
    ["test_AsyncResult", [["t", null], null]],
    ["test_with_parent", [["t", [["p", null], null]], null]],
    ["test_GroupResult", [["g", null], [[["a", null], null]]]],
    [
      "test_GroupResult_with_parent",
      [["g", [["p", null], null]], [[["a", null], null], [["b", null], null]]],
    ],
  ] satisfies [string, ResultTuple][]
) {
  test(`${name}: a result survives conversion to a tuple and back, here and in Python`, async () => {
    await using backend = fixture.backend();
    const result = backend.fromTuple(tuple);
    assertEquals(result instanceof GroupResult, name.includes("Group"));
    assertEquals(result.asTuple(), tuple);
    assertEquals(result.parent?.id, tuple[0][1]?.[0][0]);
    // Python reads it as the member of a group, and writes it again.
    const groupId = crypto.randomUUID();
    await backend.saveGroup(groupId, [result]);
    assertEquals(await fixture.driver.restoreTuple(groupId), [
      [groupId, null],
      [tuple],
    ]);
  });
}

test("test_compat: the form without a parent, and a bare id, are read as well", async () => {
  await using backend = fixture.backend();
  const group = backend.fromTuple(["uid", []]);
  assertInstanceOf(group, GroupResult);
  assertEquals([group.id, group.ids], ["uid", []]);
  for (const tuple of [["uid", null], "uid"]) {
    const result = backend.fromTuple(tuple);
    assertInstanceOf(result, AsyncResult);
    assertEquals([result.id, result.parent], ["uid", null]);
  }
});

test("test_as_list: a result's list is its id and then its parents'", async () => {
  await using backend = fixture.backend();
  const parent = backend.result("p");
  assertEquals(parent.asList(), ["p"]);
  assertEquals(backend.result("t", { parent }).asList(), ["t", "p"]);
});
