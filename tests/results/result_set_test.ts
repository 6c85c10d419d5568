import {
  BackendClosedError,
  DecodeError,
  GroupResult,
  type OutcomeEvent,
  ResultTimeoutError,
  TaskError,
} from "../../mod.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { BackendFixture } from "../support/backend_fixture.ts";
import { collect, untilStatus } from "../support/results.ts";

/** A group with a group in it. */
function nested(fixture: BackendFixture): GroupResult {
  const group = fixture.backend.fromTuple([
    ["g", null],
    ["a", [["h", null], ["b", "c"]], [["e", null], []]],
  ]);
  assertInstanceOf(group, GroupResult);
  return group;
}

Deno.test("ResultSet keeps its ids in the order given", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const set = backend.resultSet(["b", "a", "b"]);
  assertEquals(set.ids, ["b", "a", "b"]);
  assertEquals(set.length, 3);
  assertEquals(set.results.map(({ id }) => id), ["b", "a", "b"]);
  assertEquals(backend.resultSet("abc").ids, ["abc"]);
  assertEquals(backend.resultSet(new Set(["x"])).ids, ["x"]);
  assertThrows(() => backend.resultSet(["a", ""]), TypeError);
  // @ts-expect-error what JavaScript may pass
  assertThrows(() => backend.resultSet(5), TypeError);
});

Deno.test("ResultSet.get() resolves to the values in order, and repeats those of duplicates", async () => {
  await using fixture = await BackendFixture.start();
  const set = fixture.backend.resultSet<number>(["c", "a", "c", "b"]);
  const wait = set.get();
  await fixture.done("a", 1);
  await fixture.done("b", 2);
  await fixture.done("c", 3);
  assertEquals(await wait, [3, 1, 3, 2]);
  assertEquals(await set.join({ timeout: 0 }), [3, 1, 3, 2]);
  assertEquals(await fixture.channels(), 0);
});

Deno.test("ResultSet is ready and resolves to [] if it is empty", async () => {
  await using fixture = await BackendFixture.start();
  const set = fixture.backend.resultSet([]);
  for (const options of [{}, { timeout: 0 }, { propagate: false }]) {
    assertEquals(await set.get(options), []);
  }
  assertEquals(
    [await set.ready(), await set.successful(), await set.failed()],
    [true, true, false],
  );
  assertEquals([await set.waiting(), await set.completedCount()], [false, 0]);
  assertEquals(await collect(set.events()), []);
  assertEquals(await Array.fromAsync(set), []);
  await set.forget();
  assertEquals(fixture.redis.connections, 1);
});

Deno.test("ResultSet.get() rejects as soon as one fails, while others are missing", async () => {
  await using fixture = await BackendFixture.start();
  const set = fixture.backend.resultSet(["a", "b", "c"]);
  const wait = assertRejects(() => set.get(), TaskError, "ValueError: boom");
  await untilStatus(fixture.backend.status(), "connected");
  await fixture.failed("b");
  assertEquals((await wait).taskId, "b");
  await assertRejects(() => set.get({ timeout: 0 }), TaskError);
  assertEquals(await fixture.channels(), 0);
});

Deno.test("ResultSet.get() with propagate: false puts TaskErrors in the places of values", async () => {
  await using fixture = await BackendFixture.start();
  await fixture.done("a", 1);
  await fixture.failed("b");
  await fixture.backend.markAsRevoked("c");
  const values = await fixture.backend.resultSet<number>(["c", "a", "b"]).get({
    propagate: false,
  });
  assertEquals(
    values.map((value) => value instanceof TaskError ? value.state : value),
    ["REVOKED", 1, "FAILURE"],
  );
});

Deno.test("ResultSet.get() has one deadline for all members, and names those without an outcome", async () => {
  await using fixture = await BackendFixture.start();
  await fixture.done("a");
  await fixture.backend.markAsStarted("c");
  const set = fixture.backend.resultSet(["a", "c", "b"]);
  for (const timeout of [0, 30]) {
    const error = await assertRejects(
      () => set.get({ timeout }),
      ResultTimeoutError,
      `2 of 3 tasks have no outcome after ${timeout} ms (c, b)`,
    );
    assertEquals(error.taskId, "c");
    assertEquals([error.missingCount, error.missingIds], [2, ["c", "b"]]);
  }
  await assertRejects(() => set.get({ timeout: -1 }), RangeError);
  assertEquals(await fixture.channels(), 0);
});

Deno.test("ResultSet.get() rejects when its signal aborts, and when the backend closes", async () => {
  await using fixture = await BackendFixture.start();
  const set = fixture.backend.resultSet(["a", "b"]);
  const controller = new AbortController();
  const aborted = assertRejects(() => set.get(controller));
  const closed = assertRejects(() => set.get(), BackendClosedError);
  await untilStatus(fixture.backend.status(), "connected");
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await aborted, reason);
  await fixture.backend.close();
  await closed;
  await assertRejects(() => set.get(), BackendClosedError);
  await assertRejects(() => set.ready(), BackendClosedError);
});

Deno.test("ResultSet.get() reports each event, and survives a callback that throws", async () => {
  await using fixture = await BackendFixture.start();
  const reported: unknown[] = [];
  const onError = (event: ErrorEvent): void => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", onError);
  await fixture.backend.storeResult("a", 1, "PROGRESS");
  await fixture.done("b", 2);
  const seen: string[] = [];
  const wait = fixture.backend.resultSet(["a", "b"]).get({
    onEvent({ taskId, state }): void {
      seen.push(`${taskId} ${state}`);
      if (seen.length === 2) progressed.resolve();
      throw new RangeError(taskId);
    },
  });
  const progressed = Promise.withResolvers<void>();
  await progressed.promise;
  await fixture.done("a", 1);
  assertEquals(await wait, [1, 2]);
  removeEventListener("error", onError);
  assertEquals(seen, ["b SUCCESS", "a PROGRESS", "a SUCCESS"]);
  assertEquals(reported.length, 3);
});

Deno.test("ResultSet rejects with DecodeError if a document cannot be decoded", async () => {
  await using fixture = await BackendFixture.start();
  await fixture.done("a");
  await fixture.put("b", "no json");
  const set = fixture.backend.resultSet(["a", "b"]);
  for (
    const call of [
      () => set.get(),
      () => set.get({ propagate: false }),
      () => set.get({ timeout: 0 }),
      () => set.ready(),
      () => set.successful(),
      () => set.failed(),
      () => set.waiting(),
      () => set.completedCount(),
    ]
  ) {
    const error = await assertRejects(call, DecodeError);
    assertEquals([error.taskId, error.text], ["b", "no json"]);
  }
  assertEquals(
    (await Array.fromAsync(set)).map(({ state }) => state).sort(),
    ["SUCCESS", "UNDECODABLE"],
  );
});

// -- nested groups -----------------------------------------------------------------

Deno.test("ResultSet.get() resolves nested groups to lists, with the same deadline and propagation", async () => {
  await using fixture = await BackendFixture.start();
  const group = nested(fixture);
  assertEquals(group.ids, ["a", "h", "e"]);
  const late = await assertRejects(
    () => group.get({ timeout: 20 }),
    ResultTimeoutError,
  );
  assertEquals(late.missingIds, ["a", "b", "c"]);
  const failing = assertRejects(() => group.get(), TaskError);
  await fixture.failed("c");
  assertEquals((await failing).taskId, "c");
  await fixture.done("a", 1);
  await fixture.done("b", 2);
  const [first, second, third] = await group.get({ propagate: false });
  assertEquals([first, third], [1, []]);
  assertInstanceOf(second, Array);
  assertEquals(second[0], 2);
  assertInstanceOf(second[1], TaskError);
  await fixture.done("c", 3);
  assertEquals(await group.get(), [1, [2, 3], []]);
});

Deno.test("ResultSet counts members as Celery does", async () => {
  await using fixture = await BackendFixture.start();
  const group = nested(fixture);
  const asked = async (): Promise<unknown[]> => [
    await group.ready(),
    await group.waiting(),
    await group.successful(),
    await group.failed(),
    await group.completedCount(),
  ];
  // An empty group is a success.
  assertEquals(await asked(), [false, true, false, false, 1]);
  await fixture.done("a");
  await fixture.done("b");
  assertEquals(await asked(), [false, true, false, false, 2]);
  await fixture.backend.markAsRevoked("c");
  assertEquals(await asked(), [true, false, false, false, 2]);
  await fixture.failed("c");
  assertEquals(await asked(), [true, false, false, true, 2]);
  await fixture.done("c");
  assertEquals(await asked(), [true, false, true, false, 3]);
  const twice = fixture.backend.resultSet(["a", "a", "x"]);
  assertEquals(await twice.completedCount(), 2);
});

// -- streams -------------------------------------------------------------------------

Deno.test("ResultSet yields each task's outcome once, as it arrives, including those in groups", async () => {
  await using fixture = await BackendFixture.start();
  const seen: OutcomeEvent[] = [];
  const iterated = (async () => {
    for await (const event of nested(fixture)) seen.push(event);
  })();
  const events = collect(nested(fixture).events());
  await untilStatus(fixture.backend.status(), "connected");
  await fixture.done("c", 3);
  await fixture.backend.storeResult("a", 1, "PROGRESS");
  await fixture.failed("a");
  await fixture.done("b", 2);
  await iterated;
  assertEquals(
    seen.map(({ taskId, state }) => `${taskId} ${state}`),
    ["c SUCCESS", "a FAILURE", "b SUCCESS"],
  );
  assertEquals(
    (await events).map(({ state }) => state),
    ["SUCCESS", "PROGRESS", "FAILURE", "SUCCESS"],
  );
});

Deno.test("ResultSet unsubscribes when the loop is left", async () => {
  await using fixture = await BackendFixture.start();
  await fixture.done("a", 1);
  for await (const event of fixture.backend.resultSet(["a", "b", "a"])) {
    assertEquals(event.taskId, "a");
    break;
  }
  assertEquals(await fixture.channels(), 0);
});

// -- forget --------------------------------------------------------------------------

Deno.test("ResultSet.forget() removes the members and what came before them, but no chord and no saved group", async () => {
  await using fixture = await BackendFixture.start();
  const { backend, client } = fixture;
  for (const id of ["a", "b", "p", "x"]) await fixture.done(id);
  for (const part of [".j", ".s", ".t"]) {
    await client.send("SET", `celery-taskset-meta-g${part}`, "1");
  }
  const group = await backend.saveGroup("g", [
    "a",
    backend.result("b", { parent: backend.result("p") }),
  ]);
  await group.forget();
  assertEquals(await fixture.keys(), [
    "celery-task-meta-x",
    "celery-taskset-meta-g",
    "celery-taskset-meta-g.j",
    "celery-taskset-meta-g.s",
    "celery-taskset-meta-g.t",
  ]);
});

Deno.test("ResultSet.forget() removes any number of results", async () => {
  await using fixture = await BackendFixture.start();
  const ids = Array.from({ length: 2500 }, (_, i) => `t${i}`);
  for (const id of ids) {
    fixture.client.send("SET", `celery-task-meta-${id}`, "x");
  }
  await fixture.backend.resultSet(ids).forget();
  assertEquals(await fixture.keys(), []);
});
