/**
 * Awaits groups, chains and trees of results of Python's Celery, and saves groups
 * that it restores.
 *
 * @module
 */

import {
  AsyncResult,
  GroupResult,
  type ResultTuple,
  TaskError,
  TaskRevokedError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertRejects,
} from "../support/assert.ts";
import { celeryFixture } from "../support/celery_fixture.ts";

const fixture = celeryFixture({ worker: true });

/** Reads what is stored at a group's key. */
async function documentOf(groupId: string): Promise<unknown> {
  await using client = await fixture.redis.client();
  return await client.send("GET", `celery-taskset-meta-${groupId}`);
}

// -- saved groups --------------------------------------------------------------

Deno.test(
  fixture.test("ResultBackend.restoreGroup() restores a group that Python sent and saved", async () => {
    await using backend = fixture.backend();
    const { id, ids } = await fixture.driver.callGroup([
      ["add", [1, 2]],
      ["add", [3, 4]],
      ["value", ["text"]],
    ]);
    const group = await backend.restoreGroup(id);
    assertExists(group);
    assertEquals([group.id, group.ids], [id, ids]);
    assertEquals(await fixture.inTime(group.get()), [3, 7, "plain"]);
    assertEquals(await group.get({ timeout: 0 }), [3, 7, "plain"]);
    assertEquals(
      [await group.ready(), await group.successful(), await group.failed()],
      [true, true, false],
    );
    assertEquals(await group.completedCount(), 3);
  }),
);

Deno.test(
  fixture.test("ResultBackend.restoreGroup() returns a group whose get() rejects with the error of a failed member", async () => {
    await using backend = fixture.backend();
    const { id, ids } = await fixture.driver.callGroup([
      ["wait_for_gate"],
      ["fail_value_error"],
    ]);
    const group = await backend.restoreGroup(id);
    assertExists(group);
    // One of the two waits at its gate: the worker runs one task at a time.
    await fixture.driver.openGate(ids[0]!);
    const error = await assertRejects(
      () => fixture.inTime(group.get()),
      TaskError,
    );
    assertEquals([error.taskId, error.excType], [ids[1]!, "ValueError"]);
    const [first, second] = await fixture.inTime(
      group.get({ propagate: false }),
    );
    assertEquals(first, "gate opened");
    assertInstanceOf(second, TaskError);
    assertEquals([await group.failed(), await group.completedCount()], [
      true,
      1,
    ]);
  }),
);

/** Groups in Python's form: flat, with parents, with nested groups, empty. */
const tuples: Record<string, (id: string) => ResultTuple> = {
  "tasks": (id) => [[id, null], [[["a", null], null], [["b", null], null]]],
  "a group and a parent": (id) => [
    [id, [["p", [["q", null], null]], null]],
    [
      [["a", null], null],
      [["h", [["pp", null], null]], [[["b", null], null]]],
    ],
  ],
  "nothing": (id) => [[id, null], []],
  "a text that is not ASCII": (id) => [
    [id, null],
    [[["Za\u017c\xf3\u0142\u0107 \u{1f600}", null], null]],
  ],
};

for (const [kind, make] of Object.entries(tuples)) {
  Deno.test(
    fixture.test(`ResultBackend.saveGroup() saves the same bytes as Python, and each restores the other's: ${kind}`, async () => {
      await using backend = fixture.backend();
      const id = crypto.randomUUID();
      const tuple = make(id);
      await fixture.driver.saveTuple(tuple);
      const theirs = await documentOf(id);
      assertEquals((await backend.restoreGroup(id))?.asTuple(), tuple);

      await backend.deleteGroup(id);
      assertEquals(await documentOf(id), null);
      assertEquals(await fixture.driver.getGroup(id), null);

      const group = backend.fromTuple(tuple);
      assertInstanceOf(group, GroupResult);
      await group.save();
      assertEquals(await documentOf(id), theirs);
      assertEquals(await fixture.driver.restoreTuple(id), tuple);
      await group.delete();
      assertEquals(await fixture.driver.getGroup(id), null);
    }),
  );
}

Deno.test(
  fixture.test("ResultBackend.saveGroup() saves a group whose results Python gets", async () => {
    await using backend = fixture.backend();
    const ids = [crypto.randomUUID(), crypto.randomUUID()];
    const id = crypto.randomUUID();
    await backend.saveGroup(id, ids);
    await backend.markAsDone(ids[0]!, 1);
    await backend.markAsDone(ids[1]!, "two");
    assertEquals(await fixture.driver.getGroup(id), { value: "[1, 'two']" });
  }),
);

// -- chains ----------------------------------------------------------------------

Deno.test(
  fixture.test("AsyncResult.get() rejects if the head of a Python chain failed", async () => {
    await using backend = fixture.backend();
    const tuple = await fixture.driver.callCanvas([
      ["fail_value_error"],
      ["add", [1]],
      ["add", [2]],
    ]);
    const last = backend.fromTuple(tuple);
    assertInstanceOf(last, AsyncResult);
    assertEquals(last.asTuple(), tuple);
    const error = await assertRejects(
      () => fixture.inTime(last.get()),
      TaskError,
    );
    assertEquals([error.taskId, error.excType], [
      last.asList()[2]!,
      "ValueError",
    ]);
    await assertRejects(() => fixture.inTime(last.leaf()), TaskError);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() rejects if the head of a Python chain was revoked", async () => {
    await using backend = fixture.backend();
    const head = crypto.randomUUID();
    const result = backend.result(crypto.randomUUID(), {
      parent: backend.result(head),
    });
    const wait = assertRejects(() => result.get(), TaskRevokedError);
    await fixture.driver.revoke(head);
    await fixture.driver.callTask("add", [1, 2], {}, { task_id: head });
    assertEquals((await fixture.inTime(wait)).taskId, head);
  }),
);

Deno.test(
  fixture.test("AsyncResult.get() resolves to the result of a Python chain, through a group and its chord", async () => {
    await using backend = fixture.backend();
    const tuple = await fixture.driver.callCanvas([
      ["add", [1, 1]],
      [["add", [10]], ["add", [20]]],
      ["total"],
    ]);
    const body = backend.fromTuple<number>(tuple);
    assertInstanceOf(body, AsyncResult);
    assertEquals(await fixture.inTime(body.get()), 34);
    const { parent } = body;
    assertInstanceOf(parent, GroupResult);
    assertEquals(await fixture.inTime(parent.get()), [12, 22]);
    assertEquals(body.asTuple(), tuple);

    await body.forget();
    assertEquals(await parent.waiting(), true);
    assertExists(parent.parent);
    for (const taskId of [body.id, parent.parent.id, ...parent.ids]) {
      assertEquals(await backend.exists(taskId), false);
    }
  }),
);

// -- trees -------------------------------------------------------------------------

Deno.test(
  fixture.test("AsyncResult.children() returns the results of the tasks that a Python task sent", async () => {
    await using backend = fixture.backend();
    const id = await fixture.driver.callTask("call_others", [3]);
    const result = backend.result(id);
    assertEquals(await fixture.inTime(result.get()), 3);
    const children = await result.children();
    assertExists(children);
    assertEquals(
      await fixture.inTime(Promise.all(
        children.map((child) => child.get()),
      )),
      [0, 2, 4],
    );
    const ids = (await fixture.driver.read(id)).children;
    assertEquals(children.map((child) => child.id), ids);
  }),
);

Deno.test(
  fixture.test("AsyncResult.collect() and dependencies() yield the same as Python's, in the same order", async () => {
    await using backend = fixture.backend();
    const id = await fixture.driver.callTask("grow", [2]);
    const root = backend.result(id);
    const collected: [string, string][] = [];
    await fixture.inTime((async () => {
      for await (const [result, value] of root.collect()) {
        collected.push([result.id, pythonList(value)]);
      }
    })());
    assert(collected.length > 8, String(collected.length));
    assertEquals(collected, await fixture.driver.collect(id));

    const dependencies: [string | null, string][] = [];
    for await (const { parent, result } of root.dependencies()) {
      dependencies.push([parent?.id ?? null, result.id]);
    }
    assertEquals(dependencies, await fixture.driver.dependencies(id));
    const { nodes, edges } = await root.graph();
    assertEquals(
      nodes.map((node) => node.id),
      dependencies.map(([, id]) => id),
    );
    assertEquals(edges.length, dependencies.length - 1);
  }),
);

Deno.test(
  fixture.test("Python reads an AsyncResult in a result and in children as its own", async () => {
    await using backend = fixture.backend();
    const id = crypto.randomUUID();
    // No task twice: Celery would wait endlessly for its second result.
    const [child, member] = [crypto.randomUUID(), crypto.randomUUID()];
    const group = backend.fromTuple([[crypto.randomUUID(), null], [member]]);
    await backend.markAsDone(child, 2);
    await backend.markAsDone(member, 3);
    await backend.markAsDone(id, 1, {
      children: [backend.result(child), group],
    });
    assertEquals(await fixture.driver.collect(id), [
      [id, "1"],
      [child, "2"],
      [group.id, "[3]"],
      [member, "3"],
    ]);
  }),
);

/** Formats a number, or a list of them, as Python does. */
function pythonList(value: unknown): string {
  return Array.isArray(value)
    ? `[${value.map(pythonList).join(", ")}]`
    : String(value);
}
