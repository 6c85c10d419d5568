import { BackendStoreError, RedisError } from "../../src/errors.ts";
import { KeySpace } from "../../src/protocol/keys.ts";
import { resolveFormats } from "../../src/formats/options.ts";
import { ResultStore } from "../../src/store/result_store.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { SourceFixture } from "../support/source_fixture.ts";
import { turn } from "../support/turn.ts";

/** A store over the fixture's links. */
function storeOf(fixture: SourceFixture): ResultStore {
  return new ResultStore({
    commands: fixture.commands,
    keys: new KeySpace(),
    expires: 0,
    maxResultBytes: 1000,
    formats: resolveFormats({}, "bigint"),
    resultExtended: true,
    sharded: false,
    status: fixture.status,
    runtime: fixture.runtime,
  });
}

Deno.test("ResultStore.store() sends nothing more for a store aborted while it read the stored document", async () => {
  using fixture = new SourceFixture();
  const store = storeOf(fixture);
  fixture.driver.onLink = (link) => {
    link.held.add("command");
    link.onCommand = ([name]) => name === "EVALSHA" ? 2 : "{";
  };
  const controller = new AbortController();
  const ended = assertRejects(() =>
    store.store("t", null, "STARTED", controller)
  );
  while (fixture.driver.links.length === 0) await turn();
  const { link } = fixture.driver;
  // Computing the script's digest takes more than microtasks.
  while (link.waiting("command") === 0) await turn();
  link.release("command");
  await turn();
  controller.abort();
  await ended;
  link.release("command");
  await turn();
  assertEquals(link.calls.map((call) => call.split(" ")[1]), [
    "EVALSHA",
    "GET",
  ]);
  await fixture.close();
});

Deno.test("ResultStore.store() sends no EVAL for an aborted store, which could then follow the next one", async () => {
  using fixture = new SourceFixture();
  const store = storeOf(fixture);
  // Another client has the script loaded between the two.
  const replies = [new RedisError("NOSCRIPT No matching script"), 1];
  fixture.driver.onLink = (link) => {
    link.held.add("command");
    link.onCommand = () => replies.shift() ?? 1;
  };
  const controller = new AbortController();
  const ended = assertRejects(() =>
    store.store("t", null, "STARTED", controller)
  );
  while (fixture.driver.links.length === 0) await turn();
  const { link } = fixture.driver;
  // Computing the script's digest takes more than microtasks.
  while (link.waiting("command") === 0) await turn();
  controller.abort();
  await ended;
  const stored = store.store("t", 1, "SUCCESS", {});
  while (link.waiting("command") < 2) await turn();
  link.release("command", 2);
  assertEquals(await stored, true);
  await turn();
  assertEquals(link.calls.map((call) => call.split(" ")[1]), [
    "EVALSHA",
    "EVALSHA",
  ]);
  await fixture.close();
});

Deno.test("ResultStore.store() without scripts writes nothing for a store aborted while it read the stored document", async () => {
  using fixture = new SourceFixture();
  const store = storeOf(fixture);
  const refused = new RedisError("NOPERM this user has no permissions");
  fixture.driver.onLink = (link) => {
    link.held.add("command");
    link.onCommand = ([name]) =>
      name === "EVALSHA" ? refused : name === "GET" ? null : "OK";
  };
  const controller = new AbortController();
  const ended = assertRejects(() =>
    store.store("t", null, "STARTED", controller)
  );
  while (fixture.driver.links.length === 0) await turn();
  const { link } = fixture.driver;
  while (link.waiting("command") === 0) await turn();
  link.release("command");
  await turn();
  controller.abort();
  await ended;
  link.release("command");
  await turn();
  assertEquals(link.calls.map((call) => call.split(" ")[1]), [
    "EVALSHA",
    "GET",
  ]);
  await fixture.close();
});

Deno.test("ResultStore.store() rejects at once when aborted before its turn, and keeps its place in the queue", async () => {
  using fixture = new SourceFixture();
  const store = storeOf(fixture);
  fixture.driver.onLink = (link) => {
    link.held.add("command");
    link.onCommand = () => 1;
  };
  const controller = new AbortController();
  const first = store.store("t", 1, "STARTED", {});
  const second = store.store("t", 2, "STARTED", controller);
  const third = store.store("t", 3, "STARTED", {});
  while (fixture.driver.links.length === 0) await turn();
  const { link } = fixture.driver;
  while (link.waiting("command") === 0) await turn();
  controller.abort();
  await assertRejects(() => second, DOMException, "aborted");
  for (let i = 0; i < 20; i++) await turn();
  assertEquals(link.calls.length, 1);
  link.release("command");
  assertEquals(await first, true);
  while (link.waiting("command") === 0) await turn();
  link.release("command");
  assertEquals(await third, true);
  assertEquals(link.calls.length, 2);
  assert(link.calls[1]!.includes('"result": 3'), link.calls[1]);
  await fixture.close();
});

Deno.test("ResultStore.store() gives up if the document changes between each read and compare-and-set", async () => {
  using fixture = new SourceFixture();
  const store = storeOf(fixture);
  fixture.driver.onLink = (link) => {
    link.onCommand = ([name]) => name === "EVALSHA" ? 2 : null;
  };
  const error = await assertRejects(
    () => store.store("t", 1, "SUCCESS", {}),
    BackendStoreError,
    "Failed to store the result of task t as SUCCESS: " +
      "the document at celery-task-meta-t changes faster than it can be read",
  );
  assertEquals([error.taskId, error.state], ["t", "SUCCESS"]);
  await fixture.close();
});

Deno.test("ResultStore.store() rejects a reply that the script never gives", async () => {
  using fixture = new SourceFixture();
  const store = storeOf(fixture);
  fixture.driver.onLink = (link) => {
    link.onCommand = () => 3;
  };
  await assertRejects(
    () => store.store("t", 1, "SUCCESS", {}),
    BackendStoreError,
    "Failed to store the result of task t as SUCCESS: the script replied",
  );
  assertEquals(fixture.driver.link.calls.length, 1);
  await fixture.close();
});
