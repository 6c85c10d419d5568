// Time and chance: how long a wait may be, and what comes past the runtime.

import { ResultBackend, type ResultBackendOptions } from "../mod.ts";
import {
  RedisConnectionError,
  RedisError,
  ResultTimeoutError,
} from "../src/errors.ts";
import { denoRuntime, longTimers } from "../src/runtime.ts";
import { assertEquals, assertRejects } from "./support/assert.ts";
import { FakeDriver } from "./support/fake_link.ts";
import { FakeRuntime } from "./support/fake_runtime.ts";
import { turn } from "./support/turn.ts";

const DAY = 86_400_000;
/** What `setTimeout` can wait: 24.8 days. */
const LONGEST = 2 ** 31 - 1;

/** A backend in fake time, over a scripted driver. */
class Fixture {
  readonly driver = new FakeDriver();
  readonly runtime: FakeRuntime;
  readonly backend: ResultBackend;

  constructor(runtime: FakeRuntime, options: ResultBackendOptions = {}) {
    this.runtime = runtime;
    this.backend = new ResultBackend(undefined, {
      driver: this.driver,
      runtime,
      reconcile: 0,
      ...options,
    });
  }

  /** Closes the backend; no timer may be left. */
  async close(): Promise<void> {
    await this.backend.close();
    assertEquals(this.runtime.timers, 0);
  }
}

Deno.test("longTimers() calls back when the time has come, however long it is, and never at Infinity", async () => {
  const runtime = new FakeRuntime();
  const { setTimer } = longTimers(runtime);
  const fired: [ms: number, at: number][] = [];
  for (const ms of [0, LONGEST, LONGEST + 1, 3 * LONGEST, 100 * DAY]) {
    setTimer(() => fired.push([ms, runtime.now()]), ms, true);
  }
  assertEquals(runtime.persistentTimers, 5);
  setTimer(() => fired.push([Infinity, runtime.now()]), Infinity, false);
  // What can be set at once is.
  await runtime.advance(LONGEST);
  assertEquals(fired.map(([ms]) => ms), [0, LONGEST]);
  await runtime.advance(1000 * DAY);
  assertEquals(fired.slice(2), [
    [LONGEST + 1, LONGEST + 1],
    [3 * LONGEST, 3 * LONGEST],
    [100 * DAY, 100 * DAY],
  ]);
  assertEquals(runtime.timers, 1);
});

Deno.test("longTimers() forgets a timer in each of its parts", async () => {
  for (const passed of [0, LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST]) {
    const runtime = new FakeRuntime();
    const { setTimer, clearTimer } = longTimers(runtime);
    let isOver = false;
    const timer = setTimer(() => isOver = true, 2 * LONGEST + 1, false);
    await runtime.advance(passed);
    clearTimer(timer);
    assertEquals(runtime.timers, 0, `after ${passed} ms`);
    await runtime.advance(DAY);
    assertEquals(isOver, false);
    // Once more does no harm.
    clearTimer(timer);
  }
});

Deno.test("the timers of denoRuntime do not fire at once where they are longer than setTimeout can wait", async () => {
  using runtime = new FakeRuntime({ global: true });
  let isOver = false;
  const timer = denoRuntime.setTimer(() => isOver = true, 40 * DAY, true);
  await runtime.advance(DAY);
  assertEquals(isOver, false);
  denoRuntime.clearTimer(timer);
  assertEquals(runtime.timers, 0);
});

Deno.test("get() can wait 40 days, not only 24.8", async () => {
  using runtime = new FakeRuntime();
  const fixture = new Fixture(runtime);
  let isOver = false;
  const wait = assertRejects(
    () => fixture.backend.result("a").get({ timeout: 40 * DAY }),
    ResultTimeoutError,
    `after ${40 * DAY} ms`,
  ).finally(() => isOver = true);
  await runtime.advance(40 * DAY - 1);
  assertEquals(isOver, false);
  await runtime.advance(1);
  await wait;
  await fixture.close();
});

Deno.test("a wait between two tries may be 40 days: of a read, of an attempt to connect, and after a short life", async () => {
  const delay = (): number => 40 * DAY;
  const cases: Record<string, (fixture: Fixture) => Promise<unknown>> = {
    "a read": ({ backend, driver }) => {
      let calls = 0;
      driver.onLink = (link) =>
        link.onCommand = () =>
          ++calls === 1 ? new RedisError("LOADING Redis is loading") : 1;
      return backend.exists("a");
    },
    "an attempt": ({ backend, driver }) => {
      driver.onConnect = (attempt) =>
        attempt === 1 ? new RedisConnectionError("refused") : undefined;
      return backend.consumer().add("a");
    },
    "a short life": async ({ backend, driver }) => {
      driver.onLink = (link) => {
        if (driver.links.length === 0) link.held.add("read");
      };
      const attached = backend.consumer().add("a");
      await turn();
      driver.link.die();
      await attached;
    },
  };
  for (const [name, begin] of Object.entries(cases)) {
    using runtime = new FakeRuntime({ global: true });
    const fixture = new Fixture(runtime, {
      reconnect: { delay, maxAttempts: Infinity },
      retry: { delay },
    });
    let isOver = false;
    const wait = begin(fixture).finally(() => isOver = true);
    await turn();
    await runtime.advance(40 * DAY - 1);
    assertEquals(isOver, false, name);
    // std's own timer of 0 ms takes one more.
    await runtime.advance(2);
    assertEquals(isOver, true, name);
    await wait;
    await fixture.close();
  }
});

Deno.test("past the runtime go the waits between two attempts to connect, and a timer of 0 ms between two tries; nothing else", async () => {
  const real = { setTimeout: globalThis.setTimeout, random: Math.random };
  const timers: unknown[] = [];
  let draws = 0;
  globalThis.setTimeout = ((callback: () => void, ms?: number) => {
    timers.push(ms);
    // In the same turn, so that no real time has to pass.
    queueMicrotask(callback);
    return 0;
    // What else a timer takes and has is used by nobody here.
  }) as unknown as typeof setTimeout;
  Math.random = () => {
    draws++;
    return 0.5;
  };
  try {
    const runtime = new FakeRuntime();
    const fixture = new Fixture(runtime, {
      reconnect: { minTimeout: 200, maxTimeout: 1000 },
      retry: { minTimeout: 40, maxAttempts: 5 },
    });
    const { backend, driver } = fixture;
    driver.onConnect = (attempt) =>
      attempt < 3 ? new RedisConnectionError("refused") : undefined;
    let commands = 0;
    driver.onLink = (link) =>
      link.onCommand = () =>
        ++commands < 3 ? new RedisError("LOADING Redis is loading") : null;
    const results = backend.consumer();
    // Attempts 1 and 2 fail; std waits for half of 200 and of 400 ms.
    await results.add("a");
    assertEquals(timers.splice(0), [100, 200]);
    assertEquals([draws, runtime.now()], [2, 0]);
    draws = 0;

    // A link that lives for less than a second: its waits grow on the runtime.
    for (const wait of [100, 200]) {
      driver.link.die();
      await runtime.advance(wait - 1);
      const { attempts } = driver;
      await runtime.advance(1);
      assertEquals(driver.attempts, attempts + 1);
    }
    assertEquals([timers, draws], [[], 0]);

    // Two tries fail; of the waits of 20 and of 40 ms, std makes its 0 ms.
    const found = backend.exists("a");
    await runtime.advance(20);
    await turn();
    await runtime.advance(40);
    await turn();
    assertEquals(await found, false);
    assertEquals([timers.splice(0), draws], [[0, 0], 2]);
    await results[Symbol.asyncDispose]();
    await fixture.close();
    assertEquals(timers, []);
  } finally {
    globalThis.setTimeout = real.setTimeout;
    Math.random = real.random;
  }
});
