// What a program can do with only `net` access to its Redis, in the main program
// and in a Worker, and the error it gets without.

import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { needs } from "../support/needs.ts";
import {
  freePort,
  type RedisServer,
  startRedis,
} from "../support/redis_server.ts";
import { until, within } from "../support/until.ts";

const mod = new URL("../../mod.ts", import.meta.url);

/** Runs in the main program or in a Worker: stores, awaits, streams and completes a chord. */
const WORK = `
  import { ResultBackend } from ${JSON.stringify(mod.href)};

  export async function* work(url: string): AsyncGenerator<string> {
    await using backend = new ResultBackend(url);
    const awaited = backend.result<number>("awaited").get();
    const events = backend.stream(["streamed", "awaited"]);
    await backend.markAsDone("awaited", 1);
    await backend.markAsDone("streamed", 2);
    yield "await " + await awaited;
    let count = 0;
    for await (const event of events) if (event.ready) count++;
    yield "stream " + count;
    await backend.setChordSize("group", 2);
    for (const [groupIndex, taskId] of ["first", "second"].entries()) {
      const chord = { task: "total", options: { task_id: "body" } };
      await backend.chordPartReturn(
        { taskId, groupId: "group", groupIndex, chord },
        "SUCCESS",
        20 + groupIndex,
        {
          async onComplete(values, { bodyId }) {
            const numbers = values.map(Number);
            await backend.markAsDone(bodyId!, numbers.reduce((a, b) => a + b));
          },
        },
      );
    }
    yield "chord " + await backend.result("body").get();
  }
`;

/** Runs in the main program or in a Worker: prints the error of each call. */
const FAIL = `
  import { ResultBackend } from ${JSON.stringify(mod.href)};

  export async function* work(url: string): AsyncGenerator<string> {
    // Endless, if the call were retried.
    await using backend = new ResultBackend(url, {
      reconnect: { maxAttempts: Infinity },
      retry: { maxAttempts: Infinity },
    });
    for (
      const call of [
        () => backend.getMeta("id"),
        () => backend.result("id").get(),
        () => backend.stream("id").getReader().read(),
        () => backend.markAsDone("id", 1),
        () => backend.setChordSize("group", 2),
      ]
    ) {
      yield await call().then(String, (error) => error.name + ": " + error.message);
    }
  }
`;

const MAIN = `
  import { work } from "./work.ts";
  for await (const line of work(Deno.args[0])) console.log(line);
`;

const WORKER = `
  /// <reference lib="deno.worker" />
  import { work } from "./work.ts";
  self.onmessage = async ({ data: url }) => {
    for await (const line of work(url)) self.postMessage(line);
    self.close();
  };
`;

/** Starts the Worker with `net` access to one host. */
const STARTER = `
  const [url, net] = Deno.args;
  const worker = new Worker(new URL("worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions: { net: [net] } },
  });
  worker.onmessage = ({ data }) => console.log(data);
  worker.postMessage(url);
`;

/** Runs a program with only `net` access to one host, and returns the lines that it prints. */
async function runProgram(
  where: "main program" | "Worker",
  program: string,
  url: string,
  net: string,
): Promise<string[]> {
  const folder = await Deno.makeTempDir({ prefix: "permissions_" });
  try {
    const files = { "work.ts": program, "worker.ts": WORKER, "main.ts": MAIN };
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    await Deno.writeTextFile(`${folder}/starter.ts`, STARTER);
    await using child = where === "main program"
      ? new ChildDeno(
        ["run", "--no-prompt", `--allow-net=${net}`, "main.ts", url],
        folder,
      )
      : new ChildDeno([
        ...["run", "--no-prompt", "--unstable-worker-options"],
        // For the main program, which starts a Worker from a file.
        ...["--allow-read", "--allow-net", "starter.ts", url, net],
      ], folder);
    return await within(child.end(), { what: "the child" });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const where of ["main program", "Worker"] as const) {
  Deno.test(needs("redis-server", {
    name:
      `net access to Redis is enough to store, await, stream and complete a chord: ${where}`,
    async fn() {
      await using redis = await startRedis();
      const lines = await runProgram(
        where,
        WORK,
        redis.url,
        `127.0.0.1:${redis.port}`,
      );
      assertEquals(lines, ["await 1", "stream 2", "chord 41"]);
    },
  }));

  Deno.test(`without net access to Redis every call fails at once, and the error names the permission: ${where}`, async () => {
    const port = freePort();
    const net = `127.0.0.1:${port}`;
    const cases: [url: string, words: string[]][] = [
      [`redis://:S3CRET@${net}`, [
        `Cannot connect to Redis at ${net}`,
        `--allow-net=${net}`,
        `net: ["${net}"]`,
      ]],
      [`redis://[::1]:${port}`, [
        `--allow-net=[::1]:${port}`,
        `net: ["[::1]:${port}"]`,
      ]],
      ["unix:///run/redis.sock", [
        "--allow-net=unix:/run/redis.sock --allow-read=/run/redis.sock --allow-write=/run/redis.sock",
        'net: ["unix:/run/redis.sock"], read: ["/run/redis.sock"], write: ["/run/redis.sock"]',
      ]],
      [`rediss://${net}?ssl_ca_certs=/ca.pem`, [
        "ssl_ca_certs, /ca.pem",
        "--allow-read=/ca.pem",
        'read: ["/ca.pem"]',
      ]],
    ];
    for (const [url, words] of cases) {
      const lines = await runProgram(where, FAIL, url, "example.com");
      assertEquals(lines.length, 5);
      for (const line of lines) {
        assert(line.startsWith("ConfigurationError: "), line);
        assert(!line.includes("S3CRET"), line);
        for (const each of words) {
          // Both errors name the flag; only a Worker's names its permissions option.
          if (where === "main program" && each.includes(': ["')) {
            assert(!line.includes(each), line);
          } else {
            assertStringIncludes(line, each);
          }
        }
      }
    }
  });
}

/** Revokes the permission while it waits for a task. */
const REVOKED = `
  import { ResultBackend } from ${JSON.stringify(mod.href)};

  const [url, host] = Deno.args;
  await using backend = new ResultBackend(url);
  const reader = backend.stream("never").getReader();
  await backend.markAsStarted("never");
  console.log((await reader.read()).value?.state);
  await Deno.permissions.revoke({ name: "net", host });
  // The existing connection keeps working.
  await backend.markAsDone("other", 1);
  console.log(await backend.result("other").get());
  console.log(await reader.read().then(String, (error) => error.name + ": " + error.message));
`;

async function untilSubscribed(redis: RedisServer): Promise<void> {
  await using client = await redis.client();
  await until(async () =>
    String(await client.send("CLIENT", "LIST")).includes(" sub=1 ")
  );
}

Deno.test(needs("redis-server", {
  name:
    "once a permission is revoked, a lost connection ends all waits, and the error names the permission",
  async fn() {
    await using redis = await startRedis();
    const host = `127.0.0.1:${redis.port}`;
    const file = `${redis.dir}/revoked.ts`;
    await Deno.writeTextFile(file, REVOKED);
    await using child = new ChildDeno(
      ["run", "--no-prompt", `--allow-net=${host}`, file, redis.url, host],
      redis.dir,
    );
    assertEquals(await child.line(), "STARTED");
    assertEquals(await child.line(), "1");
    await untilSubscribed(redis);
    await redis.restart();
    const [line = ""] = await within(child.end());
    assert(line.startsWith("ConfigurationError: "), line);
    assertStringIncludes(line, `--allow-net=${host}`);
  },
}));
