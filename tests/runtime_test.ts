// Time: how long a wait may be.

import { ResultBackend, type ResultBackendOptions } from "../mod.ts";
import { ResultTimeoutError } from "../src/errors.ts";
import { denoRuntime, longTimers } from "../src/runtime.ts";
import { assertEquals, assertRejects } from "./support/assert.ts";
import { FakeDriver } from "./support/fake_link.ts";
import { FakeRuntime } from "./support/fake_runtime.ts";

const DAY = 86_400_000;
/** What `setTimeout` can wait: 24.8 days. */
const LONGEST = 2 ** 31 - 1;

/** A backend in fake time, over a scripted driver. */
class Stage {
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

Deno.test("get() waits 40 days if it is told to, and not 24.8", async () => {
  using runtime = new FakeRuntime();
  const stage = new Stage(runtime);
  let isOver = false;
  const wait = assertRejects(
    () => stage.backend.result("a").get({ timeout: 40 * DAY }),
    ResultTimeoutError,
    `after ${40 * DAY} ms`,
  ).finally(() => isOver = true);
  await runtime.advance(40 * DAY - 1);
  assertEquals(isOver, false);
  await runtime.advance(1);
  await wait;
  await stage.close();
});
