import {
  BackendGetMetaError,
  BackendStoreError,
  DecodeError,
  RedisError,
} from "../../src/errors.ts";
import { GroupStore } from "../../src/store/group_store.ts";
import { jsonFormat } from "../../src/formats/json/format.ts";
import { KeySpace } from "../../src/protocol/keys.ts";
import type { GroupTuple } from "../../src/protocol/result_tuple.ts";
import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { SourceFixture } from "../support/source_fixture.ts";

const KEY = "celery-taskset-meta-g";
const TUPLE: GroupTuple = [["g", null], [[["a", null], null]]];
const DOCUMENT = '{"result": [["g", null], [[["a", null], null]]]}';

function storeOf(
  fixture: SourceFixture,
  options: { expires?: number; maxResultBytes?: number } = {},
): GroupStore {
  return new GroupStore({
    commands: fixture.commands,
    keys: new KeySpace(),
    codec: jsonFormat({ integers: "bigint" }),
    expires: 0,
    maxResultBytes: 1000,
    ...options,
  });
}

Deno.test("GroupStore.save() sets and publishes Celery's document in one transaction, with its expiry", async () => {
  using fixture = new SourceFixture();
  await storeOf(fixture).save(TUPLE);
  await storeOf(fixture, { expires: 60 }).save(TUPLE);
  assertEquals(fixture.driver.link.calls, [
    `command SET ${KEY} ${DOCUMENT}`,
    `command PUBLISH ${KEY} ${DOCUMENT}`,
    `command SETEX ${KEY} 60 ${DOCUMENT}`,
    `command PUBLISH ${KEY} ${DOCUMENT}`,
  ]);
  await fixture.close();
});

Deno.test("GroupStore retries transient errors, and names the group when it gives up", async () => {
  using fixture = new SourceFixture();
  const store = storeOf(fixture);
  let refusals = 2;
  fixture.driver.onLink = (link) =>
    link.onCommand = () =>
      refusals-- > 0 ? new RedisError("LOADING wait") : "OK";
  const saved = store.save(TUPLE);
  await fixture.runtime.advance(1000);
  await saved;

  refusals = Infinity;
  const failures = Promise.all([
    assertRejects(
      () => store.save(TUPLE),
      BackendStoreError,
      "Failed to save group g: tried 3 times, last: LOADING wait",
    ),
    assertRejects(
      () => store.restore("g"),
      BackendGetMetaError,
      "Failed to read group g: tried 3 times",
    ),
    assertRejects(() => store.delete("g"), RedisError, "LOADING"),
  ]);
  await fixture.runtime.advance(1000);
  const [save, restore] = await failures;
  assertEquals(
    [save.groupId, save.taskId, save.state, restore.groupId, restore.taskId],
    ["g", "g", "SUCCESS", "g", "g"],
  );
  await fixture.close();
});

Deno.test("GroupStore.save() rejects a group that is too large or nested too deeply, and sends nothing", async () => {
  using fixture = new SourceFixture();
  const { length } = DOCUMENT;
  await storeOf(fixture, { maxResultBytes: length }).save(TUPLE);
  const error = await assertRejects(
    () => storeOf(fixture, { maxResultBytes: length - 1 }).save(TUPLE),
    BackendStoreError,
    `Cannot save group g: its document has ${length} bytes, and Redis accepts at most ${
      length - 1
    }`,
  );
  assertEquals([error.groupId, error.state], ["g", "SUCCESS"]);
  let deep: GroupTuple = TUPLE;
  for (let i = 0; i < 500; i++) deep = [["g", null], [deep]];
  await assertRejects(
    () => storeOf(fixture).save(deep),
    BackendStoreError,
    "Cannot save group g: Cannot encode a value nested more than 800 levels deep",
  );
  assertEquals(fixture.driver.link.calls.length, 2);
  await fixture.close();
});

Deno.test("GroupStore.restore() resolves to null for a missing document, and for an empty one", async () => {
  using fixture = new SourceFixture();
  for (const reply of [null, "", new Uint8Array()]) {
    fixture.driver.onLink = (link) => link.onCommand = () => reply;
    if (fixture.driver.links.length > 0) {
      fixture.driver.link.onCommand = () => reply;
    }
    assertEquals(await storeOf(fixture).restore("g"), null);
  }
  await fixture.close();
});

Deno.test("GroupStore.restore() rejects a document that is not a group, and shows it", async () => {
  using fixture = new SourceFixture();
  await storeOf(fixture).delete("g");
  for (
    const [document, words] of [
      ["no json", "unexpected"],
      ["[]", "it has no result"],
      ["null", "it has no result"],
      ['{"status": "SUCCESS"}', "it has no result"],
      ['{"result": [["t", null], null]}', "it holds the result of task t, not"],
      ['{"result": [["g", null], [7]]}', "Cannot read a result from 7"],
      [`{"result": ${"[".repeat(5000)}`, "JSON ends too early"],
      [
        `{"result": ${"[".repeat(5000)}${"]".repeat(5000)}}`,
        "nested more than 2000 levels deep",
      ],
      [new Uint8Array([0x80, 0x04, 0xff]), "not UTF-8"],
    ] as const
  ) {
    fixture.driver.link.onCommand = () => document;
    const error = await assertRejects(
      () => storeOf(fixture).restore("g"),
      DecodeError,
      'Cannot restore group "g": ',
    );
    assertStringIncludes(error.message, words);
    assertEquals([error.groupId, error.taskId], ["g", "g"]);
    assertEquals(error.text.length <= 203, true);
    if (typeof document === "string" && document.length < 200) {
      assertEquals(error.text, document);
    }
  }
  await fixture.close();
});

Deno.test("GroupStore rejects empty ids without connecting", async () => {
  using fixture = new SourceFixture();
  const store = storeOf(fixture);
  await assertRejects(() => store.save([["", null], []]), TypeError);
  await assertRejects(() => store.restore(""), TypeError);
  await assertRejects(() => store.delete(""), TypeError);
  assertEquals(fixture.driver.attempts, 0);
  await fixture.close();
});
