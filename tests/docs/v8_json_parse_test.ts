import { assertEquals, assertExists } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";

const { raw } = String;

/** Whether this V8 has the bug that `docs/v8-json-parse.md` reports. */
function isV8Faulty(): boolean {
  JSON.parse(raw`{"isV8Faulty":1,"caf\\":2}`);
  const value = JSON.parse(raw`{"isV8Faulty":1,"caf\u00e9":3}`);
  return !Object.hasOwn(value, "caf\u00e9");
}

Deno.test({
  name: "docs/v8-json-parse.md shows V8's bug",
  // A fixed V8 must not fail this test.
  ignore: !isV8Faulty(),
  async fn() {
    const report = await Deno.readTextFile(
      new URL("../../docs/v8-json-parse.md", import.meta.url),
    );
    const program = /```ts\n(.*?)```/s.exec(report)?.[1];
    assertExists(program);
    await using child = new ChildDeno(["eval", program], ".");
    assertEquals(await child.end(), ["wrong"]);
  },
});
