import { KeySpace } from "../src/protocol/keys.ts";
import { formatsOf } from "../src/serializers.ts";
import { ResultStore } from "../src/store.ts";
import { assertEquals, assertRejects } from "./support/assert.ts";
import { SourceStage } from "./support/source_stage.ts";
import { turn } from "./support/turn.ts";

Deno.test("ResultStore.store sends nothing more for a store that was called off while it judged what stands", async () => {
  using stage = new SourceStage();
  const store = new ResultStore({
    commands: stage.commands,
    keys: new KeySpace(),
    expires: 0,
    maxResultBytes: 1000,
    formats: formatsOf({}, "bigint"),
    resultExtended: true,
    status: stage.status,
    runtime: stage.runtime,
  });
  stage.driver.onLink = (link) => {
    link.held.add("command");
    link.onCommand = ([name]) => name === "EVALSHA" ? 2 : "{";
  };
  const controller = new AbortController();
  const ended = assertRejects(() =>
    store.store("t", null, "STARTED", controller)
  );
  while (stage.driver.links.length === 0) await turn();
  const { link } = stage.driver;
  // Its digest is not made by promises alone.
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
  await stage.close();
});
