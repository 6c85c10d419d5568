import {
  askCredentials,
  type CredentialsProvider,
  type RedisCredentials,
  shareCalls,
} from "../../../src/redis/server/credentials.ts";
import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
  ResultBackend,
} from "../../../mod.ts";
import type { Connection } from "../../../src/redis/server/connection.ts";
import { openConnection } from "../../../src/redis/server/open_connection.ts";
import { TcpDriver } from "../../../src/redis/server/driver.ts";
import { denoRuntime } from "../../../src/runtime.ts";
import { MemoryRedis } from "../../../testing.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import { FakeNetwork } from "../../support/fake_peer.ts";
import { FakeRuntime } from "../../support/fake_runtime.ts";
import { inboxOf } from "../../support/results.ts";

const NEVER = new AbortController().signal;

function ask(provider: () => unknown, signal = NEVER) {
  // Callers without types may return anything.
  return askCredentials(provider as CredentialsProvider, "redis:1", signal);
}

/** A fake server, and one connection to it. */
class Fixture {
  readonly network = new FakeNetwork();
  readonly runtime = new FakeRuntime({ dial: this.network.dial });
  readonly expiries: Date[] = [];

  open(credentials: CredentialsProvider): Promise<Connection> {
    return openConnection(
      {
        address: { hostname: "redis.test", port: 6379 },
        db: 0,
        username: "of the URL",
        password: "of the URL",
        credentials,
        connectTimeout: 5000,
        heartbeat: 1e9,
        runtime: this.runtime,
      },
      { onNotice: () => {}, onExpires: (at) => this.expiries.push(at) },
      NEVER,
    );
  }
}

Deno.test("askCredentials accepts credentials or a promise of them, and nothing else", async () => {
  const expiresAt = new Date(1000);
  const given = { username: "u", password: "p", expiresAt };
  assertEquals(await ask(() => given), given);
  assertEquals(await ask(() => Promise.resolve({ password: "" })), {
    username: undefined,
    password: "",
  });
  const nonsense = [
    undefined,
    null,
    "S3CRET",
    {},
    { password: null },
    { password: 1, username: "S3CRET" },
    { password: "S3CRET", username: 5 },
    { password: "S3CRET", expiresAt: 1000 },
    { password: "S3CRET", expiresAt: new Date(NaN) },
  ];
  for (const each of nonsense) {
    const error = await assertRejects(
      () => ask(() => each),
      ConfigurationError,
      "expected { password: string",
    );
    assert(!Deno.inspect(error).includes("S3CRET"));
  }
});

Deno.test("a provider that fails is retried, unless the failure is permanent", async () => {
  const request = { headers: { authorization: "S3CRET" } };
  const away = Object.assign(new Error("503 from tokens.test"), { request });
  const failing = [() => Promise.reject(away), () => {
    throw away;
  }];
  for (const provider of failing) {
    const error = await assertRejects(
      () => ask(provider),
      RedisConnectionError,
      "credentials() failed: 503 from tokens.test",
    );
    assert(!Deno.inspect(error).includes("S3CRET"));
  }
  await assertRejects(() => ask(() => Promise.reject(7)), RedisConnectionError);
  const wrong = new ConfigurationError("no such tenant");
  assertStrictEquals(
    await assertRejects(() => ask(() => Promise.reject(wrong))),
    wrong,
  );
  await assertRejects(
    () =>
      ask(() =>
        Promise.reject(new Deno.errors.NotCapable("run with --allow-env"))
      ),
    ConfigurationError,
    "--allow-env",
  );
});

Deno.test("a provider that hangs is limited by connectTimeout, and by the signal", async () => {
  const fixture = new Fixture();
  const opening = assertRejects(
    () => fixture.open(() => new Promise(() => {})),
    RedisConnectionError,
    "no answer of credentials() within 5000 ms",
  );
  await fixture.runtime.advance(5000);
  await opening;
  assertEquals([fixture.network.peers.length, fixture.runtime.timers], [0, 0]);
  const controller = new AbortController();
  const asked = assertRejects(() =>
    ask(() => new Promise(() => {}), controller.signal)
  );
  const reason = new Error("over");
  controller.abort(reason);
  assertStrictEquals(await asked, reason);
});

Deno.test("shareCalls makes one call at a time, and does not join one that timed out", async () => {
  using runtime = new FakeRuntime();
  const calls: PromiseWithResolvers<RedisCredentials>[] = [];
  const provider = shareCalls(
    () => {
      const call = Promise.withResolvers<RedisCredentials>();
      calls.push(call);
      return call.promise;
    },
    runtime,
    5000,
  );
  const both = [ask(provider), ask(provider)];
  calls[0]?.resolve({ password: "first" });
  const given = (await Promise.all(both)).map(({ password }) => password);
  assertEquals([given, calls.length], [["first", "first"], 1]);

  const failing = [ask(provider), ask(provider)];
  calls[1]?.reject(new Error("away"));
  for (const each of failing) {
    await assertRejects(() => each, RedisConnectionError, "away");
  }
  // This one hangs.
  const late = ask(provider);
  await runtime.advance(5000);
  const next = ask(provider);
  calls[2]?.resolve({ password: "late" });
  calls[3]?.resolve({ password: "next" });
  assertEquals((await next).password, "next");
  assertEquals((await late).password, "late");
  assertEquals(calls.length, 4);
});

Deno.test("openConnection logs in with the provider's credentials, and reports when they expire", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open(() => ({
    password: "token",
    expiresAt: new Date(9),
  }));
  assertEquals(fixture.network.peer(0).commands, ["AUTH token", "PING"]);
  assertEquals(fixture.expiries, [new Date(9)]);
  connection.end(new Error("end of the test"));
  await connection.finished();
});

Deno.test("a refused password is transient with a provider, in the server's words, and is not shown", async () => {
  const replies = [
    "WRONGPASS invalid username-password pair or user is disabled.",
    "ERR invalid password",
    "NOAUTH Authentication required.",
  ];
  for (const reply of replies) {
    const fixture = new Fixture();
    fixture.network.onDial = (peer) => {
      peer.answers.AUTH = `-${reply}\r\n`;
    };
    const error = await assertRejects(
      () => fixture.open(() => ({ username: "u", password: "S3CRET" })),
      RedisConnectionError,
      reply,
    );
    assertInstanceOf(error.cause, RedisError);
    assert(!Deno.inspect(error).includes("S3CRET"));
  }
  const fixture = new Fixture();
  fixture.network.onDial = (peer) => {
    peer.answers.AUTH =
      "-ERR unknown command 'AUTH', with args beginning with: 'u' 'S3CRET'\r\n";
  };
  const error = await assertRejects(
    () => fixture.open(() => ({ username: "u", password: "S3CRET" })),
    RedisError,
    "unknown command 'AUTH'",
  );
  assert(!Deno.inspect(error).includes("S3CRET"));
});

Deno.test("credentials replace the URL's, for each connection", async () => {
  await using redis = await MemoryRedis.start({ password: "token" });
  const url = redis.url.replace(/:\/\/.*@/, "://old:stale@");
  let asked = 0;
  await using backend = new ResultBackend(url, {
    credentials: () => {
      asked++;
      return { password: "token" };
    },
  });
  await backend.markAsDone("a", 1);
  assertEquals(asked, 1);
  assertEquals(await backend.result("a").get(), 1);
  assertEquals(asked, 2);
  await using python = ResultBackend.fromCeleryConfig(
    {
      result_backend: url.replace("old:stale@", ""),
      redis_username: "old",
      redis_password: "stale",
    },
    { credentials: () => Promise.resolve({ password: "token" }) },
  );
  assertEquals(await python.exists("a"), true);
});

Deno.test("credentials must be a function, and exclude the options that they replace", () => {
  const credentials = () => ({ password: "p" });
  const driver = { connect: () => Promise.reject(new Error("none")) };
  for (
    const [other, value] of [
      ["username", "u"],
      ["password", "S3CRET"],
      ["driver", driver],
    ] as const
  ) {
    assertThrows(
      () => new ResultBackend(undefined, { credentials, [other]: value }),
      ConfigurationError,
      `credentials together with ${other}`,
    );
  }
  const error = assertThrows(
    () => new ResultBackend(undefined, { credentials: "S3CRET" as never }),
    ConfigurationError,
    "a value of type string as credentials",
  );
  assert(!Deno.inspect(error).includes("S3CRET"));
});

Deno.test("no password is shown: not in a message, a status event, an inspected object", async () => {
  await using redis = await MemoryRedis.start({ password: "right" });
  const { port } = redis;
  const twice = { maxAttempts: 2, minTimeout: 1, maxTimeout: 1 };
  const options = { reconnect: twice, retry: twice };
  const backends = [
    new ResultBackend(`redis://:S3CRET@127.0.0.1:${port}/0`, options),
    new ResultBackend(`redis://127.0.0.1:${port}/0?password=S3CRET`, options),
    new ResultBackend(`redis://127.0.0.1:${port}`, {
      ...options,
      password: "S3CRET",
    }),
    new ResultBackend(`redis://127.0.0.1:${port}`, {
      ...options,
      credentials: () => ({ username: "u", password: "S3CRET" }),
    }),
    new ResultBackend(`redis://:S3CRET@127.0.0.1:1/0`, options),
  ];
  for (const backend of backends) {
    const status = inboxOf(backend.status());
    const notices: unknown[] = [];
    for (
      const use of [
        () => backend.exists("a"),
        () => backend.markAsDone("a", 1),
        () => backend.result("a").get(),
        () => backend.stream(["a"]).getReader().read(),
      ]
    ) notices.push(await assertRejects(use));
    await status.until(({ type }) => type === "failed");
    await backend.close();
    const driver = new TcpDriver({
      address: { hostname: "127.0.0.1", port },
      db: 0,
      password: "S3CRET",
      connectTimeout: 1,
      heartbeat: 1,
      runtime: denoRuntime,
    });
    const shown = Deno.inspect([backend, driver, status.all, notices], {
      depth: Infinity,
      showHidden: true,
    });
    assert(!shown.includes("S3CRET"), shown);
    for (const notice of notices) assert(!String(notice).includes("S3CRET"));
  }
});
