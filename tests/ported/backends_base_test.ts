/**
 * What t/unit/backends/test_base.py of Celery asks of its backend, asked of
 * this one, on a real Redis, with Python's Celery on the other side where there
 * is one. README.md says what became of each test there.
 *
 * @module
 */

import {
  AsyncResult,
  GroupResult,
  RedisConnectionError,
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
  type ResultTuple,
  TaskError,
} from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import { yaml } from "../../yaml.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import { channelsOf, newChannels } from "../support/channels.ts";
import { inboxOf, taskIds } from "../support/results.ts";

const KEY = "celery-task-meta-";
const fixture = celeryFixture({ needs: ["python msgpack", "python yaml"] });

function test(name: string, fn: () => Promise<void>): void {
  Deno.test(fixture.test(name, fn));
}

/** The document at a task's key, as it is. */
async function documentOf(taskId: string): Promise<string> {
  await using client = await fixture.redis.client();
  const document = await client.send("GET", KEY + taskId);
  assert(typeof document === "string");
  return document;
}

/** Puts any document at a task's key. */
async function putDocument(
  taskId: string,
  document: Record<string, unknown>,
): Promise<void> {
  await using client = await fixture.redis.client();
  await client.send("SET", KEY + taskId, JSON.stringify(document));
}

// -- test_Backend_interface ----------------------------------------------------------

/** The fields of a task's request, by their names in Celery and here. */
const request = {
  task: "mytask",
  args: ["a", "b"],
  kwargs: { foo: "bar" },
  hostname: "celery@here",
  retries: 0,
  delivery_info: { routing_key: "celery" },
  children: [],
};
const fields = {
  name: "mytask",
  args: ["a", "b"],
  kwargs: { foo: "bar" },
  worker: "celery@here",
  retries: 0,
  queue: "celery",
  children: [],
};

for (
  const [name, result] of [
    ["test_get_result_meta", { fizz: "buzz" }],
    ["test_get_result_meta_with_none", null],
  ] as const
) {
  test(`${name}: a document has Celery's members in Celery's order, and those of the call where they are known`, async () => {
    await using backend = fixture.backend();
    const [plain, extended] = taskIds(2) as [string, string];
    await backend.markAsDone(plain, result);
    assertEquals(
      parsed(await documentOf(plain)),
      [
        ["status", "SUCCESS"],
        ["result", result],
        ["traceback", null],
        ["children", null],
        ["date_done", "a time"],
        ["task_id", plain],
      ],
    );

    const json = JSON.stringify(result);
    await fixture.driver.store(extended, json, "SUCCESS", {
      request,
      extended: true,
    });
    const celerys = parsed(await documentOf(extended));
    await backend.forget(extended);
    await backend.markAsDone(extended, result, fields);
    assertEquals(parsed(await documentOf(extended)), celerys);
    assertEquals(celerys.map(([member]) => member), [
      ...["status", "result", "traceback", "children", "date_done", "name"],
      ...["args", "kwargs", "worker", "retries", "queue", "task_id"],
    ]);
  });
}

test("test_get_result_meta_format_date: date_done is ISO 8601 in UTC, and only in a ready state", async () => {
  await using backend = fixture.backend();
  const [id] = taskIds(1) as [string];
  await backend.markAsStarted(id);
  assertEquals(JSON.parse(await documentOf(id)).date_done, null);
  await backend.markAsRevoked(id);
  const { date_done } = JSON.parse(await documentOf(id));
  assertMatch(date_done, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/);
  const { dateDone } = await backend.getMeta(id);
  assertEquals(dateDone, new Date(date_done));
});

test("test_get_result_meta_stamps_attribute_error: a call without stamps is stored without them, one with stamps with each", async () => {
  await using backend = fixture.backend();
  const [without, stamped] = taskIds(2) as [string, string];
  await backend.markAsDone(without, { fizz: "buzz" }, fields);
  assertEquals(
    "stamped_headers" in JSON.parse(await documentOf(without)),
    false,
  );
  await backend.markAsDone(stamped, 1, { ...fields, stamps: { tenant: "t" } });
  assertEquals((await backend.getMeta(stamped)).extra, {
    stamped_headers: ["tenant"],
    tenant: "t",
  });
});

// -- test_prepare_exception ----------------------------------------------------------

test("test_json_exception_arguments: an argument that JSON cannot hold is stored as its text", async () => {
  await using backend = fixture.backend();
  const [id] = taskIds(1) as [string];
  await backend.markAsFailure(id, {
    excType: "Exception",
    excModule: "builtins",
    excArgs: ["kept", () => {}, 3],
  });
  const { raised } = await fixture.driver.get(id);
  assertExists(raised);
  assertEquals([raised.type, raised.module], ["Exception", "builtins"]);
  assertMatch(raised.args, /^\['kept', '.*', 3\]$/);
});

test("test_json_exception_nested: a nested class is stored, and found again, by its qualified name", async () => {
  await using backend = fixture.backend();
  const [id] = taskIds(1) as [string];
  await backend.markAsFailure(id, {
    excType: "Outer.Inner",
    excModule: "tasks",
    excArgs: ["msg"],
  });
  assertEquals(JSON.parse(await documentOf(id)).result, {
    exc_type: "Outer.Inner",
    exc_message: ["msg"],
    exc_module: "tasks",
  });
  assertEquals((await fixture.driver.get(id)).raised?.type, "Outer.Inner");
  const error = await backend.result(id).get({ propagate: false });
  assertInstanceOf(error, TaskError);
  assertEquals([error.excType, error.excModule], ["Outer.Inner", "tasks"]);
});

test("test_unicode_message: a message of any characters arrives as it was, both ways", async () => {
  await using backend = fixture.backend();
  const [mine, celerys] = taskIds(2) as [string, string];
  const message = "\u03ac \u{1f600}";
  await backend.markAsFailure(mine, new Error(message));
  assertEquals((await fixture.driver.get(mine)).raised?.text, message);
  await fixture.driver.storeFailure(celerys, [message]);
  const error = await assertRejects(
    () => backend.result(celerys).get(),
    TaskError,
  );
  assertEquals(error.excArgs, [message]);
});

// -- exception_to_python -------------------------------------------------------------

test("test_exception_to_python_when_None: a failure without an exception is a TaskError that says so", async () => {
  await using backend = fixture.backend();
  const [id] = taskIds(1) as [string];
  await putDocument(id, { status: "FAILURE", result: null, task_id: id });
  assertEquals((await backend.getMeta(id)).result, null);
  const error = await assertRejects(() => backend.result(id).get(), TaskError);
  assertStringIncludes(error.message, "no exception");
});

/** The exception in a document, what it becomes here, and what Python makes of it. */
const exceptions: Record<
  string,
  { stored: [type: string, module: string, args: unknown[]]; python: string }
> = {
  "test_exception_to_python_when_attribute_exception: a class that its module lacks":
    {
      stored: ["AttributeDoesNotExist", "celery", ["Raise Custom Message"]],
      python: "AttributeDoesNotExist",
    },
  "test_exception_to_python_when_type_error: arguments that the class would refuse":
    {
      stored: ["UnicodeDecodeError", "builtins", ["too", "few"]],
      python: "Exception",
    },
  "test_not_an_exception_but_a_callable: a function": {
    stored: ["system", "os", ["echo 1"]],
    python: "SecurityError",
  },
  "test_not_an_exception_but_another_object: a class of no exception": {
    stored: ["object", "builtins", []],
    python: "SecurityError",
  },
};

for (const [name, { stored, python }] of Object.entries(exceptions)) {
  test(`${name} is reported as stored: nothing is looked up, created or called`, async () => {
    await using backend = fixture.backend();
    const [id] = taskIds(1) as [string];
    const [exc_type, exc_module, exc_message] = stored;
    await putDocument(id, {
      status: "FAILURE",
      result: { exc_type, exc_message, exc_module },
      task_id: id,
    });
    const error = await assertRejects(
      () => backend.result(id).get(),
      TaskError,
    );
    assertEquals([error.excType, error.excModule, error.excArgs], stored);
    // What Celery makes of the same document.
    assertEquals((await fixture.driver.get(id)).raised?.type, python);
  });
}

test("test_get_children: children are reported as stored, and null if nothing is known", async () => {
  await using backend = fixture.backend();
  const [none, id, child] = taskIds(3) as [string, string, string];
  await putDocument(none, { status: "SUCCESS", result: 1, task_id: none });
  assertEquals((await backend.getMeta(none)).children, null);
  const children = [[[child, null], null]];
  await backend.markAsDone(id, 1, { children });
  assertEquals((await backend.getMeta(id)).children, children);
  assertEquals((await fixture.driver.read(id)).children, [child]);
});

test("test_get_children: the children of a result are results, and null if nothing is known", async () => {
  await using backend = fixture.backend();
  const [none, id, child] = taskIds(3) as [string, string, string];
  await putDocument(none, { status: "SUCCESS", result: 1, task_id: none });
  assertEquals(await backend.result(none).children(), null);
  assertEquals(await backend.result(child).children(), null);
  await backend.markAsDone(id, 1, { children: [backend.result(child)] });
  const children = await backend.result(id).children();
  assertEquals(children?.map((each) => each.asTuple()), [[
    [child, null],
    null,
  ]]);
});

test("test_prepare_value_serializes_group_result: a stored result or group is its tuple, as in Python", async () => {
  await using backend = fixture.backend();
  const [parentId, child] = taskIds(2) as [string, string];
  const parent = backend.result(parentId);
  const member: ResultTuple = [[child, parent.asTuple()], null];
  for (
    const tuple of [member, [["gid", null], [member]]] satisfies ResultTuple[]
  ) {
    const [id] = taskIds(1) as [string];
    await backend.markAsDone(id, backend.fromTuple(tuple), { children: [] });
    const mine = parsed(await documentOf(id));
    assertEquals((await backend.getMeta(id)).result, tuple);
    await backend.forget(id);
    await fixture.driver.storeTuple(id, tuple);
    assertEquals(mine, parsed(await documentOf(id)));
  }
});

// -- test_KeyValueStoreBackend -------------------------------------------------------

test("test_get_store_delete_result: a result is stored, read and deleted, for both sides", async () => {
  await using backend = fixture.backend();
  const [id] = taskIds(1) as [string];
  await backend.markAsDone(id, "Hello world");
  const meta = await backend.getMeta(id);
  assertEquals([meta.state, meta.result], ["SUCCESS", "Hello world"]);
  assertEquals((await fixture.driver.read(id)).result, {
    value: "'Hello world'",
  });
  await backend.forget(id);
  assertEquals((await backend.getMeta(id)).state, "PENDING");
  assertEquals((await fixture.driver.read(id)).state, "PENDING");
});

test("test_store_result_parent_id, test_store_result_group_id: parent and group are stored as Celery stores them", async () => {
  await using backend = fixture.backend();
  const [id, parentId, groupId] = taskIds(3) as [string, string, string];
  const given = { parentId, groupId, children: [] };
  await backend.markAsDone(id, 10, given);
  const mine = parsed(await documentOf(id));
  const meta = await backend.getMeta(id);
  assertEquals([meta.parentId, meta.groupId], [parentId, groupId]);

  await backend.forget(id);
  await fixture.driver.store(id, "10", "SUCCESS", {
    request: { parent_id: parentId, group: groupId, children: [] },
  });
  assertEquals(mine, parsed(await documentOf(id)));
});

for (const serializer of ["msgpack", "yaml"] as const) {
  test(`test_store_result_parent_id: parent and group are stored and read in ${serializer}, from both sides`, async () => {
    const format = serializer === "yaml" ? yaml : serializer;
    await using backend = fixture.backend({ serializer: format });
    const [mine, theirs, parentId, groupId] = taskIds(4) as [
      string,
      string,
      string,
      string,
    ];
    await backend.markAsDone(mine, 10, { parentId, groupId, children: [] });
    await fixture.driver.store(theirs, "10", "SUCCESS", {
      request: { parent_id: parentId, group: groupId, children: [] },
      serializer,
    });
    for (const id of [mine, theirs]) {
      const meta = await backend.getMeta(id);
      assertEquals(
        [meta.result, meta.parentId, meta.groupId],
        [10, parentId, groupId],
      );
      const read = await fixture.driver.read(id, { serializer });
      assertEquals(read.result, { value: "10" });
    }
  });
}

test("test_store_result_race_second_write_should_ignore_if_previous_success: a SUCCESS is kept, whichever side writes next", async () => {
  await using backend = fixture.backend();
  const [id] = taskIds(1) as [string];
  await backend.markAsDone(id, 10, { groupId: "gid", children: [] });
  const document = await documentOf(id);
  assertEquals(await backend.markAsFailure(id, new Error("late")), false);
  await fixture.driver.storeFailure(id, ["late"]);
  assertEquals(await documentOf(id), document);
});

test("test_get_key_for_task_none_task_id: an invalid id is refused, and nothing is sent", async () => {
  await using backend = fixture.backend();
  // Possible in JavaScript, without type checks.
  for (const id of [null, undefined, "", 1] as unknown[] as string[]) {
    await assertRejects(() => backend.getMeta(id), TypeError, "task id");
    await assertRejects(() => backend.markAsDone(id, 1), TypeError, "task id");
    await assertRejects(() => backend.forget(id), TypeError, "task id");
    assertThrows(() => backend.result(id), TypeError, "task id");
  }
});

test("test_get_key_for_chord_none_group_id: an invalid chord id is refused, and nothing is sent", async () => {
  await using backend = fixture.backend();
  // Possible in JavaScript, without type checks.
  for (const id of [null, undefined, "", 1] as unknown[] as string[]) {
    await assertRejects(() => backend.setChordSize(id, 1), TypeError, "group");
    await assertRejects(() => backend.addToChord(id), TypeError, "group");
  }
});

test("test_strip_prefix: events name the task, not its key, whatever the prefix and the id", async () => {
  for (const keyPrefix of ["", "app", KEY]) {
    await using backend = fixture.backend({ keyPrefix });
    for (const id of ["x1b34", `${KEY}x1b34`, "app_x1b34"]) {
      const events = inboxOf(backend.stream(id));
      await backend.markAsDone(id, 1);
      assertEquals((await events.next()).taskId, id);
      await backend.forget(id);
    }
  }
});

for (
  const [name, keyPrefix, key] of [
    ["test_global_keyprefix", "test_prefix", `test_prefix_${KEY}`],
    ["test_global_keyprefix", "test_prefix_", `test_prefix_${KEY}`],
    ["test_global_keyprefix", "test_prefix:", `test_prefix:${KEY}`],
    ["test_global_keyprefix_missing", "", KEY],
  ] as const
) {
  test(`${name}: with the prefix "${keyPrefix}" keys and channels begin with ${key}`, async () => {
    await using client = await fixture.redis.client();
    await using backend = fixture.backend({ keyPrefix });
    const [stored, awaited] = taskIds(2) as [string, string];
    await client.send("FLUSHDB");
    // Python's Celery keeps some subscriptions for a while.
    const before = await channelsOf(client);
    await using consumer = backend.consumer();
    await consumer.add(awaited);
    await backend.markAsDone(stored, 1);
    assertEquals(await client.send("KEYS", "*"), [key + stored]);
    assertEquals(await newChannels(client, before), [key + awaited]);
    assertEquals((await backend.getMetas([stored]))[0]?.result, 1);
  });
}

test("test_get_many: results stored before and after are streamed once each, and again to a second stream", async () => {
  await using backend = fixture.backend();
  const ids = taskIds(10);
  await Promise.all(ids.slice(0, 5).map((id, i) => backend.markAsDone(id, i)));
  const streams = [inboxOf(backend.stream(ids)), inboxOf(backend.stream(ids))];
  await Promise.all(
    ids.slice(5).map((id, i) => backend.markAsDone(id, 5 + i)),
  );
  streams.push(inboxOf(backend.stream(ids)));
  const expected = new Map(ids.map((id, i) => [id, i]));
  for (const events of streams) {
    // Beyond the tenth, the stream's end.
    const seen = new Map<string, unknown>();
    for (const _ of ids) {
      const { taskId, result } = await events.next();
      assertEquals(seen.has(taskId), false);
      seen.set(taskId, result);
    }
    assertEquals(seen, new Map(expected));
    await assertRejects(() => events.next(), Error, "The stream closed");
  }
});

test("test_get_many_times_out: a stream of a task that never ends errors with its signal's timeout", async () => {
  await using backend = fixture.backend();
  const ids = taskIds(4);
  await backend.storeResult(ids[1]!, null, "PENDING");
  const signal = AbortSignal.timeout(50);
  const error = await assertRejects(
    () => Array.fromAsync(backend.stream(ids, { signal })),
    DOMException,
  );
  assertEquals(error.name, "TimeoutError");
});

test("test_filter_ready: of RETRY, FAILURE and SUCCESS the last two are ready", async () => {
  await using backend = fixture.backend();
  const ids = taskIds(3) as [string, string, string];
  await backend.markAsRetry(ids[0], new Error("again"));
  await backend.markAsFailure(ids[1], new Error("boom"));
  await backend.markAsDone(ids[2], 1);
  const metas = await backend.getMetas(ids);
  assertEquals(
    metas.filter(({ ready }) => ready).map(({ state }) => state),
    ["FAILURE", "SUCCESS"],
  );
});

test("test_save_restore_delete_group: a group is saved, restored and deleted, for both sides", async () => {
  await using backend = fixture.backend();
  const [groupId, ...ids] = taskIds(3) as [string, string, string];
  await backend.saveGroup(groupId, ids);
  const tuple = await fixture.driver.restoreTuple(groupId);
  const restored = await backend.restoreGroup(groupId);
  assertEquals(restored?.ids, ids);
  assertEquals(restored?.asTuple(), tuple);
  await backend.deleteGroup(groupId);
  assertEquals(await backend.restoreGroup(groupId), null);
  assertEquals(await fixture.driver.getGroup(groupId), null);
});

test("test_restore_missing_group: a group that was never saved is null", async () => {
  await using backend = fixture.backend();
  assertEquals(await backend.restoreGroup("xxx-nonexisting"), null);
});

test("test_restore_group_from_json: a group that Python saved is restored, with its nested groups", async () => {
  await using backend = fixture.backend();
  const [groupId, ...ids] = taskIds(4) as [string, string, string, string];
  await fixture.driver.storeTree(groupId, [ids[0], [ids[1], ids[2]]]);
  const group = await backend.restoreGroup(groupId);
  assertInstanceOf(group, GroupResult);
  const [first, inner] = group.results;
  assertInstanceOf(first, AsyncResult);
  assertInstanceOf(inner, GroupResult);
  assertEquals([first.id, ...inner.ids], ids);
  assertEquals(group.asTuple(), await fixture.driver.restoreTuple(groupId));
});

test("test_get_missing_meta: an unknown task is pending, without a result", async () => {
  await using backend = fixture.backend();
  const meta = await backend.getMeta("xxx-missing");
  assertEquals([meta.state, meta.ready, meta.result], ["PENDING", false, null]);
  assertEquals((await fixture.driver.read("xxx-missing")).state, "PENDING");
});

test("test_task_result_exists_missing, test_task_result_exists_false: a result that was never stored does not exist", async () => {
  await using backend = fixture.backend();
  assertEquals(await backend.exists("xxx-nonexistent"), false);
});

/** Every way to store a result. */
const stores: Record<
  string,
  (backend: ResultBackend, id: string) => Promise<boolean>
> = {
  "test_task_result_exists_after_store, test_task_result_exists_true: a success":
    (backend, id) => backend.markAsDone(id, "result"),
  "test_task_result_exists_after_failure, test_task_result_exists_failure_state: a failure":
    (backend, id) => backend.markAsFailure(id, new Error("failed")),
  "test_task_result_exists_after_retry: a retry": (backend, id) =>
    backend.markAsRetry(id, new Error("retry")),
};

for (const [name, store] of Object.entries(stores)) {
  test(`${name} exists`, async () => {
    await using backend = fixture.backend();
    const [id] = taskIds(1) as [string];
    await store(backend, id);
    assertEquals(await backend.exists(id), true);
  });
}

test("test_task_result_exists_after_forget: a result that either side forgot no longer exists", async () => {
  await using backend = fixture.backend();
  for (const side of [backend, fixture.driver]) {
    const [id] = taskIds(1) as [string];
    await backend.markAsDone(id, "result");
    assertEquals(await backend.exists(id), true);
    await side.forget(id);
    assertEquals(await backend.exists(id), false);
  }
});

// -- test_backend_retries --------------------------------------------------------------

/** A call through a proxy that fails. */
interface FailingCall {
  /** Celery's names of the four tests. */
  names: [never: string, retries: string, limit: string, unsafe: string];
  /** The command that the call needs. */
  command: string;
  run: (backend: ResultBackend) => Promise<unknown>;
  /** The error that it finally rejects with. */
  errorName: string;
}

const failingCalls: FailingCall[] = [{
  names: [
    "test_get_failed_never_retries",
    "test_get_with_retries",
    "test_get_reaching_max_retries",
    "test_get_unsafe_exception",
  ],
  command: "GET",
  run: (backend) => backend.getMeta("task"),
  errorName: "BackendGetMetaError",
}, {
  names: [
    "test_store_result_never_retries",
    "test_store_result_with_retries",
    "test_store_result_reaching_max_retries",
    "test_get_unsafe_exception, storing",
  ],
  command: "EVALSHA",
  run: (backend) => backend.markAsStarted("task"),
  errorName: "BackendStoreError",
}];

for (const { names, command, run, errorName } of failingCalls) {
  const [never, retries, limit, unsafe] = names;

  test(`${never}: with one attempt, the call rejects after the first failure, which is the cause`, async () => {
    await using stand = await proxied({ retry: { maxAttempts: 1 } });
    const lost = await loseNext(stand, command, run);
    const error = await assertRejects(() => lost.call, Error, "task task");
    assertEquals(error.name, errorName);
    assertInstanceOf(error.cause, RedisConnectionError);
    assertEquals(stand.proxy.commands.get(command), lost.count + 1);
    // The next call succeeds.
    await run(stand.backend);
  });

  test(`${retries}: a call whose connection dies is retried`, async () => {
    await using stand = await proxied();
    const lost = await loseNext(stand, command, run);
    await lost.call;
    assertEquals(stand.proxy.commands.get(command), lost.count + 2);
  });

  test(`${limit}: after the last attempt the call rejects, and says how many there were`, async () => {
    await using stand = await proxied({ retry: { maxAttempts: 3 } });
    await stand.proxy.refuse();
    await stand.proxy.cut();
    const error = await assertRejects(
      () => run(stand.backend),
      Error,
      "tried 3 times",
    );
    assertEquals(error.name, errorName);
    assertInstanceOf(error.cause, RedisConnectionError);
  });

  test(`${unsafe}: a permanent error is not retried, and is reported in the server's words`, async () => {
    await using stand = await proxied();
    await using client = await fixture.redis.client();
    await client.send("DEL", `${KEY}task`);
    await client.send("RPUSH", `${KEY}task`, "x");
    const count = stand.proxy.commands.get(command) ?? 0;
    const error = await assertRejects(() => run(stand.backend), RedisError);
    assertEquals(error.code, "WRONGTYPE");
    assertEquals(stand.proxy.commands.get(command), count + 1);
    await client.send("DEL", `${KEY}task`);
  });
}

// -- helpers ---------------------------------------------------------------------------

interface Proxied extends AsyncDisposable {
  backend: ResultBackend;
  proxy: FaultProxy;
}

/** A connected backend behind a proxy, whose script the server has loaded. */
async function proxied(options: ResultBackendOptions = {}): Promise<Proxied> {
  await using stack = new AsyncDisposableStack();
  const proxy = stack.use(await FaultProxy.start(fixture.redis.url));
  const backend = stack.use(
    new ResultBackend(proxy.url, {
      reconnect: { minTimeout: 1, maxTimeout: 10 },
      ...options,
      retry: { minTimeout: 1, maxTimeout: 10, ...options.retry },
    }),
  );
  await backend.markAsStarted("other");
  const owned = stack.move();
  return {
    backend,
    proxy,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Makes a call, and kills the connection during its command; `count` is the number of such commands before. */
async function loseNext(
  { backend, proxy }: Proxied,
  command: string,
  run: FailingCall["run"],
): Promise<{ call: Promise<unknown>; count: number }> {
  const count = proxy.commands.get(command) ?? 0;
  using hold = proxy.hold(command);
  const call = run(backend);
  // The test awaits it, but perhaps later.
  call.catch(() => {});
  await hold.reached;
  proxy.reset();
  return { call, count };
}

/** The members of a document, in order, with the time replaced. */
function parsed(document: string): [string, unknown][] {
  return Object.entries(JSON.parse(document)).map(([member, value]) => [
    member,
    member === "date_done" && typeof value === "string" ? "a time" : value,
  ]);
}
