import { DecodeError } from "../../src/errors.ts";
import { Finality } from "../../src/store/finality.ts";
import { resolveFormats } from "../../src/formats/options.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

Deno.test("Finality.isFinal() is false for a status that no event can have, even if the result says SUCCESS", () => {
  const finality = new Finality(resolveFormats({}, "bigint"));
  for (
    const text of [
      '{"result": "SUCCESS", "status": "UNDECODABLE"}',
      '{"result": "SUCCESS", "status": null}',
      '{"status": ["SUCCESS"]}',
    ]
  ) {
    assertEquals(finality.isFinal(text, "t"), false, text);
  }
  for (const text of ['{"body": "SUCCESS"}', '["SUCCESS"]', "{SUCCESS"]) {
    assertThrows(() => finality.isFinal(text, "t"), DecodeError);
  }
});
