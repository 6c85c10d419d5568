import { RedisConnectionError, RedisError } from "../../../src/errors.ts";
import { parseRedirection } from "../../../src/redis/cluster/redirection.ts";
import { toNodeAddress } from "../../../src/redis/cluster/slot_map.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

const asked = toNodeAddress("asked.test", 7000);

Deno.test("parseRedirection parses MOVED and ASK with any kind of host", () => {
  const cases: [string, string, number, string][] = [
    ["MOVED 3999 127.0.0.1:6381", "MOVED", 3999, "127.0.0.1:6381"],
    ["MOVED 3999 127.0.0.1:6381 (advice)", "MOVED", 3999, "127.0.0.1:6381"],
    ["ASK 0 node.test:6381", "ASK", 0, "node.test:6381"],
    ["MOVED 1 :6381", "MOVED", 1, "asked.test:6381"],
    ["MOVED 1 ::1:6381", "MOVED", 1, "[::1]:6381"],
    ["MOVED 1 [::1]:6381", "MOVED", 1, "[::1]:6381"],
  ];
  for (const [message, kind, slot, name] of cases) {
    const redirection = parseRedirection(new RedisError(message), asked);
    assertEquals(
      [redirection?.kind, redirection?.slot, redirection?.to.name],
      [kind, slot, name],
    );
  }
});

Deno.test("parseRedirection ignores other errors", () => {
  const errors = [
    new RedisError("ERR MOVED 1 a:1"),
    new RedisError("TRYAGAIN Multiple keys request during rehashing of slot"),
    new Error("MOVED 1 a:1"),
    undefined,
  ];
  for (const error of errors) {
    assertEquals(parseRedirection(error, asked), undefined);
  }
});

Deno.test("parseRedirection throws a transient error with advice if a host name is unknown", () => {
  assertThrows(
    () => parseRedirection(new RedisError("MOVED 1 ?:6381"), asked),
    RedisConnectionError,
    "cluster-announce-hostname",
  );
});
