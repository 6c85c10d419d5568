import {
  type AsyncResult,
  DecodeError,
  type GroupResult,
  IncompleteStreamError,
  ResultTimeoutError,
  TaskError,
} from "../../mod.ts";
import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { BackendFixture } from "../support/backend_fixture.ts";
import { untilStatus } from "../support/results.ts";

type Pairs = AsyncIterable<[AsyncResult | GroupResult, unknown]>;

async function collected(pairs: Pairs): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const [{ id }, value] of pairs) items.push([id, value]);
  return items;
}

async function walked(root: AsyncResult, intermediate = false) {
  const items: string[] = [];
  for await (
    const { parent, result } of root.dependencies({ intermediate })
  ) {
    items.push(`${parent?.id ?? "-"} > ${result.id}`);
  }
  return items;
}

/** root -> (a -> c), group g of (b, group h of (d)). */
async function plant(fixture: BackendFixture): Promise<AsyncResult> {
  await fixture.done("root", 0, [
    [["a", null], null],
    [["g", null], [[["b", null], null], [["h", null], [[["d", null], null]]]]],
  ]);
  await fixture.done("a", 1, [[["c", null], null]]);
  await fixture.done("b", 2);
  await fixture.done("c", 3);
  await fixture.done("d", 4);
  return fixture.backend.result("root");
}

Deno.test("AsyncResult.collect() yields each result and its value, level by level", async () => {
  await using fixture = await BackendFixture.start();
  const root = await plant(fixture);
  const all = [
    ["root", 0],
    ["a", 1],
    ["g", [2, [4]]],
    ["c", 3],
    ["b", 2],
    ["h", [4]],
    ["d", 4],
  ];
  assertEquals(await collected(root.collect()), all);
  assertEquals(await collected(root.collect({ timeout: 0 })), all);
  assertEquals(
    await collected(root.collect({ timeout: 0, intermediate: true })),
    all,
  );
  assertEquals(await root.leaf(), 4);
  assertEquals(await fixture.channels(), 0);
});

Deno.test("AsyncResult.collect() waits for each result, including those that it learns of later", async () => {
  await using fixture = await BackendFixture.start();
  const pairs = fixture.backend.result("root").collect({ intermediate: true });
  const ids: string[] = [];
  const done = (async () => {
    for await (const [{ id }] of pairs) ids.push(id);
  })();
  await untilStatus(fixture.backend.status(), "connected");
  await fixture.done("b", 2);
  await fixture.done("root", 0, ["a", "b"]);
  await fixture.done("c", 3);
  await fixture.done("a", 1, ["c"]);
  await done;
  assertEquals(ids, ["root", "a", "b", "c"]);
});

Deno.test("AsyncResult.collect() throws what get() throws", async () => {
  await using fixture = await BackendFixture.start();
  const root = await plant(fixture);
  await fixture.backend.forget("b");
  await fixture.failed("d");
  // The first failure of a group, while other outcomes are missing.
  const before: unknown[] = [];
  const error = await assertRejects(async () => {
    for await (const [{ id }] of root.collect()) before.push(id);
  }, TaskError);
  assertEquals([error.taskId, before], ["d", ["root", "a"]]);
  await fixture.backend.forget("d");
  const late = await assertRejects(
    () => collected(root.collect({ timeout: 0 })),
    ResultTimeoutError,
    "2 of 3 tasks have no outcome",
  );
  assertEquals(late.missingIds, ["b", "d"]);
  assertEquals(
    await collected(root.collect({ timeout: 0, intermediate: true })),
    [["root", 0], ["a", 1], ["c", 3]],
  );
  await fixture.failed("b");
  await fixture.done("d", 4);
  const failures: string[] = [];
  for await (const [{ id }, value] of root.collect({ propagate: false })) {
    if (value instanceof TaskError) failures.push(id);
  }
  assertEquals(failures, ["b"]);
  await fixture.put("c", "no json");
  await assertRejects(
    () => collected(root.collect({ propagate: false })),
    DecodeError,
  );
  await assertRejects(
    () => collected(root.collect({ timeout: -1 })),
    RangeError,
  );
  assertEquals(await fixture.channels(), 0);
});

Deno.test("AsyncResult.collect() yields the members of a group even if they are forgotten meanwhile", async () => {
  await using fixture = await BackendFixture.start();
  const root = await plant(fixture);
  const ids: string[] = [];
  for await (const [result] of root.collect()) {
    ids.push(result.id);
    if ("results" in result) await result.forget();
  }
  assertEquals(ids, ["root", "a", "g", "c", "b", "h", "d"]);
});

Deno.test("AsyncResult.collect() has one deadline for the whole walk", async () => {
  let passed = 0;
  await using fixture = await BackendFixture.start({
    runtime: { now: () => performance.now() + passed },
  });
  await fixture.done("root", 0, ["a"]);
  const pairs = fixture.backend.result("root").collect({ timeout: 5000 });
  await pairs.next();
  passed = 5000;
  await assertRejects(
    () => pairs.next(),
    ResultTimeoutError,
    "Task a has no outcome after 0 ms",
  );
});

Deno.test("AsyncResult.collect() throws the failure of a parent, whose child will never run", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const last = backend.result("last", { parent: backend.result("first") });
  const failing = assertRejects(() => collected(last.collect()), TaskError);
  await fixture.failed("first");
  assertEquals((await failing).taskId, "first");
  await fixture.done("root", 0, [last]);
  const below = await assertRejects(
    () => collected(backend.result("root").collect()),
    TaskError,
  );
  assertEquals(below.taskId, "first");
});

Deno.test("AsyncResult.collect() ends when its signal aborts, and when the loop is left", async () => {
  await using fixture = await BackendFixture.start();
  await fixture.done("root", 0, ["a", "b"]);
  const root = fixture.backend.result("root");
  const controller = new AbortController();
  const reason = new Error("enough");
  const ids: string[] = [];
  const thrown = await assertRejects(async () => {
    for await (
      const [{ id }] of root.collect({ signal: controller.signal })
    ) {
      ids.push(id);
      setTimeout(() => controller.abort(reason));
    }
  });
  assertStrictEquals(thrown, reason);
  assertEquals(ids, ["root"]);
  await fixture.done("a", 1);
  for await (const [{ id }] of root.collect()) if (id === "a") break;
  assertEquals(await fixture.channels(), 0);
});

Deno.test("AsyncResult.collect(), dependencies() and graph() visit each result once if documents form a cycle", async () => {
  await using fixture = await BackendFixture.start();
  await fixture.done("root", 0, ["a", "a", [["g", null], ["a", "root", "b"]]]);
  await fixture.done("a", 1, ["root", "a"]);
  await fixture.done("b", 2, ["a", [["g", null], ["root"]]]);
  const root = fixture.backend.result("root");
  assertEquals(await collected(root.collect({ timeout: 10_000 })), [
    ["root", 0],
    ["a", 1],
    ["g", [1, 0, 2]],
    ["b", 2],
  ]);
  assertEquals(await walked(root), [
    "- > root",
    "root > a",
    "root > g",
    "g > b",
  ]);
  const { nodes, edges } = await root.graph();
  assertEquals(nodes.map(({ id }) => id), ["root", "a", "g", "b"]);
  assertEquals(edges.map(({ from, to }) => from + to), [
    ...["roota", "roota", "rootg", "aroot", "aa"],
    ...["ga", "groot", "gb", "ba", "bg"],
  ]);
});

Deno.test("AsyncResult.dependencies() yields each result with the one that led to it", async () => {
  await using fixture = await BackendFixture.start();
  const root = await plant(fixture);
  assertEquals(await walked(root), [
    "- > root",
    "root > a",
    "root > g",
    "a > c",
    "g > b",
    "g > h",
    "h > d",
  ]);
});

Deno.test("AsyncResult.dependencies() throws IncompleteStreamError after a level that is not ready, or skips what is below", async () => {
  await using fixture = await BackendFixture.start();
  const root = fixture.backend.result("root");
  assertEquals(await walked(root, true), ["- > root"]);
  const seen: string[] = [];
  const error = await assertRejects(
    async () => {
      for await (const { result } of root.dependencies()) seen.push(result.id);
    },
    IncompleteStreamError,
    "Cannot read the children of root",
  );
  assertEquals([error.id, seen], ["root", ["root"]]);
  await plant(fixture);
  await fixture.backend.forget("d");
  assertEquals(
    (await assertRejects(() => walked(root), IncompleteStreamError)).id,
    "g",
  );
  // A group that is not ready is not entered, as in Celery.
  assertEquals(await walked(root, true), [
    "- > root",
    "root > a",
    "root > g",
    "a > c",
  ]);
});

Deno.test("AsyncResult.dependencies() never finds a result that was awaited in the loop not ready", async () => {
  await using fixture = await BackendFixture.start();
  const root = fixture.backend.result("root");
  const ids: string[] = [];
  const done = (async () => {
    for await (const { result } of root.dependencies()) {
      await result.get();
      ids.push(result.id);
    }
  })();
  await untilStatus(fixture.backend.status(), "connected");
  await fixture.done("root", 0, ["a", [["g", null], ["b"]]]);
  await fixture.done("a");
  await fixture.done("b");
  await done;
  assertEquals(ids, ["root", "a", "g", "b"]);
});

Deno.test("AsyncResult.graph() is plain data", async () => {
  await using fixture = await BackendFixture.start();
  const root = await plant(fixture);
  await fixture.failed("c");
  await fixture.backend.forget("d");
  const graph = await root.graph({ intermediate: true });
  assertEquals(graph, {
    nodes: [
      { id: "root", kind: "task", state: "SUCCESS", ready: true },
      { id: "a", kind: "task", state: "SUCCESS", ready: true },
      { id: "g", kind: "group", state: null, ready: false },
      { id: "c", kind: "task", state: "FAILURE", ready: true },
    ],
    edges: [
      { from: "root", to: "a" },
      { from: "root", to: "g" },
      { from: "a", to: "c" },
    ],
  });
  assertEquals(structuredClone(graph), graph);
  assertEquals(JSON.parse(JSON.stringify(graph)), graph);
  await assertRejects(() => root.graph(), IncompleteStreamError);
  assertEquals(
    (await fixture.backend.result("x").graph({ intermediate: true })).nodes,
    [{ id: "x", kind: "task", state: "PENDING", ready: false }],
  );
});

Deno.test("AsyncResult.dependencies() and graph() throw DecodeError if a document or its children are malformed", async () => {
  await using fixture = await BackendFixture.start();
  await fixture.done("root", 0, ["a"]);
  const root = fixture.backend.result("root");
  await fixture.put("a", "no json");
  for (const call of [() => walked(root), () => root.graph()]) {
    const error = await assertRejects(call, DecodeError);
    assertEquals(error.taskId, "a");
  }
  await fixture.backend.forget("a");
  await fixture.done("a", 0, [[["b"], null]]);
  for (
    const call of [
      () => walked(root),
      () => root.graph(),
      () => collected(root.collect()),
    ]
  ) {
    const error = await assertRejects(call, DecodeError, "the children of");
    assertEquals(error.taskId, "a");
  }
});

Deno.test("AsyncResult.collect() walks a wide tree and a deep one", async () => {
  await using fixture = await BackendFixture.start();
  const ids = Array.from({ length: 3000 }, (_, i) => `t${i}`);
  await fixture.done("wide", 0, ids);
  await Promise.all(ids.map((id) => fixture.done(id, id)));
  const wide = await collected(fixture.backend.result("wide").collect());
  assertEquals(wide.length, 3001);
  await Promise.all(
    ids.map((id, i) => fixture.done(`d${i}`, id, [`d${i + 1}`])),
  );
  await fixture.done("d3000", "leaf");
  assertEquals(await fixture.backend.result("d0").leaf(), "leaf");
  assertEquals((await walked(fixture.backend.result("d0"))).length, 3001);
});
