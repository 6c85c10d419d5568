// Credentials expire with more than one server: every node gets the new ones, even
// while fail-overs and moving slots coincide with new links.

import {
  type RedisCredentials,
  ResultBackend,
  type ResultBackendOptions,
} from "../../mod.ts";
import { keySlot } from "../../src/redis/cluster/slots.ts";
import { denoRuntime } from "../../src/runtime.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { needs } from "../support/needs.ts";
import { startCluster } from "../support/redis_cluster.ts";
import { startSentinels } from "../support/redis_sentinels.ts";
import { inboxOf, taskIds } from "../support/results.ts";
import { until, within } from "../support/until.ts";

const TASKS = 1000;
const USER = [
  ...["ACL", "SETUSER", "app", "on", ">token"],
  ...["~*", "&*", "+@all"],
] as const;

/** A token service that rejects concurrent requests. */
class Tokens {
  /** How many tokens were requested. */
  asked = 0;
  #isBusy = false;

  readonly next = async (): Promise<RedisCredentials> => {
    this.asked++;
    if (this.#isBusy) throw new Error("429 Too Many Requests");
    this.#isBusy = true;
    await new Promise((resolve) => setTimeout(resolve));
    this.#isBusy = false;
    const expiresAt = new Date(Date.now() + 60_000);
    return { username: "app", password: "token", expiresAt };
  };
}

/** A backend whose links are replaced every 50 ms. */
function backendOf(
  url: string,
  tokens: Tokens,
  options: ResultBackendOptions,
): ResultBackend {
  return new ResultBackend(url, {
    credentials: tokens.next,
    highWaterMark: Infinity,
    reconcile: 0,
    reconnect: { maxTimeout: 200 },
    retry: { maxTimeout: 100, maxAttempts: 1000 },
    runtime: {
      setTimer: (callback, ms, persistent) =>
        // No other timer is this long.
        denoRuntime.setTimer(
          callback,
          ms > 30_000 && ms <= 60_000 ? 50 : ms,
          persistent,
        ),
    },
    ...options,
  });
}

/**
 * Stores reports, and then outcomes, while links change and `move` goes on:
 * each outcome comes once, and nothing after it. Returns the types of the status
 * events.
 */
async function streamThrough(
  url: string,
  options: ResultBackendOptions,
  move: () => Promise<unknown>,
): Promise<string[]> {
  const tokens = new Tokens();
  await using backend = backendOf(url, tokens, options);
  await using writer = backendOf(url, new Tokens(), options);
  const status = inboxOf(backend.status());
  const ids = taskIds(TASKS);
  const outcomes: string[] = [];
  const reading = (async () => {
    for await (const event of backend.stream<number>(ids)) {
      if (event.ready) outcomes.push(event.taskId);
    }
  })();
  // In case the test fails before it awaits this.
  reading.catch(() => {});
  await status.until(({ type }) => type === "connected");
  let isMoving = true;
  const moved = move().finally(() => isMoving = false);
  moved.catch(() => {});
  let number = 0;
  const storeAll = async (state: "PROGRESS" | "SUCCESS"): Promise<void> => {
    for (let i = 0; i < TASKS; i += 100) {
      await Promise.all(
        ids.slice(i, i + 100).map((id) =>
          writer.storeResult(id, number, state)
        ),
      );
    }
    number++;
  };
  do await storeAll("PROGRESS"); while (isMoving);
  await moved;
  // On any machine, several links are replaced after the move.
  const seen = tokens.asked;
  await until(() => tokens.asked >= seen + 20, { what: "new links" });
  await storeAll("SUCCESS");
  await within(reading, { what: "every outcome" });
  assertEquals([outcomes.length, new Set(outcomes).size], [TASKS, TASKS]);
  const told = status.all.map(({ type }) => type);
  assert(told.filter((type) => type === "resynced").length > 2, String(told));
  return told;
}

Deno.test(needs(["redis-server", "redis-cli"], {
  name:
    "while links to a cluster are replaced and slots move, each outcome comes once, and the provider is asked once at a time",
  async fn() {
    await using cluster = await startCluster({ replicas: 0 });
    for (const node of cluster.nodes) await cluster.send(node, ...USER);
    const options = { cluster: true };
    async function move(): Promise<void> {
      for (let i = 0; i < 20; i++) {
        const slot = keySlot(crypto.randomUUID());
        const owner = await cluster.ownerOf(slot);
        await cluster.migrate(slot, await cluster.otherThan(owner));
      }
    }
    const told = await streamThrough(cluster.urlOfAll, options, move);
    // One link after the other, and nothing was refused.
    assertEquals(new Set(told.slice(3)), new Set(["resynced"]));
  },
}));

Deno.test(needs(["redis-server", "redis-sentinel"], {
  name:
    "while links to a master are replaced and the Sentinels elect another, each outcome arrives once",
  async fn() {
    await using set = await startSentinels();
    for (const server of set.servers) {
      await using client = await server.client();
      await client.send(...USER);
    }
    await streamThrough(set.url, {}, () => set.failover());
  },
}));
