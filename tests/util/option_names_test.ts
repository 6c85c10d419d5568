import { ResultBackend } from "../../mod.ts";
import {
  checkOptions,
  type OptionNames,
  optionNames,
  unknownOption,
} from "../../src/util/option_names.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";

interface Known {
  signal?: AbortSignal;
  timeout?: number;
}

const KNOWN: OptionNames = optionNames<Known>({ signal: true, timeout: true });
const SIGNAL: OptionNames = new Set(["signal"]);

Deno.test("checkOptions accepts valid and missing options", () => {
  const { signal } = new AbortController();
  checkOptions(undefined, KNOWN);
  checkOptions({}, KNOWN);
  checkOptions({ timeout: undefined, signal: undefined }, KNOWN);
  checkOptions({ timeout: 0, signal }, KNOWN);
  checkOptions(Object.create({ signal }), KNOWN);
  checkOptions(Object.create(null), KNOWN);
  // Instances of classes, which have more to them.
  class Wait {
    timeout = 5;
    began = 0;
  }
  checkOptions(new Wait(), KNOWN);
  checkOptions(new AbortController(), KNOWN);
});

Deno.test("checkOptions says what is wrong, and what to hand over", () => {
  const controller = new AbortController();
  const { signal } = controller;
  const cases: [options: unknown, known: OptionNames, words: string][] = [
    [
      { timeOut: 100 },
      KNOWN,
      'Unknown option "timeOut": did you mean timeout?',
    ],
    [{ timeoutMs: 1 }, KNOWN, "did you mean timeout?"],
    [{ abortSignal: signal }, KNOWN, "did you mean signal?"],
    [{ wait: 1 }, KNOWN, 'Unknown option "wait": expected signal or timeout'],
    [
      Object.assign(Object.create(null), { timeOut: 1 }),
      KNOWN,
      "did you mean timeout?",
    ],
    [10, KNOWN, "milliseconds, as in get({ timeout: 10 })"],
    [10, SIGNAL, "Cannot use 10 as options: expected an object with signal"],
    [null, KNOWN, "Cannot use null as options: expected an object"],
    ["b", KNOWN, 'Cannot use "b" as options: expected an object'],
    [["b"], KNOWN, "Cannot use an array as options: expected an object"],
    [signal, KNOWN, "an AbortSignal as options: give it as { signal }"],
    [
      { timeout: 5 },
      SIGNAL,
      'Unknown option "timeout": give { signal: AbortSignal.timeout(milli',
    ],
    [
      { signal: controller },
      KNOWN,
      "an AbortController as signal: give its signal, { signal: controller.signal }",
    ],
    [{ signal: 5 }, KNOWN, "Cannot use 5 as signal: expected an AbortSignal"],
    [{ signal: null }, KNOWN, "Cannot use null as signal"],
  ];
  for (const [options, known, words] of cases) {
    assertThrows(() => checkOptions(options, known), TypeError, words);
  }
});

Deno.test("unknownOption names a part of an option by its path", () => {
  const names = optionNames<{ minTimeout: 0; maxTimeout: 0 }>({
    minTimeout: true,
    maxTimeout: true,
  });
  assertEquals(
    unknownOption("min_timeout", names, "retry."),
    'Unknown option "retry.min_timeout": did you mean retry.minTimeout?',
  );
});

type Call = (backend: ResultBackend, options: never) => unknown;

/** Every public call that takes options. */
const CALLS: Readonly<Record<string, Call>> = {
  getMeta: (backend, o) => backend.getMeta("a", o),
  getMetas: (backend, o) => backend.getMetas(["a"], o),
  exists: (backend, o) => backend.exists("a", o),
  result: (backend, o) => backend.result("a", o),
  stream: (backend, o) => backend.stream(["a"], o),
  consumer: (backend, o) => backend.consumer(o),
  storeResult: (backend, o) => backend.storeResult("a", 1, "SUCCESS", o),
  markAsStarted: (backend, o) => backend.markAsStarted("a", null, o),
  markAsDone: (backend, o) => backend.markAsDone("a", 1, o),
  markAsFailure: (backend, o) => backend.markAsFailure("a", new Error(), o),
  markAsRetry: (backend, o) => backend.markAsRetry("a", new Error(), o),
  markAsRevoked: (backend, o) => backend.markAsRevoked("a", "", o),
  setChordSize: (backend, o) => backend.setChordSize("g", 1, o),
  addToChord: (backend, o) => backend.addToChord("g", 1, o),
  chordPartReturn: (backend, o) =>
    backend.chordPartReturn({ taskId: "a", groupId: "g" }, "SUCCESS", 1, o),
  forget: (backend, o) => backend.forget("a", o),
  saveGroup: (backend, o) => backend.saveGroup("g", ["a"], o),
  restoreGroup: (backend, o) => backend.restoreGroup("g", o),
  deleteGroup: (backend, o) => backend.deleteGroup("g", o),
  close: (backend, o) => backend.close(o),
  "AsyncResult.get": (backend, o) => backend.result("a").get(o),
  "AsyncResult.meta": (backend, o) => backend.result("a").meta(o),
  "AsyncResult.state": (backend, o) => backend.result("a").state(o),
  "AsyncResult.ready": (backend, o) => backend.result("a").ready(o),
  "AsyncResult.successful": (backend, o) => backend.result("a").successful(o),
  "AsyncResult.failed": (backend, o) => backend.result("a").failed(o),
  "AsyncResult.exists": (backend, o) => backend.result("a").exists(o),
  "AsyncResult.events": (backend, o) => backend.result("a").events(o),
  "AsyncResult.forget": (backend, o) => backend.result("a").forget(o),
  "AsyncResult.children": (backend, o) => backend.result("a").children(o),
  "AsyncResult.collect": (backend, o) => backend.result("a").collect(o),
  "AsyncResult.leaf": (backend, o) => backend.result("a").leaf(o),
  "AsyncResult.dependencies": (backend, o) =>
    backend.result("a").dependencies(o),
  "AsyncResult.graph": (backend, o) => backend.result("a").graph(o),
  "ResultSet.get": (backend, o) => backend.resultSet(["a"]).get(o),
  "ResultSet.join": (backend, o) => backend.resultSet(["a"]).join(o),
  "ResultSet.events": (backend, o) => backend.resultSet(["a"]).events(o),
  "ResultSet.ready": (backend, o) => backend.resultSet(["a"]).ready(o),
  "ResultSet.successful": (backend, o) =>
    backend.resultSet(["a"]).successful(o),
  "ResultSet.failed": (backend, o) => backend.resultSet(["a"]).failed(o),
  "ResultSet.waiting": (backend, o) => backend.resultSet(["a"]).waiting(o),
  "ResultSet.completedCount": (backend, o) =>
    backend.resultSet(["a"]).completedCount(o),
  "ResultSet.forget": (backend, o) => backend.resultSet(["a"]).forget(o),
  "GroupResult.save": (backend, o) => groupOf(backend).save(o),
  "GroupResult.delete": (backend, o) => groupOf(backend).delete(o),
};

/** Those that answer at once, and so throw. */
const SYNC: ReadonlySet<string> = new Set([
  "result",
  "stream",
  "consumer",
  "AsyncResult.events",
  "AsyncResult.collect",
  "AsyncResult.dependencies",
  "ResultSet.events",
]);

/** Those that do not wait for Redis, or have a limit of their own. */
const WITHOUT_SIGNAL: ReadonlySet<string> = new Set(["result", "close"]);

function groupOf(backend: ResultBackend) {
  const group = backend.fromTuple([["g", null], [[["a", null], null]]]);
  assert("save" in group);
  return group;
}

for (const [name, call] of Object.entries(CALLS)) {
  Deno.test(`${name}() refuses options that it does not know, and what is none, before anything is sent`, async () => {
    let dials = 0;
    await using backend = new ResultBackend(undefined, {
      runtime: {
        dial: () => {
          dials++;
          return Promise.reject(new Error("dialled"));
        },
      },
    });
    async function refused(options: unknown): Promise<string> {
      let result: unknown;
      try {
        result = call(backend, options as never);
      } catch (error) {
        assert(SYNC.has(name), `${name} threw ${error}`);
        assertInstanceOf(error, TypeError);
        return error.message;
      }
      assert(!SYNC.has(name), `${name} did not throw`);
      const error = await assertRejects(
        () => result as Promise<unknown>,
        TypeError,
      );
      return error.message;
    }
    assertStringIncludes(await refused({ colour: 1 }), '"colour": expected ');
    assertStringIncludes(await refused(10), "Cannot use 10 as options: ");
    assertStringIncludes(await refused(null), "Cannot use null as options: ");
    if (!WITHOUT_SIGNAL.has(name)) {
      assertStringIncludes(
        await refused({ sginal: undefined }),
        '"sginal": did you mean signal?',
      );
      assertStringIncludes(
        await refused({ signal: new AbortController() }),
        "{ signal: controller.signal }",
      );
    }
    assertEquals(dials, 0);
  });
}

Deno.test("each call that takes options is in the list above", async () => {
  await using backend = new ResultBackend();
  // What takes none.
  const others = new Set([
    ...["constructor", "resultSet", "fromTuple", "status"],
    ...["asTuple", "asList", "toJSON", "length", "id"],
  ]);
  const classes = {
    "": backend,
    "AsyncResult.": backend.result("a"),
    "ResultSet.": backend.resultSet(["a"]),
    "GroupResult.": groupOf(backend),
  };
  for (const [prefix, instance] of Object.entries(classes)) {
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(instance));
    for (const name of names) {
      assert(others.has(name) || `${prefix}${name}` in CALLS, prefix + name);
    }
  }
});
