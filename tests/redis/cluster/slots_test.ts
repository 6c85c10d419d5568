import { keySlot } from "../../../src/redis/cluster/slots.ts";
import { assertEquals } from "../../support/assert.ts";

Deno.test("keySlot is the CRC-16 of a key, for every type of argument", () => {
  const cases: [string | number, number][] = [
    ["123456789", 12_739],
    [123456789, 12_739],
    ["", 0],
    ["foo", 12_182],
    // Measured with CLUSTER KEYSLOT.
    ["h\u00e9llo", 11_061],
  ];
  for (const [key, slot] of cases) {
    assertEquals(keySlot(key), slot);
    assertEquals(keySlot(new TextEncoder().encode(String(key))), slot);
  }
});

Deno.test("keySlot uses the first hash tag unless it is empty", () => {
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
    // The whole key counts, as if it were a tag itself.
    assertEquals(keySlot(key), keySlot(bytes));
    assertEquals(keySlot(key) === keySlot("foo"), false);
  }
});
