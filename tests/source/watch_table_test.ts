import process from "node:process";
import { WatchTable } from "../../src/source/watch_table.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { RecordingReader } from "../support/recording_reader.ts";
import { seededRandom } from "../support/seeded_random.ts";
import { Latch } from "../../src/source/latch.ts";

Deno.test("WatchTable counts keys once, and waits once for each reader", () => {
  const table = new WatchTable();
  const [one, two] = [new RecordingReader(), new RecordingReader()];
  const latch = new Latch();
  const first = table.add(one, "k", "t", latch);
  assert(first?.isNew);
  assertEquals(table.add(one, "k", "t", latch), undefined);
  const second = table.add(two, "k", "t", latch);
  assertEquals(second?.isNew, false);
  assertStrictEquals(second?.watch, first.watch);
  assertEquals(table.awaitedCount, 1);
  assertEquals(table.leave(table.findWait(first.watch, one)!), false);
  assertEquals(table.awaitedCount, 1);
  assertEquals(table.leave(table.findWait(first.watch, two)!), true);
  assertEquals(table.awaitedCount, 0);
  assertEquals([one.waits, two.waits], [[], []]);
  // It stays until its UNSUBSCRIBE is sent.
  assertStrictEquals(table.get("k"), first.watch);
  assertEquals(table.add(two, "k", "t", new Latch())?.isNew, false);
  assertEquals(table.awaitedCount, 1);
  table.deleteAbandoned();
  assertStrictEquals(table.get("k"), first.watch);
  table.leave(table.findWait(first.watch, two)!);
  table.deleteAbandoned();
  assertEquals(table.get("k"), undefined);
});

Deno.test("WatchTable keeps its lists whole, whatever comes and goes", () => {
  const random = seededRandom(7);
  const table = new WatchTable();
  const readers = Array.from({ length: 5 }, () => new RecordingReader());
  const expected = new Set<string>();
  for (let i = 0; i < 20_000; i++) {
    const r = Math.trunc(random() * readers.length);
    const key = `k${Math.trunc(random() * 20)}`;
    const reader = readers[r]!;
    const watch = table.get(key);
    const wait = watch && table.findWait(watch, reader);
    if (wait === undefined) {
      table.add(reader, key, key, new Latch());
      expected.add(`${r} ${key}`);
    } else {
      const isLast = table.leave(wait);
      expected.delete(`${r} ${key}`);
      assertEquals(isLast, watch!.newest === undefined);
      if (isLast && random() < 0.5) table.delete(watch!);
    }
  }
  const byWatch = [...table].flatMap((watch) =>
    [...watch.waits()].map(({ reader }) =>
      `${readers.indexOf(reader as RecordingReader)} ${watch.key}`
    )
  );
  const byReader = readers.flatMap(({ waits }, r) =>
    waits.map(({ watch, index }, i) => {
      assertEquals(index, i);
      return `${r} ${watch.key}`;
    })
  );
  assertEquals(byWatch.sort(), [...expected].sort());
  assertEquals(byReader.sort(), [...expected].sort());
  assertEquals(
    table.awaitedCount,
    new Set([...expected].map((each) => each.split(" ")[1])).size,
  );
});

Deno.test("WatchTable finds a wait in constant time among thousands for the same task", () => {
  const table = new WatchTable();
  const readers = Array.from({ length: 50_000 }, () => new RecordingReader());
  const since = performance.now();
  for (const reader of readers) table.add(reader, "k", "t", new Latch());
  // From the end of its list, and by its task, as `remove` does.
  for (const reader of readers) {
    table.leave(table.findWait(table.get("k")!, reader)!);
  }
  assertEquals(table.awaitedCount, 0);
  // It takes about 30 ms; with a walk along the list, half a minute.
  const elapsed = performance.now() - since;
  assert(elapsed < 10_000, `It took ${elapsed} ms`);
});

Deno.test("WatchTable finds a wait in constant time where hundreds of readers await the same thousand tasks", () => {
  const table = new WatchTable();
  const latch = new Latch();
  const readers = Array.from({ length: 400 }, () => new RecordingReader());
  const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`);
  const before = process.cpuUsage();
  for (const reader of readers) {
    for (const key of keys) table.add(reader, key, key, latch);
  }
  for (const reader of readers) {
    assertEquals(table.add(reader, "k7", "k7", latch), undefined);
    for (const key of keys) {
      table.leave(table.findWait(table.get(key)!, reader)!);
    }
  }
  assertEquals(table.awaitedCount, 0);
  // It takes half a second of work, however busy the machine is; with a walk
  // along either list, half a minute.
  const { user } = process.cpuUsage(before);
  assert(user < 5e6, `It took ${user / 1000} ms`);
});

Deno.test("WatchTable.leastRecentlyRead begins with the keys that were not read for the longest", () => {
  const table = new WatchTable();
  const reader = new RecordingReader();
  const lastRead = { a: 5, b: 0, c: 9, d: 5, e: 0 };
  for (const [key, tick] of Object.entries(lastRead)) {
    table.add(reader, key, key, new Latch())!.watch.completeRead(0, tick);
  }
  assertEquals(
    table.leastRecentlyRead().map(({ key }) => key).join(""),
    "beadc",
  );
});

Deno.test("WatchTable.fail fails every reader once, and deletes everything", async () => {
  const table = new WatchTable();
  const [one, two] = [new RecordingReader(), new RecordingReader()];
  const latch = new Latch();
  for (const key of ["a", "b"]) {
    table.add(one, key, key, latch);
    table.add(two, key, key, latch);
  }
  const error = new Error("the end");
  const rejected = assertRejects(() => latch.promise);
  table.fail(error);
  table.fail(error);
  assertStrictEquals(await rejected, error);
  for (const { failures, waits } of [one, two]) {
    assertEquals(failures, [error]);
    assertEquals(waits, []);
  }
  assertEquals([table.awaitedCount, [...table].length], [0, 0]);
});

Deno.test("WatchTable.cycle gives each watch its turn, also while others come and go", () => {
  const table = new WatchTable();
  const reader = new RecordingReader();
  for (const key of ["a", "b", "c"]) table.add(reader, key, key, new Latch());
  function take(count: number): string {
    return table.cycle(count).map(({ key }) => key).join("");
  }
  assertEquals([take(2), take(2)], ["ab", "ca"]);
  table.add(reader, "d", "d", new Latch());
  table.delete(table.get("b")!);
  assertEquals([take(1), take(9), take(0)], ["c", "adc", ""]);
});
