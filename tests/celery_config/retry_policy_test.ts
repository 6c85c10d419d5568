import { ConfigurationError } from "../../src/errors.ts";
import { resolveNames } from "../../src/celery_config/names.ts";
import {
  linearDelay,
  type MappedRetry,
  mapRetry,
} from "../../src/celery_config/retry_policy.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import type { RetryOptions } from "../../src/retry/policy.ts";

function mapped(
  config: Record<string, unknown>,
  policy?: Record<string, unknown>,
): MappedRetry {
  return mapRetry(resolveNames({
    ...config,
    ...(policy === undefined
      ? {}
      : { result_backend_transport_options: { retry_policy: policy } }),
  }));
}

/** The waits after the first calls, in seconds. */
function waits(retry: RetryOptions | undefined, count: number): number[] {
  return Array.from(
    { length: count },
    (_, i) => (retry?.delay?.(i + 1) ?? NaN) / 1000,
  );
}

Deno.test("linearDelay() waits as kombu does, up to start + max", () => {
  const cases: [[number, number, number], number[]][] = [
    [[0, 1, 1], [0, 1, 1, 1, 1]],
    [[0, 0.2, 1], [0, 0.2, 0.4, 0.6, 0.8, 1, 1]],
    [[0.5, 1, 2], [0.5, 1.5, 2.5, 2.5]],
    [[2, 2, 30], [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30]],
    [[0, 1, 0], [0, 1, 2, 3, 4, 5, 6]],
    [[3, 1, 0], [3, 3, 3]],
    [[3, 0, 9], [3, 3, 3]],
    [[0, 0, 0], [0, 0, 0]],
    [[0, 0.1, 1], [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1]],
    [[0, 0.3, 1], [0, 0.3, 0.6, 0.9, 0.9]],
    [[0.1, 0.1, 0.7], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.8]],
  ];
  for (const [[start, step, max], expected] of cases) {
    const delay = linearDelay(start, step, max);
    assertEquals(waits({ delay }, expected.length), expected);
  }
  assertEquals(linearDelay(2, 2, 30)(16), 32_000);
  assertEquals(linearDelay(2, 2, 30)(1e9), 32_000);
});

Deno.test("mapRetry() by default: Celery's policy for stores and reads, this module's for the connection", () => {
  const { retry, reconnect } = mapped({});
  assertEquals(
    [retry.maxAttempts, retry.timeout, reconnect],
    [21, undefined, undefined],
  );
  assertEquals(waits(retry, 4), [0, 1, 1, 1]);
  assertEquals(mapped({}, {}).reconnect, undefined);
  // These have an effect only with always_retry.
  const other = mapped({ result_backend_max_retries: 3 });
  assertEquals(other.retry.maxAttempts, 21);
});

Deno.test("test_retry_policy_conf: mapRetry() merges a retry_policy key by key, and uses it for the connection too", () => {
  const { retry, reconnect } = mapped({}, {
    max_retries: 2,
    interval_start: 0,
    interval_step: 0.01,
  });
  for (const each of [retry, reconnect]) {
    assertEquals([each?.maxAttempts, each?.timeout], [3, undefined]);
    assertEquals(waits(each, 3), [0, 0.01, 0.02]);
    assertEquals(each?.delay?.(1000), 1000);
  }
  assertEquals(mapped({}, { max_retries: null }).retry.maxAttempts, Infinity);
  assertEquals(mapped({}, { max_retries: 0 }).reconnect?.maxAttempts, 1);
  // As on Celery's page about Redis.
  const timed = mapped({}, { timeout: 5.0 });
  assertEquals(
    [timed.retry.timeout, timed.retry.maxAttempts, timed.reconnect?.timeout],
    [5000, 21, 5000],
  );
  assertEquals(mapped({}, { timeout: 0 }).retry.timeout, undefined);
  assertEquals(mapped({}, { timeout: null }).retry.timeout, undefined);
});

Deno.test("mapRetry() with result_backend_always_retry: growing random waits, and no limit for the first connection", () => {
  const always = { result_backend_always_retry: true };
  assertEquals(mapped(always), {
    retry: { maxAttempts: Infinity, minTimeout: 20, maxTimeout: 10_000 },
    reconnect: { maxAttempts: Infinity },
  });
  const cases: [Record<string, unknown>, [number, number, number]][] = [
    [{ result_backend_max_retries: 4 }, [5, 20, 10_000]],
    [{ result_backend_max_retries: 0 }, [1, 20, 10_000]],
    [{ result_backend_max_retries: Infinity }, [Infinity, 20, 10_000]],
    [{ result_backend_base_sleep_between_retries_ms: 5 }, [
      Infinity,
      10,
      10_000,
    ]],
    [{ result_backend_base_sleep_between_retries_ms: 0 }, [
      Infinity,
      0,
      10_000,
    ]],
    [{ result_backend_max_sleep_between_retries_ms: 15 }, [Infinity, 15, 15]],
    [{ result_backend_max_sleep_between_retries_ms: 0 }, [Infinity, 0, 1]],
  ];
  for (const [config, [maxAttempts, minTimeout, maxTimeout]] of cases) {
    assertEquals(
      mapped({ ...always, ...config }).retry,
      { maxAttempts, minTimeout, maxTimeout },
    );
  }
});

Deno.test("mapRetry() with both: the policy is for the connection only", () => {
  const both = mapped({ result_backend_always_retry: true }, {
    max_retries: 3,
  });
  assertEquals(both.retry.maxAttempts, Infinity);
  assertEquals(both.retry.delay, undefined);
  assertEquals(both.reconnect?.maxAttempts, 4);
});

Deno.test("mapRetry() rejects values out of range, by name", () => {
  const always = { result_backend_always_retry: true };
  const cases: [Record<string, unknown>, string][] = [
    [{ result_backend_always_retry: "true" }, "result_backend_always_retry"],
    [{ result_backend_always_retry: 1 }, "expected true or false"],
    [
      { ...always, result_backend_max_retries: -1 },
      "-1 as result_backend_max_retries",
    ],
    [{ ...always, result_backend_max_retries: 1.5 }, "a whole number"],
    [
      { ...always, result_backend_base_sleep_between_retries_ms: NaN },
      "NaN as result_backend_base_sleep_between_retries_ms",
    ],
    [
      {
        ...always,
        CELERY_RESULT_BACKEND_MAX_SLEEP_BETWEEN_RETRIES_MS: Infinity,
      },
      "Infinity as CELERY_RESULT_BACKEND_MAX_SLEEP_BETWEEN_RETRIES_MS",
    ],
  ];
  for (const [config, words] of cases) {
    assertThrows(() => mapped(config), ConfigurationError, words);
  }
  const policies: [Record<string, unknown>, string][] = [
    [{ max_retries: "many" }, "retry_policy.max_retries"],
    [{ max_retries: -1 }, "retry_policy.max_retries"],
    [{ interval_start: -1 }, "retry_policy.interval_start"],
    [{ interval_step: true }, "retry_policy.interval_step"],
    [{ interval_max: {} }, "an object as result_backend_transport_options"],
    [{ timeout: -5 }, "retry_policy.timeout"],
    [{ timeout: Infinity }, "retry_policy.timeout"],
  ];
  for (const [policy, words] of policies) {
    assertThrows(() => mapped({}, policy), ConfigurationError, words);
  }
});
