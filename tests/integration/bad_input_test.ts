// Wrong input and broken servers: each error says what to do, and nothing hangs.

import {
  BackendGetMetaError,
  BackendStoreError,
  ConfigurationError,
  DecodeError,
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
  ResultTimeoutError,
  RetryLimitError,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import { collect, taskIds } from "../support/results.ts";

const KEY = "celery-task-meta-";

/** The errors of a read, a wait, a stream and a store. */
async function failuresOf(
  url: string,
  options: ResultBackendOptions = {},
): Promise<Error[]> {
  await using backend = new ResultBackend(url, {
    reconnect: { maxAttempts: 2, minTimeout: 1, maxTimeout: 1 },
    retry: { maxAttempts: 2, minTimeout: 1, maxTimeout: 1 },
    ...options,
  });
  return [
    await assertRejects(() => backend.getMeta("id"), Error),
    await assertRejects(() => backend.result("id").get(), Error),
    await assertRejects(() => collect(backend.stream("id")), Error),
    await assertRejects(() => backend.markAsDone("id", 1), Error),
  ];
}

Deno.test(needs("redis-server", {
  name:
    "a wrong or missing password fails every call at once, in the server's words",
  async fn() {
    await using redis = await startRedis({ password: "right" });
    const { port } = redis;
    for (
      const [url, words] of [
        [`redis://:wrong-secret@127.0.0.1:${port}`, "WRONGPASS"],
        [`redis://nobody:wrong-secret@127.0.0.1:${port}`, "WRONGPASS"],
        [`redis://127.0.0.1:${port}`, "NOAUTH"],
      ] as const
    ) {
      for (const error of await failuresOf(url, { retry: {}, reconnect: {} })) {
        assertInstanceOf(error, RedisError);
        assertEquals(error.code, words);
        assertStringIncludes(error.message, "password");
        assert(!error.message.includes("wrong-secret"), error.message);
      }
    }
    await using backend = new ResultBackend(`redis://127.0.0.1:${port}`, {
      password: "right",
    });
    assertEquals(await backend.exists("id"), false);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a password for a server without one is refused, with advice to omit it",
  async fn() {
    await using redis = await startRedis();
    for (
      const error of await failuresOf(
        `redis://:needless-secret@127.0.0.1:${redis.port}`,
      )
    ) {
      assertInstanceOf(error, RedisError);
      assertStringIncludes(error.message, "this server has no password");
      assert(!error.message.includes("ACL SETUSER"), error.message);
      assert(!error.message.includes("needless-secret"), error.message);
    }
  },
}));

Deno.test(needs("redis-server", {
  name: "a renamed command is named, with what to do",
  async fn() {
    const cases: [
      command: string,
      use: (b: ResultBackend) => Promise<unknown>,
    ][] = [
      ["PING", (backend) => backend.getMeta("id")],
      ["PING", (backend) => backend.result("id").get()],
      ["PUBLISH", (backend) => backend.markAsDone("id", 1)],
      ["SETEX", (backend) => backend.markAsDone("id", 1)],
      ["SUBSCRIBE", (backend) => backend.result("id").get()],
      ["MGET", (backend) => backend.result("id").get()],
    ];
    for (const [command, use] of cases) {
      await using redis = await startRedis({
        args: ["--rename-command", command, ""],
      });
      await using backend = new ResultBackend(redis.url);
      const error = await assertRejects(() => use(backend), RedisError);
      assertStringIncludes(error.message, command);
      assertStringIncludes(error.message, "rename-command in redis.conf");
    }
  },
}));

Deno.test(needs("redis-server", {
  name: "a database out of range fails every call at once, naming the number",
  async fn() {
    await using redis = await startRedis();
    for (
      const error of await failuresOf(`redis://127.0.0.1:${redis.port}/99`)
    ) {
      assertInstanceOf(error, RedisError);
      assertStringIncludes(error.message, "DB index is out of range");
      assertStringIncludes(error.message, "database 99");
    }
  },
}));

Deno.test("a server that is not Redis fails every call at once", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  const { port } = server.addr;
  for (const error of await failuresOf(`redis://127.0.0.1:${port}`)) {
    assertInstanceOf(error, ConfigurationError);
    assertStringIncludes(error.message, "does not speak Redis's protocol");
    assertStringIncludes(error.message, "HTTP/1.1 400");
  }
  await server.shutdown();
});

Deno.test("a host that does not exist fails every call at the retry limit", async () => {
  const [read, wait, stream, store] = await failuresOf(
    "redis://no-such-host.invalid",
  );
  assertInstanceOf(read, BackendGetMetaError);
  assertInstanceOf(store, BackendStoreError);
  for (const error of [wait, stream]) assertInstanceOf(error, RetryLimitError);
  for (const error of [read, wait, stream, store]) {
    assertStringIncludes(error?.message ?? "", "no-such-host.invalid:6379");
    assertInstanceOf(error?.cause, Error);
  }
});

Deno.test("a port without a listener fails every call at the retry limit", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  for (const error of await failuresOf(`redis://127.0.0.1:${port}`)) {
    assertStringIncludes(error.message, `127.0.0.1:${port}`);
    assertStringIncludes(error.message.toLowerCase(), "refused");
  }
});

Deno.test(needs("redis-server", {
  name:
    "a key of the wrong type: GET says so at once, MGET treats it as missing",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await client.send("RPUSH", `${KEY}list`, "x");
    await using backend = new ResultBackend(redis.url);
    const error = await assertRejects(
      () => backend.getMeta("list"),
      RedisError,
    );
    assertEquals(error.code, "WRONGTYPE");
    const refused = await assertRejects(
      () => backend.markAsDone("list", 1),
      RedisError,
    );
    assertEquals(refused.code, "WRONGTYPE");
    assertEquals((await backend.getMetas(["list"]))[0]?.state, "PENDING");
    await assertRejects(
      () => backend.result("list").get({ timeout: 100 }),
      ResultTimeoutError,
    );
    assertEquals(await backend.exists("list"), true);
  },
}));

Deno.test("an empty id is refused at once, before anything is sent", async () => {
  await using backend = new ResultBackend("redis://127.0.0.1:1");
  await using consumer = backend.consumer();
  for (
    const call of [
      () => backend.getMeta(""),
      () => backend.getMetas(["a", ""]),
      () => backend.exists(""),
      () => backend.storeResult("", 1, "SUCCESS"),
      () => backend.forget(""),
      () => consumer.add(["a", ""]),
    ]
  ) {
    const error = await assertRejects(call, TypeError);
    assertStringIncludes(error.message, "empty task id");
  }
  assertEquals(consumer.pending, 0);
  assertThrows(() => backend.stream(["a", ""]), TypeError, "empty task id");
  assertThrows(() => backend.result(""), TypeError, "empty task id");
});

Deno.test(needs("redis-server", {
  name:
    "a stored document that is not JSON is the task's outcome, and the stream continues",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url, { reconcile: 0 });
    const [bad, good] = taskIds(2) as [string, string];
    await client.send("SET", KEY + bad, "<html>");

    const reader = backend.stream([bad, good]).getReader();
    const { value } = await reader.read();
    assertEquals(value?.state, "UNDECODABLE");
    assertEquals(value?.taskId, bad);
    for (
      const call of [
        () => backend.result(bad).get(),
        () => backend.getMeta(bad),
      ]
    ) {
      const error = await assertRejects(call, DecodeError);
      assertEquals([error.taskId, error.text], [bad, "<html>"]);
      assertStringIncludes(error.message, bad);
    }
    await backend.markAsDone(good, 1);
    assertEquals((await reader.read()).value?.state, "SUCCESS");
    assertEquals((await reader.read()).done, true);
    // An undecodable document may be replaced.
    assertEquals(await backend.markAsDone(bad, 2), true);
    assertEquals(await backend.result(bad).get(), 2);
  },
}));

Deno.test(needs("redis-server", {
  name: "a message that is not JSON is skipped; the key's value decides",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using backend = new ResultBackend(redis.url, { reconcile: 0 });
    const [id, other] = taskIds(2) as [string, string];
    const waits = [
      backend.result(id).get({ timeout: 60_000 }),
      backend.result(id).get({ timeout: 60_000 }),
      backend.result(other).get({ timeout: 60_000 }),
    ];
    await backend.consumer().add([id, other]);
    await client.send("PUBLISH", KEY + id, "garbage");
    await client.send("PUBLISH", KEY + id, new Uint8Array([0x80, 4, 0xff]));
    await backend.markAsDone(other, "other");
    assertEquals(await waits[2], "other");
    await backend.markAsDone(id, "good");
    assertEquals(await Promise.all(waits), ["good", "good", "other"]);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a result over the size limit, or that V8 cannot hold, is a BackendStoreError",
  async fn() {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url, {
      maxResultBytes: 1000,
    });
    const error = await assertRejects(
      () => backend.markAsDone("large", "x".repeat(1000)),
      BackendStoreError,
    );
    assertEquals([error.taskId, error.state], ["large", "SUCCESS"]);
    assertStringIncludes(error.message, "1000");
    assertEquals(await backend.exists("large"), false);
    // The limit counts stored bytes: each character takes six.
    await assertRejects(
      () => backend.markAsDone("large", "\u00e9".repeat(170)),
      BackendStoreError,
    );

    const huge = "x".repeat(2 ** 29 - 25);
    const tooLong = await assertRejects(
      () => backend.markAsDone("huge", [huge, huge]),
      BackendStoreError,
    );
    assertInstanceOf(tooLong.cause, RangeError);
    assertStringIncludes(tooLong.message, "too large");
    const strange = await assertRejects(
      () => backend.markAsDone("strange", { set: new Set([1]) }),
      BackendStoreError,
    );
    assertStringIncludes(strange.message, "result.set");
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a task that expired or was never sent: the timeout says that they look alike",
  async fn() {
    await using redis = await startRedis();
    await using backend = new ResultBackend(redis.url);
    await backend.markAsStarted("started");
    const never = await assertRejects(
      () => backend.result("never").get({ timeout: 2000 }),
      ResultTimeoutError,
    );
    assertEquals([never.taskId, never.lastState], ["never", undefined]);
    assertStringIncludes(never.message, "expired");
    assertStringIncludes(never.message, "wrong");
    const started = await assertRejects(
      () => backend.result("started").get({ timeout: 2000 }),
      ResultTimeoutError,
    );
    assertEquals(started.lastState, "STARTED");
    const once = await assertRejects(
      () => backend.result("started").get({ timeout: 0 }),
      ResultTimeoutError,
    );
    assertEquals(once.lastState, "STARTED");

    await redis.kill();
    const cut = await assertRejects(
      () => backend.result("never").get({ timeout: 1000 }),
      ResultTimeoutError,
    );
    assertInstanceOf(cut.lastConnectionError, Error);
    assertStringIncludes(cut.message, "Redis is not connected");
  },
}));

Deno.test("a wrong URL or option is refused by the constructor, without showing a password", () => {
  for (
    const [url, words] of [
      ["http://127.0.0.1", "scheme is http"],
      ["redis://:secret@127.0.0.1/x", '"x" is not a number'],
      ["redis://:se#cret@127.0.0.1", "%23"],
      ["redis://:secret@127.0.0.1:port", "port"],
      ["nonsense", "not a URL"],
    ] as const
  ) {
    const error = assertThrows(
      () => new ResultBackend(url),
      ConfigurationError,
    );
    assertStringIncludes(error.message, words);
    assertStringIncludes(error.message, "redis://[user][:password]@host");
    assert(!Deno.inspect(error).includes("secret"), Deno.inspect(error));
  }
  for (
    const [options, words] of [
      [{ expires: 0.5 }, "0.5"],
      [{ expires: -1 }, "-1"],
      [{ heartbeat: 0 }, "heartbeat"],
      [{ retry: { maxAttempts: 0 } }, "retry.maxAttempts"],
      [{ reconnect: { jitter: 2 } }, "reconnect.jitter"],
      [{ ssl: {} }, '"ssl"'],
      [{ tls: true }, "expected an object"],
      [{ tls: { ca: "" } }, '"tls.ca": did you mean'],
      [{ tls: { caCerts: ["/etc/ca.pem"] } }, "not the name of a file"],
      [{ tls: { caCerts: "-----BEGIN CERTIFICATE-----" } }, "a list"],
      [{ tls: { cert: "-----BEGIN CERTIFICATE-----" } }, "without tls.key"],
      [{ tls: { key: "-----BEGIN PRIVATE KEY-----" } }, "without tls.cert"],
      [{ tls: { cert: "secret", key: "secret" } }, "tls.cert"],
      [{
        tls: {
          cert: "-----BEGIN CERTIFICATE-----",
          key: "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        },
      }, "is encrypted"],
      [{ tls: {}, driver: {} }, "tls together with driver"],
    ] as const
  ) {
    const error = assertThrows(
      () => new ResultBackend(undefined, options as ResultBackendOptions),
      ConfigurationError,
    );
    assertStringIncludes(error.message, words);
  }
  assertThrows(
    () => new ResultBackend("unix:///run/redis.sock", { tls: {} }),
    ConfigurationError,
    "tls with a Unix socket",
  );
});
