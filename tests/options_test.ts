import { ConfigurationError } from "../src/errors.ts";
import { denoRedis } from "../deno_redis.ts";
import { ResultBackend } from "../mod.ts";
import {
  checkBackendOptions,
  resolveExpires,
  resolveOptions,
  type ResultBackendOptions,
} from "../src/options.ts";
import { denoRuntime } from "../src/runtime.ts";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "./support/assert.ts";
import { denoRedisDouble } from "./support/deno_redis_double.ts";
import { FakeRuntime } from "./support/fake_runtime.ts";

Deno.test("resolveOptions() fills in the defaults", () => {
  const { runtime, reconnect, retry, formats, ...rest } = resolveOptions({});
  assertEquals(rest, {
    keyPrefix: "",
    expires: 86_400,
    firstConnectTimeout: 15_000,
    connectTimeout: 5000,
    heartbeat: 10_000,
    reconcile: 30_000,
    highWaterMark: 16,
    maxQueueBytes: 268_435_456,
    integers: "bigint",
    maxResultBytes: 536_870_912,
    resultExtended: true,
    chordOrdered: true,
    chordJoinTimeout: 3000,
    sharded: false,
  });
  assertEquals([formats.name, formats.prefersJson], ["json", true]);
  assertEquals(reconnect, {
    maxAttempts: Infinity,
    minTimeout: 50,
    maxTimeout: 5000,
    multiplier: 2,
    jitter: 1,
    delay: undefined,
    timeout: Infinity,
  });
  assertEquals([retry.maxAttempts, retry.minTimeout, retry.maxTimeout], [
    10,
    20,
    10_000,
  ]);
  assertEquals(runtime.now() <= denoRuntime.now(), true);
});

Deno.test("resolveOptions() sets no time limit for the first connection if the number of attempts is given", () => {
  const { firstConnectTimeout } = resolveOptions({
    reconnect: { maxAttempts: Infinity },
  });
  assertEquals(firstConnectTimeout, Infinity);
  assertEquals(
    resolveOptions({ reconnect: { minTimeout: 1 } }).firstConnectTimeout,
    15_000,
  );
});

Deno.test("resolveOptions() rejects unknown options and values out of range, by name", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ integers: "string" }, "integers"],
    [{ expires: -1 }, "expires"],
    [{ reconnect: { jitter: 2 } }, "reconnect.jitter"],
    [{ retry: { max_attempts: 1 } }, "did you mean retry.maxAttempts?"],
    [{ retry: { maxAttempts: 0 } }, "retry.maxAttempts"],
    [{ connectTimeout: 0 }, "connectTimeout"],
    [{ connectTimeout: "5" }, "connectTimeout"],
    [{ heartbeat: 0 }, "heartbeat"],
    [{ heartbeat: NaN }, "heartbeat"],
    [{ reconcile: -1 }, "reconcile"],
    [{ highWaterMark: -1 }, "highWaterMark"],
    [{ maxQueueBytes: 0 }, "maxQueueBytes"],
    [{ maxResultBytes: 0 }, "maxResultBytes"],
    [{ onRetry: "log" }, "log as onRetry"],
    [{ isRetriable: true }, "true as isRetriable"],
    [{ chordOrdered: 1 }, "chordOrdered"],
    [{ chordJoinTimeout: -1 }, "chordJoinTimeout"],
    [{ cluster: 1 }, "cluster"],
    [{ sharded: "yes" }, "sharded"],
    [{ cluster: true, driver: {} }, "cluster together with driver"],
    [{ sharded: true, driver: {} }, "sharded together with driver"],
  ];
  for (const [options, words] of cases) {
    assertThrows(
      () => resolveOptions(options as ResultBackendOptions),
      ConfigurationError,
      words,
    );
  }
  resolveOptions({ reconcile: 0, highWaterMark: 0, heartbeat: Infinity });
});

Deno.test("checkBackendOptions() rejects an unknown name, and suggests the right one or what to do", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ prefix: "x" }, 'Unknown option "prefix": did you mean keyPrefix?'],
    [{ keyprefix: "x" }, "did you mean keyPrefix?"],
    [{ global_keyprefix: "x" }, "did you mean keyPrefix?"],
    [{ Expires: 1 }, "did you mean expires?"],
    [{ result_expires: 1 }, "did you mean expires?"],
    [{ hartbeat: 1 }, "did you mean heartbeat?"],
    [{ db: 1 }, "the database goes in the URL: redis://host/1"],
    [{ host: "h" }, "the address goes in the URL: redis://host:6379/0"],
    [{ url: "redis://h" }, "the URL is the first argument"],
    [{ timeout: 5 }, "get({ timeout, signal })"],
    [{ ssl: {} }, 'Unknown option "ssl": did you mean tls?'],
    [{ colour: undefined }, 'Unknown option "colour": expected keyPrefix, '],
    [denoRedis(denoRedisDouble()) as object as never, "{ driver: denoRedis("],
  ];
  for (const [options, words] of cases) {
    assertThrows(
      () => checkBackendOptions(options),
      ConfigurationError,
      words,
    );
  }
  for (const options of [null, 5, "redis://h", ["json"], () => {}]) {
    assertThrows(
      () => new ResultBackend(undefined, options as never),
      TypeError,
      "as options: expected an object with keyPrefix, ",
    );
    assertThrows(
      () =>
        ResultBackend.fromCeleryConfig(
          { result_backend: "redis" },
          options as never,
        ),
      TypeError,
      "as options: expected an object",
    );
  }
});

Deno.test("resolveOptions() explains what a driver is if it gets something else", () => {
  const cases: [unknown, string][] = [
    [denoRedisDouble(), "as driver: wrap `connect` of deno.land/x/redis"],
    [denoRedis, "the function denoRedis as driver: wrap `connect`"],
    ["redis", 'Cannot use "redis" as driver: expected a RedisDriver'],
    [null, "Cannot use null as driver"],
    [{}, "Cannot use an object as driver"],
  ];
  for (const [driver, words] of cases) {
    assertThrows(
      () => resolveOptions({ driver } as ResultBackendOptions),
      ConfigurationError,
      words,
    );
  }
});

Deno.test("resolveOptions() prefers an option to the URL, and the URL to the default", () => {
  const url = { connectTimeout: 1, heartbeat: 2 };
  const both = resolveOptions({ connectTimeout: 10, heartbeat: 20 }, url);
  assertEquals([both.connectTimeout, both.heartbeat], [10, 20]);
  const one = resolveOptions({}, url);
  assertEquals([one.connectTimeout, one.heartbeat], [1, 2]);
  const bound = { heartbeat: 60_000, socketTimeout: 5000 };
  assertEquals(resolveOptions({}, bound).heartbeat, 2500);
  assertEquals(resolveOptions({ heartbeat: 20_000 }, bound).heartbeat, 20_000);
  assertThrows(
    () => resolveOptions({}, { connectTimeout: 0.5 }),
    ConfigurationError,
    "connectTimeout",
  );
});

Deno.test("resolveExpires() gives whole seconds, and 0 for no expiry", () => {
  const cases: [number | null | undefined, number][] = [
    [undefined, 86_400],
    [null, 0],
    [0, 0],
    [1, 1],
    [1.9, 1],
    [3600, 3600],
  ];
  for (const [given, expected] of cases) {
    assertEquals(resolveExpires(given), expected);
  }
  for (const wrong of [0.5, -1, NaN, Infinity, "60" as never]) {
    assertThrows(() => resolveExpires(wrong), ConfigurationError, "as expires");
  }
});

Deno.test("resolveOptions() accepts a runtime that is a class instance, and one with some members only", () => {
  const fake = new FakeRuntime();
  fake.chance = 0.25;
  const { runtime } = resolveOptions({ runtime: fake });
  assertEquals([runtime.now(), runtime.random()], [0, 0.25]);
  assertEquals(runtime.date(), new Date(0));
  runtime.clearTimer(runtime.setTimer(() => {}, 1, false));
  const random = (): number => 0.5;
  const part = resolveOptions({ runtime: { random } }).runtime;
  assertStrictEquals(part.random(), 0.5);
  assert(part.now() > 0);
});
