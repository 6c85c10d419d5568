import {
  AsyncResult,
  BackendStoreError,
  DecodeError,
  GroupResult,
  RedisError,
} from "../../mod.ts";
import {
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertRejects,
} from "../support/assert.ts";
import { BackendFixture } from "../support/backend_fixture.ts";

const KEY = "celery-taskset-meta-g";

Deno.test("ResultBackend.saveGroup() saves ids, tasks, groups and a parent as Celery does", async () => {
  await using fixture = await BackendFixture.start({ expires: 100 });
  const { backend, client } = fixture;
  const parent = backend.result("before");
  const inner = backend.fromTuple([["h", null], ["b"]]);
  const group = await backend.saveGroup(
    "g",
    ["a", backend.result("c", { parent: backend.result("pp") }), inner],
    { parent },
  );
  assertInstanceOf(group, GroupResult);
  assertEquals([group.id, group.ids], ["g", ["a", "c", "h"]]);
  assertEquals(group.parent, parent);
  assertEquals(
    await client.send("GET", KEY),
    '{"result": [["g", [["before", null], null]], [[["a", null], null], ' +
      '[["c", [["pp", null], null]], null], [["h", null], [[["b", null], null]]]]]}',
  );
  assertEquals(await client.send("TTL", KEY), 100);

  const restored = await backend.restoreGroup("g");
  assertExists(restored);
  assertEquals(restored.asTuple(), group.asTuple());
  assertEquals(restored.toJSON(), group.toJSON());
  const [first, , third] = restored.results;
  assertInstanceOf(first, AsyncResult);
  assertInstanceOf(third, GroupResult);
  assertInstanceOf(restored.parent, AsyncResult);
});

Deno.test("ResultBackend.saveGroup() treats a string as one id, and replaces the saved group", async () => {
  await using fixture = await BackendFixture.start({ expires: null });
  const { backend, client } = fixture;
  await backend.saveGroup("g", ["x", "x"]);
  assertEquals((await backend.restoreGroup("g"))?.ids, ["x", "x"]);
  await backend.saveGroup("g", "abc");
  assertEquals((await backend.restoreGroup("g"))?.ids, ["abc"]);
  assertEquals(await client.send("TTL", KEY), -1);
  await backend.saveGroup("g", []);
  assertEquals((await backend.restoreGroup("g"))?.ids, []);
});

Deno.test("ResultBackend.saveGroup() refuses invalid members", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  await assertRejects(() => backend.saveGroup("", ["a"]), TypeError);
  await assertRejects(() => backend.saveGroup("g", ["a", ""]), TypeError);
  // @ts-expect-error what JavaScript may pass
  await assertRejects(() => backend.saveGroup("g", [{ id: "a" }]), TypeError);
  assertEquals(await fixture.keys(), []);
});

Deno.test("GroupResult.save() and delete() save and delete the group, and leave its members", async () => {
  await using fixture = await BackendFixture.start();
  const { backend } = fixture;
  const group = backend.fromTuple<number>([["g", ["p", null]], ["a", "b"]]);
  assertInstanceOf(group, GroupResult);
  await fixture.done("a", 1);
  await fixture.done("b", 2);
  await group.save();
  assertEquals(
    (await backend.restoreGroup("g"))?.asTuple(),
    [["g", [["p", null], null]], [[["a", null], null], [["b", null], null]]],
  );
  await group.delete();
  assertEquals(await backend.restoreGroup("g"), null);
  assertEquals(await group.get(), [1, 2]);
  await backend.saveGroup("g", ["a"]);
  await backend.deleteGroup("g");
  assertEquals(await backend.restoreGroup("g"), null);
});

Deno.test("GroupResult.save() refuses a group that is too large", async () => {
  await using fixture = await BackendFixture.start({ maxResultBytes: 100 });
  const ids = Array.from({ length: 10 }, () => crypto.randomUUID());
  const error = await assertRejects(
    () => fixture.backend.saveGroup("g", ids),
    BackendStoreError,
    "and Redis accepts at most 100",
  );
  assertEquals([error.groupId, error.state], ["g", "SUCCESS"]);
});

Deno.test("ResultBackend.restoreGroup() refuses a document that is not a group", async () => {
  await using fixture = await BackendFixture.start();
  const { backend, client } = fixture;
  await client.send("RPUSH", KEY, "x");
  const error = await assertRejects(
    () => backend.restoreGroup("g"),
    RedisError,
  );
  assertEquals(error.code, "WRONGTYPE");
  await client.send(
    "SET",
    KEY,
    '{"result": [["g", null], [[["", null], null]]]}',
  );
  await assertRejects(
    () => backend.restoreGroup("g"),
    DecodeError,
    "its id is",
  );
  // Half a surrogate pair: JSON can express it, but a key cannot.
  await client.send("SET", KEY, '{"result": [["g", null], ["\\ud800"]]}');
  await assertRejects(
    () => backend.restoreGroup("g"),
    DecodeError,
    "its id is",
  );
});

Deno.test("ResultBackend stores groups under the key prefix", async () => {
  await using fixture = await BackendFixture.start({ keyPrefix: "my" });
  await fixture.backend.saveGroup("g", "a");
  assertEquals(await fixture.keys(), [`my_${KEY}`]);
  assertEquals((await fixture.backend.restoreGroup("g"))?.ids, ["a"]);
});
