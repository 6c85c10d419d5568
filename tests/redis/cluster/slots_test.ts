import { slotOf } from "../../../src/redis/cluster/slots.ts";
import { assertEquals } from "../../support/assert.ts";

Deno.test("slotOf is CRC-16 of the key, in every form of a word", () => {
  const cases: [string | number, number][] = [
    ["123456789", 12_739],
    [123456789, 12_739],
    ["", 0],
    ["foo", 12_182],
    // Measured: CLUSTER KEYSLOT of the same.
    ["h\u00e9llo", 11_061],
  ];
  for (const [key, slot] of cases) {
    assertEquals(slotOf(key), slot);
    assertEquals(slotOf(new TextEncoder().encode(String(key))), slot);
  }
});

Deno.test("slotOf takes the first hash tag, if there is anything in it", () => {
  const cases: [string, string][] = [
    ["{foo}.bar", "foo"],
    ["a{foo}b{bar}", "foo"],
    ["a{{foo}}", "{foo"],
    ["a}{foo}", "foo"],
  ];
  for (const [key, tag] of cases) {
    assertEquals(slotOf(key), slotOf(tag));
    assertEquals(slotOf(new TextEncoder().encode(key)), slotOf(tag));
  }
  for (const key of ["{}foo", "{foo", "foo}", "a{}{foo}"]) {
    const bytes = new TextEncoder().encode(key);
    // The whole key: the same with a tag around it, where no brace ends it early.
    assertEquals(slotOf(key), slotOf(bytes));
    assertEquals(slotOf(key) === slotOf("foo"), false);
  }
});
