import {
  BackendClosedError,
  ConfigurationError,
  RedisConnectionError,
  RedisError,
  RetryLimitError,
} from "../../src/errors.ts";
import { isPossiblyTransient, isRetriable } from "../../src/redis/retriable.ts";
import { RespError } from "../../src/redis/wire/resp.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("isRetriable recognizes transient errors", () => {
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

Deno.test("isPossiblyTransient recognizes errors that a server that worked before may recover from", () => {
  const strange = new RespError("Read HTTP");
  const distrusted = new Deno.errors.InvalidData("invalid peer certificate");
  const cases: [unknown, boolean][] = [
    [strange, true],
    [new ConfigurationError("no Redis", { cause: strange }), true],
    [new ConfigurationError("bad certificate", { cause: distrusted }), true],
    // Like a Sentinel's error, whose cause is another error.
    [
      new ConfigurationError("Sentinel", {
        cause: new ConfigurationError("no Redis", { cause: strange }),
      }),
      true,
    ],
    ...[
      "ERR upstream not ready",
      "no upstream host",
      "UNAVAILABLE no backend",
    ].map((reply): [unknown, boolean] => [new RedisError(reply), true]),
    ...[
      "WRONGPASS invalid username-password pair",
      "NOAUTH Authentication required.",
      "NOPERM this user has no permissions",
      "DENIED Redis is running in protected mode",
      "MOVED 3999 127.0.0.1:6381",
      "ERR unknown command 'PING'",
      "ERR Unknown PUBSUB subcommand or wrong number of arguments for 'x'",
      "ERR Unknown Redis command called from script",
      "ERR DB index is out of range",
      "ERR invalid password",
      "ERR AUTH <password> called without any password configured",
      "ERR SELECT is not allowed in cluster mode",
    ].map((reply): [unknown, boolean] => [new RedisError(reply), false]),
    // Added advice does not count as the server's words.
    [
      new RedisError("ERR not ready", "check the SELECT", {
        cause: new RedisError("ERR not ready"),
      }),
      true,
    ],
    [new ConfigurationError("wrong option"), false],
    [
      new ConfigurationError("permission", {
        cause: new Deno.errors.NotCapable("net"),
      }),
      false,
    ],
    [new BackendClosedError(), false],
    [undefined, false],
  ];
  for (const [error, expected] of cases) {
    assertEquals(isPossiblyTransient(error), expected, String(error));
  }
});
