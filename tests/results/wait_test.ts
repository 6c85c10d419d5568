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
  using fixture = new WaitFixture();
  const wait = fixture.wait(["a", "b"]);
  await turn();
  assertEquals(fixture.driver.link.calls.slice(0, 2), [
    "subscribe celery-task-meta-a celery-task-meta-b",
    "read celery-task-meta-a celery-task-meta-b",
  ]);
  fixture.put("b", "STARTED");
  fixture.put("b", "SUCCESS");
  fixture.put("a", "SUCCESS");
  await wait;
  await turn();
  assertEquals(fixture.outcomes, ["SUCCESS b", "SUCCESS a"]);
  assertEquals(fixture.events, ["STARTED b", "SUCCESS b", "SUCCESS a"]);
  assertEquals(fixture.driver.link.channels.size, 0);
  await fixture.close();
});

Deno.test("waitForOutcomes() resolves at once for no tasks, without connecting", async () => {
  using fixture = new WaitFixture();
  await fixture.wait([], { timeout: 0 });
  await fixture.wait([], { parentIds: ["p"] });
  assertEquals(fixture.driver.attempts, 0);
  await fixture.close();
});

Deno.test("waitForOutcomes() rejects at exactly its timeout, and names the tasks without an outcome", async () => {
  using fixture = new WaitFixture();
  let isOver = false;
  const ids = Array.from({ length: 14 }, (_, i) => `t${i}`);
  const wait = assertRejects(
    () => fixture.wait(ids, { timeout: 500 }),
    ResultTimeoutError,
  ).finally(() => isOver = true);
  await turn();
  fixture.put("t0", "SUCCESS");
  fixture.put("t1", "STARTED");
  await fixture.runtime.advance(499);
  assertEquals(isOver, false);
  await fixture.runtime.advance(1);
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
  assertEquals(fixture.driver.link.channels.size, 0);
  await fixture.close();
});

Deno.test("waitForOutcomes() with a timeout of 0 reads once, with one MGET, and does not subscribe", async () => {
  using fixture = new WaitFixture();
  fixture.put("a", "SUCCESS");
  fixture.put("b", "STARTED");
  const error = await assertRejects(
    () => fixture.wait(["a", "b", "c"], { timeout: 0 }),
    ResultTimeoutError,
    "2 of 3 tasks have no outcome after 0 ms (b, c)",
  );
  assertEquals([error.taskId, error.lastState], ["b", "STARTED"]);
  assertEquals(fixture.outcomes, ["SUCCESS a"]);
  await fixture.wait(["a"], { timeout: 0, parentIds: ["c"] });
  assertEquals(fixture.driver.link.calls.map((call) => call.split(" ")[0]), [
    "read",
    "read",
  ]);
  await fixture.close();
});

Deno.test("waitForOutcomes() refuses an invalid timeout", async () => {
  using fixture = new WaitFixture();
  for (const timeout of [-1, NaN]) {
    await assertRejects(() => fixture.wait(["a"], { timeout }), RangeError);
  }
  await fixture.close();
});

Deno.test("waitForOutcomes() rejects with what onOutcome throws, and delivers nothing more", async () => {
  using fixture = new WaitFixture();
  const wait = assertRejects(
    () => fixture.wait(["a", "b", "c"]),
    Error,
    "a is refused",
  );
  await turn();
  // In one batch, without a turn of the event loop in between.
  fixture.put("a", "REVOKED");
  fixture.put("b", "SUCCESS");
  await wait;
  await turn();
  assertEquals(fixture.events, ["REVOKED a"]);
  assertEquals(fixture.outcomes, ["REVOKED a"]);
  assertEquals(fixture.driver.link.channels.size, 0);
  await fixture.close();
});

Deno.test("waitForOutcomes() rejects when its signal aborts, before or during the wait", async () => {
  using fixture = new WaitFixture();
  const reason = new Error("enough");
  assertStrictEquals(
    await assertRejects(() =>
      fixture.wait(["a"], { signal: AbortSignal.abort(reason) })
    ),
    reason,
  );
  assertEquals(fixture.driver.attempts, 0);
  const controller = new AbortController();
  const wait = assertRejects(() =>
    fixture.wait(["a"], {
      signal: controller.signal,
      parentIds: ["p"],
      timeout: 60_000,
    })
  );
  await turn();
  controller.abort(reason);
  assertStrictEquals(await wait, reason);
  await turn();
  assertEquals(fixture.driver.link.channels.size, 0);
  assertEquals(fixture.runtime.timers, 0);
  await fixture.close();
});

Deno.test("waitForOutcomes() leaves no listener on its signal, and can be aborted by its own callback", async () => {
  using fixture = new WaitFixture();
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
  const wait = fixture.wait(["a"], { signal });
  await turn();
  assertEquals(listeners, 1);
  fixture.put("a", "SUCCESS");
  await wait;
  assertEquals(listeners, 0);
  const reason = new Error("enough");
  const aborted = await assertRejects(() =>
    fixture.wait(["a", "b"], {
      signal,
      onEvent: () => controller.abort(reason),
    })
  );
  assertStrictEquals(aborted, reason);
  await fixture.close();
});

Deno.test("waitForOutcomes() rejects when the backend closes, even while it waits for a link", async () => {
  for (const isBlackHole of [false, true]) {
    using fixture = new WaitFixture();
    fixture.driver.isBlackHole = isBlackHole;
    const wait = assertRejects(
      () => fixture.wait(["a", "b"], { timeout: 1000, parentIds: ["p"] }),
      BackendClosedError,
    );
    await turn();
    await fixture.close();
    await wait;
    await assertRejects(() => fixture.wait(["a"]), BackendClosedError);
  }
});

Deno.test("waitForOutcomes() says in its timeout error that Redis is unreachable", async () => {
  using fixture = new WaitFixture();
  fixture.driver.onConnect = () => new RedisConnectionError("refused");
  const wait = assertRejects(
    () => fixture.wait(["a", "b"], { timeout: 1000 }),
    ResultTimeoutError,
    "Redis is not connected: refused",
  );
  await fixture.runtime.advance(1000);
  assertEquals((await wait).lastConnectionError?.message, "refused");
  await fixture.close();
});

Deno.test("waitForOutcomes() says in its timeout error whether the key was read, and if not, what the connection was doing", async () => {
  const cases: [
    name: string,
    arrange: (fixture: WaitFixture) => void,
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
    using fixture = new WaitFixture();
    arrange(fixture);
    const wait = assertRejects(
      () => fixture.wait(["a"], { timeout: 950 }),
      ResultTimeoutError,
    );
    await fixture.runtime.advance(950);
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
    await fixture.close();
  }
});

Deno.test("waitForOutcomes() knows of each task whether it was read, and reports a state that was published", async () => {
  using fixture = new WaitFixture();
  const other = fixture.wait(["a"]);
  await turn();
  fixture.driver.link.held.add("subscribe");
  const waits = [["a", "b"], ["b", "a"]].map((ids) =>
    assertRejects(() => fixture.wait(ids, { timeout: 100 }), ResultTimeoutError)
  );
  await fixture.runtime.advance(100);
  assertEquals((await Promise.all(waits)).map(({ wasRead }) => wasRead), [
    true,
    false,
  ]);
  // Its key is subscribed, but not read yet.
  fixture.driver.link.held.add("read");
  const late = assertRejects(
    () => fixture.wait(["a"], { timeout: 100 }),
    ResultTimeoutError,
    "the last state seen is STARTED",
  );
  await turn();
  fixture.put("a", "STARTED");
  await fixture.runtime.advance(100);
  assertEquals((await late).wasRead, false);
  fixture.put("a", "SUCCESS");
  await other;
  await fixture.close();
});

Deno.test("waitForOutcomes() finds a result that was stored while the link was down", async () => {
  using fixture = new WaitFixture();
  const wait = fixture.wait(["a", "b"]);
  await turn();
  fixture.driver.link.die();
  fixture.put("a", "SUCCESS");
  fixture.put("b", "SUCCESS");
  await fixture.runtime.advance(1000);
  await wait;
  assertEquals(fixture.outcomes, ["SUCCESS a", "SUCCESS b"]);
  await fixture.close();
});

// -- parents -------------------------------------------------------------------

Deno.test("waitForOutcomes() rejects with the failure of a parent, published or stored before", async () => {
  using fixture = new WaitFixture();
  const parentIds = ["root", "parent"];
  const wait = assertRejects(
    () => fixture.wait(["a"], { parentIds }),
    TaskError,
    "ValueError: boom",
  );
  await turn();
  fixture.put("root", "STARTED");
  fixture.put("root", "SUCCESS");
  fixture.put("parent", "FAILURE", FAILURE);
  assertEquals((await wait).taskId, "parent");
  for (const timeout of [undefined, 0]) {
    const error = await assertRejects(
      () =>
        fixture.wait(
          ["a"],
          timeout === 0 ? { parentIds, timeout } : {
            parentIds,
          },
        ),
      TaskError,
    );
    assertEquals(error.taskId, "parent");
  }
  assertEquals(fixture.events, []);
  await turn();
  assertEquals(fixture.driver.link.channels.size, 0);
  await fixture.close();
});

Deno.test("waitForOutcomes() treats a revoked parent as failed, and reports the first of the chain", async () => {
  using fixture = new WaitFixture();
  const parentIds = ["root", "parent"];
  fixture.put("root", "REVOKED", {
    exc_type: "TaskRevokedError",
    exc_message: ["revoked"],
    exc_module: "celery.exceptions",
  });
  fixture.put("parent", "FAILURE", FAILURE);
  for (const timeout of [undefined, 0]) {
    const error = await assertRejects(
      () =>
        fixture.wait(
          ["a"],
          timeout === 0 ? { parentIds, timeout } : {
            parentIds,
          },
        ),
      TaskRevokedError,
    );
    assertEquals(error.taskId, "root");
  }
  await fixture.close();
});

Deno.test("waitForOutcomes() holds an outcome until the parents have been read", async () => {
  using fixture = new WaitFixture();
  // Already subscribed, so it is read alone, and first.
  const other = fixture.wait(["a"]);
  await turn();
  const { link } = fixture.driver;
  fixture.put("parent", "FAILURE", FAILURE);
  link.held.add("subscribe");
  const wait = assertRejects(
    () => fixture.wait(["a"], { parentIds: ["parent"] }),
    TaskError,
  );
  await turn();
  fixture.put("a", "SUCCESS");
  await turn();
  assertEquals(fixture.outcomes, ["SUCCESS a", "SUCCESS a"]);
  link.free("subscribe");
  assertEquals((await wait).taskId, "parent");
  await other;
  await fixture.close();
});

Deno.test("waitForOutcomes() holds what an outcome throws until the parents have been read", async () => {
  for (const parentFails of [true, false]) {
    using fixture = new WaitFixture();
    // Already subscribed, so the message reaches the second wait before the
    // parent is read.
    const other = assertRejects(
      () => fixture.wait(["a"]),
      Error,
      "a is refused",
    );
    await turn();
    const { link } = fixture.driver;
    if (parentFails) fixture.put("parent", "FAILURE", FAILURE);
    link.held.add("subscribe");
    const wait = assertRejects(
      () => fixture.wait(["a"], { parentIds: ["parent"] }),
      Error,
      parentFails ? "ValueError: boom" : "a is refused",
    );
    await turn();
    fixture.put("a", "REVOKED", FAILURE);
    await turn();
    assertEquals(fixture.outcomes, ["REVOKED a", "REVOKED a"]);
    link.free("subscribe");
    await Promise.all([wait, other]);
    await fixture.close();
  }
});

Deno.test("waitForOutcomes() holds a parent's failure until the parents before it have been read", async () => {
  using fixture = new WaitFixture();
  // Already subscribed, so its message reaches the second wait at once.
  const other = fixture.wait(["parent"]);
  await turn();
  const { link } = fixture.driver;
  fixture.put("root", "FAILURE", FAILURE);
  link.held.add("subscribe");
  const wait = assertRejects(
    () => fixture.wait(["a"], { parentIds: ["root", "parent"] }),
    TaskError,
  );
  await turn();
  fixture.put("parent", "FAILURE", FAILURE);
  await other;
  link.free("subscribe");
  assertEquals((await wait).taskId, "root");
  await fixture.close();
});

Deno.test("waitForOutcomes() resolves to the outcome that it holds when the time is up", async () => {
  using fixture = new WaitFixture();
  const other = fixture.wait(["a"]);
  await turn();
  fixture.driver.link.held.add("subscribe");
  const wait = fixture.wait(["a"], { parentIds: ["parent"], timeout: 100 });
  await turn();
  fixture.put("a", "SUCCESS");
  await other;
  await fixture.runtime.advance(100);
  await wait;
  await fixture.close();
});

Deno.test("waitForOutcomes() continues if a parent's document cannot be decoded", async () => {
  using fixture = new WaitFixture();
  fixture.driver.store.set("celery-task-meta-parent", "{");
  const wait = fixture.wait(["a"], { parentIds: ["parent"] });
  await turn();
  fixture.put("a", "SUCCESS");
  await wait;
  await fixture.wait(["a"], { parentIds: ["parent"], timeout: 0 });
  await fixture.close();
});

Deno.test("waitForOutcomes() treats a task that is its own parent as the task", async () => {
  using fixture = new WaitFixture();
  fixture.put("a", "FAILURE", FAILURE);
  await fixture.wait(["a"], { parentIds: ["a"] });
  await fixture.wait(["a"], { parentIds: ["a"], timeout: 0 });
  assertEquals(fixture.outcomes, ["FAILURE a", "FAILURE a"]);
  await fixture.close();
});
