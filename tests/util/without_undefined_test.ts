import { withoutUndefined } from "../../src/util/without_undefined.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("withoutUndefined() keeps every member that is not undefined", () => {
  const object: { a: number; b: number | undefined; c: string | null } = {
    a: 0,
    b: undefined,
    c: null,
  };
  const copy: { a: number; b?: number; c: string | null } = withoutUndefined(
    object,
  );
  assertEquals(Object.keys(copy), ["a", "c"]);
  assertEquals(copy, { a: 0, c: null });
});
