/**
 * Chords whose parts are returned by Celery's workers and by this module: either
 * completes them.
 *
 * @module
 */

import { type ChordRequest, TaskError } from "../../mod.ts";
import { encodeJson } from "../../src/formats/json/encode.ts";
import { parseJson } from "../../src/formats/json/parse.ts";
import { pythonRepr } from "../../src/protocol/python_repr.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import { Completions } from "../support/chord_fixture.ts";
import { connect, type TestClient } from "../support/client.ts";
import { taskMessage } from "../support/task_message.ts";
import { until } from "../support/until.ts";

const fixture = celeryFixture({ worker: true });
/** A queue without Celery workers. */
const QUEUE = "deno";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(fixture.test(name, fn));
}

/** Takes the next task from the queue, as a worker does, and reads its request. */
async function takeTask(): Promise<ChordRequest & { args: unknown[] }> {
  await using broker = await connect(new URL("/1", fixture.redis.url));
  const { headers, args, embed } = taskMessage(
    await broker.send("BRPOP", QUEUE, 20),
  );
  return {
    args,
    taskId: headers.id,
    groupId: headers.group,
    groupIndex: headers.group_index,
    chord: embed.chord,
  };
}

/** Lets Celery send the body, and resolves once it is sent. */
class Sender extends Completions {
  constructor() {
    super();
    this.onCall = async () => {
      const { chord } = this.infos.at(-1)!;
      await fixture.driver.sendBody(chord!, encodeJson(this.values.at(-1)));
    };
  }
}

/** Celery's workers are processes of their own: only what they store shows what they did. */
async function untilParts(groupId: string, count: number): Promise<void> {
  await using client = await fixture.redis.client();
  const key = `celery-taskset-meta-${groupId}.j`;
  await until(async () => await client.send("ZCARD", key) === count, {
    what: `${count} parts`,
    timeout: 20_000,
  });
}

async function keysOf(client: TestClient, groupId: string): Promise<unknown> {
  const keys = await client.send("KEYS", `*${groupId}*`);
  return (keys as string[]).map((key) => key.slice(key.indexOf(groupId)));
}

// -- chords with parts of both --------------------------------------------------

test("a chord with parts of both is completed here, in the order of the header", async () => {
  await using backend = fixture.backend();
  const { id, groupId } = await fixture.driver.callCanvasChord([
    { task: "tasks.add", args: [1, 2] },
    { task: "tasks.add", args: [3, 4], queue: QUEUE },
    { task: "tasks.value", args: ["nested"] },
    { task: "tasks.add", args: [5, 6], queue: QUEUE },
  ], ["echo"]);
  await untilParts(groupId, 2);
  const sender = new Sender();
  const outcomes: string[] = [];
  for (const result of [7, { b: "\u0142" }]) {
    const task = await takeTask();
    assertEquals(task.groupId, groupId);
    await backend.markAsDone(task.taskId, result);
    const outcome = await backend.chordPartReturn(
      task,
      "SUCCESS",
      result,
      sender,
    );
    outcomes.push(outcome.type);
  }
  assertEquals(outcomes, ["waiting", "completed"]);
  const nested = {
    a: [1, { b: [null, true, "\u0142"] }, []],
    "\xe9": {},
    "": 0,
  };
  assertEquals(await fixture.inTime(backend.result(id).get()), {
    args: [[3, 7, nested, { b: "\u0142" }]],
    kwargs: {},
  });
  assertEquals(sender.infos[0]?.bodyId, id);
  await using client = await fixture.redis.client();
  assertEquals(await keysOf(client, groupId), [`${groupId}.c`]);
});

test("a chord with parts of both is completed by Celery", async () => {
  await using backend = fixture.backend();
  const { id, groupId, ids } = await fixture.driver.callCanvasChord([
    { task: "tasks.add", args: [1, 2], queue: QUEUE },
    { task: "tasks.wait_for_gate" },
    { task: "tasks.add", args: [3, 4], queue: QUEUE },
  ], ["echo"]);
  const completions = new Completions();
  for (const result of [[1.5, null], "second"]) {
    const task = await takeTask();
    const outcome = await backend.chordPartReturn(
      task,
      "SUCCESS",
      result,
      completions,
    );
    assertEquals(outcome.type, "waiting");
  }
  await fixture.driver.openGate(ids[1]!);
  assertEquals(await fixture.inTime(backend.result(id).get()), {
    args: [[[1.5, null], "gate opened", "second"]],
    kwargs: {},
  });
  await using client = await fixture.redis.client();
  await until(async () => (await keysOf(client, groupId) as []).length === 0);
  assertEquals(completions.values, []);
});

test("a chord with groups and chains in its header is completed here", async () => {
  await using backend = fixture.backend();
  const { id, groupId } = await fixture.driver.callCanvasChord([
    {
      group: [
        { task: "tasks.add", args: [1, 2] },
        { task: "tasks.add", args: [3, 4], queue: QUEUE },
      ],
    },
    { task: "tasks.add", args: [5, 6] },
    {
      chain: [
        { task: "tasks.add", args: [7, 8] },
        { task: "tasks.add", args: [9] },
      ],
    },
  ], ["echo"]);
  await untilParts(groupId, 3);
  const task = await takeTask();
  const outcome = await backend.chordPartReturn(
    task,
    "SUCCESS",
    7,
    new Sender(),
  );
  assertEquals(outcome.type, "completed");
  // Celery unrolls a group in a group, and gives its second task the same index as
  // the second task of the header: their order is random, in Celery too.
  const body = backend.result<{ args: [number[]] }>(id);
  const { args: [values] } = await fixture.inTime(body.get());
  assertEquals(values.toSorted((a, b) => a - b), [3, 7, 11, 24]);
});

test("a chord whose header Celery saved as a group gets the results, nested like the header", async () => {
  await using backend = fixture.backend();
  const groupId = crypto.randomUUID();
  const ids = [0, 1, 2].map((index) => `${groupId}-task-${index}`);
  await fixture.driver.storeTree(groupId, [ids.slice(0, 2), ids[2]!]);
  await fixture.driver.setChordSize(groupId, 3);
  const completions = new Completions();
  for (const [groupIndex, taskId] of ids.entries()) {
    await backend.markAsDone(taskId, groupIndex);
    const request = { taskId, groupId, groupIndex, chord: {} };
    if (groupIndex === 0) {
      await fixture.driver.returnPart(pythonRequest(request), "SUCCESS", "0");
    } else {
      await backend.chordPartReturn(
        request,
        "SUCCESS",
        groupIndex,
        completions,
      );
    }
  }
  assertEquals(completions.values, [[[0, 1], 2]]);
});

test("a chord that fails here fails as in Celery", async () => {
  await using backend = fixture.backend();
  const { id, groupId } = await fixture.driver.callCanvasChord([
    { task: "tasks.fail_value_error" },
    { task: "tasks.add", args: [3, 4], queue: QUEUE },
  ], ["total"]);
  await untilParts(groupId, 1);
  const outcome = await backend.chordPartReturn(
    await takeTask(),
    "SUCCESS",
    7,
    new Sender(),
  );
  if (outcome.type !== "failed") throw new Error(outcome.type);
  const repr =
    "ValueError('boom', 3, {'nested': ['\u0142', None]}, 9007199254740993)";
  const message = `Dependency ${outcome.error.taskId} raised ${repr}`;
  const { raised } = await fixture.driver.get(id);
  assertEquals([raised?.type, raised?.module, raised?.text], [
    "ChordError",
    "celery.exceptions",
    message,
  ]);
});

test("a part that fails here fails the chord that Celery completes", async () => {
  await using backend = fixture.backend();
  const { id } = await fixture.driver.callCanvasChord([
    { task: "tasks.add", args: [1, 2], queue: QUEUE },
    { task: "tasks.add", args: [3, 4], queue: QUEUE },
  ], ["total"]);
  const [first, second] = [await takeTask(), await takeTask()];
  await backend.chordPartReturn(first, "FAILURE", {
    excType: "KeyError",
    excModule: "builtins",
    excArgs: ["it's"],
  }, new Sender());
  await fixture.driver.returnPart(pythonRequest(second), "SUCCESS", "7");
  const error = await assertRejects(
    () => fixture.inTime(backend.result(id).get()),
    TaskError,
  );
  assertEquals(error.excType, "ChordError");
  assertEquals(error.excArgs, [
    `Dependency ${first.taskId} raised KeyError("it's")`,
  ]);
});

test("Celery waits for the parts that addToChord() added", async () => {
  await using backend = fixture.backend();
  const groupId = crypto.randomUUID();
  const id = crypto.randomUUID();
  await backend.setChordSize(groupId, 1);
  await backend.addToChord(groupId);
  const chord = {
    task: "tasks.total",
    args: [],
    kwargs: {},
    options: { task_id: id },
    subtask_type: null,
    immutable: false,
  };
  const request = { group: groupId, chord };
  await fixture.driver.returnPart(
    { id: "one", group_index: 0, ...request },
    "SUCCESS",
    "1",
  );
  await using client = await fixture.redis.client();
  assertEquals(
    await client.send("EXISTS", `celery-taskset-meta-${groupId}.s`),
    1,
  );
  await fixture.driver.returnPart(
    { id: "two", group_index: 1, ...request },
    "SUCCESS",
    "2",
  );
  assertEquals(await fixture.inTime(backend.result(id).get()), 3);
});

// -- to the byte ---------------------------------------------------------------

function pythonRequest(request: ChordRequest) {
  return {
    id: request.taskId,
    group: request.groupId!,
    group_index: request.groupIndex ?? null,
    chord: request.chord ?? {},
  };
}

test("parts, sizes and expiries match Celery's byte for byte", async () => {
  await using backend = fixture.backend();
  await using client = await fixture.redis.client();
  const [ours, theirs] = [crypto.randomUUID(), crypto.randomUUID()];
  const texts = [
    ...await fixture.driver.writeJson(7, 50),
    "null",
    '"\\u0142 \\"quoted\\" \\ud83d\\ude00"',
    '{"\\u00e9": [1.5, NaN, -Infinity, 1e+16, 123456789012345678901]}',
  ];
  await backend.setChordSize(ours, 1000);
  await fixture.driver.setChordSize(theirs, 1000);
  const chord = {};
  for (const [index, text] of texts.entries()) {
    const taskId = `task-\u0142-"${index}"`;
    const groupIndex = index % 7 === 0 ? null : index;
    const request = { taskId, groupIndex, chord };
    await backend.chordPartReturn(
      { ...request, groupId: ours },
      "SUCCESS",
      parseJson(text, { integers: "bigint" }),
      new Completions(),
    );
    await fixture.driver.returnPart(
      pythonRequest({ ...request, groupId: theirs }),
      "SUCCESS",
      text,
    );
  }
  for (const [index, state] of ["FAILURE", "REVOKED"].entries()) {
    const request = { taskId: state, groupIndex: 500 + index, chord };
    await backend.chordPartReturn({ ...request, groupId: ours }, state, {
      excType: "ValueError",
      excModule: "builtins",
      excArgs: ["a \u0142", 1, [null]],
    }, new Completions());
    await fixture.driver.returnPart(
      pythonRequest({ ...request, groupId: theirs }),
      state,
      '["a \\u0142", 1, [null]]',
    );
  }
  const [mine, other] = await Promise.all(
    [ours, theirs].map((id) =>
      client.send("ZRANGE", `celery-taskset-meta-${id}.j`, 0, -1, "WITHSCORES")
    ),
  );
  assertEquals((mine as []).length, 2 * (texts.length + 2));
  assertEquals(mine, other);
  for (const suffix of [".s", ".j"]) {
    const [time, otherTime] = await Promise.all(
      [ours, theirs].map((id) =>
        client.send("TTL", `celery-taskset-meta-${id}${suffix}`)
      ),
    );
    assert(Math.abs(Number(time) - Number(otherTime)) <= 1);
  }
  assertEquals(
    await client.send("GET", `celery-taskset-meta-${ours}.s`),
    await client.send("GET", `celery-taskset-meta-${theirs}.s`),
  );
});

test("pythonRepr() writes random values as Python's repr() does", async () => {
  const texts = await fixture.driver.writeJson(11, 500);
  const values = await fixture.driver.readJson(texts);
  for (const [index, { value }] of values.entries()) {
    const parsed = parseJson(texts[index]!, { integers: "bigint" });
    assertEquals(pythonRepr(parsed), value);
  }
});
