import { RedisConnectionError, RedisError } from "../../src/errors.ts";
import { Expiry, renewalDelay } from "../../src/source/rotation.ts";
import { assert, assertEquals } from "../support/assert.ts";
import type { FakeLink } from "../support/fake_link.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import {
  documentOf,
  keyOf,
  RecordingReader,
} from "../support/recording_reader.ts";
import { SourceStage } from "../support/source_stage.ts";
import { turn } from "../support/turn.ts";

const A = keyOf("a");
const B = keyOf("b");
/** How long a link lives here, and when it is replaced: a tenth of that before. */
const LIFE = 600_000;
const RENEWED = 540_000;

/** A source with a reader that waits for `a`, over a link that expires. */
async function rotating(
  stage: SourceStage,
  prepare: (link: FakeLink, number: number) => void = () => {},
): Promise<RecordingReader> {
  stage.driver.onLink = (link) => {
    const number = stage.driver.links.length;
    prepare(link, number);
    if (number === 0) link.expire(new Date(LIFE));
  };
  const reader = new RecordingReader();
  await stage.source.add(reader, ["a"]);
  await turn();
  return reader;
}

Deno.test("renewalDelay leaves a tenth of a life, five seconds to five minutes, and never makes a busy loop", () => {
  const cases: [life: number, delay: number][] = [
    [600_000, 540_000],
    [30_000, 25_000],
    [100_000_000, 99_700_000],
    [6000, 3000],
    [2000, 1000],
    [500, 1000],
    [0, 1000],
    [-1e9, 1000],
  ];
  for (const [life, delay] of cases) assertEquals(renewalDelay(life), delay);
});

Deno.test("Expiry goes by the earliest of its dates, once it has begun, and leaves out those that have passed", async () => {
  const runtime = new FakeRuntime();
  await runtime.advance(1000);
  let past = 0;
  const expiry = new Expiry(runtime, () => past++);
  let due = 0;
  expiry.tell(new Date(1000));
  expiry.tell(new Date(101_000));
  expiry.tell(new Date(61_000));
  assertEquals([past, runtime.timers], [1, 0]);
  expiry.start(() => due++);
  assertEquals(runtime.timers, 1);
  expiry.tell(new Date(31_000));
  expiry.tell(new Date(50_000));
  await runtime.advance(24_999);
  assertEquals(due, 0);
  await runtime.advance(1);
  assertEquals([due, runtime.timers], [1, 0]);
  // The rotation that it set off goes on until the link has ended.
  expiry.start(() => due++);
  expiry.tell(new Date(30_000));
  await runtime.advance(60_000);
  const stopped = new Expiry(runtime, () => past++);
  stopped.tell(new Date(1e6));
  stopped.start(() => due++);
  stopped.stop();
  stopped.tell(new Date(9e5));
  assertEquals([due, runtime.timers, runtime.persistentTimers], [1, 0, 0]);
});

Deno.test("a rotation subscribes the fresh link first, is mute for its fence alone, and then attaches", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage, (link, number) => {
    if (number === 1) link.held.add("subscribe").add("fence").add("read");
  });
  const { links, store } = stage.driver;
  await stage.runtime.advance(RENEWED);
  const [old, next] = links as [FakeLink, FakeLink];
  assertEquals(next.calls, [`subscribe ${A}`]);
  // What comes meanwhile is taken up, too.
  stage.source.add(reader, ["b"]);
  await turn();
  next.release("subscribe");
  await turn();
  next.publish(A, documentOf("PROGRESS", 0));
  old.publish(A, documentOf("PROGRESS", 0));
  assertEquals(reader.got, ["live PROGRESS 0"]);
  next.release("subscribe");
  await turn();
  assertEquals(next.calls, [`subscribe ${A}`, `subscribe ${B}`, "fence"]);
  // Both are mute.
  old.publish(A, documentOf("PROGRESS", 1));
  next.publish(A, documentOf("PROGRESS", 1));
  store.set(A, documentOf("PROGRESS", 1));
  assertEquals(reader.got, ["live PROGRESS 0"]);
  next.release("fence");
  await turn();
  old.publish(A, documentOf("PROGRESS", 2));
  next.publish(B, documentOf("PROGRESS", 3));
  assertEquals(reader.got, ["live PROGRESS 0", "live PROGRESS 3"]);
  next.held.clear();
  // They are read, and not subscribed again.
  next.release("read");
  await turn();
  assertEquals(reader.got.at(-1), "snapshot PROGRESS 1");
  assertEquals(stage.types, ["connecting", "connected", "resynced"]);
  assert(old.reason?.message.includes("was replaced"));
  assertEquals(stage.source.lastError, undefined);
  // It is the source's link now.
  next.publish(A, documentOf("SUCCESS", 4));
  next.publish(B, documentOf("SUCCESS", 5));
  await turn();
  assertEquals([...next.channels], []);
  next.die();
  assertEquals(stage.driver.attempts, 2);
  await stage.close();
});

Deno.test("a rotation is tried again with growing waits, and the old link lives on", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage);
  stage.driver.onConnect = () => new RedisConnectionError("refused");
  await stage.runtime.advance(RENEWED);
  assertEquals(stage.driver.attempts, 2);
  await stage.runtime.advance(99);
  assertEquals(stage.driver.attempts, 2);
  await stage.runtime.advance(1);
  assertEquals(stage.driver.attempts, 3);
  await stage.runtime.advance(199);
  assertEquals(stage.driver.attempts, 3);
  await stage.runtime.advance(1);
  assertEquals(stage.driver.attempts, 4);
  stage.driver.link.publish(A, documentOf("PROGRESS", 1));
  assertEquals(reader.got, ["live PROGRESS 1"]);
  stage.driver.onConnect = () => {};
  await stage.runtime.advance(400);
  assertEquals(stage.driver.links.length, 2);
  assertEquals(stage.types, [
    "connecting",
    "connected",
    "degraded",
    "resynced",
  ]);
  await stage.close();
});

Deno.test("a rotation that cannot succeed is told, and not tried again", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage);
  stage.driver.onConnect = () => new RedisError("NOPERM no");
  await stage.runtime.advance(LIFE);
  assertEquals(stage.driver.attempts, 2);
  stage.driver.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals(reader.got, ["live SUCCESS 1"]);
  assertEquals(stage.types, ["connecting", "connected", "degraded"]);
  await stage.close();
});

Deno.test("a fresh link that dies or is silent while both are mute gives way to the old one, which is read again", async () => {
  for (const isSilent of [true, false]) {
    using stage = new SourceStage();
    const reader = await rotating(stage, (link, number) => {
      if (number === 1) link.held.add("fence");
    });
    const { links, store } = stage.driver;
    await stage.runtime.advance(RENEWED);
    const [old, next] = links as [FakeLink, FakeLink];
    old.publish(A, documentOf("PROGRESS", 1));
    store.set(A, documentOf("PROGRESS", 1));
    assertEquals(reader.got, []);
    if (isSilent) await stage.runtime.advance(5000);
    else next.die();
    await turn();
    assertEquals(reader.got, ["snapshot PROGRESS 1"]);
    assert(next.reason !== undefined);
    await stage.runtime.advance(100);
    assertEquals(links.length, 3);
    links[2]!.publish(A, documentOf("SUCCESS", 2));
    assertEquals(reader.got.at(-1), "live SUCCESS 2");
    assert(!stage.types.includes("disconnected"));
    await stage.close();
  }
});

Deno.test("an old link that dies during a rotation is made anew in the ordinary way", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage, (link, number) => {
    if (number === 1) link.held.add("fence");
  });
  const { links, store } = stage.driver;
  await stage.runtime.advance(RENEWED);
  links[0]!.die();
  store.set(A, documentOf("SUCCESS", 1));
  await stage.runtime.advance(100);
  assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  assert(links[1]!.reason !== undefined);
  assertEquals(links.length, 3);
  await stage.close();
});

Deno.test("commands go on with the link that they have; it ends behind them", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage);
  const [old] = stage.driver.links as [FakeLink];
  old.held.add("command");
  const got = stage.get();
  await stage.runtime.advance(RENEWED);
  assertEquals(stage.driver.links.length, 2);
  assertEquals(old.reason, undefined);
  old.release("command");
  assertEquals(await got, "OK");
  await turn();
  assert(old.reason !== undefined);
  // And one that takes too long is not waited for.
  stage.driver.link.held.add("command");
  stage.driver.link.expire(new Date(2 * LIFE));
  const late = stage.get();
  await stage.runtime.advance(RENEWED);
  const [, second] = stage.driver.links;
  assertEquals(second?.reason, undefined);
  await stage.runtime.advance(200_000);
  assert(second?.reason !== undefined);
  assertEquals(await late, "OK");
  stage.source.removeAll(reader);
  await stage.close();
});

Deno.test("a rotation is tried again after a fault that may pass", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage);
  stage.driver.onConnect = (attempt) =>
    attempt < 4 ? new RedisError("ERR upstream not ready") : undefined;
  await stage.runtime.advance(RENEWED + 5000);
  assertEquals(stage.driver.attempts, 4);
  assert(stage.driver.links[0]?.reason !== undefined);
  assertEquals(stage.driver.link.reason, undefined);
  assertEquals(reader.failures, []);
  assertEquals(stage.types.filter((type) => type === "degraded").length, 1);
  await stage.close();
});

Deno.test("close during a rotation leaves nothing behind", async () => {
  for (const held of ["connect", "subscribe", "fence"] as const) {
    using stage = new SourceStage();
    await rotating(stage, (link, number) => {
      if (number === 1 && held !== "connect") link.held.add(held);
    });
    if (held === "connect") stage.driver.isBlackHole = true;
    await stage.runtime.advance(RENEWED);
    assertEquals(stage.driver.attempts, 2);
    await stage.close();
  }
});

Deno.test("a key that was left during a rotation is unsubscribed on the fresh link, unless it is wanted again", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage, (link, number) => {
    if (number === 1) link.held.add("fence");
  });
  await stage.source.add(reader, ["b"]);
  await stage.runtime.advance(RENEWED);
  stage.source.remove(reader, ["a", "b"]);
  const again = stage.source.add(reader, ["b"]);
  const { link } = stage.driver;
  link.held.clear();
  link.release("fence");
  await again;
  await turn();
  assertEquals([...link.channels], [B]);
  await stage.close();
});

Deno.test("a link that nobody uses any more is not replaced: it ends when that would be due", async () => {
  for (const isFailing of [false, true]) {
    using stage = new SourceStage();
    const reader = await rotating(stage);
    if (isFailing) {
      stage.driver.onConnect = () => new RedisConnectionError("refused");
      await stage.runtime.advance(RENEWED);
    }
    stage.source.removeAll(reader);
    await stage.runtime.advance(RENEWED);
    assert(stage.driver.link.reason?.message.includes("idle"));
    assertEquals(stage.driver.links.length, 1);
    assertEquals(stage.types.at(-1), "disconnected");
    assertEquals(stage.runtime.timers, 0);
    stage.driver.onConnect = () => {};
    assertEquals(await stage.get(), "OK");
    await stage.close();
  }
});

Deno.test("a date that has passed already is told once, and replaces nothing", async () => {
  using stage = new SourceStage();
  await stage.runtime.advance(2 * LIFE);
  const reader = await rotating(stage);
  stage.driver.link.expire(new Date(1));
  await stage.runtime.advance(LIFE);
  assertEquals(stage.driver.attempts, 1);
  assertEquals(stage.types, ["connecting", "degraded", "connected"]);
  stage.source.removeAll(reader);
  await stage.close();
});

Deno.test("close ends a rotation at once, while commands finish on the old link", async () => {
  using stage = new SourceStage();
  await rotating(stage, (link, number) => {
    if (number === 1) link.held.add("fence");
  });
  const [old] = stage.driver.links as [FakeLink];
  old.held.add("command");
  const got = stage.get();
  await stage.runtime.advance(RENEWED);
  const [, next] = stage.driver.links;
  assertEquals(next?.waiting("fence"), 1);
  const closed = stage.close();
  await turn();
  assert(next?.reason !== undefined);
  assertEquals(old.reason, undefined);
  old.release("command");
  assertEquals(await got, "OK");
  await closed;
});

Deno.test("a read of the old link that ends while both are mute delivers nothing: the fresh one brings it", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage, (link, number) => {
    if (number === 1) link.held.add("fence").add("read");
  });
  const [old] = stage.driver.links as [FakeLink];
  old.held.add("fence");
  stage.driver.store.set(B, documentOf("PROGRESS", 1));
  const added = stage.source.add(reader, ["b"]);
  await stage.runtime.advance(RENEWED);
  const { link } = stage.driver;
  assertEquals([old.waiting("fence"), link.waiting("fence")], [1, 1]);
  old.release("fence");
  await turn();
  assertEquals(reader.got, []);
  link.held.delete("fence");
  link.release("fence");
  await turn();
  link.publish(B, documentOf("PROGRESS", 1));
  await turn();
  link.held.clear();
  link.release("read", link.waiting("read"));
  await added;
  assertEquals(reader.got, ["live PROGRESS 1"]);
  await stage.close();
});

Deno.test("a fresh link that dies while the old one still finishes commands is made anew at once", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage);
  const { links, store } = stage.driver;
  const [old] = links as [FakeLink];
  old.held.add("command");
  const got = stage.get();
  await stage.runtime.advance(RENEWED);
  // It has lived too long to be made anew after a wait only.
  await stage.runtime.advance(2000);
  store.set(A, documentOf("SUCCESS", 1));
  stage.driver.link.die();
  await turn();
  assertEquals([links.length, old.reason], [3, undefined]);
  assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  old.release("command");
  await got;
  await stage.close();
});

Deno.test("credentials that expire while close waits for commands make no fresh link", async () => {
  using stage = new SourceStage();
  await rotating(stage);
  const [old] = stage.driver.links as [FakeLink];
  old.held.add("command");
  const got = stage.get();
  await stage.runtime.advance(RENEWED - 1000);
  const closed = stage.close();
  await stage.runtime.advance(2000);
  assertEquals(stage.driver.attempts, 1);
  old.release("command");
  assertEquals(await got, "OK");
  await closed;
  assertEquals(stage.types, ["connecting", "connected", "closed"]);
});

Deno.test("a key that was left during a rotation that failed is unsubscribed on the old link, unless it is wanted again", async () => {
  using stage = new SourceStage();
  const reader = await rotating(stage, (link, number) => {
    if (number === 1) link.held.add("fence");
  });
  const [old] = stage.driver.links as [FakeLink];
  await stage.source.add(reader, ["b", "c"]);
  await stage.runtime.advance(RENEWED);
  stage.source.remove(reader, ["b", "c"]);
  const again = stage.source.add(reader, ["c"]);
  stage.driver.link.die();
  await again;
  await turn();
  assertEquals([...old.channels], [A, keyOf("c")]);
  await stage.close();
});
