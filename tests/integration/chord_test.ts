// Chords: sizes, returned parts, and completion by the last part. The names in
// parentheses are those of the Celery tests that these mirror.

import {
  BackendGetMetaError,
  ChordError,
  type ChordOutcome,
  RedisConnectionError,
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
  ResultTimeoutError,
  type StatusEvent,
  TaskError,
} from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import type { SavedGroup } from "../../src/chords/completion.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import {
  bodyOf,
  ChordFixture,
  Completions,
  requestsOf,
} from "../support/chord_fixture.ts";
import type { Reply, TestClient } from "../support/client.ts";
import { needs } from "../support/needs.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { inboxOf } from "../support/results.ts";

const KEY = "celery-taskset-meta-g";
const BODY = "body-of-g";
/** For fault injection without long waits. */
const QUICK: ResultBackendOptions = {
  reconnect: { minTimeout: 1, maxTimeout: 10 },
  retry: { minTimeout: 1, maxTimeout: 10 },
};

/** A server, a client, and a backend. */
class Fixture extends AsyncDisposableStack {
  readonly redis: RedisServer;
  readonly client: TestClient;
  readonly backend: ResultBackend;
  readonly completions = new Completions();

  constructor(
    redis: RedisServer,
    client: TestClient,
    options: ResultBackendOptions,
  ) {
    super();
    this.redis = this.use(redis);
    this.client = this.use(client);
    this.backend = this.another(options);
  }

  another(options: ResultBackendOptions = {}): ResultBackend {
    return this.use(
      new ResultBackend(this.redis.url, { ...QUICK, ...options }),
    );
  }

  /** Returns part `index`. */
  part(
    index: number,
    result: unknown = index,
    state = "SUCCESS",
    backend = this.backend,
  ): Promise<ChordOutcome> {
    return backend.chordPartReturn(
      requestsOf(index + 1, "g")[index]!,
      state,
      result,
      this.completions,
    );
  }

  parts(): Promise<Reply> {
    return this.client.send("ZRANGE", `${KEY}.j`, 0, -1);
  }

  /** The chord's keys that exist, with their expiry. */
  async keys(): Promise<Record<string, number>> {
    const times: Record<string, number> = {};
    for (const suffix of [".j", ".t", ".s", ".c"]) {
      const time = Number(await this.client.send("TTL", KEY + suffix));
      if (time !== -2) times[suffix] = time;
    }
    return times;
  }
}

async function start(options: ResultBackendOptions = {}): Promise<Fixture> {
  const redis = await startRedis();
  return new Fixture(redis, await redis.client(), options);
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(needs("redis-server", { name, fn }));
}

// -- sizes ---------------------------------------------------------------------

test("ResultBackend.setChordSize() stores and publishes the size with the expiry of results (test_set_chord_size)", async () => {
  await using fixture = await start({ expires: 100 });
  await using listener = await fixture.redis.client();
  await listener.send("SUBSCRIBE", `${KEY}.s`);
  await fixture.backend.setChordSize("g", 3);
  assertEquals(await fixture.client.send("GET", `${KEY}.s`), "3");
  assertEquals(await fixture.keys(), { ".s": 100 });
  assertEquals((await listener.messages.next()).payload, "3");
  await fixture.another({ expires: null }).setChordSize("g", 4);
  assertEquals(await fixture.client.send("GET", `${KEY}.s`), "4");
  assertEquals(await fixture.keys(), { ".s": -1 });
});

test("ResultBackend.addToChord() adds to the count without an expiry, as Celery does (test_add_to_chord)", async () => {
  await using fixture = await start();
  await fixture.backend.addToChord("g");
  await fixture.backend.addToChord("g", 2);
  assertEquals(await fixture.client.send("GET", `${KEY}.t`), "3");
  assertEquals(await fixture.keys(), { ".t": -1 });
});

test("ResultBackend.addToChord() is not sent again after a lost reply, and explains the uncertainty", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, QUICK);
  for (const lost of ["command", "reply"]) {
    await backend.exists("t");
    using hold = lost === "reply"
      ? proxy.holdReply("INCRBY")
      : proxy.hold("INCRBY");
    const added = assertRejects(
      () => backend.addToChord("g"),
      ChordError,
      "It may or may not have been added",
    );
    await hold.reached;
    proxy.reset();
    hold.release();
    const error = await added;
    assertInstanceOf(error.cause, RedisConnectionError);
    assertEquals(error.groupId, "g");
  }
  assertEquals(proxy.commands.get("INCRBY"), 2);
  assertEquals(await fixture.client.send("GET", `${KEY}.t`), "1");
});

test("ResultBackend.addToChord() waits for a connection like any other call", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, {
    reconnect: { minTimeout: 1, maxTimeout: 10 },
    retry: { minTimeout: 1, maxTimeout: 10, maxAttempts: 1000 },
  });
  const status = inboxOf(backend.status());
  await proxy.refuse();
  const added = backend.addToChord("g");
  await status.until(({ type }) => type === "retrying");
  await proxy.accept();
  await added;
  assertEquals(await fixture.client.send("GET", `${KEY}.t`), "1");
});

// -- parts ---------------------------------------------------------------------

test("ResultBackend.chordPartReturn() does nothing without a task or a group (test_on_chord_part_return_no_gid_or_tid)", async () => {
  await using fixture = await start();
  for (
    const request of [
      { taskId: "t" },
      { taskId: "t", groupId: null },
      { taskId: "t", groupId: "" },
      { taskId: "", groupId: "g" },
    ]
  ) {
    const outcome = await fixture.backend.chordPartReturn(
      request,
      "SUCCESS",
      1,
      fixture.completions,
    );
    assertEquals(outcome, { type: "ignored" });
  }
  assertEquals(await fixture.client.send("DBSIZE"), 0);
});

test("ResultBackend.chordPartReturn() orders parts by their index, and calls onComplete with the last one (test_on_chord_part_return__ordered)", async () => {
  await using fixture = await start({ expires: 100 });
  await fixture.backend.setChordSize("g", 3);
  assertEquals(await fixture.part(2, "c"), {
    type: "waiting",
    count: 1,
    size: 3,
  });
  assertEquals(await fixture.part(0, [1, null]), {
    type: "waiting",
    count: 2,
    size: 3,
  });
  assertEquals(await fixture.parts(), [
    '[1, "task-0", "SUCCESS", [1, null]]',
    '[1, "task-2", "SUCCESS", "c"]',
  ]);
  assertEquals(await fixture.keys(), { ".j": 100, ".s": 100 });
  assertEquals(fixture.completions.values, []);
  assertEquals(await fixture.part(1, { b: 2n ** 70n }), {
    type: "completed",
    count: 3,
    size: 3,
    cleanupError: null,
  });
  assertEquals(fixture.completions.values, [[
    [1, null],
    { b: 2n ** 70n },
    "c",
  ]]);
  const [info] = fixture.completions.infos;
  assertEquals(info, {
    groupId: "g",
    chord: bodyOf("g"),
    bodyId: BODY,
    claim: info!.claim,
  });
  // Late parts find the claim.
  assertEquals(await fixture.keys(), { ".c": 100 });
  assertEquals(await fixture.part(1, "late"), {
    type: "claimed",
    claim: "done",
  });
  assertEquals(await fixture.keys(), { ".c": 100 });
  assertEquals(await fixture.backend.exists(BODY), false);
});

test("ResultBackend.chordPartReturn() puts parts without an index last", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 2);
  const request = { taskId: "nowhere", groupId: "g", groupIndex: null };
  await fixture.backend.chordPartReturn(
    request,
    "SUCCESS",
    "last",
    fixture.completions,
  );
  await fixture.part(7, "first");
  assertEquals(fixture.completions.values, [["first", "last"]]);
  assertEquals(fixture.completions.infos[0]?.bodyId, BODY);
});

test("ResultBackend.chordPartReturn() keeps parts in a list with chordOrdered: false (test_on_chord_part_return__unordered)", async () => {
  await using fixture = await start({ expires: 100, chordOrdered: false });
  await fixture.backend.setChordSize("g", 2);
  await fixture.part(1, "b");
  assertEquals(await fixture.client.send("LRANGE", `${KEY}.j`, 0, -1), [
    '[1, "task-1", "SUCCESS", "b"]',
  ]);
  assertEquals(await fixture.keys(), { ".j": 100, ".s": 100 });
  assertEquals((await fixture.part(0, "a")).type, "completed");
  assertEquals(fixture.completions.values, [["b", "a"]]);
  assertEquals(await fixture.keys(), { ".c": 100 });
});

for (const chordOrdered of [true, false]) {
  const kind = chordOrdered ? "sorted set" : "list";
  test(`ResultBackend.chordPartReturn() sets no expiry where results have none: ${kind} (test_on_chord_part_return_no_expiry, _expire_set_to_zero)`, async () => {
    await using fixture = await start({ expires: null, chordOrdered });
    await fixture.backend.setChordSize("g", 2);
    await fixture.backend.addToChord("g", 1);
    await fixture.part(0);
    assertEquals(await fixture.keys(), { ".j": -1, ".t": -1, ".s": -1 });
    await fixture.part(1);
    await fixture.part(2);
    assertEquals(fixture.completions.values.length, 1);
    // A claim always expires.
    assertEquals(await fixture.keys(), { ".c": 86_400 });
  });

  test(`ResultBackend.chordPartReturn() counts a part once that is returned again: ${kind}`, async () => {
    await using fixture = await start({ chordOrdered });
    await fixture.backend.setChordSize("g", 2);
    for (let i = 0; i < 3; i++) {
      assertEquals(await fixture.part(0, "same"), {
        type: "waiting",
        count: 1,
        size: 2,
      });
    }
    assertEquals((await fixture.part(1)).type, "completed");
    assertEquals(fixture.completions.values, [["same", 1]]);
  });
}

test("ResultBackend.chordPartReturn() keeps the SUCCESS of a task that ran twice, and replaces any other part of it", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 4);
  await fixture.part(0, new Error("first run"), "FAILURE");
  // Tasks of a group within the header may have the same index.
  await fixture.client.send(
    "ZADD",
    `${KEY}.j`,
    0,
    '[1, "other", "SUCCESS", 1]',
  );
  await fixture.client.send("ZADD", `${KEY}.j`, 0, "unreadable");
  const waiting = { type: "waiting", count: 3, size: 4 } as const;
  assertEquals(await fixture.part(0, "second run"), waiting);
  const parts = [
    '[1, "other", "SUCCESS", 1]',
    '[1, "task-0", "SUCCESS", "second run"]',
    "unreadable",
  ];
  assertEquals(await fixture.parts(), parts);
  assertEquals(await fixture.part(0, "third run"), waiting);
  assertEquals(await fixture.part(0, "x", "FAILURE"), waiting);
  assertEquals(await fixture.parts(), parts);
});

test("ResultBackend.chordPartReturn() corrects what Celery counted twice", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 2);
  for (const result of ["1", "2"]) {
    const part = `[1, "task-0", "SUCCESS", ${result}]`;
    await fixture.client.send("ZADD", `${KEY}.j`, 0, part);
  }
  assertEquals((await fixture.part(0, 3)).type, "waiting");
  assertEquals(await fixture.parts(), ['[1, "task-0", "SUCCESS", 1]']);
});

test("ResultBackend.chordPartReturn() reads again if the parts at its index change in between", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, QUICK);
  await fixture.backend.setChordSize("g", 3);
  await fixture.client.send(
    "ZADD",
    `${KEY}.j`,
    0,
    '[1, "other", "SUCCESS", 1]',
  );
  using hold = proxy.holdReply("EVALSHA");
  const counted = fixture.part(0, "new", "SUCCESS", backend);
  await hold.reached;
  await fixture.part(0, "failed", "FAILURE");
  hold.release();
  assertEquals(await counted, { type: "waiting", count: 2, size: 3 });
  assertEquals(await fixture.parts(), [
    '[1, "other", "SUCCESS", 1]',
    '[1, "task-0", "SUCCESS", "new"]',
  ]);
});

test("ResultBackend.chordPartReturn() reports a chord without a size, and reads the one that old senders put into the signature", async () => {
  await using fixture = await start();
  assertEquals(await fixture.part(0), { type: "sizeUnknown", count: 1 });
  assertEquals(await fixture.part(1), { type: "sizeUnknown", count: 2 });
  assertEquals(fixture.completions.values, []);
  const chord = { ...bodyOf("g"), chord_size: 2 };
  const outcome = await fixture.backend.chordPartReturn(
    { ...requestsOf(2, "g")[1]!, chord },
    "SUCCESS",
    1,
    fixture.completions,
  );
  assertEquals(outcome.type, "completed");
  assertEquals(fixture.completions.values, [[0, 1]]);
});

test("ResultBackend.chordPartReturn() waits for the parts that addToChord() announced", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 1);
  await fixture.backend.addToChord("g");
  await fixture.backend.addToChord("g");
  assertEquals(await fixture.part(0), { type: "waiting", count: 1, size: 3 });
  await fixture.part(1);
  assertEquals((await fixture.part(2)).type, "completed");
  assertEquals(fixture.completions.values, [[0, 1, 2]]);
  assertEquals(await fixture.keys(), { ".c": 86_400 });
});

test("ResultBackend.chordPartReturn() does not complete a chord that has more parts than its size", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 1);
  await fixture.client.send("ZADD", `${KEY}.j`, 5, '[1, "x", "SUCCESS", 1]');
  assertEquals(await fixture.part(0), { type: "waiting", count: 2, size: 1 });
});

test("ResultBackend.chordPartReturn() fails if the parts are in the other kind of collection", async () => {
  await using fixture = await start();
  const list = fixture.another({ chordOrdered: false });
  for (
    const [first, second] of [[fixture.backend, list], [list, fixture.backend]]
  ) {
    await fixture.client.send("FLUSHALL");
    await fixture.part(0, 0, "SUCCESS", first);
    const error = await assertRejects(
      () => fixture.part(1, 0, "SUCCESS", second),
      ChordError,
      "chordOrdered",
    );
    assertStringIncludes(error.message, "result_chord_ordered");
    assertEquals((error.cause as RedisError).code, "WRONGTYPE");
  }
});

test("ResultBackend.chordPartReturn() rejects invalid arguments before sending anything", async () => {
  await using fixture = await start();
  const { backend, completions } = fixture;
  const [request] = requestsOf(1, "g");
  for (
    const [wrong, words] of [
      [{ taskId: "\ud800" }, "task id"],
      [{ groupId: "\ud800" }, "group id"],
      [{ groupIndex: -1 }, "-1 as the groupIndex"],
      [{ groupIndex: 0.5 }, "0.5 as the groupIndex"],
    ] as const
  ) {
    await assertRejects(
      () =>
        backend.chordPartReturn(
          { ...request!, ...wrong },
          "SUCCESS",
          1,
          completions,
        ),
      TypeError,
      words,
    );
  }
  for (const claim of ["", "done", "\ud800"]) {
    await assertRejects(
      () =>
        backend.chordPartReturn(request!, "SUCCESS", 1, {
          ...completions,
          claim,
        }),
      TypeError,
      "as a claim",
    );
  }
  await assertRejects(() => fixture.part(0, 0, ""), ChordError, "state");
  await assertRejects(
    () => fixture.part(0, 0, "success"),
    ChordError,
    'its state is "success", did you mean "SUCCESS"?',
  );
  await assertRejects(
    () => fixture.part(0, new Map()),
    ChordError,
    "Cannot encode a Map at part[3]",
  );
  await assertRejects(
    () =>
      fixture.part(0, "x", "SUCCESS", fixture.another({ maxResultBytes: 9 })),
    ChordError,
    "Redis accepts at most 9",
  );
  await assertRejects(
    () =>
      backend.chordPartReturn(request!, "SUCCESS", 1, {
        onComplete: null as never,
      }),
    TypeError,
    "onComplete",
  );
  await assertRejects(() => backend.setChordSize("g", -1), TypeError, "-1");
  await assertRejects(() => backend.setChordSize("", 1), TypeError, "group id");
  await assertRejects(() => backend.addToChord("g", 0), TypeError, "from 1");
  assertEquals(await fixture.client.send("DBSIZE"), 0);
});

test("ResultBackend.chordPartReturn() names the key that does not hold a number", async () => {
  await using fixture = await start();
  await fixture.client.send("SET", `${KEY}.s`, "many");
  await assertRejects(
    () => fixture.part(0),
    ChordError,
    `${KEY}.s holds "many"`,
  );
});

// -- chords that fail ------------------------------------------------------------

test("ResultBackend.chordPartReturn() fails the body if a part failed, and keeps the keys (test_on_chord_part_return__ChordError)", async () => {
  await using fixture = await start({ expires: 100 });
  await fixture.backend.setChordSize("g", 3);
  await fixture.part(0);
  await fixture.part(1, {
    excType: "ValueError",
    excModule: "builtins",
    excArgs: ["it's", 1, null],
  }, "FAILURE");
  const outcome = await fixture.part(2, "revoked", "REVOKED");
  if (outcome.type !== "failed") throw new Error(outcome.type);
  const message = `Dependency task-1 raised ValueError("it's", 1, None)`;
  assertEquals(outcome.error.message, message);
  assertEquals(outcome.error.taskId, "task-1");
  assertInstanceOf(outcome.error.cause, TaskError);
  assertEquals([outcome.values, outcome.cleanupError], [null, null]);
  assertEquals(fixture.completions.values, []);
  const body = await fixture.backend.getMeta(BODY);
  if (body.state !== "FAILURE") throw new Error(body.state);
  assertEquals(body.result, {
    excType: "ChordError",
    excModule: "celery.exceptions",
    excArgs: [message],
    message,
  });
  assertStringIncludes(body.traceback ?? "", message);
  assertEquals(await fixture.keys(), { ".j": 100, ".s": 100, ".c": 100 });
  assertEquals(await fixture.part(1, "again"), {
    type: "claimed",
    claim: "done",
  });
});

test("ResultBackend.chordPartReturn() accepts every exception that markAsFailure() does", async () => {
  await using fixture = await start();
  const cases: [ResultBackendOptions, unknown][] = [
    [{ jsonTypes: "plain" }, new Uint8Array([1, 2])],
    [{ serializer: "msgpack" }, 2n ** 70n],
    [{ serializer: "msgpack" }, "half a pair: \ud800"],
  ];
  for (const [index, [options, argument]] of cases.entries()) {
    const backend = fixture.another(options);
    const [request] = requestsOf(1, `group-${index}`);
    const failure = { excType: "ValueError", excArgs: [argument] };
    await backend.setChordSize(`group-${index}`, 1);
    await backend.markAsFailure("task-0", failure);
    const outcome = await backend.chordPartReturn(
      request!,
      "FAILURE",
      failure,
      fixture.completions,
    );
    assertEquals(outcome.type, "failed");
    const body = await backend.getMeta(`body-of-group-${index}`);
    assertEquals(body.state, "FAILURE");
  }
});

test("the keys of a failed chord expire, even if results do not", async () => {
  await using fixture = await start({ expires: null });
  await fixture.backend.setChordSize("g", 1);
  await fixture.part(0, null, "FAILURE");
  const day = 86_400;
  assertEquals(await fixture.keys(), { ".j": day, ".s": day, ".c": day });
});

test("a part in state RETRY does not fail a chord (test_unpack_chord_result)", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 2);
  await fixture.part(0, null, "RETRY");
  await fixture.part(1, new TypeError("x"), "RETRY");
  assertEquals(fixture.completions.values, [[null, {
    excType: "TypeError",
    excModule: null,
    excArgs: ["x"],
    message: "x",
  }]]);
});

test("ResultBackend.chordPartReturn() fails the body if onComplete throws, and deletes the keys (test_on_chord_part_return__callback_raises)", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 1);
  const cause = new TypeError("no broker");
  fixture.completions.onCall = () => Promise.reject(cause);
  const outcome = await fixture.part(0);
  if (outcome.type !== "failed") throw new Error(outcome.type);
  const message = "Callback error: TypeError('no broker')";
  assertEquals(outcome.error.message, message);
  assertStrictEquals(outcome.error.cause, cause);
  assertEquals(outcome.values, [0]);
  const body = await fixture.backend.getMeta(BODY);
  assertEquals([body.state, body.ready], ["FAILURE", true]);
  assertEquals(await fixture.keys(), { ".c": 86_400 });
  assertEquals((await fixture.part(0)).type, "claimed");
  assertEquals(fixture.completions.values.length, 1);
});

test("ResultBackend.chordPartReturn() fails the body if a part is invalid (test_on_chord_part_return__other_error)", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 2);
  await fixture.client.send("ZADD", `${KEY}.j`, 5, '{"not": "a part"}');
  const outcome = await fixture.part(0);
  if (outcome.type !== "failed") throw new Error(outcome.type);
  assertStringIncludes(outcome.error.message, "Join error: TypeError(");
});

test("ResultBackend.chordPartReturn() reports the failure of a chord whose body has no id", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 1);
  for (const chord of [null, {}, { options: null }, { options: {} }]) {
    await fixture.client.send("DEL", `${KEY}.c`);
    const outcome = await fixture.backend.chordPartReturn(
      { taskId: "t", groupId: "g", groupIndex: 0, chord },
      "REVOKED",
      "terminated",
      fixture.completions,
    );
    assertEquals(outcome.type, "failed");
    // The parts, the size, the claim.
    assertEquals(await fixture.client.send("DBSIZE"), 3);
  }
});

// -- saved groups ------------------------------------------------------------------

/** Completes a chord of one part whose header is a saved group. */
async function joining(
  fixture: Fixture,
  join: SavedGroup["join"],
): Promise<ChordOutcome> {
  await fixture.client.send("FLUSHALL");
  await using saved = new ChordFixture(fixture.redis.url, {
    chordJoinTimeout: 1234,
    restoreGroup: (groupId) =>
      Promise.resolve(groupId === "g" ? { join } : null),
  });
  await saved.chords.setSize("g", 1, {});
  const [request] = requestsOf(1, "g");
  return await saved.chords.partReturn(
    request!,
    "SUCCESS",
    "part",
    fixture.completions,
  );
}

test("a chord whose header was saved as a group gets the group's results", async () => {
  await using fixture = await start();
  const timeouts: number[] = [];
  const outcome = await joining(fixture, ({ timeout, propagate }) => {
    assertEquals(propagate, true);
    timeouts.push(timeout);
    return Promise.resolve([1, [2, 3]]);
  });
  assertEquals(outcome.type, "completed");
  assertEquals(timeouts, [1234]);
  assertEquals(fixture.completions.values, [[1, [2, 3]]]);
});

test("a chord fails if its saved group does not join (test_on_chord_part_return_timeout)", async () => {
  await using fixture = await start();
  const failure = {
    excType: "KeyError",
    excModule: "builtins",
    excArgs: ["x"],
    message: "x",
  };
  const task = { taskId: "t", state: "FAILURE", traceback: null };
  for (
    const [error, message] of [
      [new TaskError({ ...task, ...failure }), "Join error: KeyError('x')"],
      [
        new ResultTimeoutError("t", 1234, undefined, undefined),
        "Join error: ResultTimeoutError('Task t has no outcome after 1234 ms",
      ],
    ] as const
  ) {
    const outcome = await joining(fixture, () => Promise.reject(error));
    if (outcome.type !== "failed") throw new Error(outcome.type);
    assertStringIncludes(outcome.error.message, message);
    assertStrictEquals(outcome.error.cause, error);
    assertEquals(outcome.error.taskId, error instanceof TaskError ? "t" : null);
    const body = await fixture.backend.getMeta(BODY);
    assertEquals(body.state, "FAILURE");
  }
  assertEquals(fixture.completions.values, []);
});

test("a chord does not fail if Redis does while its saved group joins", async () => {
  await using fixture = await start();
  const lost = new RedisConnectionError("lost");
  for (
    const error of [
      lost,
      new RedisError("NOPERM no"),
      new BackendGetMetaError("failed", "t", { cause: lost }),
      new ResultTimeoutError("t", 1234, undefined, lost),
    ]
  ) {
    const stopped = await assertRejects(
      () => joining(fixture, () => Promise.reject(error)),
      ChordError,
      "continues where this one stopped",
    );
    assertStrictEquals(stopped.cause, error);
    assertEquals(await fixture.client.send("GET", `${KEY}.c`), stopped.claim);
    assertEquals(await fixture.backend.exists(BODY), false);
    const [request] = requestsOf(1, "g");
    const resumed = await fixture.backend.chordPartReturn(
      request!,
      "SUCCESS",
      "part",
      { ...fixture.completions, claim: stopped.claim! },
    );
    assertEquals(resumed.type, "completed");
  }
  assertEquals(fixture.completions.values.length, 4);
});

// -- once ----------------------------------------------------------------------------

test("exactly one of many workers that return the same parts completes the chord", async () => {
  await using fixture = await start();
  const backends = Array.from({ length: 5 }, () => fixture.another());
  for (let round = 0; round < 10; round++) {
    const group = `g${round}`;
    await fixture.backend.setChordSize(group, 4);
    const outcomes = await Promise.all(
      backends.flatMap((backend) =>
        requestsOf(4, group).map((request, index) =>
          backend.chordPartReturn(
            request,
            "SUCCESS",
            index,
            fixture.completions,
          )
        )
      ),
    );
    const completed = outcomes.filter(({ type }) => type === "completed");
    assertEquals(completed.length, 1);
    assertEquals(fixture.completions.values.length, round + 1);
    assertEquals(fixture.completions.values[round], [0, 1, 2, 3]);
  }
});

test("only a call with the claim completes a claimed chord", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 2);
  await fixture.part(0);
  await fixture.client.send("SET", `${KEY}.c`, "somebody");
  // Nothing more is added.
  assertEquals(await fixture.part(1), { type: "claimed", claim: "somebody" });
  assertEquals(await fixture.client.send("ZCARD", `${KEY}.j`), 1);
  // Celery counted one twice since, but the chord was complete when claimed.
  for (const index of [5, 6]) {
    const part = `[1, "x", "SUCCESS", ${index}]`;
    await fixture.client.send("ZADD", `${KEY}.j`, index, part);
  }
  const outcome = await fixture.backend.chordPartReturn(
    requestsOf(2, "g")[1]!,
    "SUCCESS",
    1,
    { ...fixture.completions, claim: "somebody" },
  );
  assertEquals(outcome.type, "completed");
  assertEquals(await fixture.client.send("GET", `${KEY}.c`), "done");
});

test("a chord that a Celery worker completes first is not completed again", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, QUICK);
  await fixture.backend.setChordSize("g", 1);
  using hold = proxy.hold("ZRANGE");
  const returned = fixture.part(0, 0, "SUCCESS", backend);
  await hold.reached;
  await fixture.client.send("DEL", `${KEY}.j`, `${KEY}.t`, `${KEY}.s`);
  hold.release();
  assertEquals(await returned, { type: "claimed", claim: "done" });
  assertEquals(fixture.completions.values, []);
  assertEquals(await fixture.client.send("GET", `${KEY}.c`), "done");
});

test("a chord whose last parts are lost in a failover has not ended", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, QUICK);
  await fixture.backend.setChordSize("g", 2);
  await fixture.part(0);
  using hold = proxy.hold("ZRANGE");
  const returned = assertRejects(
    () => fixture.part(1, 1, "SUCCESS", backend),
    ChordError,
    "Redis has 1 of its 2 parts",
  );
  await hold.reached;
  // The state of a replica that was promoted without the last write.
  await fixture.client.send("ZREMRANGEBYRANK", `${KEY}.j`, -1, -1);
  hold.release();
  const { claim } = await returned;
  assertEquals(fixture.completions.values, []);
  assertEquals(await fixture.backend.exists(BODY), false);
  const [, request] = requestsOf(2, "g");
  const resumed = await backend.chordPartReturn(request!, "SUCCESS", 1, {
    ...fixture.completions,
    claim: claim!,
  });
  assertEquals(resumed.type, "completed");
  assertEquals(fixture.completions.values, [[0, 1]]);
});

test("a chord all of whose parts are lost in a failover has not ended", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, QUICK);
  await fixture.backend.setChordSize("g", 1);
  using hold = proxy.hold("ZRANGE");
  const returned = assertRejects(
    () => fixture.part(0, 0, "SUCCESS", backend),
    ChordError,
    "Redis has 0 of its 1 parts",
  );
  await hold.reached;
  // The state of a replica that was promoted without the part.
  await fixture.client.send("DEL", `${KEY}.j`);
  hold.release();
  const { claim } = await returned;
  assertEquals(fixture.completions.values, []);
  assertEquals(await fixture.client.send("GET", `${KEY}.c`), claim);
  const resumed = await backend.chordPartReturn(
    requestsOf(1, "g")[0]!,
    "SUCCESS",
    0,
    { ...fixture.completions, claim: claim! },
  );
  assertEquals(resumed.type, "completed");
  assertEquals(fixture.completions.values, [[0]]);
});

test("a chord whose size is only in the signature has ended if it has no parts", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, QUICK);
  using hold = proxy.hold("ZRANGE");
  const returned = backend.chordPartReturn(
    {
      ...requestsOf(1, "g")[0]!,
      chord: { ...bodyOf("g"), chord_size: 1 },
    },
    "SUCCESS",
    0,
    fixture.completions,
  );
  await hold.reached;
  await fixture.client.send("DEL", `${KEY}.j`);
  hold.release();
  assertEquals(await returned, { type: "claimed", claim: "done" });
  assertEquals(fixture.completions.values, []);
});

/** The commands that complete a chord, by name and one argument. */
const COMMANDS: [command: string, argument: string, skip: number][] = [
  ["EVALSHA", `${KEY}.j`, 0],
  ["SET", `${KEY}.c`, 0],
  ["EXEC", "", 0],
  ["GET", KEY, 0],
  ["ZRANGE", `${KEY}.j`, 0],
  ["DEL", `${KEY}.j`, 0],
  ["SET", `${KEY}.c`, 1],
  ["EXEC", "", 1],
];

for (const [command, argument, skip] of COMMANDS) {
  for (const isReply of [false, true]) {
    const what = `${isReply ? "the reply to " : ""}${command} ${argument}` +
      (skip > 0 ? ` (${skip + 1})` : "");
    test(`a chord completes once where the connection dies with ${what}`, async () => {
      await using fixture = await start();
      await using proxy = await FaultProxy.start(fixture.redis.url);
      await using backend = new ResultBackend(proxy.url, QUICK);
      await fixture.backend.setChordSize("g", 2);
      // Caches the script, so that the first EVALSHA succeeds.
      await fixture.part(0);
      const options = { skip, ...(argument === "" ? {} : { argument }) };
      using hold = isReply
        ? proxy.holdReply(command, options)
        : proxy.hold(command, options);
      const returned = fixture.part(1, 1, "SUCCESS", backend);
      await hold.reached;
      proxy.reset();
      hold.release();
      assertEquals(await returned, {
        type: "completed",
        count: 2,
        size: 2,
        cleanupError: null,
      });
      assertEquals(fixture.completions.values, [[0, 1]]);
      assertEquals(await fixture.keys(), { ".c": 86_400 });
      assertEquals(await fixture.client.send("GET", `${KEY}.c`), "done");
    });
  }
}

test("a list counts a part once if its reply was lost", async () => {
  await using fixture = await start({ chordOrdered: false });
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, {
    ...QUICK,
    chordOrdered: false,
  });
  await fixture.backend.setChordSize("g", 2);
  await fixture.part(0);
  using hold = proxy.holdReply("EVALSHA");
  const returned = fixture.part(1, 1, "SUCCESS", backend);
  await hold.reached;
  proxy.reset();
  hold.release();
  assertEquals((await returned).type, "completed");
  assertEquals(fixture.completions.values, [[0, 1]]);
});

for (
  const [command, isClaimed] of [["EVALSHA", false], ["EXEC", true], [
    "ZRANGE",
    true,
  ]] as const
) {
  test(`a call that gives up at ${command} says so, and its claim lets another go on`, async () => {
    await using fixture = await start();
    await using proxy = await FaultProxy.start(fixture.redis.url);
    await using backend = new ResultBackend(proxy.url, {
      ...QUICK,
      retry: { maxAttempts: 1 },
    });
    await fixture.backend.setChordSize("g", 1);
    await backend.exists("t");
    using hold = proxy.holdReply(command);
    const returned = assertRejects(
      () => fixture.part(0, 0, "SUCCESS", backend),
      ChordError,
    );
    await hold.reached;
    proxy.reset();
    hold.release();
    const { claim, cause } = await returned;
    assertInstanceOf(cause, RedisConnectionError);
    assertEquals(claim !== null, isClaimed);
    if (isClaimed) {
      assertEquals(await fixture.part(0), { type: "claimed", claim: claim! });
    }
    assertEquals(fixture.completions.values, []);
    const resumed = await backend.chordPartReturn(
      requestsOf(1, "g")[0]!,
      "SUCCESS",
      0,
      { ...fixture.completions, ...(isClaimed ? { claim: claim! } : {}) },
    );
    assertEquals(resumed.type, "completed");
    assertEquals(fixture.completions.values, [[0]]);
  });
}

test("after a failure that cannot be stored, a call with its claim continues", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, {
    ...QUICK,
    retry: { maxAttempts: 1 },
  });
  await fixture.backend.setChordSize("g", 1);
  await backend.exists("t");
  // The first adds the part, the second stores the failure.
  using hold = proxy.hold("EVALSHA", { skip: 1 });
  const returned = assertRejects(
    () => fixture.part(0, "x", "FAILURE", backend),
    ChordError,
    "Failed to complete chord g",
  );
  await hold.reached;
  proxy.reset();
  hold.release();
  const { claim } = await returned;
  const resumed = await backend.chordPartReturn(
    requestsOf(1, "g")[0]!,
    "FAILURE",
    "x",
    { ...fixture.completions, claim: claim! },
  );
  assertEquals(resumed.type, "failed");
  assertEquals((await fixture.backend.getMeta(BODY)).state, "FAILURE");
});

test("a chord whose keys cannot be deleted has completed all the same", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, {
    ...QUICK,
    retry: { maxAttempts: 1 },
  });
  await fixture.backend.setChordSize("g", 1);
  using hold = proxy.hold("DEL");
  const returned = fixture.part(0, 0, "SUCCESS", backend);
  await hold.reached;
  proxy.reset();
  hold.release();
  const outcome = await returned;
  if (outcome.type !== "completed") throw new Error(outcome.type);
  assertInstanceOf(outcome.cleanupError, RedisConnectionError);
  // Returning the part again is harmless.
  assertEquals((await fixture.part(0)).type, "claimed");
  assertEquals(fixture.completions.values, [[0]]);
});

// -- signals -----------------------------------------------------------------------

test("ResultBackend.chordPartReturn() rejects with its signal's reason, before and while it waits", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  await using backend = new ResultBackend(proxy.url, QUICK);
  await fixture.backend.setChordSize("g", 1);
  const reason = new Error("enough");
  const [request] = requestsOf(1, "g");
  await assertRejects(() =>
    backend.chordPartReturn(request!, "SUCCESS", 1, {
      ...fixture.completions,
      signal: AbortSignal.abort(reason),
    })
  );
  assertEquals(proxy.accepted, 0);
  for (const command of ["EVALSHA", "EXEC", "ZRANGE"]) {
    const controller = new AbortController();
    using hold = proxy.hold(command);
    const ended = assertRejects(() =>
      backend.chordPartReturn(request!, "SUCCESS", 1, {
        ...fixture.completions,
        claim: "mine",
        signal: controller.signal,
      })
    );
    await hold.reached;
    controller.abort(reason);
    assertStrictEquals(await ended, reason);
    hold.release();
  }
  assertEquals(fixture.completions.values, []);
  const resumed = await backend.chordPartReturn(request!, "SUCCESS", 1, {
    ...fixture.completions,
    claim: "mine",
  });
  assertEquals(resumed.type, "completed");
});

test("an onComplete that rejects with the signal's reason does not fail the chord", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 1);
  const controller = new AbortController();
  const reason = new Error("shutting down");
  const [request] = requestsOf(1, "g");
  const options = { ...fixture.completions, claim: "mine" };
  fixture.completions.onCall = () => {
    controller.abort(reason);
    controller.signal.throwIfAborted();
  };
  const error = await assertRejects(() =>
    // Without a body, there is no store that the signal could stop.
    fixture.backend.chordPartReturn(
      { ...request!, chord: null },
      "SUCCESS",
      1,
      {
        ...options,
        signal: controller.signal,
      },
    )
  );
  assertStrictEquals(error, reason);
  assertEquals(await fixture.backend.exists(BODY), false);
  assertEquals(await fixture.part(0), { type: "claimed", claim: "mine" });
  fixture.completions.onCall = () => {};
  const resumed = await fixture.backend.chordPartReturn(
    request!,
    "SUCCESS",
    1,
    options,
  );
  assertEquals(resumed.type, "completed");
  assertEquals(fixture.completions.values.length, 2);
});

test("a chord's keys are deleted even if its caller aborts", async () => {
  await using fixture = await start();
  await fixture.backend.setChordSize("g", 1);
  const controller = new AbortController();
  fixture.completions.onCall = () => controller.abort();
  const [request] = requestsOf(1, "g");
  const outcome = await fixture.backend.chordPartReturn(
    request!,
    "SUCCESS",
    1,
    {
      ...fixture.completions,
      signal: controller.signal,
    },
  );
  if (outcome.type !== "completed") throw new Error(outcome.type);
  assertStrictEquals(outcome.cleanupError, controller.signal.reason);
  // The calls in flight finish.
  await fixture.backend.close();
  assertEquals(await fixture.keys(), { ".c": 86_400 });
});

// -- permissions ---------------------------------------------------------------------

/** The permissions that chords need beyond those for storing results. */
const CHORD_ACL = [
  ...["~celery-task-meta-*", "&celery-task-meta-*"],
  ...["~celery-taskset-meta-*", "&celery-taskset-meta-*"],
  ...["+ping", "+get", "+set", "+setex", "+publish", "+del"],
  ...["+getrange", "+multi", "+exec", "+incrby", "+expire"],
  ...["+zadd", "+zcount", "+zrange", "+rpush", "+lrem", "+lrange"],
];
const SCRIPT_ACL = [
  ...["+eval", "+evalsha", "+zscore", "+zrangebyscore", "+zrem"],
];

async function limited(
  fixture: Fixture,
  rules: readonly string[],
  options: ResultBackendOptions = {},
): Promise<ResultBackend> {
  const user = `user-${crypto.randomUUID()}`;
  await fixture.client.send("ACL", "SETUSER", user, "on", ">secret", ...rules);
  const url = `redis://${user}:secret@127.0.0.1:${fixture.redis.port}/0`;
  return fixture.use(new ResultBackend(url, { ...QUICK, ...options }));
}

for (const chordOrdered of [true, false]) {
  const kind = chordOrdered ? "sorted set" : "list";
  test(`these commands, keys and channels are enough for chords: ${kind}`, async () => {
    await using fixture = await start();
    const backend = await limited(fixture, [...CHORD_ACL, ...SCRIPT_ACL], {
      chordOrdered,
    });
    const status = inboxOf(backend.status());
    await backend.setChordSize("g", 1);
    await backend.addToChord("g");
    await fixture.part(0, "x", "FAILURE", backend);
    await fixture.part(0, "y", "SUCCESS", backend);
    await fixture.part(1, 1, "SUCCESS", backend);
    if (chordOrdered) assertEquals(fixture.completions.values, [["y", 1]]);
    assertEquals(degradations(status.all), 0);
  });

  test(`where scripts are refused, Celery's own commands count, and status() says so once: ${kind}`, async () => {
    await using fixture = await start();
    const backend = await limited(fixture, CHORD_ACL, {
      chordOrdered,
      expires: 100,
    });
    const status = inboxOf(backend.status());
    await fixture.backend.setChordSize("g", 1);
    await fixture.backend.addToChord("g");
    for (let i = 0; i < 2; i++) {
      assertEquals(await fixture.part(0, 0, "SUCCESS", backend), {
        type: "waiting",
        count: 1,
        size: 2,
      });
    }
    assertEquals(await fixture.keys(), { ".j": 100, ".t": 100, ".s": 100 });
    assertEquals(
      (await fixture.part(1, 1, "SUCCESS", backend)).type,
      "completed",
    );
    assertEquals(fixture.completions.values, [[0, 1]]);
    assertEquals(await fixture.keys(), { ".c": 100 });
    assertEquals(await fixture.part(1, 1, "SUCCESS", backend), {
      type: "claimed",
      claim: "done",
    });
    // A late part starts no new count, which might never expire.
    assertEquals(await fixture.keys(), { ".c": 100 });
    assertEquals(degradations(status.all), 1);
  });
}

test("a user who lacks a permission gets the server's message at once", async () => {
  await using fixture = await start();
  const backend = await limited(
    fixture,
    [...CHORD_ACL, ...SCRIPT_ACL].filter((rule) => rule !== "+zadd"),
  );
  await backend.setChordSize("g", 1);
  const error = await assertRejects(
    () => fixture.part(0, 0, "SUCCESS", backend),
    RedisError,
  );
  assertNotEquals(error.message.indexOf("zadd"), -1);
  assertEquals(await fixture.client.send("EXISTS", `${KEY}.j`), 0);
});

function degradations(events: readonly StatusEvent[]): number {
  return events.filter(({ type }) => type === "degraded").length;
}
