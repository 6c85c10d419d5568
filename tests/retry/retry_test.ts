import { ConfigurationError, RedisConnectionError } from "../../src/errors.ts";
import { AttemptsExhausted, runWithRetry } from "../../src/retry/retry.ts";
import { denoRuntime } from "../../src/runtime.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
  fail,
} from "../support/assert.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { turn } from "../support/turn.ts";
import type { RetryOptions, RetryPolicy } from "../../src/retry/policy.ts";
import {
  backoff,
  backoffCeiling,
  retryPolicy,
} from "../../src/retry/policy.ts";

const DEFAULTS = { maxAttempts: 10, minTimeout: 20, maxTimeout: 10_000 };

function policyOf(options?: RetryOptions): RetryPolicy {
  return retryPolicy("retry", options, DEFAULTS);
}

/** When each call was made, if all of them fail. */
async function schedule(
  options: RetryOptions,
  ms: number,
  chance = 0.5,
  draw?: () => number,
): Promise<number[]> {
  using runtime = new FakeRuntime({ global: true });
  if (draw !== undefined) runtime.random = draw;
  const { random } = Math;
  Math.random = () => chance;
  const controller = new AbortController();
  const calls: number[] = [];
  try {
    const over = assertRejects(() =>
      runWithRetry(policyOf(options), () => {
        calls.push(runtime.now());
        return Promise.reject(new RedisConnectionError("lost"));
      }, {
        signal: controller.signal,
        runtime,
        drawsWaits: draw !== undefined,
      })
    );
    await runtime.advance(ms);
    controller.abort();
    await over;
    assertEquals(runtime.timers, 0);
  } finally {
    Math.random = random;
  }
  return calls;
}

Deno.test("retryPolicy fills in the defaults", () => {
  assertEquals(policyOf(), {
    ...DEFAULTS,
    multiplier: 2,
    jitter: 1,
    delay: undefined,
    timeout: Infinity,
  });
  assertEquals(policyOf({ minTimeout: 60_000 }).maxTimeout, 60_000);
});

Deno.test("retryPolicy refuses what is out of range, and names it", () => {
  const cases: [RetryOptions, string][] = [
    [{ maxAttempts: 0 }, "retry.maxAttempts"],
    [{ maxAttempts: 1.5 }, "retry.maxAttempts"],
    [{ maxAttempts: NaN }, "retry.maxAttempts"],
    [{ maxAttempts: -Infinity }, "retry.maxAttempts"],
    [{ maxAttempts: "3" as never }, "retry.maxAttempts"],
    [{ minTimeout: -1 }, "retry.minTimeout"],
    [{ minTimeout: Infinity }, "retry.minTimeout"],
    [{ maxTimeout: 0, minTimeout: 0 }, "retry.maxTimeout"],
    [{ maxTimeout: 10 }, "no less than minTimeout (20)"],
    [{ maxTimeout: Infinity }, "retry.maxTimeout"],
    [{ multiplier: 0.5 }, "retry.multiplier"],
    [{ multiplier: NaN }, "retry.multiplier"],
    [{ jitter: -0.1 }, "retry.jitter"],
    [{ jitter: 1.1 }, "retry.jitter"],
    [{ jitter: NaN }, "retry.jitter"],
    [{ maxRetries: 3 } as never, '"retry.maxRetries"'],
    [{ delay: 1000 as never }, "retry.delay"],
    [{ timeout: 0 }, "retry.timeout"],
    [{ timeout: NaN }, "retry.timeout"],
    [{ timeout: "5" as never }, "retry.timeout"],
  ];
  for (const [options, words] of cases) {
    assertThrows(() => policyOf(options), ConfigurationError, words);
  }
  policyOf({ maxAttempts: Infinity, minTimeout: 0, jitter: 0, multiplier: 1 });
});

Deno.test("runWithRetry waits longer from call to call, up to maxTimeout, less the jitter", async () => {
  const options = { minTimeout: 100, maxTimeout: 500, maxAttempts: 6 };
  const none = { ...options, jitter: 0 };
  assertEquals(await schedule(none, 1e6), [0, 100, 300, 700, 1200, 1700]);
  assertEquals(
    await schedule({ ...none, multiplier: 1 }, 1e6),
    [0, 100, 200, 300, 400, 500],
  );
  assertEquals(await schedule(options, 1e6, 0), [0, 100, 300, 700, 1200, 1700]);
  assertEquals(await schedule(options, 1e6, 0.5), [0, 50, 150, 350, 600, 850]);
  assertEquals(
    await schedule({ ...options, maxAttempts: Infinity, jitter: 0 }, 3000),
    [0, 100, 300, 700, 1200, 1700, 2200, 2700],
  );
});

Deno.test("runWithRetry waits as `delay` says, and no longer", async () => {
  const seen: number[] = [];
  const delay = (attempt: number): number => {
    seen.push(attempt);
    return attempt === 1 ? 0 : attempt === 4 ? -5 : 1000;
  };
  // A timer of 0 takes a millisecond.
  const calls = await schedule({ delay, maxAttempts: 5 }, 1e6);
  assertEquals(calls.map((ms) => Math.round(ms / 100) * 100), [
    0,
    0,
    1000,
    2000,
    2000,
  ]);
  assertEquals(seen, [1, 2, 3, 4]);
});

Deno.test("runWithRetry draws waits in whole milliseconds with drawsWaits", async () => {
  const options = { minTimeout: 20, maxTimeout: 100, maxAttempts: 6 };
  const draws = [0, 0.5, 0.999, 0.26, 0];
  const calls = await schedule(options, 1e6, 0.5, () => draws.shift()!);
  const waits = calls.slice(1).map((ms, i) => ms - calls[i]!);
  // Of 0..20, 0..40, 0..80, 0..100, 0..100; std's own wait of 0 takes a timer.
  const expected = [0, 20, 80, 26, 0];
  for (const [i, wait] of waits.entries()) {
    const late = wait - expected[i]!;
    assert(late === 0 || late === 1, `wait ${i} is ${wait}`);
  }
  assertEquals(draws, []);
});

Deno.test("runWithRetry ends at the first failure after `timeout`, and cuts no call short", async () => {
  const delay = (attempt: number): number => attempt === 1 ? 0 : 1000;
  const calls = await schedule({ delay, timeout: 5000, maxAttempts: 21 }, 1e6);
  // Celery's documented `retry_policy: {timeout: 5.0}`.
  assertEquals(
    calls.map((ms) => Math.round(ms / 100) * 100),
    [0, 0, 1000, 2000, 3000, 4000, 5000],
  );
  using runtime = new FakeRuntime({ global: true });
  const { promise, reject } = Promise.withResolvers<never>();
  let made = 0;
  const over = assertRejects(
    () =>
      runWithRetry(policyOf({ timeout: 100 }), () => {
        made++;
        return promise;
      }, {
        signal: new AbortController().signal,
        runtime,
        onFailure: () => fail("no other call follows"),
      }),
    AttemptsExhausted,
  );
  await runtime.advance(101);
  const failure = new RedisConnectionError("late");
  reject(failure);
  const error = await over;
  assertInstanceOf(error, AttemptsExhausted);
  assertStrictEquals(error.cause, failure);
  assertEquals([made, error.attempts], [1, 1]);
});

Deno.test("runWithRetry reports the next wait, exactly where it knows it", async () => {
  const told = async (
    options: RetryOptions,
    drawsWaits = false,
  ): Promise<number[]> => {
    using runtime = new FakeRuntime({ global: true });
    const within: number[] = [];
    const over = assertRejects(() =>
      runWithRetry(
        policyOf({ maxAttempts: 4, ...options }),
        () => Promise.reject(new RedisConnectionError("lost")),
        {
          signal: new AbortController().signal,
          onFailure: (_error, _attempt, ms) => within.push(ms),
          runtime,
          drawsWaits,
        },
      )
    );
    await runtime.advance(1e6);
    await over;
    return within;
  };
  assertEquals(await told({}), [20, 40, 80]);
  assertEquals(await told({}, true), [10, 20, 40]);
  let calls = 0;
  const delay = (): number => ++calls * 100;
  assertEquals(await told({ delay }, true), [100, 200, 300]);
  assertEquals(calls, 3);
});

Deno.test("runWithRetry rejects a `delay` that returns no number, and accepts any length", async () => {
  for (const ms of [NaN, undefined, "5"]) {
    await assertRejects(
      () =>
        runWithRetry(
          policyOf({ delay: () => ms as never }),
          () => Promise.reject(new RedisConnectionError("lost")),
          { signal: new AbortController().signal, runtime: denoRuntime },
        ),
      ConfigurationError,
      "`delay` must return a number",
    );
  }
  assertEquals(
    backoffCeiling(policyOf({ delay: () => Infinity }), 1),
    Infinity,
  );
  assertEquals(
    backoffCeiling(policyOf({ minTimeout: 2 ** 40, jitter: 0 }), 1),
    2 ** 40,
  );
});

// Celery's t/unit/utils/test_time.py; its factor and number of retries are a
// first wait of twice the factor, and the number of calls.
Deno.test("test_get_exponential_backoff_interval: with jitter, without, bound by the maximum, in the valid random range", () => {
  const ceilings = (options: RetryOptions): number[] =>
    [1, 2, 3, 4, 5, 9, 10, 11, 2000].map((attempt) =>
      backoff(policyOf({ ...options, jitter: 0 }), attempt, () => 0)
    );
  const base10 = { minTimeout: 20, maxTimeout: 10_000 };
  assertEquals(
    ceilings(base10),
    [20, 40, 80, 160, 320, 5120, 10_000, 10_000, 10_000],
  );
  // factor 4, 3 retries: 32, of which randrange(33) - 2 gives 31.
  const four = { minTimeout: 8, maxTimeout: 100 };
  assertEquals(ceilings(four)[2], 32);
  assertEquals(backoff(policyOf(four), 3, () => 31.5 / 33), 31);
  // factor 40, 3 retries, 100 at most.
  assertEquals(ceilings({ minTimeout: 80, maxTimeout: 100 })[2], 100);
  // Both ends, and each whole number in between equally often.
  const bound = policyOf({ minTimeout: 3, maxTimeout: 3 });
  const drawn = Array.from(
    { length: 8 },
    (_, i) => backoff(bound, 9, () => i / 8),
  );
  assertEquals(drawn, [0, 0, 1, 1, 2, 2, 3, 3]);
  assertEquals(backoff(bound, 9, () => 1 - 2 ** -53), 3);
  // A base of 0 gives 0, and 0 times the Infinity of late attempts too.
  const zero = policyOf({ minTimeout: 0 });
  assertEquals(
    [1, 2, 1e6, Number.MAX_SAFE_INTEGER].map((attempt) =>
      backoff(zero, attempt, () => 0.999)
    ),
    [0, 0, 0, 0],
  );
  // Half of the jitter leaves half of the wait.
  const half = policyOf({ minTimeout: 100, maxTimeout: 100, jitter: 0.5 });
  assertEquals(backoff(half, 1, () => 0), 50);
  assertEquals(backoff(half, 1, () => 0.9999), 100);
});

Deno.test("runWithRetry makes as many calls as allowed, and reports each failure that another call follows", async () => {
  for (const maxAttempts of [1, 3]) {
    using runtime = new FakeRuntime({ global: true });
    const told: number[] = [];
    const failures: Error[] = [];
    const over = assertRejects(() =>
      runWithRetry(policyOf({ maxAttempts }), (attempt) => {
        const failure = new RedisConnectionError(`lost ${attempt}`);
        failures.push(failure);
        return Promise.reject(failure);
      }, {
        signal: new AbortController().signal,
        runtime,
        onFailure: (error, attempt) => {
          assertStrictEquals(error, failures.at(-1));
          told.push(attempt);
        },
      })
    );
    await runtime.advance(1e6);
    const error = await over;
    assertInstanceOf(error, AttemptsExhausted);
    assertStrictEquals(error.cause, failures.at(-1));
    assertEquals(error.attempts, maxAttempts);
    assertEquals(failures.length, maxAttempts);
    assertEquals(told, maxAttempts === 1 ? [] : [1, 2]);
  }
});

Deno.test("runWithRetry returns the first success, and throws permanent errors at once", async () => {
  const { signal } = new AbortController();
  assertEquals(
    await runWithRetry(policyOf(), (attempt) => Promise.resolve(attempt), {
      signal,
      runtime: denoRuntime,
    }),
    1,
  );
  for (const failure of [new Error("a bug"), "a string"]) {
    let calls = 0;
    assertStrictEquals(
      await assertRejects(() =>
        runWithRetry(policyOf(), () => {
          calls++;
          return Promise.reject(failure);
        }, { signal, runtime: denoRuntime })
      ),
      failure,
    );
    assertEquals(calls, 1);
  }
  let worthIt = 0;
  await assertRejects(
    () =>
      runWithRetry(policyOf({ maxAttempts: 2, minTimeout: 0 }), () => {
        worthIt++;
        return Promise.reject(new Error("worth it"));
      }, { signal, isRetriable: () => true, runtime: denoRuntime }),
    AttemptsExhausted,
  );
  assertEquals(worthIt, 2);
});

Deno.test("runWithRetry ends by its signal: before, during a wait of either schedule, during a call", async () => {
  const reason = new Error("enough");
  const call = () => Promise.reject(new RedisConnectionError("lost"));
  assertStrictEquals(
    await assertRejects(() =>
      runWithRetry(policyOf(), call, {
        signal: AbortSignal.abort(reason),
        runtime: denoRuntime,
      })
    ),
    reason,
  );
  for (const options of [{}, { delay: () => 1000 }]) {
    using runtime = new FakeRuntime({ global: true });
    const controller = new AbortController();
    const over = assertRejects(() =>
      runWithRetry(policyOf(options), call, {
        signal: controller.signal,
        runtime,
      })
    );
    await turn();
    controller.abort(reason);
    assertStrictEquals(await over, reason);
    assertEquals(runtime.timers, 0);
  }
  const controller = new AbortController();
  const failing = Promise.withResolvers<never>();
  const over = assertRejects(() =>
    runWithRetry(policyOf(), () => failing.promise, {
      signal: controller.signal,
      runtime: denoRuntime,
    })
  );
  await turn();
  controller.abort(reason);
  failing.reject(new RedisConnectionError("lost"));
  assertStrictEquals(await over, reason);
});

Deno.test("backoffCeiling is the longest wait there can be", () => {
  const policy = policyOf({ minTimeout: 100, maxTimeout: 500 });
  assertEquals(
    [1, 2, 3, 4, 5000].map((attempt) => backoffCeiling(policy, attempt)),
    [100, 200, 400, 500, 500],
  );
  const own = policyOf({ delay: (attempt) => attempt === 1 ? -1 : 7 });
  assertEquals([backoffCeiling(own, 1), backoffCeiling(own, 2)], [0, 7]);
});

Deno.test("runWithRetry ends a wait when woken up, and leaves nothing behind", async () => {
  using runtime = new FakeRuntime({ global: true });
  // The ceiling itself.
  runtime.chance = 0.9999;
  const controller = new AbortController();
  const calls: number[] = [];
  const heard: AbortSignal[] = [];
  let tell = (): void => {};
  const over = assertRejects(() =>
    runWithRetry(policyOf({ minTimeout: 1000, multiplier: 1 }), () => {
      calls.push(runtime.now());
      return Promise.reject(new RedisConnectionError("lost"));
    }, {
      signal: controller.signal,
      runtime,
      drawsWaits: true,
      wakeUp: (signal) => {
        heard.push(signal);
        const { promise, resolve } = Promise.withResolvers<void>();
        tell = resolve;
        signal.addEventListener("abort", () => resolve());
        return promise;
      },
    })
  );
  await runtime.advance(1500);
  assertEquals(calls, [0, 1000]);
  tell();
  // std waits for 0 ms itself, before each call.
  await runtime.advance(0);
  assertEquals(calls, [0, 1000, 1500]);
  await runtime.advance(999);
  assertEquals(calls.length, 3);
  await runtime.advance(1);
  assertEquals(calls, [0, 1000, 1500, 2500]);
  await runtime.advance(1);
  assertEquals(runtime.timers, 1);
  controller.abort();
  await over;
  assertEquals(runtime.timers, 0);
  assertEquals(heard.map(({ aborted }) => aborted), [true, true, true, true]);
});
