import { RedisConnectionError, RedisError } from "../../src/errors.ts";
import { assert, assertEquals } from "../support/assert.ts";
import type { FakeLink } from "../support/fake_link.ts";
import {
  documentOf,
  keyOf,
  RecordingReader,
} from "../support/recording_reader.ts";
import { SourceFixture } from "../support/source_fixture.ts";
import { turn } from "../support/turn.ts";

const A = keyOf("a");
const B = keyOf("b");
/** How long a link lives here, and when it is replaced: a tenth of that before. */
const LIFE = 600_000;
const RENEWED = 540_000;

/** A source with a reader that waits for `a`, over a link that expires. */
async function rotating(
  fixture: SourceFixture,
  prepare: (link: FakeLink, number: number) => void = () => {},
): Promise<RecordingReader> {
  fixture.driver.onLink = (link) => {
    const number = fixture.driver.links.length;
    prepare(link, number);
    if (number === 0) link.expire(new Date(LIFE));
  };
  const reader = new RecordingReader();
  await fixture.source.add(reader, ["a"]);
  await turn();
  return reader;
}

Deno.test("a rotation subscribes and fences the fresh link while the old one delivers, then switches and reads every key", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture, (link, number) => {
    if (number === 1) link.held.add("subscribe").add("fence").add("read");
  });
  const { links, store } = fixture.driver;
  await fixture.runtime.advance(RENEWED);
  const [old, next] = links as [FakeLink, FakeLink];
  assertEquals(next.calls, [`subscribe ${A}`]);
  // A key added in the meantime is subscribed, too.
  fixture.source.add(reader, ["b"]);
  await turn();
  next.release("subscribe");
  await turn();
  next.publish(A, documentOf("PROGRESS", 0));
  old.publish(A, documentOf("PROGRESS", 0));
  assertEquals(reader.got, ["live PROGRESS 0"]);
  next.release("subscribe");
  await turn();
  assertEquals(next.calls, [`subscribe ${A}`, `subscribe ${B}`, "fence"]);
  old.publish(A, documentOf("PROGRESS", 1));
  next.publish(A, documentOf("PROGRESS", 2));
  store.set(A, documentOf("PROGRESS", 2));
  assertEquals(reader.got, ["live PROGRESS 0", "live PROGRESS 1"]);
  next.release("fence");
  await turn();
  // Dropped on both links, so only the read can bring it.
  old.publish(A, documentOf("PROGRESS", 2));
  next.publish(B, documentOf("PROGRESS", 3));
  assertEquals(reader.got.slice(2), ["live PROGRESS 3"]);
  next.held.clear();
  // They are read, and not subscribed again.
  next.release("read");
  await turn();
  assertEquals(reader.got.at(-1), "snapshot PROGRESS 2");
  assertEquals(fixture.types, ["connecting", "connected", "resynced"]);
  assert(old.reason?.message.includes("was replaced"));
  assertEquals(fixture.source.lastError, undefined);
  // It is the source's link now.
  next.publish(A, documentOf("SUCCESS", 4));
  next.publish(B, documentOf("SUCCESS", 5));
  await turn();
  assertEquals([...next.channels], []);
  next.die();
  assertEquals(fixture.driver.attempts, 2);
  await fixture.close();
});

Deno.test("a rotation is tried again with growing waits, and the old link lives on", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture);
  fixture.driver.onConnect = () => new RedisConnectionError("refused");
  await fixture.runtime.advance(RENEWED);
  assertEquals(fixture.driver.attempts, 2);
  await fixture.runtime.advance(99);
  assertEquals(fixture.driver.attempts, 2);
  await fixture.runtime.advance(2);
  assertEquals(fixture.driver.attempts, 3);
  await fixture.runtime.advance(198);
  assertEquals(fixture.driver.attempts, 3);
  await fixture.runtime.advance(3);
  assertEquals(fixture.driver.attempts, 4);
  fixture.driver.link.publish(A, documentOf("PROGRESS", 1));
  assertEquals(reader.got, ["live PROGRESS 1"]);
  fixture.driver.onConnect = () => {};
  await fixture.runtime.advance(402);
  assertEquals(fixture.driver.links.length, 2);
  assertEquals(fixture.types, [
    "connecting",
    "connected",
    "degraded",
    "resynced",
  ]);
  await fixture.close();
});

Deno.test("a rotation that cannot succeed is reported, and not retried", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture);
  fixture.driver.onConnect = () => new RedisError("NOPERM no");
  await fixture.runtime.advance(LIFE);
  assertEquals(fixture.driver.attempts, 2);
  fixture.driver.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals(reader.got, ["live SUCCESS 1"]);
  assertEquals(fixture.types, ["connecting", "connected", "degraded"]);
  await fixture.close();
});

Deno.test("a fresh link that dies before the switch is replaced, while the old one delivers", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture, (link, number) => {
    if (number === 1) link.held.add("fence");
  });
  const { links } = fixture.driver;
  await fixture.runtime.advance(RENEWED);
  const [old, next] = links as [FakeLink, FakeLink];
  old.publish(A, documentOf("PROGRESS", 1));
  next.die();
  await turn();
  old.publish(A, documentOf("PROGRESS", 2));
  assertEquals(reader.got, ["live PROGRESS 1", "live PROGRESS 2"]);
  await fixture.runtime.advance(200);
  assertEquals(links.length, 3);
  links[2]!.publish(A, documentOf("SUCCESS", 3));
  assertEquals(reader.got.at(-1), "live SUCCESS 3");
  assert(!fixture.types.includes("disconnected"));
  await fixture.close();
});

Deno.test("an old link that dies during a rotation is redialled as usual", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture, (link, number) => {
    if (number === 1) link.held.add("fence");
  });
  const { links, store } = fixture.driver;
  await fixture.runtime.advance(RENEWED);
  links[0]!.die();
  store.set(A, documentOf("SUCCESS", 1));
  await fixture.runtime.advance(100);
  assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  assert(links[1]!.reason !== undefined);
  assertEquals(links.length, 3);
  await fixture.close();
});

Deno.test("commands in progress keep their link, which ends after them", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture);
  const [old] = fixture.driver.links as [FakeLink];
  old.held.add("command");
  const got = fixture.get();
  await fixture.runtime.advance(RENEWED);
  assertEquals(fixture.driver.links.length, 2);
  assertEquals(old.reason, undefined);
  old.release("command");
  assertEquals(await got, "OK");
  await turn();
  assert(old.reason !== undefined);
  // And one that takes too long is not waited for.
  fixture.driver.link.held.add("command");
  fixture.driver.link.expire(new Date(2 * LIFE));
  const late = fixture.get();
  await fixture.runtime.advance(RENEWED);
  const [, second] = fixture.driver.links;
  assertEquals(second?.reason, undefined);
  await fixture.runtime.advance(200_000);
  assert(second?.reason !== undefined);
  assertEquals(await late, "OK");
  fixture.source.removeAll(reader);
  await fixture.close();
});

Deno.test("a rotation is tried again after a fault that may pass", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture);
  fixture.driver.onConnect = (attempt) =>
    attempt < 4 ? new RedisError("ERR upstream not ready") : undefined;
  await fixture.runtime.advance(RENEWED + 5000);
  assertEquals(fixture.driver.attempts, 4);
  assert(fixture.driver.links[0]?.reason !== undefined);
  assertEquals(fixture.driver.link.reason, undefined);
  assertEquals(reader.failures, []);
  assertEquals(fixture.types.filter((type) => type === "degraded").length, 1);
  await fixture.close();
});

Deno.test("close during a rotation leaves nothing behind", async () => {
  for (const held of ["connect", "subscribe", "fence"] as const) {
    using fixture = new SourceFixture();
    await rotating(fixture, (link, number) => {
      if (number === 1 && held !== "connect") link.held.add(held);
    });
    if (held === "connect") fixture.driver.isBlackHole = true;
    await fixture.runtime.advance(RENEWED);
    assertEquals(fixture.driver.attempts, 2);
    await fixture.close();
  }
});

Deno.test("a key that was left during a rotation is unsubscribed on the fresh link, unless it is wanted again", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture, (link, number) => {
    if (number === 1) link.held.add("fence");
  });
  await fixture.source.add(reader, ["b"]);
  await fixture.runtime.advance(RENEWED);
  fixture.source.remove(reader, ["a", "b"]);
  const again = fixture.source.add(reader, ["b"]);
  const { link } = fixture.driver;
  link.held.clear();
  link.release("fence");
  await again;
  await turn();
  assertEquals([...link.channels], [B]);
  await fixture.close();
});

Deno.test("a link that nobody uses any more is not replaced: it ends when that would be due", async () => {
  for (const isFailing of [false, true]) {
    using fixture = new SourceFixture();
    const reader = await rotating(fixture);
    if (isFailing) {
      fixture.driver.onConnect = () => new RedisConnectionError("refused");
      await fixture.runtime.advance(RENEWED);
    }
    fixture.source.removeAll(reader);
    await fixture.runtime.advance(RENEWED);
    assert(fixture.driver.link.reason?.message.includes("idle"));
    assertEquals(fixture.driver.links.length, 1);
    assertEquals(fixture.types.at(-1), "disconnected");
    assertEquals(fixture.runtime.timers, 0);
    fixture.driver.onConnect = () => {};
    assertEquals(await fixture.get(), "OK");
    await fixture.close();
  }
});

Deno.test("a link whose replacement failed while nobody waited ends, even if somebody comes at once", async () => {
  using fixture = new SourceFixture();
  const { driver, source, status } = fixture;
  const reader = await rotating(fixture);
  const attempt = Promise.withResolvers<void>();
  driver.gate = attempt.promise;
  await fixture.runtime.advance(RENEWED);
  source.removeAll(reader);
  const emit = status.emit.bind(status);
  status.emit = (event) => {
    emit(event);
    if (event.type !== "degraded") return;
    queueMicrotask(() => void source.add(reader, ["b"]));
  };
  driver.gate = Promise.resolve();
  attempt.reject(new RedisConnectionError("refused"));
  await fixture.runtime.advance(0);
  const [old, next] = driver.links as [FakeLink, FakeLink];
  assert(old.reason?.message.includes("idle"));
  next.publish(B, documentOf("SUCCESS", 1));
  assertEquals(reader.got, ["live SUCCESS 1"]);
  await fixture.close();
});

Deno.test("a date in the past is reported once, and replaces nothing", async () => {
  using fixture = new SourceFixture();
  await fixture.runtime.advance(2 * LIFE);
  const reader = await rotating(fixture);
  fixture.driver.link.expire(new Date(1));
  await fixture.runtime.advance(LIFE);
  assertEquals(fixture.driver.attempts, 1);
  assertEquals(fixture.types, ["connecting", "degraded", "connected"]);
  fixture.source.removeAll(reader);
  await fixture.close();
});

Deno.test("close ends a rotation at once, while commands finish on the old link", async () => {
  using fixture = new SourceFixture();
  await rotating(fixture, (link, number) => {
    if (number === 1) link.held.add("fence");
  });
  const [old] = fixture.driver.links as [FakeLink];
  old.held.add("command");
  const got = fixture.get();
  await fixture.runtime.advance(RENEWED);
  const [, next] = fixture.driver.links;
  assertEquals(next?.waiting("fence"), 1);
  const closed = fixture.close();
  await turn();
  assert(next?.reason !== undefined);
  assertEquals(old.reason, undefined);
  old.release("command");
  assertEquals(await got, "OK");
  await closed;
});

Deno.test("a read of the old link that ends after the switch delivers nothing: the fresh one brings it", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture, (link, number) => {
    if (number === 1) link.held.add("read");
  });
  const [old] = fixture.driver.links as [FakeLink];
  old.held.add("fence").add("command");
  const got = fixture.get();
  fixture.driver.store.set(B, documentOf("PROGRESS", 1));
  const added = fixture.source.add(reader, ["b"]);
  await fixture.runtime.advance(RENEWED);
  const { link } = fixture.driver;
  assertEquals([old.waiting("fence"), link.waiting("read")], [1, 1]);
  old.release("fence");
  await turn();
  assertEquals(reader.got, []);
  link.publish(B, documentOf("PROGRESS", 1));
  await turn();
  link.held.clear();
  link.release("read", link.waiting("read"));
  await added;
  assertEquals(reader.got, ["live PROGRESS 1"]);
  old.release("command");
  await got;
  await fixture.close();
});

Deno.test("an outcome that both links bring ends no wait that began after it", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture, (link, number) => {
    if (number === 1) link.held.add("fence").add("read");
  });
  const { links, store } = fixture.driver;
  await fixture.source.add(reader, ["b"]);
  await fixture.runtime.advance(RENEWED);
  const [old, next] = links as [FakeLink, FakeLink];
  old.publish(A, documentOf("FAILURE"));
  // The task runs again, and is awaited again: attached to the old link.
  store.set(A, documentOf("STARTED"));
  await fixture.source.add(reader, ["a"]);
  next.release("fence");
  next.held.delete("fence");
  await turn();
  next.publish(A, documentOf("FAILURE"));
  next.free("read");
  await turn();
  assertEquals(reader.got, ["live FAILURE null", "snapshot STARTED null"]);
  await fixture.close();
});

Deno.test("an outcome that a wait skipped on the old link does not end it on the fresh one", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture, (link, number) => {
    if (number === 1) link.held.add("fence").add("read");
  });
  const { links, store } = fixture.driver;
  const [old] = links as [FakeLink];
  old.held.add("read");
  // It joins, so that its own read decides about messages that come before.
  const late = new RecordingReader();
  fixture.source.add(late, ["a"]);
  await turn();
  await fixture.runtime.advance(RENEWED);
  const next = links[1]!;
  for (const state of ["FAILURE", "STARTED"]) {
    store.set(A, documentOf(state));
    old.publish(A, documentOf(state));
  }
  assertEquals(late.got, ["live STARTED null"]);
  old.free("read");
  next.free("fence");
  await turn();
  next.publish(A, documentOf("FAILURE"));
  next.free("read");
  await turn();
  assertEquals([reader.got, late.got], [
    ["live FAILURE null"],
    ["live STARTED null"],
  ]);
  await fixture.close();
});

Deno.test("a fresh link that dies while the old one still finishes commands is redialled at once", async () => {
  using fixture = new SourceFixture();
  const reader = await rotating(fixture);
  const { links, store } = fixture.driver;
  const [old] = links as [FakeLink];
  old.held.add("command");
  const got = fixture.get();
  await fixture.runtime.advance(RENEWED);
  // It has lived long enough to be redialled without a wait.
  await fixture.runtime.advance(2000);
  store.set(A, documentOf("SUCCESS", 1));
  fixture.driver.link.die();
  await turn();
  assertEquals([links.length, old.reason], [3, undefined]);
  assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  old.release("command");
  await got;
  await fixture.close();
});

Deno.test("credentials that expire while close waits for commands make no fresh link", async () => {
  using fixture = new SourceFixture();
  await rotating(fixture);
  const [old] = fixture.driver.links as [FakeLink];
  old.held.add("command");
  const got = fixture.get();
  await fixture.runtime.advance(RENEWED - 1000);
  const closed = fixture.close();
  await fixture.runtime.advance(2000);
  assertEquals(fixture.driver.attempts, 1);
  old.release("command");
  assertEquals(await got, "OK");
  await closed;
  assertEquals(fixture.types, ["connecting", "connected", "closed"]);
});
