import {
  findKeys,
  isCountingKeys,
} from "../../../src/redis/cluster/command_keys.ts";
import type { Command } from "../../../src/redis/wire/command.ts";
import { assertEquals } from "../../support/assert.ts";

Deno.test("findKeys finds the keys that a command is routed by", () => {
  const cases: [Command, Command][] = [
    [["GET", "k"], ["k"]],
    [["SETEX", "k", 10, "v"], ["k"]],
    [["PUBLISH", "k", "v"], ["k"]],
    [["del", "k", "l"], ["k", "l"]],
    [["EXISTS", "k", "l"], ["k", "l"]],
    [["MGET", "k", "l"], ["k", "l"]],
    [["EVAL", "return 1", 2, "k", "l", "arg"], ["k", "l"]],
    [["EVALSHA", "digest", "1", "k", "arg"], ["k"]],
    [["EVALSHA", "digest", 0, "arg"], []],
    [["PING"], []],
    [["SCRIPT", "LOAD", "return 1"], []],
    [["MULTI"], []],
  ];
  for (const [command, keys] of cases) assertEquals(findKeys(command), keys);
});

Deno.test("isCountingKeys knows the commands that can be split", () => {
  for (const name of ["DEL", "unlink", "EXISTS", "TOUCH"]) {
    assertEquals(isCountingKeys([name, "k", "l"]), true);
  }
  for (const name of ["MGET", "EVAL", "GET"]) {
    assertEquals(isCountingKeys([name, "k", "l"]), false);
  }
});
