// deno-lint-ignore-file no-console -- the benchmark prints

// Measures how long a reader gets no results when the master moves, compared
// with the time that the Sentinels need. Run with `deno run -A
// bench/failover.ts [rounds] [down-after-milliseconds]`; with its 500 ms it
// takes about three seconds a round, twice.

import { ResultBackend } from "../mod.ts";
import type { TestClient } from "../tests/support/client.ts";
import {
  type RedisSentinels,
  startSentinels,
} from "../tests/support/redis_sentinels.ts";

/** Milliseconds since the master was killed, or a failover was requested. */
interface Round {
  /** The first Sentinel announced the new master. */
  switched: number;
  /** A result that was then stored there was delivered. */
  delivered: number;
  /** The reader's own store, started with the round, was done. */
  stored: number;
}

/** The port of the new master, as soon as any Sentinel announces it. */
async function firstSwitch(clients: readonly TestClient[]): Promise<number> {
  const message = await Promise.any(
    clients.map((client) =>
      client.messages.next({ timeout: downAfter + 30_000 })
    ),
  );
  return Number(String(message.payload).split(" ")[4]);
}

async function round(
  move: (set: RedisSentinels) => Promise<unknown>,
): Promise<Round> {
  await using set = await startSentinels({ downAfter });
  await using reader = new ResultBackend(set.url, { reconcile: 0 });
  await using clients = new AsyncDisposableStack();
  const sentinels: TestClient[] = [];
  for (const sentinel of set.sentinels) {
    const client = clients.use(await sentinel.client());
    await client.send("SUBSCRIBE", "+switch-master");
    sentinels.push(client);
  }
  const result = reader.result("awaited").get();
  for await (const { type } of reader.status()) {
    if (type === "connected") break;
  }
  const switching = firstSwitch(sentinels);
  const start = performance.now();
  await move(set);
  const storing = reader.markAsDone("stored", 1).then(
    () => performance.now() - start,
    // It used up the attempts of `retry`.
    () => Infinity,
  );
  const port = await switching;
  const switched = performance.now() - start;
  await using writer = new ResultBackend(`redis://127.0.0.1:${port}`);
  await writer.markAsDone("awaited", 1);
  await result;
  const delivered = performance.now() - start;
  return { switched, delivered, stored: await storing };
}

/** Requests a failover without waiting for it. */
async function command(set: RedisSentinels): Promise<void> {
  await using client = await set.sentinels[0]!.client();
  await client.send("SENTINEL", "FAILOVER", "mymaster");
}

async function kill(set: RedisSentinels): Promise<void> {
  await (await set.master()).kill();
}

function print(name: string, rounds: readonly Round[]): void {
  const columns = [
    rounds.map(({ switched }) => switched),
    rounds.map(({ delivered }) => delivered),
    rounds.map(({ switched, delivered }) => delivered - switched),
    rounds.map(({ stored }) => stored),
  ];
  const cells = columns.map((values) => {
    const sorted = values.toSorted((a, b) => a - b);
    const middle = sorted[sorted.length >> 1] ?? NaN;
    return `${middle.toFixed(0)} / ${(sorted.at(-1) ?? NaN).toFixed(0)} ms`;
  });
  console.log(`| ${[name, rounds.length, ...cells].join(" | ")} |`);
}

const count = Number(Deno.args[0] ?? 10);
const downAfter = Number(Deno.args[1] ?? 500);
console.log(
  "| the master | rounds | first +switch-master | result delivered | between them | a store, begun at once |",
);
console.log("| --- | --- | --- | --- | --- | --- |");
for (
  const [name, move] of [
    ["is killed", kill],
    ["lives on (SENTINEL FAILOVER)", command],
  ] as const
) {
  const rounds: Round[] = [];
  for (let i = 0; i < count; i++) rounds.push(await round(move));
  print(name, rounds);
}
