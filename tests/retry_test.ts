import { ConfigurationError, RedisConnectionError } from "../src/errors.ts";
import {
  AttemptsExhausted,
  backoffCeiling,
  retried,
  type RetryOptions,
  type RetryPolicy,
  retryPolicy,
} from "../src/retry.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "./support/assert.ts";
import { FakeRuntime } from "./support/fake_runtime.ts";
import { turn } from "./support/turn.ts";

const DEFAULTS = { maxAttempts: 10, minTimeout: 20, maxTimeout: 10_000 };

function policyOf(options?: RetryOptions): RetryPolicy {
  return retryPolicy("retry", options, DEFAULTS);
}

/** When each call was made, if all of them fail. */
async function schedule(
  options: RetryOptions,
  ms: number,
  chance = 0.5,
): Promise<number[]> {
  using runtime = new FakeRuntime({ global: true });
  const { random } = Math;
  Math.random = () => chance;
  const controller = new AbortController();
  const calls: number[] = [];
  try {
    const over = assertRejects(() =>
      retried(policyOf(options), () => {
        calls.push(runtime.now());
        return Promise.reject(new RedisConnectionError("lost"));
      }, { signal: controller.signal })
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
  ];
  for (const [options, words] of cases) {
    assertThrows(() => policyOf(options), ConfigurationError, words);
  }
  policyOf({ maxAttempts: Infinity, minTimeout: 0, jitter: 0, multiplier: 1 });
});

Deno.test("retried waits longer from call to call, up to maxTimeout, less what chance takes", async () => {
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

Deno.test("retried waits as `delay` says, and no longer", async () => {
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

Deno.test("retried makes as many calls as allowed, and tells of each failure that another follows", async () => {
  for (const maxAttempts of [1, 3]) {
    using runtime = new FakeRuntime({ global: true });
    const told: number[] = [];
    const failures: Error[] = [];
    const over = assertRejects(() =>
      retried(policyOf({ maxAttempts }), (attempt) => {
        const failure = new RedisConnectionError(`lost ${attempt}`);
        failures.push(failure);
        return Promise.reject(failure);
      }, {
        signal: new AbortController().signal,
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

Deno.test("retried gives the first success, and throws at once what is not worth another call", async () => {
  const { signal } = new AbortController();
  assertEquals(
    await retried(policyOf(), (attempt) => Promise.resolve(attempt), {
      signal,
    }),
    1,
  );
  for (const failure of [new Error("a bug"), "a string"]) {
    let calls = 0;
    assertStrictEquals(
      await assertRejects(() =>
        retried(policyOf(), () => {
          calls++;
          return Promise.reject(failure);
        }, { signal })
      ),
      failure,
    );
    assertEquals(calls, 1);
  }
  let worthIt = 0;
  await assertRejects(
    () =>
      retried(policyOf({ maxAttempts: 2, minTimeout: 0 }), () => {
        worthIt++;
        return Promise.reject(new Error("worth it"));
      }, { signal, isRetriable: () => true }),
    AttemptsExhausted,
  );
  assertEquals(worthIt, 2);
});

Deno.test("retried ends by its signal: before, during a wait of either schedule, during a call", async () => {
  const reason = new Error("enough");
  const call = () => Promise.reject(new RedisConnectionError("lost"));
  assertStrictEquals(
    await assertRejects(() =>
      retried(policyOf(), call, { signal: AbortSignal.abort(reason) })
    ),
    reason,
  );
  for (const options of [{}, { delay: () => 1000 }]) {
    using runtime = new FakeRuntime({ global: true });
    const controller = new AbortController();
    const over = assertRejects(() =>
      retried(policyOf(options), call, controller)
    );
    await turn();
    controller.abort(reason);
    assertStrictEquals(await over, reason);
    assertEquals(runtime.timers, 0);
  }
  const controller = new AbortController();
  const failing = Promise.withResolvers<never>();
  const over = assertRejects(() =>
    retried(policyOf(), () => failing.promise, controller)
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
