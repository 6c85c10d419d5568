/**
 * Results are stored here, and read by Celery in Python.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertExists,
  assertMatch,
} from "../support/assert.ts";
import type { PythonOutcome } from "../support/celery_driver.ts";
import { celeryFixture } from "../support/celery_fixture.ts";

const fixture = celeryFixture();

/** The document at a task's key. */
async function documentOf(taskId: string): Promise<string> {
  await using client = await fixture.redis.client();
  const document = await client.send("GET", `celery-task-meta-${taskId}`);
  assert(typeof document === "string");
  return document;
}

// -- values --------------------------------------------------------------------

/** A value to store, and its repr() in Python. */
const values: Record<string, [stored: unknown, repr: string]> = {
  "null": [null, "None"],
  "undefined": [undefined, "None"],
  "a boolean": [true, "True"],
  "text": ["plain", "'plain'"],
  "unicode": [
    "Za\u017c\xf3\u0142\u0107 \u{1f600}",
    "'Za\u017c\xf3\u0142\u0107 \u{1f600}'",
  ],
  "control characters": ["\x00\t\n\x7f\u2028", "'\\x00\\t\\n\\x7f\\u2028'"],
  "quotes and slashes": ["\"'\\/", "'\"\\'\\\\/'"],
  "lone surrogates": ["\ud800 and \udfff", "'\\ud800 and \\udfff'"],
  "an integer": [-42, "-42"],
  "the last safe integer": [Number.MAX_SAFE_INTEGER, "9007199254740991"],
  "a float": [1.5, "1.5"],
  "a small float": [1.5e-7, "1.5e-07"],
  "the smallest float": [5e-324, "5e-324"],
  "a large number": [1e21, "1e+21"],
  "negative zero": [-0, "-0.0"],
  "NaN": [NaN, "nan"],
  "infinities": [[Infinity, -Infinity], "[inf, -inf]"],
  "a bigint": [2n ** 53n + 1n, "9007199254740993"],
  "a huge bigint": [-(10n ** 40n), `-1${"0".repeat(40)}`],
  "nested values": [
    { a: [1, { b: [null, false, "\u0142"] }, []], "\xe9": {}, "": 0 },
    "{'a': [1, {'b': [None, False, '\u0142']}, []], '\xe9': {}, '': 0}",
  ],
  "a key named __proto__": [
    JSON.parse('{"__proto__": {"polluted": true}}'),
    "{'__proto__': {'polluted': True}}",
  ],
};

for (const [kind, [stored, repr]] of Object.entries(values)) {
  Deno.test(
    fixture.test(`ResultBackend.markAsDone() stores what Python gets back: ${kind}`, async () => {
      await using backend = fixture.backend();
      const taskId = crypto.randomUUID();
      assertEquals(await backend.markAsDone(taskId, stored), true);
      assertEquals(await fixture.driver.get(taskId), { value: repr });
    }),
  );
}

Deno.test(
  fixture.test("ResultBackend.markAsDone() stores dates and bytes that kombu 5.3 and later decode", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.markAsDone(taskId, {
      date: new Date("2024-01-02T03:04:05.678Z"),
      text: new TextEncoder().encode("caf\xe9"),
      bytes: new Uint8Array([0xff, 0x00]),
    });
    const { value } = await fixture.driver.get(taskId);
    const [major = 0, minor = 0] = (await fixture.driver.versions()).kombu
      .split(".").map(Number);
    if (major > 5 || major === 5 && minor >= 3) {
      assertEquals(
        value,
        "{'date': datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, " +
          "tzinfo=datetime.timezone.utc), 'text': b'caf\\xc3\\xa9', 'bytes': b'\\xff\\x00'}",
      );
    } else {
      // Older versions see the tagged values.
      assertEquals(
        value,
        "{'date': {'__type__': 'datetime', '__value__': '2024-01-02T03:04:05.678+00:00'}, " +
          "'text': {'__type__': 'bytes', '__value__': 'caf\xe9'}, " +
          "'bytes': {'__type__': 'base64', '__value__': '/wA='}}",
      );
    }
  }),
);

Deno.test(
  fixture.test("ResultBackend.storeResult() accepts an id of any characters", async () => {
    await using backend = fixture.backend();
    const taskId =
      `\u0437\u0430\u0434\u0430\u0447\u0430/1 "${crypto.randomUUID()}"`;
    await backend.storeResult(taskId, "found", "SUCCESS");
    assertEquals(await fixture.driver.get(taskId), { value: "'found'" });
  }),
);

// -- states ----------------------------------------------------------------------

Deno.test(
  fixture.test("ResultBackend.markAsDone() stores a result that Python sees as successful, with its date", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    const before = Date.now();
    await backend.markAsDone(taskId, 1);
    const after = Date.now();
    const result = await fixture.driver.read(taskId);
    assertEquals(
      [result.state, result.ready, result.successful, result.failed],
      ["SUCCESS", true, true, false],
    );
    assertEquals([result.traceback, result.children], [null, []]);
    assertExists(result.dateDone);
    assertMatch(result.dateDone, /\+00:00$/);
    const time = Date.parse(result.dateDone);
    assert(before <= time && time <= after, result.dateDone);
  }),
);

Deno.test(
  fixture.test("ResultBackend.markAsStarted() stores a state that Python waits on", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.markAsStarted(taskId, { pid: 1, hostname: "deno@here" });
    const result = await fixture.driver.read(taskId);
    assertEquals([result.state, result.ready], ["STARTED", false]);
    assertEquals(result.result, {
      value: "{'pid': 1, 'hostname': 'deno@here'}",
    });
    assertEquals(result.dateDone, null);
  }),
);

Deno.test(
  fixture.test("ResultBackend.storeResult() stores custom states", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.storeResult(taskId, { current: 1, total: 2 }, "PROGRESS");
    let result = await fixture.driver.read(taskId);
    assertEquals([result.state, result.ready], ["PROGRESS", false]);
    assertEquals(result.result, { value: "{'current': 1, 'total': 2}" });
    await backend.storeResult(taskId, null, "Almost done \u2603");
    result = await fixture.driver.read(taskId);
    assertEquals([result.state, result.ready], ["Almost done \u2603", false]);
  }),
);

Deno.test(
  fixture.test("ResultBackend.markAsRetry() stores a state with an exception in Python, which is not ready", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.markAsRetry(
      taskId,
      { excType: "ValueError", excModule: "builtins", excArgs: ["again", 1] },
      { traceback: "Traceback: here" },
    );
    const result = await fixture.driver.read(taskId);
    assertEquals([result.state, result.ready], ["RETRY", false]);
    assertEquals(result.traceback, "Traceback: here");
    assertEquals(result.result.raised, {
      type: "ValueError",
      module: "builtins",
      args: "['again', 1]",
      text: "('again', 1)",
    });
  }),
);

Deno.test(
  fixture.test("ResultBackend.markAsRetry() may be called without an exception", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.markAsRetry(taskId, null);
    const result = await fixture.driver.read(taskId);
    assertEquals([result.state, result.result], ["RETRY", { value: "None" }]);
  }),
);

Deno.test(
  fixture.test("ResultBackend.markAsRevoked() makes Python raise TaskRevokedError with the reason", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.markAsRevoked(taskId, "no longer wanted");
    assertEquals((await fixture.driver.get(taskId)).raised, {
      type: "TaskRevokedError",
      module: "celery.exceptions",
      args: "['no longer wanted']",
      text: "no longer wanted",
    });
    const result = await fixture.driver.read(taskId);
    assertEquals(
      [result.state, result.ready, result.failed],
      ["REVOKED", true, false],
    );
  }),
);

Deno.test(
  fixture.test("ResultBackend.markAsRevoked() stores an empty reason as Celery does", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.markAsRevoked(taskId);
    assertEquals((await fixture.driver.get(taskId)).raised?.args, "['']");
  }),
);

// -- failures ----------------------------------------------------------------------

Deno.test(
  fixture.test("ResultBackend.markAsFailure() makes Python raise the exception with its arguments", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.markAsFailure(
      taskId,
      {
        excType: "ValueError",
        excModule: "builtins",
        excArgs: ["boom \u0142", 3, { a: [null] }, 2n ** 64n],
      },
      { traceback: "Traceback (most recent call last):\n  here\n" },
    );
    assertEquals((await fixture.driver.get(taskId)).raised, {
      type: "ValueError",
      module: "builtins",
      args: "['boom \u0142', 3, {'a': [None]}, 18446744073709551616]",
      text: "('boom \u0142', 3, {'a': [None]}, 18446744073709551616)",
    });
    const result = await fixture.driver.read(taskId);
    assertEquals(
      [result.state, result.ready, result.failed],
      ["FAILURE", true, true],
    );
    assertEquals(
      result.traceback,
      "Traceback (most recent call last):\n  here\n",
    );
  }),
);

/** The argument of markAsFailure(), and the exception in Python. */
const failures: Record<
  string,
  [error: unknown, raised: Partial<PythonOutcome["raised"]>]
> = {
  "a class of the application's, by its qualified name": [
    { excType: "Outer.Inner", excModule: "tasks", excArgs: ["x", 7] },
    { type: "Outer.Inner", module: "tasks", args: "['x', 7]" },
  ],
  "a class that Python does not know": [
    { excType: "PaymentDeclined", excModule: "shop.errors", excArgs: ["card"] },
    { type: "PaymentDeclined", args: "['card']" },
  ],
  "an exception without arguments": [
    { excType: "KeyError", excModule: "builtins", excArgs: [] },
    { type: "KeyError", module: "builtins", args: "[]" },
  ],
  "an Error": [
    new RangeError("too far"),
    { type: "RangeError", args: "['too far']" },
  ],
  "an Error whose name is that of a class of Python's": [
    new TypeError("not a number"),
    { type: "TypeError", args: "['not a number']" },
  ],
  "a text": ["just words", { type: "Exception", args: "['just words']" }],
  "nothing": [undefined, { type: "Exception", args: "[]" }],
};

for (const [kind, [error, expected]] of Object.entries(failures)) {
  Deno.test(
    fixture.test(`ResultBackend.markAsFailure() makes Python raise ${kind}`, async () => {
      await using backend = fixture.backend();
      const taskId = crypto.randomUUID();
      await backend.markAsFailure(taskId, error);
      const { raised } = await fixture.driver.get(taskId);
      assertExists(raised);
      assertEquals({ ...raised, ...expected }, raised);
    }),
  );
}

Deno.test(
  fixture.test("ResultBackend.markAsFailure() stores a JavaScript stack as the traceback", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    const error = new Error("with a stack");
    await backend.markAsFailure(taskId, error);
    assertEquals(
      (await fixture.driver.read(taskId)).traceback,
      error.stack ?? "",
    );
  }),
);

Deno.test(
  fixture.test("a TaskError passes from Python to Python unchanged", async () => {
    await using backend = fixture.backend();
    const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
    await fixture.driver.storeFailure(first, ["boom", 3], {
      trace: "a traceback",
    });
    const error = await backend.result(first).get({ propagate: false });
    await backend.markAsFailure(second, error, { traceback: "a traceback" });
    assertEquals(
      (await documentOf(second)).replace(second, first).replace(
        /"date_done": "[^"]+"/,
        "",
      ),
      (await documentOf(first)).replace(/"date_done": "[^"]+"/, ""),
    );
    assertEquals(
      await fixture.driver.get(second),
      await fixture.driver.get(first),
    );
  }),
);

// -- the rest of a document -----------------------------------------------------------

Deno.test(
  fixture.test("ResultBackend.storeResult() stores the call, as with result_extended", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.storeResult(taskId, 3, "SUCCESS", {
      name: "tasks.add",
      args: [1, "\u0142"],
      kwargs: { y: null },
      worker: "deno@here",
      retries: 2,
      queue: "celery",
    });
    const result = await fixture.driver.read(taskId);
    assertEquals(
      [result.name, result.args, result.kwargs],
      ["tasks.add", "[1, '\u0142']", "{'y': None}"],
    );
    assertEquals(
      [result.worker, result.retries, result.queue],
      ["deno@here", 2, "celery"],
    );
  }),
);

Deno.test(
  fixture.test("ResultBackend.storeResult() stores children that Python follows", async () => {
    await using backend = fixture.backend();
    const [taskId, child] = [crypto.randomUUID(), crypto.randomUUID()];
    await backend.storeResult(taskId, null, "SUCCESS", {
      children: [[[child, null], null]],
    });
    assertEquals((await fixture.driver.read(taskId)).children, [child]);
  }),
);

Deno.test(
  fixture.test("ResultBackend.storeResult() writes byte for byte what Celery writes", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    const json = '{"a": [1, 1.5, null, "\\u0142 \\ud83d\\ude00"], "n": NaN}';
    await fixture.driver.store(taskId, json, "PROGRESS");
    const celerys = await documentOf(taskId);
    await backend.storeResult(
      taskId,
      { a: [1, 1.5, null, "\u0142 \u{1f600}"], n: NaN },
      "PROGRESS",
    );
    assertEquals(await documentOf(taskId), celerys);
  }),
);

Deno.test(
  fixture.test("ResultBackend.storeResult() sets the same expiry as Celery", async () => {
    await using backend = fixture.backend();
    await using client = await fixture.redis.client();
    const [mine, celerys] = [crypto.randomUUID(), crypto.randomUUID()];
    await fixture.driver.store(celerys, "1", "SUCCESS");
    await backend.storeResult(mine, 1, "SUCCESS");
    const ttls = await Promise.all(
      [mine, celerys].map((id) => client.send("TTL", `celery-task-meta-${id}`)),
    );
    // A second may pass between the two.
    for (const ttl of ttls) assert(ttl === 86_400 || ttl === 86_399, `${ttl}`);
  }),
);

Deno.test(
  fixture.test("ResultBackend.forget() makes the task PENDING in Python", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.markAsDone(taskId, 1);
    await backend.forget(taskId);
    assertEquals((await fixture.driver.read(taskId)).state, "PENDING");
  }),
);

// -- replacing documents -----------------------------------------------------------------

Deno.test(
  fixture.test("ResultBackend.storeResult() stores a SUCCESS that Celery does not replace", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await backend.markAsDone(taskId, "first");
    const document = await documentOf(taskId);
    await fixture.driver.store(taskId, '"second"', "SUCCESS");
    await fixture.driver.storeFailure(taskId, ["late"]);
    assertEquals(await documentOf(taskId), document);
  }),
);

Deno.test(
  fixture.test("ResultBackend.storeResult() does not replace a SUCCESS that Celery stored, and resolves to false", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    await fixture.driver.store(taskId, '"first"', "SUCCESS");
    assertEquals(await backend.markAsDone(taskId, "second"), false);
    assertEquals(await backend.markAsFailure(taskId, "late"), false);
    assertEquals(await backend.markAsStarted(taskId), false);
    assertEquals(await fixture.driver.get(taskId), { value: "'first'" });
  }),
);

Deno.test(
  fixture.test("ResultBackend.storeResult() replaces a failure that Celery stored, and the other way round", async () => {
    await using backend = fixture.backend();
    const [mine, celerys] = [crypto.randomUUID(), crypto.randomUUID()];
    await fixture.driver.storeFailure(celerys, ["transient"]);
    assertEquals(await backend.markAsDone(celerys, "at last"), true);
    assertEquals(await fixture.driver.get(celerys), { value: "'at last'" });
    await backend.markAsFailure(mine, "transient");
    await fixture.driver.store(mine, '"at last"', "SUCCESS");
    assertEquals(await backend.result(mine).get(), "at last");
  }),
);

// -- Python waits --------------------------------------------------------------------------

Deno.test(
  fixture.test("ResultBackend.markAsDone() wakes Python's get()", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    const wait = fixture.driver.wait(taskId);
    await fixture.inTime(wait.waiting);
    await backend.markAsDone(taskId, "woken");
    assertEquals(await fixture.inTime(wait.outcome), { value: "'woken'" });
  }),
);

Deno.test(
  fixture.test("ResultBackend.markAsFailure() wakes Python's get(), which raises", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    const wait = fixture.driver.wait(taskId);
    await fixture.inTime(wait.waiting);
    await backend.markAsFailure(taskId, {
      excType: "KeyError",
      excModule: "builtins",
      excArgs: ["missing"],
    });
    const { raised } = await fixture.inTime(wait.outcome);
    assertEquals([raised?.type, raised?.args], ["KeyError", "['missing']"]);
  }),
);

Deno.test(
  fixture.test("ResultBackend.markAsDone() wakes Python's get() if Redis refuses scripts", async () => {
    await using client = await fixture.redis.client();
    await client.send(
      ...["ACL", "SETUSER", "scriptless", "on", ">secret"],
      ...["~*", "&*", "+@all", "-@scripting"],
    );
    await using backend = fixture.backend({
      username: "scriptless",
      password: "secret",
    });
    const taskId = crypto.randomUUID();
    const wait = fixture.driver.wait(taskId);
    await fixture.inTime(wait.waiting);
    await backend.markAsDone(taskId, "woken");
    assertEquals(await fixture.inTime(wait.outcome), { value: "'woken'" });
    assertEquals(await backend.markAsDone(taskId, "again"), false);
  }),
);

Deno.test(
  fixture.test("ResultBackend.storeResult() lets Python's get() wait through states that are not ready", async () => {
    await using backend = fixture.backend();
    const taskId = crypto.randomUUID();
    const wait = fixture.driver.wait(taskId);
    await fixture.inTime(wait.waiting);
    await backend.markAsStarted(taskId);
    await backend.storeResult(taskId, 50, "PROGRESS");
    await backend.markAsRetry(taskId, new Error("again"));
    await backend.markAsRevoked(taskId, "enough");
    const { raised } = await fixture.inTime(wait.outcome);
    assertEquals([raised?.type, raised?.args], [
      "TaskRevokedError",
      "['enough']",
    ]);
  }),
);

Deno.test(
  fixture.test("ResultBackend.markAsDone() wakes a reader here and one in Python", async () => {
    await using backend = fixture.backend();
    await using other = fixture.backend();
    const taskId = crypto.randomUUID();
    const consumer = other.consumer<string>();
    await consumer.add(taskId);
    await consumer.writable.close();
    const wait = fixture.driver.wait(taskId);
    await fixture.inTime(wait.waiting);
    await backend.markAsDone(taskId, "for all");
    const events = await fixture.inTime(Array.fromAsync(consumer.readable));
    assertEquals(events.map((event) => event.result), ["for all"]);
    assertEquals(await fixture.inTime(wait.outcome), { value: "'for all'" });
  }),
);
