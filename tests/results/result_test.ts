import {
  AsyncResult,
  DecodeError,
  GroupResult,
  type ResultEvent,
  ResultTimeoutError,
  TaskError,
  TaskRevokedError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { BackendFixture } from "../support/backend_fixture.ts";
import { untilStatus } from "../support/results.ts";

// -- tuples --------------------------------------------------------------------

Deno.test("AsyncResult.asTuple() and asList() describe the task and what came before it", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const a = backend.result("a");
  const group = backend.fromTuple([["g", a.asTuple()], ["x", "y"]]);
  const c = backend.result("c", { parent: group });
  assertEquals(a.asTuple(), [["a", null], null]);
  assertEquals(c.asTuple(), [["c", group.asTuple()], null]);
  assertEquals(a.asList(), ["a"]);
  assertEquals(c.asList(), ["c", "g", "a"]);
  assertStrictEquals(c.parent, group);
  assertEquals(a.parent, null);
});

Deno.test("ResultBackend.fromTuple() makes tasks and groups from tuples, including the older form", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const tuple = [["c", [["g", [["a", null], null]], [["x", null]]]], null];
  const c = backend.fromTuple(tuple);
  assertInstanceOf(c, AsyncResult);
  const { parent } = c;
  assertInstanceOf(parent, GroupResult);
  assertEquals([parent.id, parent.ids, parent.parent?.id], ["g", ["x"], "a"]);
  assertEquals(c.asTuple(), [["c", [["g", [["a", null], null]], [[
    ["x", null],
    null,
  ]]]], null]);
  assertEquals(backend.fromTuple("t").id, "t");
  assertThrows(() => backend.fromTuple([1, null]), TypeError, "its id is not");
  assertThrows(() => backend.fromTuple({}), TypeError, "Cannot read a result");
});

Deno.test("AsyncResult.toJSON() lets a result be stored as a value, and among children", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const child = backend.result("child", { parent: backend.result("parent") });
  const group = backend.fromTuple([["g", null], ["x"]]);
  await backend.markAsDone("t", child, { children: [child, group] });
  const meta = await backend.getMeta("t");
  assertEquals(meta.result, child.asTuple());
  assertEquals(meta.children, [child.asTuple(), group.asTuple()]);
  assertEquals(
    (await backend.result("t").children())?.map((each) => each.asTuple()),
    [child.asTuple(), group.asTuple()],
  );
});

Deno.test("AsyncResult.children() is null if nothing is known, and throws DecodeError if they are malformed", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  assertEquals(await backend.result("t").children(), null);
  await backend.markAsDone("t", 1);
  assertEquals(await backend.result("t").children(), null);
  await fixture.done("u", 1, []);
  assertEquals(await backend.result("u").children(), []);
  for (const children of ["x", 5, [5], [[["a"], null]], { a: 1 }]) {
    const id = crypto.randomUUID();
    await fixture.done(id, 1, children);
    const error = await assertRejects(
      () => backend.result(id).children(),
      DecodeError,
      `Cannot read the children of task "${id}"`,
    );
    assertEquals(error.taskId, id);
  }
});

Deno.test("AsyncResult.id cannot be assigned at run time, and console.log() shows it", async () => {
  await using fixture = await BackendFixture.start();
  const result = fixture.backend.result("a");
  assertThrows(() => Object.assign(result, { id: "b" }), TypeError);
  assertEquals(result.id, "a");
  assertEquals(Deno.inspect(result), 'AsyncResult { id: "a", parent: null }');
});

Deno.test("AsyncResult is not a thenable", async () => {
  await using fixture = await BackendFixture.start();
  const result = fixture.backend.result("t");
  assert(!("then" in result));
  assertStrictEquals(await result, result);
  const group = fixture.backend.fromTuple([["g", null], []]);
  assert(!("then" in group));
});

// -- reads -------------------------------------------------------------------

Deno.test("AsyncResult.exists() reads whether anything is stored", async () => {
  await using fixture = await BackendFixture.start();
  const result = fixture.backend.result("t");
  assertEquals(await result.exists(), false);
  await fixture.backend.markAsStarted("t");
  assertEquals(await result.exists(), true);
});

Deno.test("AsyncResult.forget() removes the parents as well, with one DEL, and nothing else", async () => {
  await using fixture = await BackendFixture.start();
  const { backend, client } = fixture;
  for (const id of ["a", "x", "y", "c", "child", "other"]) {
    await fixture.done(id, 1, id === "c" ? ["child"] : []);
  }
  await backend.saveGroup("g", ["x", "y"]);
  await client.send("SET", "celery-taskset-meta-g.s", "2");
  const group = backend.fromTuple([["g", ["a", null]], ["x", "y"]]);
  await backend.result("c", { parent: group }).forget();
  assertEquals(await fixture.keys(), [
    "celery-task-meta-child",
    "celery-task-meta-other",
    "celery-taskset-meta-g",
    "celery-taskset-meta-g.s",
  ]);
});

// -- waits -----------------------------------------------------------------------

Deno.test("AsyncResult.get() rejects with the failure of a parent: one stored before, and one during the wait", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const parent = backend.result("parent", { parent: backend.result("root") });
  const result = backend.result("t", { parent });
  const events: ResultEvent[] = [];
  const wait = assertRejects(
    () => result.get({ onEvent: (event) => void events.push(event) }),
    TaskError,
    "ValueError: boom",
  );
  await untilStatus(backend.status(), "connected");
  await fixture.done("root");
  await fixture.failed("parent");
  assertEquals((await wait).taskId, "parent");
  assertEquals(events, []);
  assertEquals(
    (await assertRejects(() => result.get(), TaskError)).taskId,
    "parent",
  );
  await assertRejects(() => result.get({ timeout: 0 }), TaskError);
  // Even if the task has an outcome itself: Celery checks in this order.
  await fixture.done("t", 84);
  for (const timeout of [0, 10_000]) {
    await assertRejects(() => result.get({ timeout }), TaskError);
    assertEquals(await result.get({ timeout, propagate: false }), 84);
    assertEquals(await result.get({ timeout, followParents: false }), 84);
  }
  assertEquals(await fixture.channels(), 0);
});

Deno.test("AsyncResult.get() rejects with the first failure of the chain if there are several", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const root = backend.result("root");
  const parent = backend.result("parent", { parent: root });
  const result = backend.result("t", { parent });
  await backend.markAsRevoked("root");
  for (const id of ["root", "parent"]) {
    if (id === "parent") await fixture.failed(id);
    for (const timeout of [0, 10_000]) {
      const error = await assertRejects(
        () => result.get({ timeout }),
        TaskRevokedError,
      );
      assertEquals(error.taskId, "root");
    }
  }
});

Deno.test("AsyncResult.get() continues while parents and the members of parent groups succeed", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const parent = backend.fromTuple([["g", ["a", null]], ["x", [["h", null], [
    "y",
  ]]]]);
  const result = backend.result<number>("t", { parent });
  await fixture.done("a");
  await fixture.done("x");
  const wait = result.get();
  await fixture.done("y");
  await fixture.done("t", 1);
  assertEquals(await wait, 1);
  await backend.forget("t");
  await backend.forget("y");
  const failing = assertRejects(() => result.get(), TaskRevokedError);
  await backend.markAsRevoked("y", "no more");
  assertEquals((await failing).taskId, "y");
});

Deno.test("AsyncResult.get() times out whatever its parents do", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const result = backend.result("t", { parent: backend.result("parent") });
  await backend.markAsStarted("parent");
  await backend.markAsStarted("t");
  for (const timeout of [0, 20]) {
    const error = await assertRejects(
      () => result.get({ timeout }),
      ResultTimeoutError,
      `Task t has no outcome after ${timeout} ms`,
    );
    assertEquals([error.taskId, error.missingCount], ["t", 1]);
    assertEquals(error.missingIds, ["t"]);
  }
  assertEquals(await fixture.channels(), 0);
});
