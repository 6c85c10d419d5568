// The driver over deno.land/x/redis. The same tests run over a double that
// imitates three versions of the package, and over the package itself if
// DENO_REDIS_MODULE names it.

import {
  denoRedis,
  type DenoRedisClient,
  type DenoRedisConnect,
  type DenoRedisOptions,
} from "../../deno_redis.ts";
import type { RedisLink } from "../../driver.ts";
import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
} from "../../mod.ts";
import { FaultProxy, MemoryRedis } from "../../testing.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { connect as connectClient } from "../support/client.ts";
import { denoRedisDouble } from "../support/deno_redis_double.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import {
  type DriverChange,
  linkContract,
  type LinkFixture,
} from "../support/link_contract.ts";
import { DENO_REDIS_MODULE, needs } from "../support/needs.ts";
import type { Need } from "../support/needs.ts";
import { startRedis } from "../support/redis_server.ts";
import {
  collect,
  countOutcomes,
  inboxOf,
  taskIds,
  untilStatus,
} from "../support/results.ts";
import { until, within } from "../support/until.ts";

/** A `connect` to test with. */
interface Form {
  readonly name: string;
  readonly needs: readonly Need[];
  connect(): Promise<DenoRedisConnect>;
  /** Code that gives another process the same `connect`. */
  readonly program: string;
}

const DOUBLE = new URL("../support/deno_redis_double.ts", import.meta.url).href;
const FORMS: readonly Form[] = [
  ...(["0.32", "0.37", "0.41"] as const).map((version): Form => ({
    name: `denoRedis over a double of ${version}:`,
    needs: ["redis-server"],
    connect: () => Promise.resolve(denoRedisDouble(version)),
    program: `
      import { denoRedisDouble } from ${JSON.stringify(DOUBLE)};
      const connect = denoRedisDouble("${version}");
    `,
  })),
  {
    name: "denoRedis over the package:",
    needs: ["redis-server", "DENO_REDIS_MODULE"],
    connect: async () => {
      const { connect } = await import(DENO_REDIS_MODULE!);
      return connect;
    },
    program: `
      const { connect } = await import(${JSON.stringify(DENO_REDIS_MODULE)});
    `,
  },
];

/** A server with a password, and the driver on its db 1. */
async function start(form: Form): Promise<LinkFixture> {
  const connect = await form.connect();
  const redis = await startRedis({ password: "s3cret" });
  const options: DenoRedisOptions = {
    hostname: redis.hostname,
    port: redis.port,
    password: "s3cret",
    db: 1,
  };
  const url = new URL(redis.url);
  url.pathname = "/1";
  return {
    driver: (change: DriverChange = {}) =>
      denoRedis(connect, { ...options, ...change }),
    client: () => connectClient(url),
    program: `
      ${form.program}
      import { denoRedis } from ${
      JSON.stringify(new URL("../../deno_redis.ts", import.meta.url).href)
    };
      const driver = denoRedis(connect, ${JSON.stringify(options)});
    `,
    restart: () => redis.restart(),
    pause: () => redis.pause(),
    resume: () => redis.resume(),
    [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose](),
  };
}

const signal = new AbortController().signal;
const silent = { onMessage() {}, onNotice() {} };
const enough = new Error("end of the test");

/** Publishes to a link, on `k`, until it ends by itself. */
async function assertEndsThoughAddressed(
  link: RedisLink,
  url: string,
): Promise<void> {
  await using client = await connectClient(url);
  let isOver = false;
  const over = link.ended.then(() => isOver = true);
  const publishing = (async () => {
    while (!isOver) await client.send("PUBLISH", "k", "v");
  })();
  await within(over, { what: "the end of the link" });
  await publishing;
  await link.end(enough);
}

for (const form of FORMS) {
  const { name } = form;
  linkContract(name, () => start(form), {
    needs: (test) => needs(form.needs, test),
  });

  Deno.test(needs(form.needs, {
    name: `${name} results are stored, read and streamed`,
    async fn() {
      await using fixture = await start(form);
      await using client = await fixture.client();
      await using backend = new ResultBackend(undefined, {
        driver: fixture.driver(),
      });
      const ids = taskIds(500);
      const events = collect(backend.stream(ids));
      const got = Promise.all(ids.map((id) => backend.result(id).get()));
      assertEquals((await backend.getMeta(ids[0]!)).state, "PENDING");
      await Promise.all(ids.map((id) => backend.markAsDone(id, id)));
      assertEquals(
        countOutcomes(await events),
        new Map(ids.map((id) => [id, 1])),
      );
      assertEquals(await got, ids);
      assertEquals(await client.send("DBSIZE"), ids.length);
      assertEquals(await backend.markAsFailure(ids[0]!, "late"), false);
    },
  }));

  Deno.test(needs(form.needs, {
    name:
      `${name} 2,000 results arrive once each through 10 kills, with a password and a database`,
    async fn() {
      await using fixture = await start(form);
      await using client = await fixture.client();
      const reconnect = { maxTimeout: 50 };
      const retry = { maxTimeout: 50, maxAttempts: 1000 };
      await using backend = new ResultBackend(undefined, {
        driver: fixture.driver(),
        reconnect,
        // Only a reconcile would deliver a lost message, and too late.
        reconcile: 0,
      });
      await using writer = new ResultBackend(undefined, {
        driver: fixture.driver(),
        reconnect,
        retry,
      });
      const ids = taskIds(2000);
      const status = inboxOf(backend.status());
      const events = collect(backend.stream(ids));
      let kills = 0;
      for (let i = 0; i < 10; i++) {
        await status.until(({ type }) =>
          type === "connected" &&
          status.all.filter((each) => each.type === "connected").length > i
        );
        const some = ids.slice(i * 200, (i + 1) * 200);
        const stored = Promise.all(
          some.map((id) => writer.markAsDone(id, id)),
        );
        kills += Number(await client.send("CLIENT", "KILL", "TYPE", "pubsub"));
        if (i % 3 === 2) {
          await client.send(
            "CLIENT",
            "KILL",
            "TYPE",
            "normal",
            "SKIPME",
            "yes",
          );
        }
        await stored;
      }
      assertEquals(
        countOutcomes(await events),
        new Map(ids.map((id) => [id, 1])),
      );
      assertEquals(kills, 10);
      assertEquals(await client.send("DBSIZE"), ids.length);
    },
  }));

  Deno.test(needs(form.needs, {
    name: `${name} a stream survives a restart of the server`,
    async fn() {
      await using fixture = await start(form);
      await using backend = new ResultBackend(undefined, {
        driver: fixture.driver(),
        reconnect: { maxTimeout: 50 },
      });
      const ids = taskIds(20);
      const events = collect(backend.stream(ids));
      await untilStatus(backend.status(), "connected");
      await fixture.restart();
      await Promise.all(ids.map((id) => backend.markAsDone(id, id)));
      assertEquals(
        countOutcomes(await events),
        new Map(ids.map((id) => [id, 1])),
      );
    },
  }));

  Deno.test(needs(form.needs, {
    name: `${name} a half-open connection ends the link`,
    async fn() {
      await using redis = await startRedis();
      await using proxy = await FaultProxy.start(redis.url);
      const connect = await form.connect();
      const cases = [
        ["subscribed", ["k"]],
        ["command", ["k"]],
        // The other connection has nothing to miss.
        ["command", []],
      ] as const;
      for (const [which, channels] of cases) {
        const link = await denoRedis(connect, {
          url: proxy.url,
          heartbeat: 300,
          connectTimeout: 500,
        }).connect(silent, signal);
        await link.subscribe(channels);
        proxy.silence(which, { existingOnly: true });
        const reason = await within(link.ended, { what: "the end" });
        assertInstanceOf(reason, RedisConnectionError);
        await link.end(enough);
        proxy.heal();
      }
    },
  }));

  Deno.test(needs(form.needs, {
    name:
      `${name} a dead direction to the server ends the link, although messages arrive`,
    async fn() {
      await using redis = await startRedis();
      await using proxy = await FaultProxy.start(redis.url);
      const connect = await form.connect();
      const link = await denoRedis(connect, {
        url: proxy.url,
        heartbeat: 100,
        connectTimeout: 300,
      }).connect(silent, signal);
      await link.subscribe(["k"]);
      using hold = proxy.hold("SUBSCRIBE");
      const refused = assertRejects(
        () => link.subscribe(["l"]),
        RedisConnectionError,
      );
      await hold.reached;
      await assertEndsThoughAddressed(link, redis.url);
      await refused;
    },
  }));

  Deno.test(needs(form.needs, {
    name: `${name} a reconnect by the package ends the link`,
    async fn() {
      // Without a password, its own reconnect would succeed.
      await using redis = await startRedis();
      await using client = await redis.client();
      const connect = await form.connect();
      const link = await denoRedis(connect, { port: redis.port }).connect(
        silent,
        signal,
      );
      await link.subscribe(["k"]);
      let isOver = false;
      link.ended.then(() => isOver = true);
      await client.send("CLIENT", "KILL", "TYPE", "pubsub");
      // Old versions do not report it, and resubscribe.
      await until(async () => {
        const reply = await client.send("PUBSUB", "NUMSUB", "k");
        return isOver || (Array.isArray(reply) && reply[1] === 1);
      });
      await within(assertRejects(() => link.fence(), RedisConnectionError));
      await link.end(enough);
      assertEquals(await client.send("PUBSUB", "CHANNELS"), []);
    },
  }));

  Deno.test(needs(form.needs, {
    name: `${name} connections that reach different servers end the link`,
    async fn() {
      await using one = await startRedis();
      await using other = await startRedis();
      const connect = await form.connect();
      let dials = 0;
      const link = await denoRedis(
        (options) => connect({ ...options, port: [one, other][dials++]!.port }),
        { connectTimeout: 1000 },
      ).connect(silent, signal);
      const error = await assertRejects(
        () => link.subscribe(["k"]),
        RedisConnectionError,
        "one server",
      );
      assertStrictEquals(await link.ended, error);
      await link.end(enough);
    },
  }));

  Deno.test(needs(form.needs, {
    name: `${name} another client's pattern subscription confirms nothing`,
    async fn() {
      await using one = await startRedis();
      await using other = await startRedis();
      await using watcher = await one.client();
      await watcher.send("PSUBSCRIBE", "*");
      const connect = await form.connect();
      let dials = 0;
      const link = await denoRedis(
        (options) => connect({ ...options, port: [one, other][dials++]!.port }),
        { connectTimeout: 1000 },
      ).connect(silent, signal);
      await assertRejects(() => link.subscribe(["k"]), RedisConnectionError);
      await link.end(enough);
    },
  }));

  Deno.test(needs(form.needs, {
    name:
      `${name} an ACL that lacks a channel is reported at once, with advice`,
    async fn() {
      await using redis = await startRedis();
      await using client = await redis.client();
      const connect = await form.connect();
      const allowed = [["&k"], ["&deno-redis-probe:*"], [
        "&k",
        "&deno-redis-probe:*",
      ]];
      for (const [index, channels] of allowed.entries()) {
        await client.send(
          "ACL",
          "SETUSER",
          "reader",
          "reset",
          "on",
          ">pw",
          "~*",
          "+@all",
          ...channels,
        );
        const link = await denoRedis(connect, {
          port: redis.port,
          username: "reader",
          password: "pw",
        }).connect(silent, signal);
        if (index === 2) await link.subscribe(["k"]);
        else {
          const error = await assertRejects(
            () => link.subscribe(["k"]),
            RedisError,
            "deno-redis-probe:*",
          );
          assertEquals(error.code, "NOPERM");
        }
        await link.end(enough);
      }
    },
  }));

  Deno.test(needs(form.needs, {
    name: `${name} a peer that is not a Redis server is a configuration error`,
    async fn() {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr;
      const connect = await form.connect();
      const failed = assertRejects(
        () => denoRedis(connect, { port }).connect(silent, signal),
        ConfigurationError,
        "does not speak Redis",
      );
      using peer = await listener.accept();
      await peer.write(
        new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"),
      );
      await failed;
    },
  }));
}

Deno.test("denoRedis closes a link that is idle for idleTimeout, unless it is used again", async () => {
  await using redis = await MemoryRedis.start();
  using runtime = new FakeRuntime();
  const link = await denoRedis(denoRedisDouble(), {
    url: redis.url,
    idleTimeout: 1000,
    heartbeat: 1e9,
    runtime,
  }).connect(silent, signal);
  link.keepAlive(false);
  await runtime.advance(999);
  link.keepAlive(true);
  await runtime.advance(5000);
  assertEquals(await link.command(["PING"]), "PONG");
  link.keepAlive(false);
  await runtime.advance(1000);
  assert((await link.ended).message.includes("idle for 1000 ms"));
  await link.end(enough);
  assertEquals(runtime.timers, 0);
});

Deno.test("a backend over denoRedis redials after it was idle, and reports no failure", async () => {
  await using redis = await MemoryRedis.start();
  await using backend = new ResultBackend(undefined, {
    driver: denoRedis(denoRedisDouble(), { url: redis.url, idleTimeout: 20 }),
  });
  const status = inboxOf(backend.status());
  await backend.markAsDone("a", 1);
  await status.until(({ type }) => type === "disconnected");
  assertEquals(await backend.result("a").get(), 1);
  assert(!status.all.some(({ type }) => type === "failed"));
});

Deno.test(needs(["redis-server"], {
  name:
    "a backend passes its URL, user, password, name and durations to denoRedis",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await client.send(
      "ACL",
      "SETUSER",
      "ann",
      "on",
      ">pw",
      "~*",
      "&*",
      "+@all",
    );
    const server = `${redis.hostname}:${redis.port}`;
    const cases: [url: string, options: ResultBackendOptions][] = [
      [`redis://ann:pw@${server}/3?client_name=me`, {}],
      [`redis://${server}/3/`, {
        username: "ann",
        password: "pw",
        clientName: "me",
      }],
      // An option overrides the URL.
      [`redis://x:y@${server}/3?client_name=z`, {
        username: "ann",
        password: "pw",
        clientName: "me",
      }],
    ];
    for (const [url, options] of cases) {
      await client.send("FLUSHALL");
      await using backend = new ResultBackend(url, {
        ...options,
        driver: denoRedis(denoRedisDouble()),
      });
      const got = backend.result("a").get();
      await backend.markAsDone("a", 1);
      assertEquals(await got, 1);
      assertStringIncludes(
        String(await client.send("CLIENT", "LIST")),
        "name=me",
      );
      await client.send("SELECT", 3);
      assertEquals(await client.send("DBSIZE"), 1);
      await client.send("SELECT", 0);
      assertEquals(
        Deno.inspect(backend).includes(`${server}/3`),
        true,
        Deno.inspect(backend),
      );
    }
  },
}));

Deno.test("denoRedis accepts settings from the backend that are new, or equal to its own", async () => {
  const given: Parameters<DenoRedisConnect>[0][] = [];
  const connect: DenoRedisConnect = (options) => {
    given.push(options);
    return Promise.reject(new Error("refused"));
  };
  async function dialled(
    url: string | URL | undefined,
    own: DenoRedisOptions,
    options: ResultBackendOptions = {},
  ): Promise<unknown[]> {
    given.length = 0;
    const driver = denoRedis(connect, own);
    await using backend = new ResultBackend(url, {
      retry: { maxAttempts: 1 },
      ...options,
      driver,
    });
    await assertRejects(() => backend.exists("a"));
    const { hostname, port, tls } = given[0]!;
    return [hostname, port, tls];
  }
  const url = "redis://h:7000/1";
  assertEquals(await dialled(undefined, {}), ["127.0.0.1", 6379, false]);
  assertEquals(await dialled(url, {}), ["h", 7000, false]);
  assertEquals(await dialled(new URL(url), { tls: true }), ["h", 7000, true]);
  assertEquals(await dialled("rediss://h", {}), ["h", 6379, true]);
  assertEquals(await dialled(undefined, { url }), ["h", 7000, false]);
  const same = { hostname: "h", port: "7000", db: 1, url };
  assertEquals(await dialled(url, same), ["h", 7000, false]);
  // One driver serves several backends.
  const driver = denoRedis(connect);
  for (const hostname of ["one", "two"]) {
    given.length = 0;
    await using backend = new ResultBackend(`redis://${hostname}`, {
      driver,
      retry: { maxAttempts: 1 },
    });
    await assertRejects(() => backend.exists("a"));
    assertEquals(given[0]!.hostname, hostname);
  }
});

Deno.test("denoRedis uses the heartbeat and connectTimeout of the backend", async () => {
  await using redis = await MemoryRedis.start();
  await using proxy = await FaultProxy.start(redis.url);
  await using backend = new ResultBackend(proxy.url, {
    driver: denoRedis(denoRedisDouble()),
    heartbeat: 100,
    connectTimeout: 250,
  });
  const status = inboxOf(backend.status());
  const got = backend.result("a").get();
  // If this test fails before it awaits this, that failure should be shown.
  got.catch(() => {});
  await status.until(({ type }) => type === "connected");
  proxy.silence();
  await status.until(({ type }) => type === "disconnected");
  const retrying = await status.until(({ type }) => type === "retrying");
  assert(retrying.type === "retrying");
  assertStringIncludes(
    retrying.error.message,
    "within 250 ms (connectTimeout)",
  );
  await proxy.heal();
  await backend.markAsDone("a", 1);
  assertEquals(await got, 1);
});

Deno.test("denoRedis refuses settings that differ from the backend's, and shows no password", () => {
  const connect = denoRedisDouble();
  const url = "redis://ann:S3CRET@h:7000/1";
  const cases: [DenoRedisOptions, ResultBackendOptions, string][] = [
    [
      { hostname: "other" },
      {},
      'hostname: the backend says "h", and denoRedis() "other"',
    ],
    [{ port: 1 }, {}, "port: the backend says 7000, and denoRedis() 1"],
    [{ db: 0 }, {}, "db: the backend says 1, and denoRedis() 0"],
    [{ url: "redis://other:7000/1" }, {}, 'hostname: the backend says "h"'],
    [{ username: "bob" }, {}, 'username: the backend says "ann"'],
    [{ password: "S3CRET2" }, {}, "password: the backend says one"],
    [{}, { password: "S3CRET2" }, ""],
    [{ name: "x" }, { clientName: "y" }, 'name: the backend says "y"'],
    [{ heartbeat: 1000 }, { heartbeat: 2000 }, "heartbeat: the backend says"],
    [{ tls: false }, {}, ""],
  ];
  for (const [own, options, words] of cases) {
    const driver = denoRedis(connect, own);
    if (words === "") {
      new ResultBackend(url, { ...options, driver });
      continue;
    }
    const error = assertThrows(
      () => new ResultBackend(url, { ...options, driver }),
      ConfigurationError,
      words,
    );
    assert(!error.message.includes("S3CRET"), error.message);
  }
  for (
    const [other, words] of [
      ["rediss://h", "tls: the backend says true, and denoRedis() false"],
      ["sentinel://h", "Cannot use Sentinels with deno.land/x/redis"],
      ["redis+socket:///path", "a Unix socket with deno.land/x/redis"],
      ["rediss://h?ssl_ca_certs=/ca.pem", "`caCerts`"],
      ["nonsense", "it is not a URL"],
    ] as const
  ) {
    assertThrows(
      () =>
        new ResultBackend(other, {
          driver: denoRedis(connect, { tls: false }),
        }),
      ConfigurationError,
      words,
    );
  }
});

Deno.test("denoRedis disables the package's retries, and allows only the first dial", async () => {
  await using redis = await MemoryRedis.start();
  const given: Parameters<DenoRedisConnect>[0][] = [];
  const double = denoRedisDouble();
  const link: RedisLink = await denoRedis((options) => {
    given.push(options);
    return double(options);
  }, { url: redis.url, caCerts: ["PEM"] }).connect(silent, signal);
  await link.subscribe(["k"]);
  assertEquals(given.length, 2);
  for (const { signal, ...options } of given) {
    assertEquals(options, {
      hostname: redis.hostname,
      port: redis.port,
      tls: true,
      caCerts: ["PEM"],
      maxRetryCount: 0,
      noDelay: true,
    });
    assert(signal().aborted);
  }
  await link.end(enough);
});

Deno.test("denoRedis ends a link whose SUBSCRIBE cannot be written", async () => {
  await using redis = await MemoryRedis.start();
  const double = denoRedisDouble();
  const link = await denoRedis(async (options) => {
    const client = await double(options);
    const subscribe = client.subscribe.bind(client);
    client.subscribe = async (...channels) => {
      const subscription = await subscribe(...channels);
      const more = subscription.subscribe.bind(subscription);
      subscription.subscribe = (...names) =>
        names.includes("l") ? new Promise(() => {}) : more(...names);
      return subscription;
    };
    return client;
  }, { url: redis.url, heartbeat: 100 }).connect(silent, signal);
  await link.subscribe(["k"]);
  const refused = assertRejects(
    () => link.subscribe(["l"]),
    RedisConnectionError,
    "a command could not be written within 200 ms",
  );
  await assertEndsThoughAddressed(link, redis.url);
  await refused;
});

Deno.test("denoRedis throws transient and permanent dial errors as different classes, with advice", async () => {
  const cases: [Error, string, string][] = [
    [
      new Deno.errors.NotCapable("Requires net access"),
      "ConfigurationError",
      "--allow-net=127.0.0.1:6379",
    ],
    [
      new Deno.errors.InvalidData("invalid peer certificate: UnknownIssuer"),
      "ConfigurationError",
      "UnknownIssuer",
    ],
    [
      new Deno.errors.InvalidData("received fatal alert: CertificateRequired"),
      "ConfigurationError",
      "use the built-in driver",
    ],
    [
      new Error("-ERR max number of clients reached"),
      "RedisError",
      "ERR max number of clients reached",
    ],
    [new Error("failed to lookup"), "RedisConnectionError", "failed to lookup"],
    // The package's error at the end of the stream.
    [new Error(), "RedisConnectionError", "the server closed it"],
  ];
  const failsInUse = (thrown: Error): DenoRedisClient => ({
    isConnected: true,
    pipeline: () => ({
      sendCommand: () => Promise.resolve("OK"),
      flush: () => Promise.reject(thrown),
    }),
    subscribe: () => Promise.reject(thrown),
    close() {},
  });
  for (const [thrown, name, text] of cases) {
    const connects: DenoRedisConnect[] = [
      () => Promise.reject(thrown),
      () => {
        throw thrown;
      },
    ];
    if (!(thrown instanceof Deno.errors.NotCapable)) {
      // The TLS handshake may only happen, and fail, with the first command.
      connects.push(() => Promise.resolve(failsInUse(thrown)));
    }
    for (const connect of connects) {
      const error = await assertRejects(
        () => denoRedis(connect).connect(silent, signal),
        Error,
        text,
      );
      assertEquals(error.name, name);
      assertStrictEquals(error.cause, thrown);
    }
  }
});

Deno.test("denoRedis refuses a connect that does not resolve to a client", async () => {
  for (const given of [undefined, null, "client", {}]) {
    await assertRejects(
      // A caller without type checks may do this.
      () =>
        denoRedis(() => Promise.resolve(given as unknown as DenoRedisClient))
          .connect(silent, signal),
      ConfigurationError,
      "the value that connect resolved to",
    );
  }
});

Deno.test("denoRedis ends the link when either client reports a reconnect", async () => {
  await using redis = await MemoryRedis.start();
  for (const which of [0, 1]) {
    const callbackLists: (() => void)[][] = [];
    const double = denoRedisDouble();
    const link = await denoRedis(async (options) => {
      const client = await double(options);
      const callbacks: (() => void)[] = [];
      callbackLists.push(callbacks);
      return {
        isConnected: true,
        pipeline: () => client.pipeline(),
        subscribe: (...channels) => client.subscribe(...channels),
        close: () => client.close(),
        addEventListener: (type, callback) => {
          if (type === "reconnecting") callbacks.push(callback);
        },
      };
    }, { url: redis.url }).connect(silent, signal);
    await link.subscribe(["k"]);
    callbackLists[which]![0]!();
    const reason = await within(link.ended, { what: "the end" });
    assert(reason.message.includes(`reported "reconnecting"`));
    await link.end(enough);
  }
});

Deno.test("denoRedis ends the link when the package's messages end without an error", async () => {
  await using redis = await MemoryRedis.start();
  const over = Promise.withResolvers<void>();
  const double = denoRedisDouble("0.32");
  const link = await denoRedis(async (options) => {
    const client = await double(options);
    return {
      isConnected: true,
      pipeline: () => client.pipeline(),
      close: () => client.close(),
      async subscribe(...channels) {
        const subscription = await client.subscribe(...channels);
        return {
          subscribe: (...names) => subscription.subscribe(...names),
          unsubscribe: (...names) => subscription.unsubscribe(...names),
          async *receiveBuffers() {
            const messages = subscription.receiveBuffers();
            for (;;) {
              const next = await Promise.race([messages.next(), over.promise]);
              if (next === undefined || next.done) return;
              yield next.value;
            }
          },
        };
      },
    };
  }, { url: redis.url }).connect(silent, signal);
  await link.subscribe(["k"]);
  over.resolve();
  assertInstanceOf(
    await within(link.ended, { what: "the end" }),
    RedisConnectionError,
  );
  await link.end(enough);
});

Deno.test("denoRedis keeps only one probe channel subscribed", async () => {
  await using redis = await MemoryRedis.start();
  await using client = await connectClient(redis.url);
  const link = await denoRedis(denoRedisDouble(), {
    url: redis.url,
    probePrefix: "mine:",
  }).connect(silent, signal);
  for (let i = 0; i < 20; i++) {
    await link.subscribe([`k${i}`]);
    await link.fence();
    await link.unsubscribe([`k${i}`]);
  }
  await until(async () => {
    const channels = await client.send("PUBSUB", "CHANNELS");
    return Array.isArray(channels) && channels.length === 1 &&
      String(channels[0]).startsWith("mine:");
  });
  await link.end(enough);
});

Deno.test("denoRedis accepts a URL, options that override its parts, and the result of parseURL", async () => {
  await using redis = await MemoryRedis.start({ password: "p@w" });
  const { hostname, port } = redis;
  const password = "p@w";
  const cases: DenoRedisOptions[] = [
    { url: redis.url },
    { url: new URL(redis.url), db: 1 },
    { url: `redis://other.invalid:1/3`, hostname, port, password, db: 0 },
    { hostname, port: String(port), password },
    // The result of the package's parseURL.
    { hostname, port, tls: false, db: undefined, name: undefined, password },
  ];
  for (const options of cases) {
    const link = await denoRedis(denoRedisDouble(), options).connect(
      silent,
      signal,
    );
    assertEquals(await link.command(["PING"]), "PONG");
    await link.end(enough);
  }
});

Deno.test("denoRedis uses TLS for a rediss URL, so that a password is never sent in plain text", async () => {
  const given: Parameters<DenoRedisConnect>[0][] = [];
  const refusing: DenoRedisConnect = (options) => {
    given.push(options);
    return Promise.reject(new Error("enough"));
  };
  const url = "rediss://:pw@redis.test:7?ssl_cert_reqs=required";
  for (const options of [{ url }, { url: new URL(url), hostname: "h" }]) {
    await assertRejects(() =>
      denoRedis(refusing, options).connect(silent, signal)
    );
  }
  assertEquals(given.map(({ hostname, port, tls }) => [hostname, port, tls]), [
    ["redis.test", 7, true],
    ["h", 7, true],
  ]);
});

Deno.test("denoRedis reads the name and durations from the URL's query", async () => {
  await using redis = await MemoryRedis.start();
  using runtime = new FakeRuntime();
  const url = new URL(redis.url);
  url.search = "?client_name=its-name&socket_connect_timeout=2";
  const link = await denoRedis(denoRedisDouble(), { url, runtime }).connect(
    silent,
    signal,
  );
  assertEquals(await link.command(["CLIENT", "GETNAME"]), "its-name");
  await link.end(enough);
  const never = Promise.withResolvers<DenoRedisClient>().promise;
  const failed = assertRejects(
    () => denoRedis(() => never, { url, runtime }).connect(silent, signal),
    RedisConnectionError,
    "within 2000 ms",
  );
  await runtime.advance(2000);
  await failed;
});

Deno.test("denoRedis refuses what cannot work, by name", () => {
  const connect = denoRedisDouble();
  const cases: [Record<string, unknown>, string][] = [
    [{ maxRetryCount: 3 }, "`reconnect`"],
    [{ healthCheckInterval: 1000 }, "`heartbeat`"],
    [{ hostName: "x" }, "did you mean hostname?"],
    [{ port: "x" }, '"x" as port'],
    [{ port: 0 }, "0 as port"],
    [{ db: -1 }, "-1 as db"],
    [{ heartbeat: 0 }, "0 as heartbeat"],
    [{ idleTimeout: NaN }, "NaN as idleTimeout"],
    [{ url: "http://x" }, "http"],
    [{ url: "unix:///run/redis.sock" }, "Unix socket"],
    [{ url: "rediss://h?ssl_ca_certs=/ca.pem" }, "`caCerts`"],
    [{ url: "rediss://h?ssl_certfile=/c&ssl_keyfile=/k" }, "ssl_certfile"],
    [{ url: "rediss://h?ssl_cert_reqs=none" }, "ssl_cert_reqs=none"],
    [{ url: "rediss://h?ssl_check_hostname=false" }, "ssl_check_hostname"],
  ];
  for (const [options, text] of cases) {
    assertThrows(() => denoRedis(connect, options), ConfigurationError, text);
  }
  assertThrows(
    // A caller without type checks may do this.
    () => denoRedis({} as unknown as DenoRedisConnect),
    ConfigurationError,
    "object as connect",
  );
});
