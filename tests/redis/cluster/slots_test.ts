import { keySlot } from "../../../src/redis/cluster/slots.ts";
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
    assertEquals(keySlot(key), slot);
    assertEquals(keySlot(new TextEncoder().encode(String(key))), slot);
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
    assertEquals(keySlot(key), keySlot(tag));
    assertEquals(keySlot(new TextEncoder().encode(key)), keySlot(tag));
  }
  for (const key of ["{}foo", "{foo", "foo}", "a{}{foo}"]) {
    const bytes = new TextEncoder().encode(key);
    // The whole key: the same with a tag around it, where no brace ends it early.
    assertEquals(keySlot(key), keySlot(bytes));
    assertEquals(keySlot(key) === keySlot("foo"), false);
  }
});
