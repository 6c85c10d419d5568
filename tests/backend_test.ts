// The errors for invalid arguments, and how a backend shows itself.

import {
  ConfigurationError,
  ContentDisallowedError,
  ResultBackend,
  type ResultBackendOptions,
  type StatusEvent,
} from "../mod.ts";
import { MemoryRedis } from "../testing.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "./support/assert.ts";
import { BackendFixture } from "./support/backend_fixture.ts";
import { inboxOf } from "./support/results.ts";

Deno.test("an argument that is not a task id is refused: the error says what it is, and what to pass", async () => {
  await using backend = new ResultBackend();
  const result = backend.result("a");
  const results = backend.resultSet(["a", "b"]);
  const cases: [id: unknown, words: string][] = [
    [result, "Cannot use an AsyncResult as a task id: give its `id`"],
    [
      ["a"],
      "Cannot use an array as a task id: give one id, or all of them to resultSet()",
    ],
    [undefined, "Cannot use undefined as a task id: give a non-empty string"],
    [null, "Cannot use null as a task id"],
    [5, "Cannot use 5 as a task id"],
    [{}, "Cannot use an object as a task id"],
    [new Map(), "Cannot use a Map as a task id"],
    [() => "a", "Cannot use a function as a task id"],
  ];
  for (const [id, words] of cases) {
    assertThrows(() => backend.result(id as string), TypeError, words);
    assertThrows(() => backend.stream([id as string]), TypeError, words);
    await assertRejects(() => backend.getMeta(id as string), TypeError, words);
    await assertRejects(() => backend.forget(id as string), TypeError, words);
  }
  async function* later(): AsyncGenerator<string> {
    yield "a";
  }
  const lists: [ids: unknown, words: string][] = [
    [
      undefined,
      "Cannot use undefined as task ids: give one id, or a list of ids",
    ],
    [null, "Cannot use null as task ids"],
    [5, "Cannot use 5 as task ids"],
    [{ a: 1 }, "Cannot use an object as task ids"],
    [result, "Cannot use an AsyncResult as task ids: give its `id`"],
    [results, "Cannot use a ResultSet as task ids: give its `ids`"],
    [later(), "ReadableStream.from(taskIds).pipeThrough(backend.consumer())"],
  ];
  for (const [ids, words] of lists) {
    assertThrows(() => backend.stream(ids as string), TypeError, words);
    assertThrows(() => backend.resultSet(ids as string), TypeError, words);
    await assertRejects(
      () => backend.getMetas(ids as string),
      TypeError,
      words,
    );
    await assertRejects(
      () => backend.saveGroup("g", ids as string),
      TypeError,
      words,
    );
    await using consumer = backend.consumer();
    await assertRejects(() => consumer.add(ids as string), TypeError, words);
    assertThrows(() => consumer.remove(ids as string), TypeError, words);
  }
});

Deno.test("a URL that is not a Redis URL is refused, with its password masked", () => {
  const redisOnly = "Redis is the only Celery result backend supported";
  const cases: [url: unknown, words: string[]][] = [
    ["localhost", ["scheme is missing: write redis://localhost:6379/0"]],
    ["localhost:6379", ["scheme is missing"]],
    ["127.0.0.1:6379/0", ["scheme is missing"]],
    ["", ["scheme is missing"]],
    ["django-db", ['"django-db"', redisOnly]],
    ["rpc://", ["its scheme is rpc", redisOnly]],
    [
      "db+postgresql://u:S3CRET@h/db",
      ["its scheme is db+postgresql", redisOnly],
    ],
    ["u:S3CRET@h:6379", ["scheme is missing"]],
    [
      { host: "h", port: 6379, password: "S3CRET" },
      ["Cannot use an object as the URL", "which holds host, port and"],
    ],
    [6379, ["Cannot use 6379 as the URL"]],
    [null, ["Cannot use null as the URL"]],
  ];
  for (const [url, words] of cases) {
    for (const options of [{}, { cluster: true }]) {
      const error = assertThrows(
        () => new ResultBackend(url as string, options),
        ConfigurationError,
      );
      const texts = [...words, "redis://[user][:password]@host[:port][/db]"];
      for (const text of texts) assertStringIncludes(error.message, text);
      assert(!Deno.inspect(error).includes("S3CRET"), error.message);
    }
  }
});

Deno.test("fromCeleryConfig() names other backends, suggests similar names only, and says what Django's settings need", () => {
  const others = [
    ...["django-db", "rpc", "amqp", "django_celery_results.backends:Database"],
    ...["cache+memcached://", "db+sqlite:///S3CRET"],
  ];
  for (const other of others) {
    const error = assertThrows(
      () => ResultBackend.fromCeleryConfig({ CELERY_RESULT_BACKEND: other }),
      ConfigurationError,
    );
    const kind = other.replace(/:\/.*$/, "");
    assertStringIncludes(
      error.message,
      `Cannot use a CELERY_RESULT_BACKEND of ${kind}: this module reads results from Redis only`,
    );
    assert(!error.message.includes("S3CRET"));
  }
  const error = assertThrows(
    () =>
      ResultBackend.fromCeleryConfig({
        DEBUG: true,
        DATABASES: {},
        CACHES: {},
        LOGGING: {},
        INSTALLED_APPS: [],
        SECRET_KEY: "S3CRET",
        CELERY_RESULT_BACKEND: "redis://",
        CELERY_RESULT_EXPIRE: 5,
      }),
    ConfigurationError,
  );
  assertEquals(
    error.message,
    "Cannot use the Celery configuration, which has unknown names: " +
      '"DEBUG", "DATABASES", "CACHES", "LOGGING", "INSTALLED_APPS", "SECRET_KEY", ' +
      '"CELERY_RESULT_EXPIRE" (did you mean result_expires?). ' +
      "Of Django's settings, pass only those that begin with CELERY_",
  );
});

Deno.test("console.log() of a backend shows its URL without secrets, and its status", async () => {
  await using redis = await MemoryRedis.start();
  const url = new URL(redis.url);
  url.searchParams.set("client_name", "S3CRET");
  await using backend = new ResultBackend(url, { clientName: "shown" });
  const shown = `url: "redis://${url.host}${url.pathname}?**", status:`;
  assertEquals(
    Deno.inspect(backend),
    `ResultBackend { ${shown} "disconnected" }`,
  );
  await backend.exists("a");
  assertStringIncludes(
    Deno.inspect({ backend }, { depth: 9 }),
    `backend: ResultBackend { ${shown} "connected" }`,
  );
  await backend.close();
  assertStringIncludes(Deno.inspect(backend), '"closed"');
  const secret = new ResultBackend("redis://u:S3CRET@h", {
    password: "S3CRET",
    sentinel: undefined as never,
  });
  assertEquals(
    Deno.inspect(secret, { showHidden: true }),
    'ResultBackend { url: "redis://u:**@h", status: "disconnected" }',
  );
});

Deno.test("a heartbeat or reconcile probably meant in seconds is reported once, to the first reader of status()", async () => {
  async function eventsWith(
    options: ResultBackendOptions,
  ): Promise<StatusEvent[][]> {
    await using backend = new ResultBackend(undefined, options);
    const readers = [backend.status(), backend.status()];
    await backend.close();
    return await Promise.all(readers.map((each) => Array.fromAsync(each)));
  }
  const [first = [], second = []] = await eventsWith({
    heartbeat: 10,
    reconcile: 30,
  });
  assertEquals(first.map(({ type }) => type), [
    "disconnected",
    "degraded",
    "degraded",
    "closed",
  ]);
  assertEquals(
    first.map((event) => event.type === "degraded" && event.error.message),
    [
      false,
      "The option heartbeat is 10 milliseconds: if you meant seconds, give 10000",
      "The option reconcile is 30 milliseconds: if you meant seconds, give 30000",
      false,
    ],
  );
  assertEquals(second.map(({ type }) => type), ["disconnected", "closed"]);
  const [none = []] = await eventsWith({ heartbeat: 50, reconcile: 100 });
  assertEquals(none.map(({ type }) => type), ["disconnected", "closed"]);
  const [off = []] = await eventsWith({ reconcile: 0 });
  assertEquals(off.map(({ type }) => type), ["disconnected", "closed"]);
});

Deno.test("onRetry and status() say why the first connection failed, or that a connection was lost", async () => {
  await using redis = await MemoryRedis.start();
  const messages: string[] = [];
  await using backend = new ResultBackend(redis.url, {
    reconnect: { minTimeout: 1 },
    onRetry: ({ kind, message }) => {
      if (kind === "reconnect") messages.push(message);
    },
  });
  const status = inboxOf(backend.status());
  await redis.stop();
  const exists = backend.exists("a");
  const first = await status.until(({ type }) => type === "retrying");
  await redis.restart();
  assertEquals(await exists, false);
  await redis.stop();
  const again = backend.exists("a");
  const lost = await status.until((event) =>
    event.type === "retrying" && event.message.includes("lost")
  );
  await redis.restart();
  await again;
  assert(first.type === "retrying" && lost.type === "retrying");
  assertStringIncludes(
    first.message,
    "Connection to Redis failed: Retry (0/Inf) now. Cannot connect to Redis at ",
  );
  assertEquals(lost.message, "Connection to Redis lost: Retry (0/Inf) now.");
  assertEquals(messages[0], first.message);
});

Deno.test("a backend without YAML names yaml.ts when it reads a YAML document", async () => {
  await using fixture = await BackendFixture.start();
  // As PyYAML writes it, and with result_extended.
  const documents = [
    "children: []\ndate_done: null\nresult: 1\nstatus: SUCCESS\ntask_id: a\ntraceback: null\n",
    "args: []\nchildren: []\nresult: {}\nstatus: SUCCESS\n",
  ];
  await using msgpack = new ResultBackend(fixture.redis.url, {
    serializer: "msgpack",
  });
  for (const document of documents) {
    await fixture.put("a", document);
    for (const backend of [fixture.backend, msgpack]) {
      const error = await assertRejects(
        () => backend.getMeta("a"),
        ContentDisallowedError,
        "looks like YAML",
      );
      assertEquals(error.serializer, "yaml");
      assertStringIncludes(error.message, "import { yaml } from yaml.ts");
    }
  }
  for (
    const document of ["status: ", "not found: x", '{"status":', "nonsense"]
  ) {
    await fixture.put("a", document);
    const error = await assertRejects(() => fixture.backend.getMeta("a"));
    const isYaml = document === "status: ";
    assertEquals(String(error).includes("YAML"), isYaml, document);
  }
});
