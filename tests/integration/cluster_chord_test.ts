// Chords, groups and other commands with several keys, over a real cluster: the
// keys are on several nodes, unless the prefix has a hash tag.

import { ResultBackend, type ResultBackendOptions } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Completions, requestsOf } from "../support/chord_fixture.ts";
import { needs } from "../support/needs.ts";
import { type RedisCluster, startCluster } from "../support/redis_cluster.ts";
import type { RedisServer } from "../support/redis_server.ts";
import { taskIds } from "../support/results.ts";
import { until } from "../support/until.ts";

const SIZE = 4;
const SLOWER_THAN = "slowlog-log-slower-than";
const HASH_TAG = { keyPrefix: "{celery}" };

/** Returns every part of a chord twice, all at once, by several workers. */
async function runChord(
  workers: readonly ResultBackend[],
  groupId: string,
): Promise<void> {
  const completions = new Completions();
  await workers[0]!.setChordSize(groupId, SIZE - 1);
  await workers[0]!.addToChord(groupId);
  const requests = requestsOf(SIZE, groupId);
  const outcomes = await Promise.all(
    [...requests, ...requests].map((request, i) =>
      workers[i % workers.length]!.chordPartReturn(
        request,
        "SUCCESS",
        request.groupIndex,
        completions,
      )
    ),
  );
  assertEquals(
    completions.values.map((values) => values.toSorted()),
    [[0, 1, 2, 3]],
  );
  const completed = outcomes.filter(({ type }) => type === "completed");
  assertEquals(completed.map((each) => "count" in each && each.count), [SIZE]);
}

/** Finds the keys of a chord on all nodes. */
async function keysOf(
  cluster: RedisCluster,
  pattern: string,
): Promise<string[]> {
  const keys = await Promise.all(
    cluster.nodes.map((node) => cluster.send(node, "KEYS", pattern)),
  );
  return keys.flat().map(String).sort();
}

/** Counts the calls of a command at each node. */
async function callsOf(
  cluster: RedisCluster,
  command: string,
): Promise<number> {
  let calls = 0;
  for (const node of cluster.nodes) {
    const stats = String(await cluster.send(node, "INFO", "commandstats"));
    const found = new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats);
    calls += Number(found?.[1] ?? 0);
  }
  return calls;
}

Deno.test(needs(["redis-server", "redis-cli"], {
  name: "chords and groups over a Redis Cluster",
  async fn(t) {
    await using cluster = await startCluster({ replicas: 0 });
    const everywhere = async (...words: string[]): Promise<void> => {
      for (const node of cluster.nodes) await cluster.send(node, ...words);
    };
    const ownerOf = async (key: string): Promise<RedisServer> =>
      await cluster.ownerOf(await cluster.slotOf(key));
    /** A chord whose claim is on a different node than its parts. */
    const apart = async (): Promise<
      Record<"id" | "claim" | "parts", string>
    > => {
      for (;;) {
        const id = crypto.randomUUID();
        const [claim, parts] = [".c", ".j"].map((suffix) =>
          `celery-taskset-meta-${id}${suffix}`
        ) as [string, string];
        if (await ownerOf(claim) !== await ownerOf(parts)) {
          return { id, claim, parts };
        }
      }
    };
    const untilBlocked = (node: RedisServer): Promise<void> =>
      until(async () => {
        const clients = String(await cluster.send(node, "INFO", "clients"));
        return clients.includes("blocked_clients:1");
      }, { what: "a command to be blocked" });
    const backendOf = (options: ResultBackendOptions): ResultBackend =>
      new ResultBackend(cluster.urlOfAll, { cluster: true, ...options });
    const step = async (
      name: string,
      fn: () => Promise<void>,
    ): Promise<void> => {
      await t.step({
        name,
        sanitizeOps: false,
        sanitizeResources: false,
        fn: async () => {
          await everywhere("CONFIG", "RESETSTAT");
          await fn();
          for (const node of cluster.nodes) {
            const stats = String(
              await cluster.send(node, "INFO", "errorstats"),
            );
            assertEquals(stats.includes("CROSSSLOT"), false, stats);
          }
        },
      });
    };

    for (const scripts of ["+@scripting", "-@scripting"]) {
      for (const chordOrdered of [true, false]) {
        await step(
          `chords with keys on several nodes complete once: ${scripts}, chordOrdered: ${chordOrdered}`,
          async () => {
            await everywhere("ACL", "SETUSER", "default", scripts);
            await using first = backendOf({ chordOrdered });
            await using second = backendOf({ chordOrdered });
            const ids = taskIds(20);
            await Promise.all(ids.map((id) => runChord([first, second], id)));
            for (const id of ids) {
              assertEquals(await keysOf(cluster, `*${id}*`), [
                `celery-taskset-meta-${id}.c`,
              ]);
            }
          },
        );
      }
    }

    await step(
      "a part that arrives after the end of its chord is removed again",
      async () => {
        await everywhere("ACL", "SETUSER", "default", "+@scripting");
        await using backend = backendOf({});
        const completions = new Completions();
        const { id, claim, parts } = await apart();
        const [request] = requestsOf(1, id);
        await backend.setChordSize(id, 1);
        const node = await ownerOf(parts);
        await cluster.send(node, "CLIENT", "PAUSE", 60_000, "WRITE");
        const returned = backend.chordPartReturn(
          request!,
          "SUCCESS",
          1,
          completions,
        );
        await untilBlocked(node);
        await cluster.send(await ownerOf(claim), "SET", claim, "done");
        await cluster.send(node, "CLIENT", "UNPAUSE");
        assertEquals(await returned, { type: "claimed", claim: "done" });
        assertEquals(await keysOf(cluster, parts), []);
        // The next one sees the claim first, and adds nothing.
        await everywhere("CONFIG", "RESETSTAT");
        const call = { claim: "own", onComplete: completions.onComplete };
        await backend.chordPartReturn(request!, "SUCCESS", 1, call);
        assertEquals(await callsOf(cluster, "evalsha"), 0);
        assertEquals(completions.values, []);
      },
    );

    await step(
      "the end of a chord is recorded before its keys are removed",
      async () => {
        await using backend = backendOf({});
        const { id, claim, parts } = await apart();
        const node = await ownerOf(claim);
        const [first, second] = requestsOf(2, id);
        await backend.setChordSize(id, 1);
        await backend.addToChord(id);
        const call = { onComplete: (): void => {} };
        await backend.chordPartReturn(first!, "SUCCESS", 1, call);
        for (const suffix of [".j", ".t", ".s"]) {
          const key = `celery-taskset-meta-${id}${suffix}`;
          const seconds = await cluster.send(await ownerOf(key), "TTL", key);
          assert(Number(seconds) > 86_000, `${key}: ${seconds}`);
        }
        const returned = backend.chordPartReturn(second!, "SUCCESS", 1, {
          onComplete: async () => {
            await cluster.send(node, "CLIENT", "PAUSE", 60_000, "WRITE");
          },
        });
        await untilBlocked(node);
        assertEquals(await keysOf(cluster, parts), [parts]);
        await cluster.send(node, "CLIENT", "UNPAUSE");
        assertEquals((await returned).type, "completed");
        assertEquals(await keysOf(cluster, parts), []);
      },
    );

    await step(
      "a failed chord keeps its parts, for a day if results never expire",
      async () => {
        await using backend = backendOf({ expires: null });
        await backend.setChordSize("failed", 2);
        const completions = new Completions();
        const [first, second] = requestsOf(2, "failed");
        const error = { name: "Error", message: "broken" };
        await backend.chordPartReturn(first!, "FAILURE", error, completions);
        const { type } = await backend.chordPartReturn(
          second!,
          "SUCCESS",
          1,
          completions,
        );
        assertEquals(type, "failed");
        for (const suffix of [".j", ".s", ".c"]) {
          const key = `celery-taskset-meta-failed${suffix}`;
          const node = await ownerOf(key);
          const seconds = Number(await cluster.send(node, "TTL", key));
          assert(seconds > 86_000 && seconds <= 86_400, `${key}: ${seconds}`);
        }
      },
    );

    for (const scripts of ["+@scripting", "-@scripting"]) {
      await step(
        `with a hash tag in keyPrefix, chords have Celery's own form: ${scripts}`,
        async () => {
          await everywhere("ACL", "SETUSER", "default", scripts);
          await using backend = backendOf(HASH_TAG);
          await using other = backendOf(HASH_TAG);
          const id = crypto.randomUUID();
          const key = `{celery}_celery-taskset-meta-${id}`;
          await backend.setChordSize(id, 2);
          await backend.chordPartReturn(
            requestsOf(1, id)[0]!,
            "SUCCESS",
            7,
            new Completions(),
          );
          assertEquals(await keysOf(cluster, `*${id}*`), [
            `${key}.j`,
            `${key}.s`,
          ]);
          const node = await ownerOf("{celery}");
          assertEquals(
            await cluster.send(node, "ZRANGE", `${key}.j`, 0, -1, "WITHSCORES"),
            ['[1, "task-0", "SUCCESS", 7]', "0"],
          );
          await cluster.send(node, "CONFIG", "SET", SLOWER_THAN, 0);
          await cluster.send(node, "SLOWLOG", "RESET");
          await backend.chordPartReturn(
            requestsOf(2, id)[1]!,
            "SUCCESS",
            8,
            new Completions(),
          );
          // It lacks EXEC, but has the commands of the transaction.
          const log = await cluster.send(node, "SLOWLOG", "GET", -1);
          await cluster.send(node, "CONFIG", "SET", SLOWER_THAN, -1);
          assert(Array.isArray(log));
          const commands = log.toReversed().map(([, , , [name, , keys]]) =>
            name === "EVALSHA" ? `${name} with ${keys} keys` : name
          ).filter((name) => !/^(CONFIG|SLOWLOG|CLUSTER|PING)/.test(name));
          // Some versions of Redis log a script's commands before the script.
          const script = commands.findIndex((name) => /^EVALSHA/.test(name));
          assertEquals(commands.slice(Math.max(script, 0)), [
            ...(scripts === "+@scripting" ? ["EVALSHA with 4 keys"] : [
              ...["GET", "MULTI", "ZADD", "ZCOUNT", "GET", "GET", "GET"],
              ...["EXPIRE", "EXPIRE", "EXPIRE"],
            ]),
            ...["MULTI", "SET", "GET", "GET", "ZRANGE"],
            ...["MULTI", "DEL", "DEL", "DEL", "SET"],
          ]);
          await runChord([backend, other], crypto.randomUUID());
        },
      );
    }

    await step(
      "chords complete once, and results are forgotten, while the slot of a hash tag is migrated",
      async () => {
        await everywhere("ACL", "SETUSER", "default", "+@scripting");
        await using first = backendOf(HASH_TAG);
        await using second = backendOf(HASH_TAG);
        const ids = taskIds(10);
        await Promise.all(ids.map((id) => first.markAsDone(id, id)));
        await first.setChordSize("moving", SIZE - 1);
        await first.addToChord("moving");
        const completions = new Completions();
        const requests = requestsOf(SIZE, "moving");
        await first.chordPartReturn(requests[0]!, "SUCCESS", 0, completions);
        const slot = await cluster.slotOf("{celery}");
        const home = await cluster.ownerOf(slot);
        const away = await cluster.otherThan(home);
        const migration = await cluster.beginMigration(slot, away);
        // New keys are created at the target. The others are still at the source.
        for (const request of requests.slice(1)) {
          await second.chordPartReturn(
            request,
            "SUCCESS",
            request.groupIndex,
            completions,
          );
        }
        assertEquals(completions.values, [[0, 1, 2, 3]]);
        assertEquals(await keysOf(cluster, "*moving*"), [
          "{celery}_celery-taskset-meta-moving.c",
        ]);
        await runChord([first, second], crypto.randomUUID());
        // One that has moved to the target already.
        await first.markAsDone("new", 1);
        await first.resultSet([...ids, "new", "missing"]).forget();
        assertEquals(
          (await second.getMetas([...ids, "new"])).map(({ state }) => state),
          [...ids, "new"].map(() => "PENDING"),
        );
        await migration.finish();
        assert(await callsOf(cluster, "asking") > 0);
      },
    );

    await step(
      "groups are saved, restored, joined as a chord's header, and removed; sets of results are forgotten",
      async () => {
        await using backend = backendOf({});
        const ids = taskIds(300);
        await backend.saveGroup("header", ids);
        const group = await backend.restoreGroup("header");
        assertEquals(group?.ids, ids);
        await Promise.all(ids.map((id) => backend.markAsDone(id, id)));
        assertEquals(await group?.join(), ids);
        await backend.setChordSize("header", 1);
        const completions = new Completions();
        const [request] = requestsOf(1, "header");
        await backend.chordPartReturn(request!, "SUCCESS", 0, completions);
        assertEquals(completions.values, [ids]);
        await group?.forget();
        assertEquals(
          (await backend.getMetas(ids)).filter(({ state }) =>
            state !== "PENDING"
          ),
          [],
        );
        await backend.deleteGroup("header");
        assertEquals(await backend.restoreGroup("header"), null);
      },
    );
  },
}));
