/**
 * Failures of tasks that ran here reach what waits for them in Celery: the rest of
 * a chain, the body of a chord.
 *
 * @module
 */

import type { ResultTuple, TaskRequest } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import type { CanvasElement, PythonWait } from "../support/celery_driver.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import { Completions } from "../support/chord_fixture.ts";
import { connect } from "../support/client.ts";
import { taskMessage } from "../support/task_message.ts";
import { until } from "../support/until.ts";

const fixture = celeryFixture({ worker: true });
/** A queue without Celery workers. */
const QUEUE = "deno";
const HERE: CanvasElement = { task: "tasks.add", args: [1, 2], queue: QUEUE };
const ADD: CanvasElement = { task: "tasks.add", args: [3] };
const TOTAL: CanvasElement = { task: "tasks.total" };
/** The error of the tasks that fail here. */
const FAILURE = {
  excType: "ValueError",
  excModule: "builtins",
  excArgs: ["boom", 3],
};

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(fixture.test(name, fn));
}

/** Takes the next task from the queue, as a worker does. */
async function takeTask(): Promise<TaskRequest> {
  await using broker = await connect(new URL("/1", fixture.redis.url));
  const { headers, embed } = taskMessage(
    await broker.send("BRPOP", QUEUE, 20),
  );
  return {
    taskId: headers.id,
    groupId: headers.group,
    groupIndex: headers.group_index,
    chord: embed.chord,
    chain: embed.chain,
  };
}

/** The exception of a get() that waits in Python. */
async function raised(
  waits: readonly PythonWait[],
): Promise<[type: string | undefined, text: string | undefined][]> {
  const outcomes = await fixture.inTime(
    Promise.all(waits.map(({ outcome }) => outcome)),
  );
  return outcomes.map(({ raised }) => [raised?.type, raised?.text]);
}

/** Resolves when Python waits for these tasks, and has found no result. */
async function waitFor(ids: readonly string[]): Promise<PythonWait[]> {
  const waits = ids.map((id) => fixture.driver.wait(id));
  await fixture.inTime(Promise.all(waits.map(({ waiting }) => waiting)));
  return waits;
}

/** The ids of a result and its parents, the last one first. A group's id is followed by those of its tasks. */
function idsOf([[id, parent], members]: ResultTuple): string[] {
  const within = members === null ? [] : members.flatMap(memberIds);
  return [id, ...within, ...(parent === null ? [] : idsOf(parent))];
}

function memberIds(member: ResultTuple): string[] {
  return idsOf(member);
}

const BOOM: [string, string] = ["ValueError", "('boom', 3)"];

test("a failure here fails the rest of its chain: Python's get() raises", async () => {
  await using backend = fixture.backend();
  const [third, second, first] = idsOf(
    await fixture.driver.callElement({ chain: [HERE, ADD, ADD] }),
  );
  const waits = await waitFor([third!, second!, first!]);
  const request = await takeTask();
  assertEquals(request.taskId, first);
  await backend.markAsFailure(first!, FAILURE, { request });
  assertEquals(await raised(waits), [BOOM, BOOM, BOOM]);
});

test("a revoked task here revokes the rest of its chain", async () => {
  await using backend = fixture.backend();
  const [second] = idsOf(
    await fixture.driver.callElement({ chain: [HERE, ADD] }),
  );
  const waits = await waitFor([second!]);
  const request = await takeTask();
  await backend.markAsRevoked(request.taskId, "terminated", { request });
  assertEquals(await raised(waits), [["TaskRevokedError", "terminated"]]);
});

test("a failure here fails a chord at the end of its chain, with every task in it", async () => {
  await using backend = fixture.backend();
  const ids = idsOf(
    await fixture.driver.callElement({
      chain: [HERE, { group: [ADD, ADD] }, TOTAL],
    }),
  );
  // The body, the group, two tasks of the header, the failed task itself.
  assertEquals(ids.length, 5);
  const tasks = ids.filter((_, index) => index !== 1);
  const waits = await waitFor(tasks);
  const request = await takeTask();
  await backend.markAsFailure(request.taskId, FAILURE, { request });
  assertEquals(await raised(waits), tasks.map(() => BOOM));
});

test("a failure here fails the tasks of a group at the end of its chain", async () => {
  await using backend = fixture.backend();
  const [, ...members] = idsOf(
    await fixture.driver.callElement({ chain: [HERE, { group: [ADD, ADD] }] }),
  );
  const waits = await waitFor(members);
  const request = await takeTask();
  await backend.markAsFailure(request.taskId, FAILURE, { request });
  assertEquals(await raised(waits), members.map(() => BOOM));
});

for (const last of ["here", "by Celery"]) {
  test(`a chain in a chord's header that fails here at its first task fails the chord, completed ${last}`, async () => {
    await using backend = fixture.backend();
    const other: CanvasElement = last === "here"
      ? { task: "tasks.value", args: ["float"] }
      : { task: "tasks.wait_for_gate" };
    const [body, group, member, before, otherId] = idsOf(
      await fixture.driver.callElement({
        chord: [{ chain: [HERE, ADD] }, other],
        body: TOTAL,
      }),
    );
    const waits = await waitFor([body!]);
    const request = await takeTask();
    assertEquals(request.taskId, before);
    assertEquals([request.chord, request.groupId], [null, null]);
    if (last === "here") await untilParts(group!, 1);
    await backend.markAsFailure(request.taskId, FAILURE, { request });
    if (last !== "here") await fixture.driver.openGate(otherId!);
    assertEquals(await raised(waits), [[
      "ChordError",
      `Dependency ${member} raised ValueError('boom', 3)`,
    ]]);
  });
}

test("a chain that ends in a group, in a chord's header, returns the part of each task", async () => {
  await using backend = fixture.backend();
  const [body] = idsOf(
    await fixture.driver.callElement({
      chord: [{ chain: [HERE, { group: [ADD, ADD] }] }],
      body: TOTAL,
    }),
  );
  const waits = await waitFor([body!]);
  const request = await takeTask();
  await backend.markAsFailure(request.taskId, FAILURE, { request });
  // Celery saved the header as a group, which is joined.
  assertEquals(await raised(waits), [[
    "ChordError",
    "Join error: ValueError('boom', 3)",
  ]]);
});

for (const where of ["before it", "in its header"]) {
  test(`a chord in a chord's header fails both if a task ${where} fails here`, async () => {
    await using backend = fixture.backend();
    const isBefore = where === "before it";
    const [first, headed] = isBefore ? [HERE, ADD] : [
      { task: "tasks.identity", args: [1] },
      { task: "tasks.add", args: [1], queue: QUEUE },
    ];
    const [outer, , inner] = idsOf(
      await fixture.driver.callElement({
        chord: [{ chain: [first!, { group: [headed!, ADD] }, TOTAL] }],
        body: TOTAL,
      }),
    );
    const waits = await waitFor([outer!, inner!]);
    const request = await takeTask();
    if (!isBefore) await untilParts(request.groupId!, 1);
    await backend.markAsFailure(request.taskId, FAILURE, { request });
    const innerText =
      `Dependency ${request.taskId} raised ValueError('boom', 3)`;
    const innerRepr = isBefore
      ? "ValueError('boom', 3)"
      : `ChordError("${innerText}")`;
    assertEquals(await raised(waits), [
      ["ChordError", `Dependency ${inner} raised ${innerRepr}`],
      isBefore ? BOOM : ["ChordError", innerText],
    ]);
  });
}

test("a chord whose body is a group fails its tasks with the exception of the failed part", async () => {
  await using backend = fixture.backend();
  const [group, first, second] = idsOf(
    await fixture.driver.callElement({
      chord: [HERE, HERE],
      body: { group: [ADD, { chain: [ADD, ADD] }] },
    }),
  );
  const waits = await waitFor([group!, first!, second!]);
  const [one, other] = [await takeTask(), await takeTask()];
  const completions = new Completions();
  await backend.chordPartReturn(one, "SUCCESS", 3, completions);
  const outcome = await backend.chordPartReturn(
    other,
    "FAILURE",
    FAILURE,
    completions,
  );
  assertEquals(outcome.type, "failed");
  assertEquals(await raised(waits), [BOOM, BOOM, BOOM]);
});

test("a chord whose body is a chain fails every task of it", async () => {
  await using backend = fixture.backend();
  const [body] = idsOf(
    await fixture.driver.callElement({
      chord: [HERE, HERE],
      body: { chain: [TOTAL, ADD] },
    }),
  );
  const waits = await waitFor([body!]);
  const [one, other] = [await takeTask(), await takeTask()];
  await backend.chordPartReturn(one, "SUCCESS", 3, new Completions());
  await backend.markAsFailure(other.taskId, FAILURE, { request: other });
  assertEquals(await raised(waits), [[
    "ChordError",
    `Dependency ${other.taskId} raised ValueError('boom', 3)`,
  ]]);
});

test("a failure stores and returns the same as Celery's mark_as_failure()", async () => {
  await using backend = fixture.backend({ resultExtended: false });
  await using client = await fixture.redis.client();
  const body = { task: "tasks.total", options: { task_id: "body" } };
  const chain = [
    {
      task: "tasks.add",
      args: [1],
      kwargs: {},
      options: {
        task_id: "last",
        group_id: "outer",
        group_index: 3,
        chord: body,
        parent_id: "middle",
      },
    },
    { task: "tasks.add", options: { task_id: "middle" } },
  ];
  const found: unknown[] = [];
  for (const side of ["here", "there"]) {
    await client.send("FLUSHDB");
    await backend.setChordSize("header", 2);
    await backend.setChordSize("outer", 2);
    const trace = "Traceback: none";
    if (side === "here") {
      await backend.markAsFailure("first", FAILURE, {
        traceback: trace,
        request: {
          taskId: "first",
          groupId: "header",
          groupIndex: 1,
          chord: body,
          chain,
        },
      });
    } else {
      await fixture.driver.storeFailure("first", FAILURE.excArgs, {
        trace,
        request: {
          id: "first",
          group: "header",
          group_index: 1,
          chord: body,
          chain,
        },
      });
    }
    const documents: unknown[] = [];
    for (const id of ["first", "middle", "last"]) {
      const { children: _, dateDone, ...meta } = await backend.getMeta(id);
      assert(dateDone instanceof Date);
      documents.push(meta);
    }
    const parts: unknown[] = [];
    for (const id of ["header", "outer"]) {
      const key = `celery-taskset-meta-${id}.j`;
      parts.push(await client.send("ZRANGE", key, 0, -1, "WITHSCORES"));
    }
    const keys = await client.send("KEYS", "*") as string[];
    found.push([documents, parts, keys.toSorted()]);
  }
  assertEquals(found[0], found[1]);
});

/** Celery's workers are processes of their own: only what they store shows what they did. */
async function untilParts(groupId: string, count: number): Promise<void> {
  await using client = await fixture.redis.client();
  const key = `celery-taskset-meta-${groupId}.j`;
  await until(async () => await client.send("ZCARD", key) === count, {
    what: `${count} parts`,
    timeout: 20_000,
  });
}
