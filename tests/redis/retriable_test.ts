import {
  BackendClosedError,
  ConfigurationError,
  RedisConnectionError,
  RedisError,
  RetryLimitError,
} from "../../src/errors.ts";
import { isRetriable } from "../../src/redis/retriable.ts";
import { RespError } from "../../src/redis/resp.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("isRetriable tells what another attempt may mend", () => {
  const cases: [unknown, boolean][] = [
    [new RedisConnectionError("lost"), true],
    ...[
      "LOADING Redis is loading the dataset in memory",
      "READONLY You can't write against a read only replica.",
      "MASTERDOWN Link with MASTER is down",
      "CLUSTERDOWN The cluster is down",
      "TRYAGAIN Multiple keys request during rehashing of slot",
      "OOM command not allowed when used memory > 'maxmemory'.",
      "MISCONF Redis is configured to save RDB snapshots",
      "NOREPLICAS Not enough good replicas to write.",
      "BUSY Redis is busy running a script.",
      "ERR max number of clients reached",
      "ERR Error running script (call to f_abc): @user_script:1: @user_script: 1: -OOM command not allowed",
    ].map((reply): [unknown, boolean] => [new RedisError(reply), true]),
    ...[
      "ERR unknown command",
      "WRONGPASS invalid username-password pair",
      "NOAUTH Authentication required.",
      "NOPERM this user has no permissions",
      "WRONGTYPE Operation against a key holding the wrong kind of value",
      "MOVED 3999 127.0.0.1:6381",
      "NOSCRIPT No matching script.",
      "ERR LOADING",
    ].map((reply): [unknown, boolean] => [new RedisError(reply), false]),
    [new RedisError("LOADING wait", "advice"), true],
    [new ConfigurationError("wrong"), false],
    [new RespError("garbage"), false],
    [new BackendClosedError(), false],
    [new RetryLimitError("enough", 1), false],
    [new DOMException("no", "AbortError"), false],
    ["LOADING", false],
    [undefined, false],
  ];
  for (const [error, expected] of cases) {
    assertEquals(isRetriable(error), expected, String(error));
  }
});
