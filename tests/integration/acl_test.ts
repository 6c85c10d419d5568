// The README's ACL rules allow what they promise, and are minimal.

import {
  RedisError,
  ResultBackend,
  type ResultBackendOptions,
  type StatusEvent,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "../support/assert.ts";
import type { TestClient } from "../support/client.ts";
import { inboxOf } from "../support/results.ts";
import { needs } from "../support/needs.ts";
import { startCluster } from "../support/redis_cluster.ts";
import { startSentinels } from "../support/redis_sentinels.ts";
import { type RedisServer, startRedis } from "../support/redis_server.ts";

const README = new URL("../../README.md", import.meta.url);

/** The rules of the README's line for a user. */
async function rulesOf(user: string): Promise<string[]> {
  const line = new RegExp(`^ACL SETUSER ${user} (.*)$`, "m").exec(
    await Deno.readTextFile(README),
  );
  assert(line?.[1] !== undefined, `The README has no line for ${user}`);
  return line[1].split(" ");
}

/** The commands in the row of the README's table that begins with `name`. */
async function commandsFor(name: string): Promise<string[]> {
  const [, section = ""] = (await Deno.readTextFile(README)).split(
    "## What an ACL must allow",
  );
  const row = section.split("\n").find((line) => line.startsWith(`| ${name} `));
  assert(row !== undefined, `The README has no row for ${name}`);
  return Array.from(
    row.replaceAll("\\", "").matchAll(/\+[a-z|]+/g),
    ([command]) => command,
  );
}

/** A backend logged in as this user, on a database that must be selected. */
async function backendOf(
  redis: RedisServer,
  client: TestClient,
  user: string,
  rules: string[],
  options: ResultBackendOptions = {},
): Promise<ResultBackend> {
  await client.send("ACL", "SETUSER", user, "reset", ...rules);
  return new ResultBackend(`redis://${user}:secret@127.0.0.1:${redis.port}/1`, {
    reconcile: 0,
    retry: { maxAttempts: 2, minTimeout: 1 },
    reconnect: { maxAttempts: 2, minTimeout: 1 },
    ...options,
  });
}

/** Everything that the reader's rules are for. */
async function readAll(backend: ResultBackend): Promise<void> {
  assertEquals((await backend.getMeta("done")).state, "SUCCESS");
  assertEquals(await backend.exists("done"), true);
  const group = await backend.restoreGroup("saved");
  assertEquals(await group?.join(), [1]);
  const events = await Array.fromAsync(backend.stream(["done"]));
  assertEquals(events.map(({ state }) => state), ["SUCCESS"]);
  // After the UNSUBSCRIBE of the previous one.
  await using fence = backend.consumer();
  await fence.add("nobody");
}

/** What the writer's rules allow in addition. */
async function writeAll(backend: ResultBackend): Promise<void> {
  await backend.markAsDone("done", 1);
  await backend.storeResult("forgotten", 1, "PROGRESS");
  await backend.forget("forgotten");
  await backend.saveGroup("saved", ["done"]);
  await backend.saveGroup("deleted", ["done"]);
  await backend.deleteGroup("deleted");
  await backend.setChordSize("group", 1);
  await backend.addToChord("group", 1);
  const request = { taskId: "part 0", groupId: "group", groupIndex: 0 };
  const onComplete = () => {};
  // A part's second return replaces its failure.
  const failure = new Error("first try");
  await backend.chordPartReturn(request, "FAILURE", failure, { onComplete });
  await backend.chordPartReturn(request, "SUCCESS", 2, { onComplete });
  const { type } = await backend.chordPartReturn(
    { taskId: "part 1", groupId: "group", groupIndex: 1 },
    "SUCCESS",
    3,
    { onComplete },
  );
  assertEquals(type, "completed");
}

/** The error of `work`, or a problem that `status()` reported; undefined if there is none. */
async function complaintOf(
  backend: ResultBackend,
  work: () => Promise<void>,
): Promise<Error | StatusEvent | undefined> {
  const status = inboxOf(backend.status());
  try {
    await work();
  } catch (error) {
    assert(error instanceof Error);
    return error;
  }
  return status.all.find((event) =>
    event.type === "degraded" || event.type === "failed" ||
    (event.type === "disconnected" && event.error !== null)
  );
}

Deno.test(needs("redis-server", {
  name: "the README's ACL rules allow everything that they are for",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    await using worker = await backendOf(
      redis,
      client,
      "worker",
      await rulesOf("worker"),
    );
    await using reader = await backendOf(
      redis,
      client,
      "reader",
      await rulesOf("reader"),
    );
    assertEquals(
      await complaintOf(worker, async () => {
        await writeAll(worker);
        await readAll(worker);
      }),
      undefined,
    );
    assertEquals(await complaintOf(reader, () => readAll(reader)), undefined);
    const live = reader.result("live").get();
    const waiting = inboxOf(reader.status());
    await waiting.until(({ type }) => type === "connected");
    await worker.markAsDone("live", 7);
    assertEquals(await live, 7);

    const refused = await assertRejects(
      () => reader.markAsDone("other", 1),
      RedisError,
      "what would allow it: ACL SETUSER reader ",
    );
    assertEquals(refused.code, "NOPERM");
    assertEquals(await reader.exists("other"), false);
    await assertRejects(() => reader.forget("done"), RedisError, "+del");
  },
}));

Deno.test(needs("redis-server", {
  name: "nothing in the README's ACL rules is superfluous",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    const needless: string[] = [];
    for (const user of ["reader", "worker"]) {
      const rules = await rulesOf(user);
      for (const left of rules.filter((rule) => /^[+~&%]/.test(rule))) {
        await client.send("FLUSHALL");
        await client.send("SCRIPT", "FLUSH");
        await using admin = new ResultBackend(redis.url.replace(/0$/, "1"));
        if (user === "reader") await writeAll(admin);
        await using backend = await backendOf(
          redis,
          client,
          user,
          rules.filter((rule) => rule !== left),
        );
        const complaint = await complaintOf(backend, async () => {
          if (user === "worker") await writeAll(backend);
          await readAll(backend);
        });
        if (complaint === undefined) needless.push(`${user} ${left}`);
      }
    }
    assertEquals(needless, []);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a refusal fails at once with the rule that would allow it; status() reports an optional one once",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    const rules = await rulesOf("worker");
    const prefixed = rules.map((rule) => rule.replace(/^([~&])/, "$1shop_"));
    const cases: [
      left: RegExp,
      use: (backend: ResultBackend) => Promise<unknown>,
      line: string,
    ][] = [
      [/^\+get$/, (backend) => backend.getMeta("a"), "+get"],
      [
        /^~.*task-/,
        (backend) => backend.getMeta("a"),
        "~shop_celery-task-meta-*",
      ],
      // A key is refused here, not a script: Celery's fallback is not tried.
      [
        /^~.*task-/,
        (backend) => backend.markAsDone("a", 1),
        "~shop_celery-task-meta-*",
      ],
      [
        /^&.*task-/,
        (backend) => backend.markAsDone("b", 1),
        "&shop_celery-task-meta-*",
      ],
      [
        /^&.*task-/,
        (backend) => backend.result("a").get(),
        "&shop_celery-task-meta-*",
      ],
      [
        /^&.*task-/,
        (backend) => backend.stream(["a"]).getReader().read(),
        "&shop_celery-task-meta-*",
      ],
      [/^\+subscribe/, (backend) => backend.result("a").get(), "+subscribe"],
      [/^\+mget/, (backend) => backend.result("a").get(), "+mget"],
      [
        /^~.*taskset-/,
        (backend) => backend.saveGroup("g", []),
        "~shop_celery-taskset-meta-*",
      ],
      [/^\+ping/, (backend) => backend.exists("a"), "+ping"],
    ];
    for (const [left, use, line] of cases) {
      await using backend = await backendOf(
        redis,
        client,
        "app",
        prefixed.filter((rule) => !left.test(rule)),
        { keyPrefix: "shop" },
      );
      const status = inboxOf(backend.status());
      await assertRejects(
        () => use(backend),
        RedisError,
        `what would allow it: ACL SETUSER app ${line}`,
      );
      assertEquals(
        status.all.filter(({ type }) =>
          type === "degraded" || type === "retrying"
        ),
        [],
      );
    }
    const optional = /^\+(eval|evalsha|pubsub\|numsub)$/;
    await using backend = await backendOf(
      redis,
      client,
      "app",
      prefixed.filter((rule) => !optional.test(rule)),
      { keyPrefix: "shop", clientName: "name" },
    );
    const status = inboxOf(backend.status());
    const result = backend.result("a").get();
    for (const id of ["a", "b"]) await backend.markAsDone(id, 1);
    assertEquals(await result, 1);
    const told = status.all.flatMap((event) =>
      event.type === "degraded"
        ? [/ACL SETUSER app (.*)\)/.exec(event.error.message)?.[1]]
        : []
    );
    assertEquals(told.toSorted(), [
      "+client|setname",
      "+eval +evalsha",
      "+pubsub|numsub",
    ]);
  },
}));

Deno.test(needs("redis-server", {
  name:
    "a script that may not run a command is reported with all its commands, and allowing these is enough",
  async fn() {
    await using redis = await startRedis();
    await using client = await redis.client();
    const scripts: [
      left: string,
      use: (b: ResultBackend) => Promise<unknown>,
    ][] = [
      ["+getrange", (backend) => backend.markAsDone("a", 1)],
      ["+zscore", chordPart],
      ["+zrangebyscore", chordPart],
    ];
    async function chordPart(backend: ResultBackend): Promise<void> {
      await backend.setChordSize("group", 2);
      const request = { taskId: "part", groupId: "group", groupIndex: 0 };
      await backend.chordPartReturn(request, "SUCCESS", 1, { onComplete() {} });
    }
    const rules = await rulesOf("worker");
    for (const [left, use] of scripts) {
      await client.send("FLUSHALL");
      await using backend = await backendOf(
        redis,
        client,
        "app",
        rules.filter((rule) => rule !== left),
      );
      const complaint = await complaintOf(backend, async () => {
        await use(backend);
      });
      assert(complaint !== undefined && "type" in complaint);
      assert(complaint.type === "degraded");
      const { message } = complaint.error;
      const [, line = ""] = /what would allow it: ACL SETUSER app (.*)\)$/
        .exec(message) ?? [];
      const commands = line.split(" ");
      assert(commands.includes(left), message);
      await client.send("ACL", "SETUSER", "app", ...commands);
      await using allowed = new ResultBackend(
        `redis://app:secret@127.0.0.1:${redis.port}/1`,
      );
      assertEquals(
        await complaintOf(allowed, async () => {
          await use(allowed);
        }),
        undefined,
      );
    }
  },
}));

Deno.test(needs(["redis-server", "redis-cli"], {
  name: "the README's rows for Cluster and sharded channels are exact",
  async fn(t) {
    await using cluster = await startCluster({ replicas: 0 });
    const url = cluster.urlOfAll.replace("//", "//app:secret@");
    const backendAs = async (
      rules: string[],
      options: ResultBackendOptions,
    ): Promise<ResultBackend> => {
      for (const node of cluster.nodes) {
        await cluster.send(node, "FLUSHALL");
        await cluster.send(node, "ACL", "SETUSER", "app", "reset", ...rules);
      }
      return new ResultBackend(url, {
        cluster: true,
        reconcile: 0,
        retry: { maxAttempts: 2, minTimeout: 1 },
        reconnect: { maxAttempts: 2, minTimeout: 1 },
        ...options,
      });
    };
    await using admin = new ResultBackend(cluster.urlOfAll, { cluster: true });
    const slot = await cluster.slotOf("celery-task-meta-moving");
    const home = await cluster.ownerOf(slot);

    /** What the rules are for, and a result that is on the other node already. */
    const useAll = async (
      backend: ResultBackend,
      rules: string[],
    ): Promise<void> => {
      if (rules.includes("+set")) await writeAll(backend);
      else await writeAll(admin);
      await readAll(backend);
      await admin.markAsDone("moving", 1);
      const away = await cluster.otherThan(home);
      const migration = await cluster.beginMigration(slot, away);
      await migration.moveKeys();
      try {
        assertEquals((await backend.getMeta("moving")).state, "SUCCESS");
      } finally {
        // Not completed: the nodes would have to agree on each slot, twice.
        for (const node of [home, away]) {
          await cluster.send(node, "CLUSTER", "SETSLOT", slot, "STABLE");
        }
      }
    };
    const extra = await commandsFor("Cluster");
    for (const user of ["reader", "worker"]) {
      await t.step({
        name: user,
        sanitizeOps: false,
        sanitizeResources: false,
        fn: async () => {
          const rules = [...await rulesOf(user), ...extra];
          await using backend = await backendAs(rules, {});
          assertEquals(
            await complaintOf(backend, () => useAll(backend, rules)),
            undefined,
          );
        },
      });
    }
    for (const left of extra) {
      await t.step({
        name: `not without ${left}`,
        sanitizeOps: false,
        sanitizeResources: false,
        fn: async () => {
          const rules = [...await rulesOf("reader"), ...extra].filter((rule) =>
            rule !== left
          );
          await using backend = await backendAs(rules, {});
          const complaint = await complaintOf(
            backend,
            () => useAll(backend, rules),
          );
          assertInstanceOf(complaint, RedisError);
          assertEquals(complaint.code, "NOPERM");
        },
      });
    }
    await t.step({
      name: "sharded",
      sanitizeOps: false,
      sanitizeResources: false,
      fn: async () => {
        const plain = [
          "+subscribe",
          "+unsubscribe",
          "+publish",
          "+pubsub|numsub",
        ];
        const rules = [
          ...await rulesOf("worker"),
          ...extra,
          ...await commandsFor("`sharded`"),
        ].filter((rule) => !plain.includes(rule));
        await using backend = await backendAs(rules, { sharded: true });
        assertEquals(
          await complaintOf(backend, async () => {
            const live = backend.result("live").get();
            await backend.markAsDone("live", 7);
            assertEquals(await live, 7);
            await using fence = backend.consumer();
            await fence.add("nobody");
          }),
          undefined,
        );
      },
    });
  },
}));

Deno.test(needs(["redis-server", "redis-sentinel"], {
  name: "the README's row for Sentinel is exact",
  async fn() {
    await using set = await startSentinels({ replicas: 0 });
    const [server] = set.servers;
    assert(server !== undefined);
    await using client = await server.client();
    const extra = await commandsFor("Sentinel");
    assertEquals(extra, ["+role", "+info"]);
    for (
      const [granted, notices] of [[["+role"], 0], [["+info"], 1], [
        [],
        2,
      ]] as const
    ) {
      const rules = [...await rulesOf("worker"), ...granted];
      await client.send("FLUSHALL");
      await client.send("ACL", "SETUSER", "app", "reset", ...rules);
      await using backend = new ResultBackend(
        set.url.replace("//", "//app:secret@"),
        { reconcile: 0 },
      );
      const status = inboxOf(backend.status());
      await writeAll(backend);
      await readAll(backend);
      const told = status.all.filter(({ type }) => type === "degraded");
      assertEquals(told.length, notices);
    }
  },
}));
