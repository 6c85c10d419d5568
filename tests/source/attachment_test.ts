import { RedisConnectionError } from "../../src/errors.ts";
import { AttachFixture } from "../support/attach_fixture.ts";
import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import {
  documentOf,
  keyOf,
  RecordingReader,
} from "../support/recording_reader.ts";
import { turn } from "../support/turn.ts";

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `t${i}`);
}

const A = keyOf("a");
const B = keyOf("b");
const C = keyOf("c");

Deno.test("Attachment subscribes, reads and fences, each after the one before", async () => {
  const fixture = new AttachFixture();
  const { link } = fixture;
  link.held.add("subscribe").add("read").add("fence");
  let isAttached = false;
  const attached = fixture.add(new RecordingReader(), "a").then(() =>
    isAttached = true
  );
  const steps = ["subscribe", "read", "fence"] as const;
  const expected = [`subscribe ${A}`, `read ${A}`, "fence"];
  for (const [i, step] of steps.entries()) {
    await turn();
    assertEquals(link.calls, expected.slice(0, i + 1));
    assert(!isAttached);
    link.release(step);
  }
  await attached;
  assertEquals(link.calls, expected);
});

Deno.test("Attachment sends the adds of one turn together, and the leaves too", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  await Promise.all([
    fixture.add(reader, "a"),
    fixture.add(reader, "b"),
    fixture.add(new RecordingReader(), "c"),
  ]);
  assertEquals(fixture.link.calls[0], `subscribe ${A} ${B} ${C}`);
  assertEquals(fixture.link.sizes.read, [3]);
  fixture.leave(reader, "a");
  fixture.leave(reader, "b");
  await turn();
  assertEquals(fixture.link.calls.at(-1), `unsubscribe ${A} ${B}`);
});

Deno.test("Attachment only reads what its link is subscribed to already, and unsubscribes it when it is left", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  await fixture.add(reader, "a", "b", "c");
  fixture.subscriptions = new Map([[A, 0], [B, 0]]);
  fixture.connect();
  // Before anything was sent.
  fixture.leave(reader, "b");
  await fixture.attachment.attached;
  await turn();
  assertEquals(fixture.link.calls.filter((call) => call !== "fence"), [
    `unsubscribe ${B}`,
    `subscribe ${C}`,
    `read ${A}`,
    `read ${C}`,
  ]);
});

Deno.test("Attachment unsubscribes a key once its outcome is there, and forgets it", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  await fixture.add(reader, "a");
  fixture.link.publish(A, documentOf("SUCCESS"));
  await turn();
  assertEquals(fixture.link.calls.at(-1), `unsubscribe ${A}`);
  assertEquals([...fixture.table], []);
  assertEquals(reader.waits, []);
});

Deno.test("Attachment withdraws an UNSUBSCRIBE that is not sent yet when the key is wanted again", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  await fixture.add(reader, "a");
  for (let i = 0; i < 3; i++) {
    fixture.leave(reader, "a");
    const again = fixture.add(reader, "a");
    await again;
    await turn();
  }
  assertEquals(fixture.link.sizes.subscribe, [1]);
  // Never an empty one either: that would drop every channel.
  assertEquals(fixture.link.sizes.unsubscribe, undefined);
  // Each new wait was read for.
  assertEquals(fixture.link.sizes.read, [1, 1, 1, 1]);
  fixture.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals(reader.got, ["live SUCCESS 1"]);
});

Deno.test("Attachment subscribes again after an UNSUBSCRIBE that was sent", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  await fixture.add(reader, "a");
  fixture.link.held.add("unsubscribe");
  fixture.leave(reader, "a");
  await turn();
  await fixture.add(reader, "a");
  assertEquals(fixture.link.calls.slice(3), [
    `unsubscribe ${A}`,
    `subscribe ${A}`,
    `read ${A}`,
    "fence",
  ]);
  fixture.link.free("unsubscribe");
  fixture.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals(reader.got, ["live SUCCESS 1"]);
});

Deno.test("Attachment sends nothing for a key that was left before it was subscribed", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  const attached = fixture.add(reader, "a");
  fixture.leave(reader, "a");
  await attached;
  await turn();
  assertEquals(fixture.link.calls, []);
  // Left and added again in one turn: one key, once.
  const added = fixture.add(reader, "a");
  fixture.leave(reader, "a");
  await Promise.all([added, fixture.add(reader, "a")]);
  assertEquals(fixture.link.sizes.subscribe, [1]);
});

Deno.test("Attachment unsubscribes a key that was left while its SUBSCRIBE was in flight", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  fixture.link.held.add("subscribe");
  const attached = fixture.add(reader, "a", "b");
  await turn();
  fixture.leave(reader, "a");
  fixture.leave(reader, "b");
  const again = fixture.add(reader, "b");
  fixture.link.free("subscribe");
  await Promise.all([attached, again]);
  await turn();
  assertEquals(fixture.link.calls, [
    `subscribe ${A} ${B}`,
    `unsubscribe ${A}`,
    `read ${B}`,
    "fence",
  ]);
});

Deno.test("Attachment goes in chunks of 1000, at most 4 in flight, and reads one small chunk at first", async () => {
  const fixture = new AttachFixture();
  const { link } = fixture;
  link.held.add("subscribe").add("read");
  const reader = new RecordingReader();
  const attached = fixture.add(reader, ...ids(6500));
  await turn();
  assertEquals(link.sizes.subscribe, [1000, 1000, 1000, 1000]);
  link.free("subscribe");
  await turn();
  assertEquals(link.sizes.subscribe, [...Array(6).fill(1000), 500]);
  assertEquals(link.sizes.read, [16]);
  while (link.waiting("read") > 0) {
    link.release("read");
    await turn();
  }
  await attached;
  assertEquals(link.mostWaiting, { subscribe: 4, read: 4 });
  assertEquals(link.sizes.read, [16, 128, ...Array(6).fill(1000), 356]);
});

Deno.test("Attachment unsubscribes in chunks", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  await fixture.add(reader, ...ids(2500));
  fixture.link.held.add("unsubscribe");
  for (const id of ids(2500)) fixture.leave(reader, id);
  await turn();
  fixture.link.free("unsubscribe");
  await turn();
  assertEquals(fixture.link.sizes.unsubscribe, [1000, 1000, 500]);
  assertEquals(fixture.link.channels.size, 0);
});

Deno.test("Attachment holds back an UNSUBSCRIBE that is not full while another is in flight, but never a read", async () => {
  const fixture = new AttachFixture();
  const { link, readSize } = fixture;
  // Until it is known how large documents are, one read goes at a time.
  readSize.learn(0, 0);
  readSize.learn(0, 0);
  assertEquals(readSize.inFlight, 4);
  const reader = new RecordingReader();
  link.held.add("read").add("unsubscribe");
  const added: Promise<void>[] = [];
  for (const id of ["a", "b", "c"]) {
    added.push(fixture.add(reader, id));
    await turn();
  }
  assertEquals(link.sizes.read, [1, 1, 1]);
  link.free("read");
  await Promise.all(added);
  for (const id of ["a", "b", "c"]) {
    fixture.leave(reader, id);
    await turn();
  }
  assertEquals(link.sizes.unsubscribe, [1]);
  link.free("unsubscribe");
  await turn();
  assertEquals(link.sizes.unsubscribe, [1, 2]);
});

Deno.test("Attachment to a new link reads few keys at first, although all were missing before", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  await fixture.add(reader, ...ids(1000));
  assertEquals(fixture.link.sizes.read, [16, 128, 856]);
  fixture.link.die();
  const large = documentOf("SUCCESS", "x".repeat(500_000));
  for (const id of ids(64)) fixture.store.set(keyOf(id), large);
  fixture.connect();
  await fixture.attachment.attached;
  assertEquals(fixture.link.sizes.read, [
    16,
    8,
    8,
    8,
    8,
    8,
    8,
    8,
    64,
    512,
    352,
  ]);
});

Deno.test("Attachment resumes an interrupted attach with the keys that were not read", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  fixture.link.held.add("read");
  const attached = fixture.add(reader, ...ids(64));
  await turn();
  fixture.link.release("read");
  await turn();
  assertEquals(fixture.link.sizes.read, [16, 48]);
  fixture.link.die();
  await turn();
  const orders: string[][] = [];
  fixture.connect((link) => {
    const subscribe = link.subscribe.bind(link);
    link.subscribe = (channels) => {
      orders.push([...channels]);
      return subscribe(channels);
    };
  });
  // One that is new was never read: before those that were.
  fixture.link.held.delete("read");
  await attached;
  await fixture.attachment.attached;
  const first = ids(64).map(keyOf);
  assertEquals(orders.flat(), [...first.slice(16), ...first.slice(0, 16)]);
});

Deno.test("Attachment cannot be starved by cuts: each link gets further", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  fixture.link.die();
  await turn();
  const attached = fixture.add(reader, ...ids(100));
  let rounds = 0;
  let isAttached = false;
  attached.then(() => isAttached = true);
  while (!isAttached) {
    assert(++rounds < 10);
    fixture.connect((link) => link.held.add("read"));
    await turn();
    fixture.link.release("read");
    await turn();
    fixture.link.die();
    await turn();
  }
});

Deno.test("Attachment.attached resolves when every key it began with is read, has its outcome, or is left", async () => {
  const fixture = new AttachFixture();
  await fixture.attachment.attached;
  const reader = new RecordingReader();
  fixture.link.die();
  await turn();
  const attached = fixture.add(reader, "a", "b", "c");
  fixture.connect((link) => link.held.add("read"));
  let isAttached = false;
  fixture.attachment.attached.then(() => isAttached = true);
  await turn();
  fixture.leave(reader, "a");
  fixture.link.publish(B, documentOf("SUCCESS"));
  await turn();
  assert(!isAttached);
  fixture.link.free("read");
  await Promise.all([attached, fixture.attachment.attached]);
});

Deno.test("Attachment ends the link when anything on it fails, and leaves the waits in the table", async () => {
  for (const call of ["subscribe", "read", "fence"] as const) {
    const fixture = new AttachFixture();
    const reader = new RecordingReader();
    fixture.link.held.add(call);
    const attached = fixture.add(reader, "a");
    await turn();
    const reason = new RedisConnectionError("lost");
    fixture.link.die(reason);
    await turn();
    assertStrictEquals(fixture.link.reason, reason);
    assertEquals(fixture.table.awaitedCount, 1);
    fixture.store.set(A, documentOf("SUCCESS", 1));
    fixture.connect();
    await attached;
    assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  }
});

Deno.test("Attachment does not touch the keys of the next link when its own is over", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  fixture.link.held.add("subscribe");
  const attached = fixture.add(reader, "a");
  await turn();
  // The confirmation is there, and so is the end of the link.
  fixture.link.release("subscribe");
  fixture.link.die();
  fixture.connect((link) => link.held.add("subscribe"));
  await turn();
  assertEquals(fixture.table.get(A)?.phase, "subscribing");
  fixture.link.free("subscribe");
  await attached;
  assertEquals(fixture.link.sizes.read, [1]);
});

Deno.test("Attachment rereads a key for each reader that joins, once a turn", async () => {
  const fixture = new AttachFixture();
  await fixture.add(new RecordingReader(), "a");
  await Promise.all(
    [1, 2, 3].map(() => fixture.add(new RecordingReader(), "a")),
  );
  assertEquals(fixture.link.sizes.read, [1, 1]);
  // A reader that joins after the read was sent gets its own read.
  fixture.link.held.add("read");
  const early = fixture.add(new RecordingReader(), "a");
  await turn();
  let isLate = false;
  const late = fixture.add(new RecordingReader(), "a").then(() =>
    isLate = true
  );
  fixture.link.release("read");
  await early;
  await turn();
  assert(!isLate);
  fixture.link.free("read");
  await late;
});

Deno.test("Attachment.check delivers what no message brought, and counts it", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  await fixture.add(reader, "a", "b", "c");
  fixture.store.set(A, documentOf("SUCCESS", 1));
  fixture.store.set(B, documentOf("STARTED", 2));
  assertEquals(await fixture.attachment.check([...fixture.table]), 2);
  assertEquals(reader.got, ["snapshot SUCCESS 1", "snapshot STARTED 2"]);
  assertEquals(await fixture.attachment.check([...fixture.table]), 0);
  fixture.link.held.add("read");
  const checked = fixture.attachment.check([...fixture.table]);
  fixture.link.die();
  assertEquals(await checked, 0);
});

Deno.test("Attachment retries unreachable keys after growing waits, and holds up no others", async () => {
  const fixture = new AttachFixture();
  const { link, runtime } = fixture;
  const reader = new RecordingReader();
  const unreachable = new RedisConnectionError("A node is away");
  link.unreachable = { channels: new Set([A, B]), cause: unreachable };
  let isAttached = false;
  const attached = fixture.add(reader, "a", "b").then(() => isAttached = true);
  await fixture.add(reader, "c");
  const tries = (): string[] =>
    link.calls.filter((call) => call.startsWith("subscribe"));
  assertEquals(tries(), [`subscribe ${A} ${B} ${C}`]);
  assertStrictEquals(fixture.attachment.unreachable?.cause, unreachable);
  // One that joins, and one that leaves, find them waiting.
  fixture.leave(reader, "b");
  const joined = fixture.add(new RecordingReader(), "a");
  for (const [index, wait] of [250, 500, 1000, 2000, 4000, 5000].entries()) {
    await runtime.advance(wait - 1);
    assertEquals(tries().length, 1 + index);
    await runtime.advance(1);
    assertEquals(tries().slice(1 + index), [`subscribe ${A}`]);
  }
  assertEquals([isAttached, link.reason], [false, undefined]);

  link.unreachable = undefined;
  fixture.store.set(A, documentOf("SUCCESS"));
  await runtime.advance(5000);
  await Promise.all([attached, joined]);
  assertEquals(fixture.attachment.unreachable, undefined);
  assertEquals(runtime.timers, 0);
});

Deno.test("Attachment does not wait for keys that cannot be reached to be attached, and stops with its timer", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  await fixture.add(reader, "a", "b", "c");
  fixture.connect((link) => {
    link.unreachable = {
      channels: new Set([A]),
      cause: new RedisConnectionError("A node is away"),
    };
  });
  await fixture.attachment.attached;
  assertEquals(fixture.runtime.timers, 1);
  // Nobody waits any more: there is nothing to try.
  fixture.leave(reader, "a");
  await fixture.runtime.advance(250);
  assertEquals(fixture.runtime.timers, 0);
  assertEquals(fixture.attachment.unreachable, undefined);
  assertEquals(fixture.table.get(A), undefined);

  fixture.add(reader, "a");
  await turn();
  assertEquals(fixture.runtime.timers, 1);
  fixture.attachment.stop();
  assertEquals(fixture.runtime.timers, 0);
});
