// The backend over a real cluster: slots migrate, masters die, replicas are
// promoted, and each outcome arrives exactly once.

import {
  ResultBackend,
  type ResultBackendOptions,
  type ResultEvent,
} from "../../mod.ts";
import { keySlot } from "../../src/redis/cluster/slots.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { needs } from "../support/needs.ts";
import { type RedisCluster, startCluster } from "../support/redis_cluster.ts";
import {
  collect,
  countOutcomes,
  inboxOf,
  taskIds,
} from "../support/results.ts";
import { until, within } from "../support/until.ts";

/** If an outcome is lost, the test fails instead of hanging. */
const LOSS = { timeout: 30_000, what: "the outcome of every task" };
const PREFIX = "celery-task-meta-";

/** A backend of the cluster that retries quickly. */
function backendOf(
  cluster: RedisCluster,
  options: ResultBackendOptions = {},
): ResultBackend {
  return new ResultBackend(cluster.urlOfAll, {
    cluster: true,
    // Off, so that no reconcile hides a lost message.
    reconcile: 0,
    reconnect: { maxTimeout: 200 },
    retry: { maxTimeout: 100, maxAttempts: 1000 },
    ...options,
  });
}

/** Stores a success for each id, in batches. */
async function storeAll(
  writer: ResultBackend,
  ids: readonly string[],
  atOnce = 100,
): Promise<void> {
  for (let i = 0; i < ids.length; i += atOnce) {
    await Promise.all(
      ids.slice(i, i + atOnce).map((id) => writer.markAsDone(id, id)),
    );
  }
}

/** Collects the events of a stream of these tasks. */
function eventsOf(
  backend: ResultBackend,
  ids: readonly string[],
): Promise<ResultEvent[]> {
  const events = within(collect(backend.stream(ids)), LOSS);
  // The step may fail before it awaits this.
  events.catch(() => {});
  return events;
}

function once(ids: readonly string[]): Map<string, number> {
  return new Map(ids.map((id) => [id, 1]));
}

/** Events that must never occur. */
async function checkNoCrossSlot(cluster: RedisCluster): Promise<void> {
  for (const node of cluster.nodes) {
    const stats = String(await cluster.send(node, "INFO", "errorstats"));
    assertEquals(stats.includes("CROSSSLOT"), false, stats);
  }
}

Deno.test(needs(["redis-server", "redis-cli"], {
  name: "ResultBackend over a Redis Cluster",
  async fn(t) {
    await using cluster = await startCluster();

    // The steps share one cluster, which closes their connections.
    const step = async (
      name: string,
      fn: () => Promise<void>,
    ): Promise<void> => {
      await t.step({
        name,
        sanitizeOps: false,
        sanitizeResources: false,
        fn: async () => {
          await fn();
          await checkNoCrossSlot(cluster);
        },
      });
    };

    await step("keySlot agrees with CLUSTER KEYSLOT", async () => {
      const keys = [
        ...taskIds(20).map((id) => PREFIX + id),
        ...[
          "",
          "{}",
          "{}a",
          "a{b}c",
          "a{b",
          "a}b{c}d",
          "{{a}}",
          "h\u00e9{\u00e9}",
        ],
      ];
      for (const key of keys) {
        assertEquals(keySlot(key), await cluster.slotOf(key), key);
      }
    });

    await step("stores, reads, streams and forgets in every slot", async () => {
      await using backend = backendOf(cluster);
      await using writer = backendOf(cluster);
      const ids = taskIds(3000);
      const events = eventsOf(backend, ids);
      await storeAll(writer, ids, 1000);
      assertEquals(countOutcomes(await events), once(ids));
      const metas = await backend.getMetas(ids);
      assertEquals(metas.map(({ result }) => result), ids);
      const [id = ""] = ids;
      assertEquals(await writer.markAsDone(id, "again"), false);
      assertEquals(await backend.exists(id), true);
      await backend.forget(id);
      assertEquals(await backend.exists(id), false);
      assertEquals((await backend.getMeta(id)).state, "PENDING");
    });

    await step(
      "results stored as by Celery, in one transaction at the key's node, arrive",
      async () => {
        await using backend = backendOf(cluster);
        const ids = taskIds(30);
        const events = eventsOf(backend, ids);
        for (const id of ids) {
          const node = await cluster.client(
            await cluster.ownerOf(keySlot(PREFIX + id)),
          );
          const document = JSON.stringify({
            ...{ status: "SUCCESS", result: id, traceback: null, children: [] },
            ...{ date_done: "2024-05-04T12:00:00+00:00", task_id: id },
          });
          await Promise.all([
            node.send("MULTI"),
            node.send("SETEX", PREFIX + id, 86_400, document),
            node.send("PUBLISH", PREFIX + id, document),
            node.send("EXEC"),
          ]);
        }
        assertEquals(countOutcomes(await events), once(ids));
      },
    );

    await step(
      "names the missing permission for an announced node",
      async () => {
        const { port } = cluster.nodes[0]!;
        const program = await Deno.makeTempFile({ suffix: ".ts" });
        await Deno.writeTextFile(
          program,
          `
        import { ResultBackend } from ${
            JSON.stringify(import.meta.resolve("../../mod.ts"))
          };
        await using backend = new ResultBackend(
          "redis://127.0.0.1:${port}",
          { cluster: true },
        );
        for (let i = 0; i < 100; i++) {
          try {
            await backend.getMeta(String(i));
          } catch ({ name, message }) {
            console.log(name, message);
            break;
          }
        }
        `,
        );
        await using child = new ChildDeno(
          ["run", `--allow-net=127.0.0.1:${port}`, program],
          ".",
        );
        const line = await child.line();
        await child.end();
        await Deno.remove(program);
        assert(line.startsWith("ConfigurationError"), line);
        const flag = /--allow-net=127\.0\.0\.1:(\d+)/.exec(line);
        const others = cluster.nodes.slice(1).map(({ port }) => String(port));
        assert(others.includes(flag?.[1] ?? ""), line);
      },
    );

    await step(
      "finds the cluster from one seed, and by another host name",
      async () => {
        const [seed] = cluster.nodes;
        const id = crypto.randomUUID();
        await using backend = new ResultBackend(
          `redis://localhost:${seed!.port}`,
          { cluster: true },
        );
        assertEquals(await backend.markAsDone(id, 1), true);
        assertEquals(await backend.result(id).get(), 1);
      },
    );

    await step(
      "says what to do if the option is missing, or wrong",
      async () => {
        // Keys of every master: two of them are on other nodes.
        await using backend = new ResultBackend(cluster.url);
        const errors = await Promise.all(
          taskIds(20).map((id) => backend.getMeta(id).then(() => "", String)),
        );
        const [moved = ""] = errors.filter((error) => error !== "");
        assert(moved.includes("use the option `cluster: true`"), moved);
      },
    );

    await step(
      "3,000 results arrive once each while a slot with half of them migrates back and forth",
      async () => {
        for (const sharded of [false, true]) {
          const tag = crypto.randomUUID();
          const ids = taskIds(3000).map((id, i) =>
            i % 2 ? id : `{${tag}}${id}`
          );
          await using backend = backendOf(cluster, { sharded });
          await using writer = backendOf(cluster, { sharded });
          const events = eventsOf(backend, ids);
          await backend.exists(ids[0]!);
          const slot = keySlot(PREFIX + ids[0]);
          const home = await cluster.ownerOf(slot);
          const away = await cluster.otherThan(home);
          let isStoring = true;
          let moves = 0;
          const moving = (async () => {
            while (isStoring) {
              await cluster.migrate(slot, moves++ % 2 === 0 ? away : home);
            }
          })();
          // The test may fail before it awaits this.
          moving.catch(() => {});
          for (const id of ids) {
            if (id.endsWith("0")) await writer.markAsStarted(id);
          }
          await storeAll(writer, ids, 20);
          isStoring = false;
          await moving;
          assertEquals(countOutcomes(await events), once(ids));
          assert(moves >= 4, `only ${moves} moves`);
        }
      },
    );

    await step(
      "results that are stored between the steps of a migration arrive, for old and new keys",
      async () => {
        const tag = crypto.randomUUID();
        const ids = taskIds(40).map((id) => `{${tag}}${id}`);
        const [early, late] = [ids.slice(0, 20), ids.slice(20)];
        const slot = keySlot(PREFIX + ids[0]);
        await using backend = backendOf(cluster);
        await using writer = backendOf(cluster);
        const events = inboxOf(backend.stream(ids));
        for (const id of early) await writer.markAsStarted(id);
        for (const _ of early) await events.next();

        const home = await cluster.ownerOf(slot);
        const migration = await cluster.beginMigration(
          slot,
          await cluster.otherThan(home),
        );
        // Some keys are still at the source, and some are created at the target.
        await storeAll(writer, early.slice(0, 10));
        await storeAll(writer, late.slice(0, 10));
        assertEquals(
          (await backend.getMetas(ids)).filter(({ ready }) => ready).length,
          20,
        );
        // A reader that starts meanwhile.
        await using second = backendOf(cluster);
        const others = eventsOf(second, ids);
        await migration.moveKeys();
        await storeAll(writer, early.slice(10));
        await migration.finish();
        await storeAll(writer, late.slice(10));

        assertEquals(countOutcomes(await others), once(ids));
        await events.until(() => countOutcomes(events.all).size === ids.length);
        assertEquals(countOutcomes(events.all), once(ids));
        await cluster.migrate(slot, home);
      },
    );

    await step(
      "a subscription follows its slot without a redirected command",
      async () => {
        for (const sharded of [false, true]) {
          const id = crypto.randomUUID();
          const key = PREFIX + id;
          await using backend = backendOf(cluster, { sharded });
          await using writer = backendOf(cluster, { sharded });
          const status = inboxOf(backend.status());
          const events = inboxOf(backend.stream([id]));
          await status.until(({ type }) => type === "connected");
          const home = await cluster.ownerOf(keySlot(key));
          const away = await cluster.otherThan(home);
          await cluster.migrate(keySlot(key), away);
          const word = sharded ? "SHARDNUMSUB" : "NUMSUB";
          await until(async () => {
            const reply = await cluster.send(away, "PUBSUB", word, key);
            return Array.isArray(reply) && reply[1] === 1;
          }, { what: "the subscription at the new owner" });
          await until(async () => {
            const reply = await cluster.send(home, "PUBSUB", word, key);
            return Array.isArray(reply) && reply[1] === 0;
          }, { what: "no subscription at the old one" });
          await writer.markAsStarted(id);
          await writer.markAsDone(id, "done");
          assertEquals((await events.next()).state, "STARTED");
          assertEquals((await events.next()).state, "SUCCESS");
          // It needed no new link.
          assertEquals(
            status.all.filter(({ type }) => type === "connecting").length,
            1,
          );
        }
      },
    );

    await step(
      "results arrive once each during a CLUSTER FAILOVER",
      async () => {
        for (const sharded of [false, true]) {
          const ids = taskIds(1500);
          await using backend = backendOf(cluster, { sharded });
          await using writer = backendOf(cluster, { sharded });
          const events = eventsOf(backend, ids);
          const master = await cluster.ownerOf(keySlot(PREFIX + ids[0]));
          const replica = await cluster.replicaOf(master);
          await storeAll(writer, ids.slice(0, 500));
          const meanwhile = storeAll(writer, ids.slice(500, 1000), 10);
          await cluster.failover(replica);
          await meanwhile;
          await storeAll(writer, ids.slice(1000));
          assertEquals(countOutcomes(await events), once(ids));
        }
      },
    );

    await step("100,000 awaited keys attach, and attach again", async () => {
      const ids = taskIds(100_000);
      await using backend = backendOf(cluster);
      await using writer = backendOf(cluster);
      const status = inboxOf(backend.status());
      const consumer = backend.consumer();
      const events = inboxOf(consumer.readable);
      await consumer.add(ids);
      for (const node of cluster.nodes) {
        await cluster.send(node, "CLIENT", "KILL", "TYPE", "pubsub");
      }
      await status.until(({ type }) => type === "resynced", {
        timeout: 30_000,
      });
      const some = ids.filter((_, i) => i % 1000 === 0);
      await storeAll(writer, some);
      await events.until(() => events.all.length === some.length);
      assertEquals(countOutcomes(events.all), once(some));
      await consumer[Symbol.asyncDispose]();
    });

    await step(
      "a master is killed: each outcome arrives once, when its replica has taken over",
      async () => {
        const ids = taskIds(3000);
        await using backend = backendOf(cluster);
        await using writer = backendOf(cluster);
        const events = eventsOf(backend, ids);
        await storeAll(writer, ids.slice(0, 1000));
        const master = await cluster.ownerOf(keySlot(PREFIX + ids[2000]));
        const replica = await cluster.replicaOf(master);
        // Otherwise, writes that the master has not replicated would be lost with it.
        await cluster.send(master, "SET", `{${PREFIX}${ids[2000]}}`, "");
        assertEquals(await cluster.send(master, "WAIT", 1, 5000), 1);
        await cluster.kill(master);
        const meanwhile = storeAll(writer, ids.slice(1000, 2000));
        await cluster.untilMaster(replica);
        await meanwhile;
        await storeAll(writer, ids.slice(2000));
        assertEquals(countOutcomes(await events), once(ids));
        await cluster.revive(master);
      },
    );
  },
}));
