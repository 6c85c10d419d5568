// Failures that reach the tasks that wait: the rest of the chain, and the chords
// that its tasks belong to.

import {
  BackendStoreError,
  ChordError,
  RedisConnectionError,
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
  type TaskRequest,
} from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { bodyOf, Completions, requestsOf } from "../support/chord_fixture.ts";
import type { Reply, TestClient } from "../support/client.ts";
import { needs } from "../support/needs.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";

/** For fault injection without long waits. */
const QUICK: ResultBackendOptions = {
  reconnect: { minTimeout: 1, maxTimeout: 10 },
  retry: { minTimeout: 1, maxTimeout: 10 },
};
/** The body of another chord, whose header contains the last task of the chain. */
const OUTER = bodyOf("outer");
/**
 * A task in the header of chord "g", with a chain behind it, of which the last
 * is in the header of chord "outer".
 */
const REQUEST: TaskRequest = {
  taskId: "first",
  groupId: "g",
  groupIndex: 0,
  chord: bodyOf("g"),
  chain: [
    {
      task: "tasks.add",
      options: { task_id: "third", group_id: "outer", chord: OUTER },
    },
    { task: "tasks.add", options: { task_id: "second" } },
  ],
};
/** Every task that waits for the first. */
const WAITING = ["second", "third", "body-of-g", "body-of-outer"];

/** A server, a client, a backend, and two chords of one part each. */
class Fixture extends AsyncDisposableStack {
  readonly redis: RedisServer;
  readonly client: TestClient;
  readonly backend: ResultBackend;

  constructor(redis: RedisServer, client: TestClient) {
    super();
    this.redis = this.use(redis);
    this.client = this.use(client);
    this.backend = this.another();
  }

  another(
    options: ResultBackendOptions = {},
    url = this.redis.url,
  ): ResultBackend {
    return this.use(new ResultBackend(url, { ...QUICK, ...options }));
  }

  /** The result of each of these tasks. */
  async states(ids: readonly string[] = WAITING): Promise<string[]> {
    const metas = await this.backend.getMetas(ids);
    return metas.map(({ state }) => state);
  }

  parts(groupId: string): Promise<Reply> {
    return this.client.send("ZCARD", `celery-taskset-meta-${groupId}.j`);
  }
}

async function start(): Promise<Fixture> {
  const redis = await startRedis();
  const fixture = new Fixture(redis, await redis.client());
  await fixture.backend.setChordSize("g", 1);
  await fixture.backend.setChordSize("outer", 1);
  return fixture;
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(needs("redis-server", { name, fn }));
}

const FAILED = WAITING.map(() => "FAILURE");

test("ResultBackend.markAsFailure() reaches nothing else without a request", async () => {
  await using fixture = await start();
  await fixture.client.send("FLUSHALL");
  await fixture.backend.markAsFailure("first", new Error("x"));
  assertEquals(await fixture.client.send("KEYS", "*"), [
    "celery-task-meta-first",
  ]);
});

test("ResultBackend.markAsFailure() with a request fails the chain and the chords, and may be called again", async () => {
  await using fixture = await start();
  const error = new RangeError("x");
  for (let i = 0; i < 2; i++) {
    const stored = await fixture.backend.markAsFailure("first", error, {
      request: REQUEST,
      worker: "here",
    });
    assertEquals(stored, true);
    assertEquals(await fixture.states(["first", ...WAITING]), [
      "FAILURE",
      ...FAILED,
    ]);
    assertEquals([await fixture.parts("g"), await fixture.parts("outer")], [
      1,
      1,
    ]);
  }
  const [first, third, body] = await fixture.backend.getMetas([
    "first",
    "third",
    "body-of-outer",
  ]);
  assertEquals([first!.groupId, first!.worker], ["g", "here"]);
  assertEquals([third!.groupId, third!.worker], ["outer", undefined]);
  assertEquals([third!.name, third!.result], ["tasks.add", first!.result]);
  assertEquals([first!.traceback, third!.traceback], [
    error.stack,
    error.stack,
  ]);
  // The part decides the failure of the body.
  assertEquals(
    (body!.result as { message: string }).message,
    "Dependency third raised RangeError('x')",
  );
});

test("ResultBackend.markAsRevoked() with a request revokes the chain", async () => {
  await using fixture = await start();
  await fixture.backend.markAsRevoked("first", "expired", { request: REQUEST });
  assertEquals(await fixture.states(["first", ...WAITING]), [
    "REVOKED",
    "REVOKED",
    "REVOKED",
    "FAILURE",
    "FAILURE",
  ]);
});

test("a failure returns no part if the request has no chord", async () => {
  await using fixture = await start();
  for (
    const request of [
      { ...REQUEST, chord: null, chain: null },
      { ...REQUEST, groupId: null, chain: undefined },
      { taskId: "first" },
    ]
  ) {
    await fixture.backend.markAsFailure("first", "x", {
      request: request as TaskRequest,
    });
  }
  assertEquals(await fixture.states(), WAITING.map(() => "PENDING"));
  assertEquals(await fixture.parts("g"), 0);
});

test("after an earlier SUCCESS, the rest of the chain is left alone and the part is returned", async () => {
  await using fixture = await start();
  await fixture.backend.markAsDone("first", 1);
  const stored = await fixture.backend.markAsFailure("first", "x", {
    request: REQUEST,
  });
  assertEquals(stored, false);
  assertEquals(await fixture.states(), [
    "PENDING",
    "PENDING",
    "FAILURE",
    "PENDING",
  ]);
});

test("a failure fails a chord that another run's part completed", async () => {
  await using fixture = await start();
  const { backend, client } = fixture;
  // Its worker died after the last part.
  await client.send(
    "ZADD",
    "celery-taskset-meta-g.j",
    0,
    '[1, "first", "SUCCESS", 1]',
  );
  await backend.markAsFailure("first", "x", { request: REQUEST });
  const body = await backend.getMeta("body-of-g");
  assertEquals(body.state, "FAILURE");
  assertEquals(
    (body.result as { message: string }).message,
    "A header task failed, yet every stored part is a success: that task must have run twice",
  );
});

test("ResultBackend.markAsFailure() rejects an invalid request before sending anything", async () => {
  await using fixture = await start();
  await fixture.client.send("FLUSHALL");
  for (
    const [request, words] of [
      [null, "request of task first"],
      ["first", "request of task first"],
      [{}, "whose taskId is the task's"],
      [{ taskId: "other" }, "whose taskId is the task's"],
      [{ taskId: "first", groupId: "\ud800" }, "group id"],
      [{ taskId: "first", groupIndex: -1 }, "-1 as the groupIndex"],
      [{ taskId: "first", chord: "body" }, "the request's chord"],
      [{ taskId: "first", chain: {} }, "the request's chain"],
      [{ taskId: "first", chain: ["second"] }, "the request's chain"],
    ] as const
  ) {
    await assertRejects(
      () =>
        fixture.backend.markAsFailure("first", "x", {
          request: request as never,
        }),
      TypeError,
      words,
    );
  }
  assertEquals(await fixture.client.send("DBSIZE"), 0);
});

// -- errors on the way ---------------------------------------------------------

/** A user who may store everything but one key. */
async function without(fixture: Fixture, key: string): Promise<ResultBackend> {
  const others = ["first", ...WAITING].map((id) => `celery-task-meta-${id}`)
    .filter((other) => other !== key);
  await fixture.client.send(
    ...["ACL", "SETUSER", "user", "reset", "on", ">secret", "+@all", "&*"],
    "~celery-taskset-meta-*",
    ...others.map((other) => `~${other}`),
  );
  const url = `redis://user:secret@127.0.0.1:${fixture.redis.port}/0`;
  return fixture.another({}, url);
}

for (const refused of ["first", "second", "third"]) {
  test(`what can be done is done where ${refused} cannot be stored`, async () => {
    await using fixture = await start();
    const backend = await without(fixture, `celery-task-meta-${refused}`);
    const error = new Error("x");
    await assertRejects(
      () => backend.markAsFailure("first", error, { request: REQUEST }),
      RedisError,
      "NOPERM",
    );
    const ids = ["first", ...WAITING];
    assertEquals(
      await fixture.states(ids),
      ids.map((id) => id === refused ? "PENDING" : "FAILURE"),
    );
    await fixture.backend.markAsFailure("first", error, { request: REQUEST });
    assertEquals(await fixture.states(), FAILED);
  });
}

test("the same call again completes a chord that it could not complete", async () => {
  await using fixture = await start();
  const backend = await without(fixture, "celery-task-meta-body-of-g");
  const error = new Error("x");
  const { claim } = await assertRejects(
    () => backend.markAsFailure("first", error, { request: REQUEST }),
    ChordError,
    "Failed to complete chord g",
  );
  assertEquals(claim, "failure of task first");
  assertEquals(await fixture.states(), [
    "FAILURE",
    "FAILURE",
    "PENDING",
    "FAILURE",
  ]);
  await fixture.backend.markAsFailure("first", error, { request: REQUEST });
  assertEquals(await fixture.states(), FAILED);
});

// The task's own, the two of the chain, two parts, two bodies.
for (let skip = 0; skip < 7; skip++) {
  for (const isReply of [false, true]) {
    const what = `${isReply ? "the reply to " : ""}script ${skip + 1}`;
    test(`a failure reaches all that waits where the connection dies with ${what}`, async () => {
      await using fixture = await start();
      await using proxy = await FaultProxy.start(fixture.redis.url);
      const backend = fixture.another({}, proxy.url);
      // Caches the scripts, so that each store or part is one EVALSHA.
      await fixture.backend.markAsStarted("other");
      await returnPart(fixture.backend, "other");
      using hold = isReply
        ? proxy.holdReply("EVALSHA", { skip })
        : proxy.hold("EVALSHA", { skip });
      const failed = backend.markAsFailure("first", new Error("x"), {
        request: REQUEST,
      });
      const tooFew = failed.then(() => {
        throw new Error("the call ended without that script");
      });
      await Promise.race([hold.reached, tooFew]);
      proxy.reset();
      hold.release();
      assertEquals(await failed, true);
      assertEquals(await fixture.states(), FAILED);
      assertEquals([await fixture.parts("g"), await fixture.parts("outer")], [
        1,
        1,
      ]);
    });
  }
}

test("the same call again stores a failure that was interrupted", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  const backend = fixture.another({ retry: { maxAttempts: 1 } }, proxy.url);
  await fixture.backend.markAsStarted("other");
  await backend.exists("first");
  const error = new Error("x");
  using hold = proxy.hold("EVALSHA");
  const failed = assertRejects(
    () => backend.markAsFailure("first", error, { request: REQUEST }),
    BackendStoreError,
    "Failed to store the result of task first as FAILURE",
  );
  await hold.reached;
  await proxy.refuse();
  proxy.reset();
  hold.release();
  assertInstanceOf((await failed).cause, RedisConnectionError);
  assertEquals(await fixture.states(), WAITING.map(() => "PENDING"));
  await proxy.accept();
  await backend.markAsFailure("first", error, { request: REQUEST });
  assertEquals(await fixture.states(), FAILED);
});

test("ResultBackend.markAsFailure() with a request rejects with its signal's reason", async () => {
  await using fixture = await start();
  await using proxy = await FaultProxy.start(fixture.redis.url);
  const backend = fixture.another({}, proxy.url);
  await fixture.backend.markAsStarted("other");
  const controller = new AbortController();
  using hold = proxy.hold("EVALSHA", { argument: "celery-task-meta-third" });
  const failed = backend.markAsFailure("first", "x", {
    request: REQUEST,
    signal: controller.signal,
  });
  await hold.reached;
  controller.abort();
  const error = await assertRejects(() => failed);
  assertStrictEquals(error, controller.signal.reason);
  assertEquals(await fixture.states(["first"]), ["FAILURE"]);
});

// -- bodies of several tasks ---------------------------------------------------

for (const subtask_type of ["group", "chain"]) {
  test(`a chord whose body is a ${subtask_type} fails every task of it`, async () => {
    await using fixture = await start();
    const chord = {
      task: `celery.${subtask_type}`,
      kwargs: { tasks: [bodyOf("a"), bodyOf("b")] },
      options: subtask_type === "group" ? { task_id: "the-group" } : {},
      subtask_type,
    };
    const failure = { excType: "KeyError", excArgs: ["k"] };
    const [request] = requestsOf(1, "g");
    const outcome = await fixture.backend.chordPartReturn(
      { ...request!, chord },
      "FAILURE",
      failure,
      new Completions(),
    );
    if (outcome.type !== "failed") throw new Error(outcome.type);
    const message = "Dependency task-0 raised KeyError('k')";
    assertEquals(outcome.error.message, message);
    const isGroup = subtask_type === "group";
    const ids = ["body-of-a", "body-of-b", ...isGroup ? ["the-group"] : []];
    for (const { state, result } of await fixture.backend.getMetas(ids)) {
      assertEquals(state, "FAILURE");
      const { excType, excArgs } = result as typeof failure;
      assertEquals(
        [excType, excArgs],
        isGroup ? ["KeyError", ["k"]] : ["ChordError", [message]],
      );
    }
  });
}

test("the tasks of a group get a ChordError if sending the body failed, and no task", async () => {
  await using fixture = await start();
  const chord = {
    kwargs: { tasks: [bodyOf("a")] },
    subtask_type: "group",
  };
  const completions = new Completions();
  completions.onCall = () => Promise.reject(new TypeError("no broker"));
  const [request] = requestsOf(1, "g");
  await fixture.backend.chordPartReturn(
    { ...request!, chord },
    "SUCCESS",
    1,
    completions,
  );
  const { state, result } = await fixture.backend.getMeta("body-of-a");
  assertEquals(state, "FAILURE");
  assertEquals(
    (result as { message: string }).message,
    "Callback error: TypeError('no broker')",
  );
});

test("a failed body returns its part to the chord that it belongs to", async () => {
  await using fixture = await start();
  const body = bodyOf("g");
  const chord = {
    ...body,
    options: {
      task_id: "body-of-g",
      group_id: "outer",
      group_index: 0,
      chord: OUTER,
    },
  };
  const [request] = requestsOf(1, "g");
  await fixture.backend.chordPartReturn(
    { ...request!, chord },
    "FAILURE",
    "x",
    new Completions(),
  );
  assertEquals(await fixture.states(["body-of-g", "body-of-outer"]), [
    "FAILURE",
    "FAILURE",
  ]);
});

async function returnPart(
  backend: ResultBackend,
  groupId: string,
): Promise<void> {
  const [request] = requestsOf(1, groupId);
  await backend.chordPartReturn(request!, "SUCCESS", 1, new Completions());
}
