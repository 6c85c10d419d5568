import {
  BackendClosedError,
  RedisConnectionError,
  ResultTimeoutError,
} from "../../src/errors.ts";
import { TaskError, TaskRevokedError } from "../../src/protocol/task_error.ts";
import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { turn } from "../support/turn.ts";
import { WaitFixture } from "../support/wait_fixture.ts";

const FAILURE = {
  exc_type: "ValueError",
  exc_message: ["boom"],
  exc_module: "builtins",
};

Deno.test("waitForOutcomes() waits for all tasks with one reader, and leaves nothing subscribed", async () => {
  using stage = new WaitFixture();
  const wait = stage.wait(["a", "b"]);
  await turn();
  assertEquals(stage.driver.link.calls.slice(0, 2), [
    "subscribe celery-task-meta-a celery-task-meta-b",
    "read celery-task-meta-a celery-task-meta-b",
  ]);
  stage.put("b", "STARTED");
  stage.put("b", "SUCCESS");
  stage.put("a", "SUCCESS");
  await wait;
  await turn();
  assertEquals(stage.outcomes, ["SUCCESS b", "SUCCESS a"]);
  assertEquals(stage.events, ["STARTED b", "SUCCESS b", "SUCCESS a"]);
  assertEquals(stage.driver.link.channels.size, 0);
  await stage.close();
});

Deno.test("waitForOutcomes() resolves at once for no tasks, without connecting", async () => {
  using stage = new WaitFixture();
  await stage.wait([], { timeout: 0 });
  await stage.wait([], { parentIds: ["p"] });
  assertEquals(stage.driver.attempts, 0);
  await stage.close();
});

Deno.test("waitForOutcomes() rejects at exactly its timeout, and names the tasks without an outcome", async () => {
  using stage = new WaitFixture();
  let isOver = false;
  const ids = Array.from({ length: 14 }, (_, i) => `t${i}`);
  const wait = assertRejects(
    () => stage.wait(ids, { timeout: 500 }),
    ResultTimeoutError,
  ).finally(() => isOver = true);
  await turn();
  stage.put("t0", "SUCCESS");
  stage.put("t1", "STARTED");
  await stage.runtime.advance(499);
  assertEquals(isOver, false);
  await stage.runtime.advance(1);
  assertEquals(isOver, true);
  const error = await wait;
  assertEquals(error.taskId, "t1");
  assertEquals(error.lastState, "STARTED");
  assertEquals(error.missingCount, 13);
  assertEquals(error.missingIds, ids.slice(1, 11));
  assertStringIncludes(
    error.message,
    "13 of 14 tasks have no outcome after 500 ms " +
      "(t1, t2, t3, t4, t5, t6, t7, t8, t9, t10 and 3 more); of the first: the last state seen is STARTED",
  );
  await turn();
  assertEquals(stage.driver.link.channels.size, 0);
  await stage.close();
});

Deno.test("waitForOutcomes() with a timeout of 0 reads once, with one MGET, and does not subscribe", async () => {
  using stage = new WaitFixture();
  stage.put("a", "SUCCESS");
  stage.put("b", "STARTED");
  const error = await assertRejects(
    () => stage.wait(["a", "b", "c"], { timeout: 0 }),
    ResultTimeoutError,
    "2 of 3 tasks have no outcome after 0 ms (b, c)",
  );
  assertEquals([error.taskId, error.lastState], ["b", "STARTED"]);
  assertEquals(stage.outcomes, ["SUCCESS a"]);
  await stage.wait(["a"], { timeout: 0, parentIds: ["c"] });
  assertEquals(stage.driver.link.calls.map((call) => call.split(" ")[0]), [
    "read",
    "read",
  ]);
  await stage.close();
});

Deno.test("waitForOutcomes() refuses an invalid timeout", async () => {
  using stage = new WaitFixture();
  for (const timeout of [-1, NaN]) {
    await assertRejects(() => stage.wait(["a"], { timeout }), RangeError);
  }
  await stage.close();
});

Deno.test("waitForOutcomes() rejects with what onOutcome throws, and delivers nothing more", async () => {
  using stage = new WaitFixture();
  const wait = assertRejects(
    () => stage.wait(["a", "b", "c"]),
    Error,
    "a is refused",
  );
  await turn();
  // In one batch, without a turn of the event loop in between.
  stage.put("a", "REVOKED");
  stage.put("b", "SUCCESS");
  await wait;
  await turn();
  assertEquals(stage.events, ["REVOKED a"]);
  assertEquals(stage.outcomes, ["REVOKED a"]);
  assertEquals(stage.driver.link.channels.size, 0);
  await stage.close();
});

Deno.test("waitForOutcomes() rejects when its signal aborts, before or during the wait", async () => {
  using stage = new WaitFixture();
  const reason = new Error("enough");
  assertStrictEquals(
    await assertRejects(() =>
      stage.wait(["a"], { signal: AbortSignal.abort(reason) })
    ),
    reason,
  );
  assertEquals(stage.driver.attempts, 0);
  const controller = new AbortController();
  const wait = assertRejects(() =>
    stage.wait(["a"], {
      signal: controller.signal,
      parentIds: ["p"],
      timeout: 60_000,
    })
  );
  await turn();
  controller.abort(reason);
  assertStrictEquals(await wait, reason);
  await turn();
  assertEquals(stage.driver.link.channels.size, 0);
  assertEquals(stage.runtime.timers, 0);
  await stage.close();
});

Deno.test("waitForOutcomes() leaves no listener on its signal, and can be aborted by its own callback", async () => {
  using stage = new WaitFixture();
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>): void => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>): void => {
    listeners--;
    remove(...args);
  };
  const wait = stage.wait(["a"], { signal });
  await turn();
  assertEquals(listeners, 1);
  stage.put("a", "SUCCESS");
  await wait;
  assertEquals(listeners, 0);
  const reason = new Error("enough");
  const aborted = await assertRejects(() =>
    stage.wait(["a", "b"], { signal, onEvent: () => controller.abort(reason) })
  );
  assertStrictEquals(aborted, reason);
  await stage.close();
});

Deno.test("waitForOutcomes() rejects when the backend closes, even while it waits for a link", async () => {
  for (const isBlackHole of [false, true]) {
    using stage = new WaitFixture();
    stage.driver.isBlackHole = isBlackHole;
    const wait = assertRejects(
      () => stage.wait(["a", "b"], { timeout: 1000, parentIds: ["p"] }),
      BackendClosedError,
    );
    await turn();
    await stage.close();
    await wait;
    await assertRejects(() => stage.wait(["a"]), BackendClosedError);
  }
});

Deno.test("waitForOutcomes() says in its timeout error that Redis is unreachable", async () => {
  using stage = new WaitFixture();
  stage.driver.onConnect = () => new RedisConnectionError("refused");
  const wait = assertRejects(
    () => stage.wait(["a", "b"], { timeout: 1000 }),
    ResultTimeoutError,
    "Redis is not connected: refused",
  );
  await stage.runtime.advance(1000);
  assertEquals((await wait).lastConnectionError?.message, "refused");
  await stage.close();
});

Deno.test("waitForOutcomes() says in its timeout error whether the key was read, and if not, what the connection was doing", async () => {
  const cases: [
    name: string,
    arrange: (stage: WaitFixture) => void,
    unread: string | undefined,
  ][] = [
    ["read", () => {}, undefined],
    ["no answer to the dial", ({ driver }) => {
      driver.isBlackHole = true;
    }, "connecting to redis://redis.test"],
    ["a step of the dial", ({ driver }) => {
      driver.isBlackHole = true;
      const connect = driver.connect.bind(driver);
      driver.connect = (events, signal) => {
        events.onStep?.("asking the porter");
        return connect(events, signal);
      };
    }, "connecting to redis://redis.test: asking the porter"],
    ["between two attempts", ({ driver }) => {
      driver.onConnect = () => new RedisConnectionError("refused");
    }, "waiting to connect to redis://redis.test again"],
    ["no confirmation", ({ driver }) => {
      driver.onLink = (link) => link.held.add("subscribe");
    }, "subscribing to keys at redis://redis.test and reading them"],
    ["no reply", ({ driver }) => {
      driver.onLink = (link) => link.held.add("read");
    }, "subscribing to keys at redis://redis.test and reading them"],
  ];
  for (const [name, arrange, unread] of cases) {
    using stage = new WaitFixture();
    arrange(stage);
    const wait = assertRejects(
      () => stage.wait(["a"], { timeout: 950 }),
      ResultTimeoutError,
    );
    await stage.runtime.advance(950);
    const { message, wasRead } = await wait;
    assertEquals(wasRead, unread === undefined, name);
    assertEquals(message.includes("nothing is stored for it"), wasRead, name);
    if (unread !== undefined) {
      assertStringIncludes(
        message,
        `Task a has no outcome after 950 ms: its key was not read in that time, so its state is unknown (${unread})`,
        name,
      );
    }
    await stage.close();
  }
});

Deno.test("waitForOutcomes() knows of each task whether it was read, and reports a state that was published", async () => {
  using stage = new WaitFixture();
  const other = stage.wait(["a"]);
  await turn();
  stage.driver.link.held.add("subscribe");
  const waits = [["a", "b"], ["b", "a"]].map((ids) =>
    assertRejects(() => stage.wait(ids, { timeout: 100 }), ResultTimeoutError)
  );
  await stage.runtime.advance(100);
  assertEquals((await Promise.all(waits)).map(({ wasRead }) => wasRead), [
    true,
    false,
  ]);
  // Its key is subscribed, but not read yet.
  stage.driver.link.held.add("read");
  const late = assertRejects(
    () => stage.wait(["a"], { timeout: 100 }),
    ResultTimeoutError,
    "the last state seen is STARTED",
  );
  await turn();
  stage.put("a", "STARTED");
  await stage.runtime.advance(100);
  assertEquals((await late).wasRead, false);
  stage.put("a", "SUCCESS");
  await other;
  await stage.close();
});

Deno.test("waitForOutcomes() finds a result that was stored while the link was down", async () => {
  using stage = new WaitFixture();
  const wait = stage.wait(["a", "b"]);
  await turn();
  stage.driver.link.die();
  stage.put("a", "SUCCESS");
  stage.put("b", "SUCCESS");
  await stage.runtime.advance(1000);
  await wait;
  assertEquals(stage.outcomes, ["SUCCESS a", "SUCCESS b"]);
  await stage.close();
});

// -- parents -------------------------------------------------------------------

Deno.test("waitForOutcomes() rejects with the failure of a parent, published or stored before", async () => {
  using stage = new WaitFixture();
  const parentIds = ["root", "parent"];
  const wait = assertRejects(
    () => stage.wait(["a"], { parentIds }),
    TaskError,
    "ValueError: boom",
  );
  await turn();
  stage.put("root", "STARTED");
  stage.put("root", "SUCCESS");
  stage.put("parent", "FAILURE", FAILURE);
  assertEquals((await wait).taskId, "parent");
  for (const timeout of [undefined, 0]) {
    const error = await assertRejects(
      () =>
        stage.wait(
          ["a"],
          timeout === 0 ? { parentIds, timeout } : {
            parentIds,
          },
        ),
      TaskError,
    );
    assertEquals(error.taskId, "parent");
  }
  assertEquals(stage.events, []);
  await turn();
  assertEquals(stage.driver.link.channels.size, 0);
  await stage.close();
});

Deno.test("waitForOutcomes() treats a revoked parent as failed, and reports the first of the chain", async () => {
  using stage = new WaitFixture();
  const parentIds = ["root", "parent"];
  stage.put("root", "REVOKED", {
    exc_type: "TaskRevokedError",
    exc_message: ["revoked"],
    exc_module: "celery.exceptions",
  });
  stage.put("parent", "FAILURE", FAILURE);
  for (const timeout of [undefined, 0]) {
    const error = await assertRejects(
      () =>
        stage.wait(
          ["a"],
          timeout === 0 ? { parentIds, timeout } : {
            parentIds,
          },
        ),
      TaskRevokedError,
    );
    assertEquals(error.taskId, "root");
  }
  await stage.close();
});

Deno.test("waitForOutcomes() holds an outcome until the parents have been read", async () => {
  using stage = new WaitFixture();
  // Already subscribed, so it is read alone, and first.
  const other = stage.wait(["a"]);
  await turn();
  const { link } = stage.driver;
  stage.put("parent", "FAILURE", FAILURE);
  link.held.add("subscribe");
  const wait = assertRejects(
    () => stage.wait(["a"], { parentIds: ["parent"] }),
    TaskError,
  );
  await turn();
  stage.put("a", "SUCCESS");
  await turn();
  assertEquals(stage.outcomes, ["SUCCESS a", "SUCCESS a"]);
  link.free("subscribe");
  assertEquals((await wait).taskId, "parent");
  await other;
  await stage.close();
});

Deno.test("waitForOutcomes() resolves to the outcome that it holds when the time is up", async () => {
  using stage = new WaitFixture();
  const other = stage.wait(["a"]);
  await turn();
  stage.driver.link.held.add("subscribe");
  const wait = stage.wait(["a"], { parentIds: ["parent"], timeout: 100 });
  await turn();
  stage.put("a", "SUCCESS");
  await other;
  await stage.runtime.advance(100);
  await wait;
  await stage.close();
});

Deno.test("waitForOutcomes() continues if a parent's document cannot be decoded", async () => {
  using stage = new WaitFixture();
  stage.driver.store.set("celery-task-meta-parent", "{");
  const wait = stage.wait(["a"], { parentIds: ["parent"] });
  await turn();
  stage.put("a", "SUCCESS");
  await wait;
  await stage.wait(["a"], { parentIds: ["parent"], timeout: 0 });
  await stage.close();
});

Deno.test("waitForOutcomes() treats a task that is its own parent as the task", async () => {
  using stage = new WaitFixture();
  stage.put("a", "FAILURE", FAILURE);
  await stage.wait(["a"], { parentIds: ["a"] });
  await stage.wait(["a"], { parentIds: ["a"], timeout: 0 });
  assertEquals(stage.outcomes, ["FAILURE a", "FAILURE a"]);
  await stage.close();
});
