import { Finality } from "../../src/store/finality.ts";
import { resolveFormats } from "../../src/formats/options.ts";
import { assertEquals, assertInstanceOf } from "../support/assert.ts";

Deno.test("Judge tells of a status that no event can have that it is no SUCCESS, whatever the result says", () => {
  const judge = new Finality(resolveFormats({}, "bigint"));
  for (
    const text of [
      '{"result": "SUCCESS", "status": "UNDECODABLE"}',
      '{"result": "SUCCESS", "status": null}',
      '{"status": ["SUCCESS"]}',
    ]
  ) {
    assertEquals(judge.isSuccess(text, "t"), false, text);
  }
  for (const text of ['{"body": "SUCCESS"}', '["SUCCESS"]', "{SUCCESS"]) {
    assertInstanceOf(judge.isSuccess(text, "t"), Error, text);
  }
});
