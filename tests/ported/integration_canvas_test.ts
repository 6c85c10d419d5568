/**
 * What t/integration/test_canvas.py of Celery asks of chains, groups and
 * chords, read by the client here. README.md says what became of each test
 * there.
 *
 * @module
 */

import { AsyncResult, GroupResult, TaskError } from "../../mod.ts";
import {
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import type {
  CanvasElement,
  SentGroup,
  Signature,
} from "../support/celery_driver.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import {
  channelsOf,
  subscriptionsSettled,
  untilChannels,
} from "../support/channels.ts";

const KEY = "celery-task-meta-";
const fixture = celeryFixture({ worker: true });

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(fixture.test(name, fn));
}

// -- test_chain ------------------------------------------------------------------------

test("test_simple_chain: the last task returns the sum of all", async () => {
  await using backend = fixture.backend();
  const ids = await fixture.driver.callChain([
    ["add", [4, 4]],
    ["add", [8]],
    ["add", [16]],
  ]);
  assertEquals(await fixture.inTime(backend.result(ids.at(-1)!).get()), 32);
});

test("test_groupresult_serialization: a task that returns a chain's group stores its tuple, which parses to the group", async () => {
  await using backend = fixture.backend();
  const id = await fixture.driver.callTask("send_chain_into_group", [3]);
  const tuple = await fixture.inTime(backend.result(id).get());
  const group = backend.fromTuple<number>(tuple);
  assertInstanceOf(group, GroupResult);
  assertEquals(group.asTuple(), tuple);
  assertInstanceOf(group.parent, AsyncResult);
  assertEquals(await fixture.inTime(group.get()), [0, 2, 4]);
});

test("test_parent_ids: each task of a chain knows its root and its parent, and its document names the parent", async () => {
  await using backend = fixture.backend();
  const links = Array.from(
    { length: 10 },
    (_, i): Signature => ["tell_ids", [i]],
  );
  const ids = await fixture.driver.callChain(links);
  await fixture.inTime(backend.result(ids.at(-1)!).get());
  const metas = await backend.getMetas(ids);
  assertEquals(
    metas.map(({ result }) => result),
    ids.map((_, i) => [ids[0], ids[i - 1] ?? null, i]),
  );
  assertEquals(
    metas.map(({ parentId }) => parentId),
    ids.map((_, i) => ids[i - 1]),
  );
});

// -- test_chord ------------------------------------------------------------------------

test("test_chord_order: the body gets the header's results in order", async () => {
  await using backend = fixture.backend();
  const inputs = Array.from({ length: 10 }, (_, i) => i);
  const { id } = await fixture.driver.callChord(
    inputs.map((input): Signature => ["identity", [input]]),
    ["identity"],
  );
  assertEquals(await fixture.inTime(backend.result(id).get()), inputs);
});

test("test_large_header: a chord of a thousand tasks, each of them streamed as well", async () => {
  await using backend = fixture.backend();
  const { id, ids } = await fixture.driver.callChord(
    Array.from({ length: 1000 }, (_, i): Signature => ["identity", [i]]),
    ["total"],
  );
  const events = Array.fromAsync(backend.stream<number>(ids));
  assertEquals(await fixture.inTime(backend.result(id).get()), 499_500);
  const outcomes = (await fixture.inTime(events)).filter(({ ready }) => ready);
  assertEquals(outcomes.length, 1000);
  assertEquals(
    new Map(outcomes.map(({ taskId, result }) => [taskId, result])),
    new Map(ids.map((taskId, i) => [taskId, i])),
  );
});

test("test_error_propagates_from_chord: a part's failure is its outcome and that of the body, with the cause in the traceback", async () => {
  await using backend = fixture.backend();
  const { id, ids } = await fixture.driver.callChord(
    [["add", [1, 1]], ["fail_value_error"]],
    ["total"],
  );
  const waits = [ids[1]!, id].map((taskId) =>
    assertRejects(() => backend.result(taskId).get(), TaskError)
  );
  const [part, body] = await fixture.inTime(Promise.all(waits));
  assertEquals(part?.excType, "ValueError");
  assertEquals(body?.excType, "ChordError");
  assertEquals(body?.excModule, "celery.exceptions");
  assertStringIncludes(body?.message ?? "", `Dependency ${ids[1]} raised`);
  assertExists(body?.traceback);
  assertStringIncludes(body.traceback, "ValueError");
  // The other part is unaffected.
  assertEquals(await backend.result(ids[0]!).get(), 2);
});

test("test_error_propagates_from_chord: the body that knows its header rejects with the part's own failure", async () => {
  await using backend = fixture.backend();
  const body = backend.fromTuple(
    await fixture.driver.callCanvas([
      [["add", [1, 1]], ["fail_value_error"]],
      ["total"],
    ]),
  );
  assertInstanceOf(body, AsyncResult);
  const { parent } = body;
  assertInstanceOf(parent, GroupResult);
  const error = await assertRejects(
    () => fixture.inTime(body.get()),
    TaskError,
  );
  assertEquals([error.taskId, error.excType], [parent.ids[1], "ValueError"]);
});

test("test_redis_subscribed_channels_leak: ten chords leave no additional channels", async () => {
  await using backend = fixture.backend();
  await using client = await fixture.redis.client();
  // Python's Celery keeps some subscriptions for a while.
  const before = await channelsOf(client);
  const blocker = await fixture.driver.callTask("wait_for_gate");
  const chords: SentGroup[] = [];
  for (let i = 0; i < 10; i++) {
    chords.push(
      await fixture.driver.callChord(
        [["add", [5, 6]], ["add", [6, 7]]],
        ["total"],
      ),
    );
  }
  const waits = chords.map(({ id }) => backend.result(id).get());
  await subscriptionsSettled(backend);
  const during = await channelsOf(client);
  for (const { id } of chords) {
    assertEquals(during.includes(KEY + id), true, id);
  }
  await fixture.driver.openGate(blocker);
  assertEquals(await fixture.inTime(Promise.all(waits)), Array(10).fill(24));
  await untilChannels(client, [], before);
});

// -- test_group ------------------------------------------------------------------------

test("test_ready_with_exception: a group is ready although a task failed, and ready() does not throw", async () => {
  await using backend = fixture.backend();
  const { id } = await fixture.driver.callGroup([
    ["add", [1, 2]],
    ["fail_value_error"],
  ]);
  const group = await backend.restoreGroup(id);
  assertExists(group);
  await fixture.inTime(group.get({ propagate: false }));
  assertEquals(
    [await group.ready(), await group.successful(), await group.failed()],
    [true, false, true],
  );
});

test("test_empty_group_result: an empty group is restored", async () => {
  await using backend = fixture.backend();
  const { id } = await fixture.driver.callGroup([]);
  const group = await backend.restoreGroup(id);
  assertExists(group);
  assertEquals([group.id, group.results], [id, []]);
  assertEquals(await group.get({ timeout: 0 }), []);
});

function onePlus(number: number): CanvasElement {
  return { task: "tasks.add", args: [1, number] };
}

test("test_nested_group: groups in a group are one flat group, as Python sends it", async () => {
  await using backend = fixture.backend();
  const tuple = await fixture.driver.callCanvasGroup([
    onePlus(10),
    { group: [onePlus(100), { group: [onePlus(1000), onePlus(2000)] }] },
  ]);
  const group = backend.fromTuple<number>(tuple);
  assertInstanceOf(group, GroupResult);
  assertEquals(await fixture.inTime(group.get()), [11, 101, 1001, 2001]);
});

test("test_large_group: a thousand results come in order", async () => {
  await using backend = fixture.backend();
  const inputs = Array.from({ length: 1000 }, (_, i) => i);
  const { id } = await fixture.driver.callGroup(
    inputs.map((input): Signature => ["identity", [input]]),
  );
  const group = await backend.restoreGroup(id);
  assertExists(group);
  assertEquals(await fixture.inTime(group.get()), inputs);
});

// -- test_result_set -------------------------------------------------------------------

test("test_result_set: the results of tasks that were sent one by one come in order", async () => {
  await using backend = fixture.backend();
  const ids = [
    await fixture.driver.callTask("add", [1, 1]),
    await fixture.driver.callTask("add", [2, 2]),
  ];
  assertEquals(await fixture.inTime(backend.resultSet(ids).get()), [2, 4]);
});

test("test_result_set_error: the set reports a failed member, and the member rejects", async () => {
  await using backend = fixture.backend();
  const ids = [
    await fixture.driver.callTask("fail_value_error"),
    await fixture.driver.callTask("add", [1, 2]),
  ];
  const set = backend.resultSet(ids);
  const [failed, value] = await fixture.inTime(set.get({ propagate: false }));
  assertInstanceOf(failed, TaskError);
  assertEquals([failed.taskId, value], [ids[0], 3]);
  const [first] = set.results;
  assertInstanceOf(first, AsyncResult);
  assertEquals(await first.failed(), true);
  const error = await assertRejects(() => first.get(), TaskError);
  assertEquals(error.excType, "ValueError");
});
