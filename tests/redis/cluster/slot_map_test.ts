import { RedisConnectionError } from "../../../src/errors.ts";
import { SlotMap, toNodeAddress } from "../../../src/redis/cluster/slot_map.ts";
import type { RespValue } from "../../../src/redis/wire/resp.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";

const asked = { hostname: "asked.test", port: 7000 };

function names(map: SlotMap): string[] {
  return map.nodes.map(({ name }) => name);
}

Deno.test("SlotMap.parse reads the owner of each slot, and lists masters before replicas", () => {
  const map = SlotMap.parse([
    [0, 99, ["a.test", 1, "id"], ["c.test", 3, "id"]],
    [100, 100, ["b.test", 2, "id"], ["d.test", 4, "id"]],
    [200, 16_383, ["a.test", 1, "id"], ["c.test", 3, "id"]],
  ], asked);
  const owners = [0, 99, 100, 101, 199, 200, 16_383].map((slot) =>
    map.findOwner(slot)?.name
  );
  const [a, b] = ["a.test:1", "b.test:2"];
  assertEquals(owners, [a, a, b, undefined, undefined, a, a]);
  assertEquals(names(map), [a, b, "c.test:3", "d.test:4"]);
  assertEquals(map.masters, new Set([a, b]));
});

Deno.test("SlotMap.parse reads nodes without a host, with an IP address, and with IPv6", () => {
  const map = SlotMap.parse([
    [0, 0, [null, 1, "id", []]],
    [1, 1, ["", 2, "id"]],
    [2, 2, ["?", 3, "id", ["ip", "10.0.0.3"]]],
    [3, 3, ["?", 4, "id", ["ip", ""]]],
    [4, 4, ["?", 5, "id"]],
    [5, 5, ["::1", 6, "id", ["hostname", "ip"]]],
    [6, 6, ["gone.test", 0, "id"]],
    [7, 7, ["?", 8, "id", ["hostname", "ip"]]],
  ], asked);
  assertEquals(
    [0, 1, 2, 3, 4, 5, 6, 7].map((slot) => map.findOwner(slot)?.name),
    [
      "asked.test:1",
      "asked.test:2",
      "10.0.0.3:3",
      undefined,
      undefined,
      "[::1]:6",
      undefined,
      undefined,
    ],
  );
});

Deno.test("SlotMap.parse refuses a malformed reply", () => {
  const replies: RespValue[] = [
    "OK",
    [1],
    [["a", 1, ["a", 1]]],
    [[0, 1]],
    [[0, 1, "a:1"]],
    [[0, 1, ["a", "1"]]],
    [[0, 1, [7, 1]]],
  ];
  for (const reply of replies) {
    assertThrows(
      () => SlotMap.parse(reply, asked),
      RedisConnectionError,
      "CLUSTER SLOTS",
    );
  }
});

Deno.test("SlotMap.set changes the owner of one slot, which SlotMap.equals notices", () => {
  const reply = [[0, 16_383, ["a.test", 1]]];
  const [map, same] = [
    SlotMap.parse(reply, asked),
    SlotMap.parse(reply, asked),
  ];
  assert(map.equals(same));
  map.set(5, toNodeAddress("b.test", 2));
  assertEquals(
    [4, 5, 6].map((slot) => map.findOwner(slot)?.name),
    ["a.test:1", "b.test:2", "a.test:1"],
  );
  assert(!map.equals(same));
  map.set(5, toNodeAddress("a.test", 1));
  assert(map.equals(same));
  assertEquals(new SlotMap().masters.size, 0);
});
