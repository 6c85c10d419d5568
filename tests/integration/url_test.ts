// What a URL sets up, according to a real server's CLIENT LIST.

import { ResultBackend, type ResultBackendOptions } from "../../mod.ts";
import { FaultProxy } from "../../testing.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { has, needs } from "../support/needs.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";
import { inboxOf } from "../support/results.ts";
import { within } from "../support/until.ts";

const SECRET = "p:@/?#%&s";

let shared: RedisServer | undefined;

Deno.test.beforeAll(async () => {
  if (!has("redis-server")) return;
  shared = await startRedis({ args: ["--bind", "127.0.0.1", "::1"] });
  await using client = await shared.client();
  for (
    const [name, credential] of [
      ["u:s@r/1", `>${SECRET}`],
      ["open", "nopass"],
      ["closed", ">secret"],
    ] as const
  ) {
    await client.send(
      "ACL",
      "SETUSER",
      name,
      "on",
      credential,
      "allkeys",
      "allchannels",
      "allcommands",
    );
  }
});

Deno.test.afterAll(async () => {
  await shared?.[Symbol.asyncDispose]();
});

function server(): RedisServer {
  if (shared !== undefined) return shared;
  throw new Error("The server is not up: use it inside a test");
}

/** The connections that a URL leads to, by CLIENT LIST: database, user, address. */
async function arrivalOf(
  url: string,
  options: ResultBackendOptions = {},
): Promise<string[]> {
  const clientName = `at-${crypto.randomUUID()}`;
  await using backend = new ResultBackend(url, { ...options, clientName });
  // Both connections.
  const waited = backend.result(clientName).get();
  await backend.markAsDone(clientName, url);
  assertEquals(await waited, url);
  await using client = await server().client();
  const found = String(await client.send("CLIENT", "LIST")).split("\n")
    .filter((line) => line.includes(` name=${clientName} `));
  assertEquals(found.length, 2);
  return found.map((line) => {
    const [, db] = / db=(\d+) /.exec(line) ?? [];
    const [, user] = / user=(\S+)/.exec(line) ?? [];
    const [, address = ""] = / addr=(\S+)/.exec(line) ?? [];
    return `${db} ${user} ${address.replace(/:\d+$/, "")}`;
  });
}

interface Arrival {
  form: string;
  url: (redis: RedisServer) => string;
  /** Database, user and address. */
  expected: string;
}

const user = encodeURIComponent("u:s@r/1");
const password = encodeURIComponent(SECRET);

const ARRIVALS: readonly Arrival[] = [
  {
    form: "redis://host:port/2",
    url: ({ port }) => `redis://127.0.0.1:${port}/2`,
    expected: "2 default 127.0.0.1",
  },
  {
    form: "redis://host:port/0?db=5",
    url: ({ port }) => `redis://127.0.0.1:${port}/0?db=5`,
    expected: "5 default 127.0.0.1",
  },
  {
    form: "redis://host:port/1?virtual_host=7",
    url: ({ port }) => `redis://127.0.0.1:${port}/1?virtual_host=7`,
    expected: "1 default 127.0.0.1",
  },
  {
    form: "redis://[::1]:port/1",
    url: ({ port }) => `redis://[::1]:${port}/1`,
    expected: "1 default [::1]",
  },
  {
    form: "valkey://host:port/3",
    url: ({ port }) => `valkey://127.0.0.1:${port}/3`,
    expected: "3 default 127.0.0.1",
  },
  {
    form: "redis://user:password@host:port, both percent-encoded",
    url: ({ port }) => `redis://${user}:${password}@127.0.0.1:${port}`,
    expected: "0 u:s@r/1 127.0.0.1",
  },
  {
    form: "redis://host:port?username=...&password=...",
    url: ({ port }) =>
      `redis://127.0.0.1:${port}?username=${user}&password=${password}`,
    expected: "0 u:s@r/1 127.0.0.1",
  },
  {
    form: "redis://user@host:port, of a user without a password",
    url: ({ port }) => `redis://open@127.0.0.1:${port}/1`,
    expected: "1 open 127.0.0.1",
  },
  {
    form: "redis+socket:///path?virtual_host=4",
    url: ({ socketPath }) => `redis+socket://${socketPath}?virtual_host=4`,
    expected: "4 default its socket",
  },
  {
    form: "unix://user:password@/path?db=6",
    url: ({ socketPath }) => `unix://${user}:${password}@${socketPath}?db=6`,
    expected: "6 u:s@r/1 its socket",
  },
];

for (const { form, url, expected } of ARRIVALS) {
  Deno.test(needs("redis-server", {
    name: `${form} arrives where it says`,
    async fn() {
      const redis = server();
      for (const found of await arrivalOf(url(redis))) {
        assertEquals(found.replace(redis.socketPath, "its socket"), expected);
      }
    },
  }));
}

Deno.test(needs("redis-server", {
  name:
    "a URL with a user and no password does not mean the default user: Redis's refusal fails at once",
  async fn() {
    for (const name of ["closed", "nobody"]) {
      await using backend = new ResultBackend(
        `redis://${name}@127.0.0.1:${server().port}`,
      );
      const error = await assertRejects(() => backend.getMeta("id"), Error);
      assertStringIncludes(error.message, "WRONGPASS");
      assertStringIncludes(error.message, `check the user name (${name})`);
    }
  },
}));

Deno.test(needs("redis-server", {
  name: "socket_timeout limits how long a server may be silent",
  async fn() {
    await using proxy = await FaultProxy.start(server().url);
    await using backend = new ResultBackend(`${proxy.url}?socket_timeout=1`);
    await using writer = new ResultBackend(server().url);
    const status = inboxOf(backend.status());
    const waited = backend.result("in-silence").get();
    await status.until(({ type }) => type === "connected");
    proxy.silence("all", { existingOnly: true });
    await writer.markAsDone("in-silence", 1);
    const lost = await status.until((event) =>
      event.type === "disconnected" && event.error !== null
    );
    assertMatch(Deno.inspect(lost), /silent for \d+ ms/);
    assertEquals(await waited, 1);
  },
}));

Deno.test("socket_connect_timeout limits how long a connection may take", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  await using backend = new ResultBackend(
    `redis://127.0.0.1:${port}?socket_connect_timeout=0.2`,
    { reconnect: { maxAttempts: 1 }, retry: { maxAttempts: 1 } },
  );
  const accepted = listener.accept();
  const error = await within(
    assertRejects(() => backend.getMeta("id"), Error),
    { what: "the end of the attempt" },
  );
  assertStringIncludes(Deno.inspect(error), "no answer within 200 ms");
  (await accepted).close();
});

Deno.test(needs("redis-server", {
  name:
    "no message, event or inspected object shows a password, wherever it was given",
  async fn() {
    const { port } = server();
    // It repeats the arguments of AUTH in its error.
    await using deaf = await startRedis({
      args: ["--rename-command", "AUTH", ""],
    });
    const ways: [string, ResultBackendOptions][] = [
      [`redis://ann:S3CRET@127.0.0.1:${port}`, {}],
      [`redis://:S3CRET@127.0.0.1:${port}`, {}],
      [`redis://127.0.0.1:${port}?username=ann&password=S3CRET`, {}],
      [`redis://127.0.0.1:${port}`, { username: "ann", password: "S3CRET" }],
      [`redis://ann:S3CRET@127.0.0.1:${deaf.port}`, {}],
      [`redis://:S3CRET@127.0.0.1:${deaf.port}`, {}],
      // Nothing listens there.
      ["redis://ann:S3CRET@127.0.0.1:1", {}],
      ["unix://ann:S3CRET@/no/such.sock", {}],
    ];
    for (const [url, options] of ways) {
      const backend = new ResultBackend(url, {
        ...options,
        reconnect: { maxAttempts: 2, minTimeout: 1, maxTimeout: 1 },
        retry: { maxAttempts: 1 },
      });
      const events = Array.fromAsync(backend.status());
      const result = backend.result("id");
      const seen: unknown[] = [backend, result];
      for (
        const call of [
          () => backend.getMeta("id"),
          () => result.get(),
          () => backend.markAsDone("id", 1),
        ]
      ) {
        const error = await assertRejects(call, Error);
        seen.push(error, error.message, error.stack);
      }
      await backend.close();
      seen.push(await events);
      const shown = Deno.inspect(seen, {
        depth: Infinity,
        showHidden: true,
        getters: true,
      });
      assert(!shown.includes("S3CRET"), shown);
      assert(!JSON.stringify(seen).includes("S3CRET"));
    }
  },
}));
