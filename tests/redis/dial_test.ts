import { nameOf } from "../../src/redis/dial.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("nameOf writes brackets around an IPv6 address", () => {
  assertEquals(nameOf({ hostname: "::1", port: 1 }), "[::1]:1");
  assertEquals(nameOf({ hostname: "h", port: 2 }), "h:2");
});
