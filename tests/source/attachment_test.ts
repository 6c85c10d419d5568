import { ReadSize } from "../../src/source/attachment.ts";
import { RedisConnectionError } from "../../src/errors.ts";
import { AttachStage } from "../support/attach_stage.ts";
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

Deno.test("Attachment subscribes, reads and fences, in this order, each behind the one before", async () => {
  const stage = new AttachStage();
  const { link } = stage;
  link.held.add("subscribe").add("read").add("fence");
  let isAttached = false;
  const attached = stage.add(new RecordingReader(), "a").then(() =>
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
  const stage = new AttachStage();
  const reader = new RecordingReader();
  await Promise.all([
    stage.add(reader, "a"),
    stage.add(reader, "b"),
    stage.add(new RecordingReader(), "c"),
  ]);
  assertEquals(stage.link.calls[0], `subscribe ${A} ${B} ${C}`);
  assertEquals(stage.link.sizes.read, [3]);
  stage.leave(reader, "a");
  stage.leave(reader, "b");
  await turn();
  assertEquals(stage.link.calls.at(-1), `unsubscribe ${A} ${B}`);
});

Deno.test("Attachment only reads what its link is subscribed to already, and unsubscribes it when it is left", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  await stage.add(reader, "a", "b", "c");
  stage.subscribed = new Set([A, B]);
  stage.connect();
  // Before anything was sent.
  stage.leave(reader, "b");
  await stage.attachment.attached;
  await turn();
  assertEquals(stage.link.calls.filter((call) => call !== "fence"), [
    `unsubscribe ${B}`,
    `subscribe ${C}`,
    `read ${A}`,
    `read ${C}`,
  ]);
});

Deno.test("Attachment unsubscribes a key once its outcome is there, and forgets it", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  await stage.add(reader, "a");
  stage.link.publish(A, documentOf("SUCCESS"));
  await turn();
  assertEquals(stage.link.calls.at(-1), `unsubscribe ${A}`);
  assertEquals([...stage.table], []);
  assertEquals(reader.waits, []);
});

Deno.test("Attachment withdraws an UNSUBSCRIBE that is not sent yet when the key is wanted again", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  await stage.add(reader, "a");
  for (let i = 0; i < 3; i++) {
    stage.leave(reader, "a");
    const again = stage.add(reader, "a");
    await again;
    await turn();
  }
  assertEquals(stage.link.sizes.subscribe, [1]);
  // Never an empty one either: that would drop every channel.
  assertEquals(stage.link.sizes.unsubscribe, undefined);
  // Each new wait was read for.
  assertEquals(stage.link.sizes.read, [1, 1, 1, 1]);
  stage.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals(reader.got, ["live SUCCESS 1"]);
});

Deno.test("Attachment subscribes anew behind an UNSUBSCRIBE that was sent", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  await stage.add(reader, "a");
  stage.link.held.add("unsubscribe");
  stage.leave(reader, "a");
  await turn();
  await stage.add(reader, "a");
  assertEquals(stage.link.calls.slice(3), [
    `unsubscribe ${A}`,
    `subscribe ${A}`,
    `read ${A}`,
    "fence",
  ]);
  stage.link.free("unsubscribe");
  stage.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals(reader.got, ["live SUCCESS 1"]);
});

Deno.test("Attachment sends nothing for a key that was left before it was subscribed", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  const attached = stage.add(reader, "a");
  stage.leave(reader, "a");
  await attached;
  await turn();
  assertEquals(stage.link.calls, []);
  // Left and added again in one turn: one key, once.
  const added = stage.add(reader, "a");
  stage.leave(reader, "a");
  await Promise.all([added, stage.add(reader, "a")]);
  assertEquals(stage.link.sizes.subscribe, [1]);
});

Deno.test("Attachment lets go of a key that was left while its SUBSCRIBE was on its way", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  stage.link.held.add("subscribe");
  const attached = stage.add(reader, "a", "b");
  await turn();
  stage.leave(reader, "a");
  stage.leave(reader, "b");
  const again = stage.add(reader, "b");
  stage.link.free("subscribe");
  await Promise.all([attached, again]);
  await turn();
  assertEquals(stage.link.calls, [
    `subscribe ${A} ${B}`,
    `unsubscribe ${A}`,
    `read ${B}`,
    "fence",
  ]);
});

Deno.test("Attachment goes in chunks of 1000, at most 4 in flight, and reads one small chunk at first", async () => {
  const stage = new AttachStage();
  const { link } = stage;
  link.held.add("subscribe").add("read");
  const reader = new RecordingReader();
  const attached = stage.add(reader, ...ids(6500));
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
  const stage = new AttachStage();
  const reader = new RecordingReader();
  await stage.add(reader, ...ids(2500));
  stage.link.held.add("unsubscribe");
  for (const id of ids(2500)) stage.leave(reader, id);
  await turn();
  stage.link.free("unsubscribe");
  await turn();
  assertEquals(stage.link.sizes.unsubscribe, [1000, 1000, 500]);
  assertEquals(stage.link.channels.size, 0);
});

Deno.test("Attachment lets an UNSUBSCRIBE that is not full wait for one on its way, and no read", async () => {
  const stage = new AttachStage();
  const { link, readSize } = stage;
  // Until it is known how large documents are, one read goes at a time.
  readSize.learn(0, 0);
  readSize.learn(0, 0);
  assertEquals(readSize.inFlight, 4);
  const reader = new RecordingReader();
  link.held.add("read").add("unsubscribe");
  const added: Promise<void>[] = [];
  for (const id of ["a", "b", "c"]) {
    added.push(stage.add(reader, id));
    await turn();
  }
  assertEquals(link.sizes.read, [1, 1, 1]);
  link.free("read");
  await Promise.all(added);
  for (const id of ["a", "b", "c"]) {
    stage.leave(reader, id);
    await turn();
  }
  assertEquals(link.sizes.unsubscribe, [1]);
  link.free("unsubscribe");
  await turn();
  assertEquals(link.sizes.unsubscribe, [1, 2]);
});

Deno.test("ReadSize grows in steps with small documents, and shrinks at once with large ones", () => {
  const size = new ReadSize();
  const sizes = [[size.keys, size.inFlight]];
  const learn = (count: number, bytes: number): void => {
    size.learn(count, bytes);
    sizes.push([size.keys, size.inFlight]);
  };
  for (let i = 0; i < 3; i++) learn(size.keys, size.keys * 100);
  learn(1000, 1000 * 1024 * 1024);
  learn(4, 4 * 40_000_000);
  learn(0, 0);
  learn(2, 2);
  assertEquals(sizes, [
    [16, 1],
    [128, 1],
    [1000, 4],
    [1000, 4],
    [4, 4],
    [1, 4],
    [8, 4],
    [64, 4],
  ]);
});

Deno.test("ReadSize takes no missing key for a small document, and restarts small", () => {
  const size = new ReadSize();
  for (let i = 0; i < 3; i++) size.learn(0, 0);
  assertEquals([size.keys, size.inFlight], [1000, 4]);
  // All but ten of a thousand were missing.
  size.learn(10, 10 * 1024 * 1024);
  assertEquals(size.keys, 4);
  size.restart();
  assertEquals([size.keys, size.inFlight], [4, 1]);
  for (let i = 0; i < 3; i++) size.learn(0, 0);
  size.restart();
  assertEquals([size.keys, size.inFlight], [16, 1]);
});

Deno.test("Attachment to a new link reads few keys at first, although all were missing before", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  await stage.add(reader, ...ids(1000));
  assertEquals(stage.link.sizes.read, [16, 128, 856]);
  stage.link.die();
  const large = documentOf("SUCCESS", "x".repeat(500_000));
  for (const id of ids(64)) stage.store.set(keyOf(id), large);
  stage.connect();
  await stage.attachment.attached;
  assertEquals(stage.link.sizes.read, [16, 8, 8, 8, 8, 8, 8, 8, 64, 512, 352]);
});

Deno.test("Attachment resumes an interrupted attach with the keys that were not read", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  stage.link.held.add("read");
  const attached = stage.add(reader, ...ids(64));
  await turn();
  stage.link.release("read");
  await turn();
  assertEquals(stage.link.sizes.read, [16, 48]);
  stage.link.die();
  await turn();
  const orders: string[][] = [];
  stage.connect((link) => {
    const subscribe = link.subscribe.bind(link);
    link.subscribe = (channels) => {
      orders.push([...channels]);
      return subscribe(channels);
    };
  });
  // One that is new was never read: before those that were.
  stage.link.held.delete("read");
  await attached;
  await stage.attachment.attached;
  const first = ids(64).map(keyOf);
  assertEquals(orders.flat(), [...first.slice(16), ...first.slice(0, 16)]);
});

Deno.test("Attachment cannot be starved by cuts: each link gets further", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  stage.link.die();
  await turn();
  const attached = stage.add(reader, ...ids(100));
  let rounds = 0;
  let isAttached = false;
  attached.then(() => isAttached = true);
  while (!isAttached) {
    assert(++rounds < 10);
    stage.connect((link) => link.held.add("read"));
    await turn();
    stage.link.release("read");
    await turn();
    stage.link.die();
    await turn();
  }
});

Deno.test("Attachment.attached resolves when every key it began with is read, has its outcome, or is left", async () => {
  const stage = new AttachStage();
  await stage.attachment.attached;
  const reader = new RecordingReader();
  stage.link.die();
  await turn();
  const attached = stage.add(reader, "a", "b", "c");
  stage.connect((link) => link.held.add("read"));
  let isAttached = false;
  stage.attachment.attached.then(() => isAttached = true);
  await turn();
  stage.leave(reader, "a");
  stage.link.publish(B, documentOf("SUCCESS"));
  await turn();
  assert(!isAttached);
  stage.link.free("read");
  await Promise.all([attached, stage.attachment.attached]);
});

Deno.test("Attachment ends the link when anything on it fails, and leaves the waits in the table", async () => {
  for (const call of ["subscribe", "read", "fence"] as const) {
    const stage = new AttachStage();
    const reader = new RecordingReader();
    stage.link.held.add(call);
    const attached = stage.add(reader, "a");
    await turn();
    const reason = new RedisConnectionError("lost");
    stage.link.die(reason);
    await turn();
    assertStrictEquals(stage.link.reason, reason);
    assertEquals(stage.table.awaited, 1);
    stage.store.set(A, documentOf("SUCCESS", 1));
    stage.connect();
    await attached;
    assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  }
});

Deno.test("Attachment does not touch the keys of the next link when its own is over", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  stage.link.held.add("subscribe");
  const attached = stage.add(reader, "a");
  await turn();
  // The confirmation is there, and so is the end of the link.
  stage.link.release("subscribe");
  stage.link.die();
  stage.connect((link) => link.held.add("subscribe"));
  await turn();
  assertEquals(stage.table.get(A)?.phase, "subscribing");
  stage.link.free("subscribe");
  await attached;
  assertEquals(stage.link.sizes.read, [1]);
});

Deno.test("Attachment rereads a key for each reader that joins, once a turn", async () => {
  const stage = new AttachStage();
  await stage.add(new RecordingReader(), "a");
  await Promise.all(
    [1, 2, 3].map(() => stage.add(new RecordingReader(), "a")),
  );
  assertEquals(stage.link.sizes.read, [1, 1]);
  // One that joins when the read is sent already has a read of its own.
  stage.link.held.add("read");
  const early = stage.add(new RecordingReader(), "a");
  await turn();
  let isLate = false;
  const late = stage.add(new RecordingReader(), "a").then(() => isLate = true);
  stage.link.release("read");
  await early;
  await turn();
  assert(!isLate);
  stage.link.free("read");
  await late;
});

Deno.test("Attachment.check delivers what no message brought, and counts it", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  await stage.add(reader, "a", "b", "c");
  stage.store.set(A, documentOf("SUCCESS", 1));
  stage.store.set(B, documentOf("STARTED", 2));
  assertEquals(await stage.attachment.check([...stage.table]), 2);
  assertEquals(reader.got, ["snapshot SUCCESS 1", "snapshot STARTED 2"]);
  assertEquals(await stage.attachment.check([...stage.table]), 0);
  stage.link.held.add("read");
  const checked = stage.attachment.check([...stage.table]);
  stage.link.die();
  assertEquals(await checked, 0);
});

Deno.test("Attachment lets keys wait that cannot be reached, and not the others, and tries them again after growing waits", async () => {
  const stage = new AttachStage();
  const { link, runtime } = stage;
  const reader = new RecordingReader();
  const unreachable = new RedisConnectionError("A node is away");
  link.unreachable = { channels: new Set([A, B]), cause: unreachable };
  let isAttached = false;
  const attached = stage.add(reader, "a", "b").then(() => isAttached = true);
  await stage.add(reader, "c");
  const tries = (): string[] =>
    link.calls.filter((call) => call.startsWith("subscribe"));
  assertEquals(tries(), [`subscribe ${A} ${B} ${C}`]);
  assertStrictEquals(stage.attachment.unreachable?.cause, unreachable);
  // One that joins, and one that leaves, find them waiting.
  stage.leave(reader, "b");
  const joined = stage.add(new RecordingReader(), "a");
  for (const [index, wait] of [250, 500, 1000, 2000, 4000, 5000].entries()) {
    await runtime.advance(wait - 1);
    assertEquals(tries().length, 1 + index);
    await runtime.advance(1);
    assertEquals(tries().slice(1 + index), [`subscribe ${A}`]);
  }
  assertEquals([isAttached, link.reason], [false, undefined]);

  link.unreachable = undefined;
  stage.store.set(A, documentOf("SUCCESS"));
  await runtime.advance(5000);
  await Promise.all([attached, joined]);
  assertEquals(stage.attachment.unreachable, undefined);
  assertEquals(runtime.timers, 0);
});

Deno.test("Attachment does not wait for keys that cannot be reached to be attached, and stops with its timer", async () => {
  const stage = new AttachStage();
  const reader = new RecordingReader();
  await stage.add(reader, "a", "b", "c");
  stage.connect((link) => {
    link.unreachable = {
      channels: new Set([A]),
      cause: new RedisConnectionError("A node is away"),
    };
  });
  await stage.attachment.attached;
  assertEquals(stage.runtime.timers, 1);
  // Nobody waits any more: there is nothing to try.
  stage.leave(reader, "a");
  await stage.runtime.advance(250);
  assertEquals(stage.runtime.timers, 0);
  assertEquals(stage.attachment.unreachable, undefined);
  assertEquals(stage.table.get(A), undefined);

  stage.add(reader, "a");
  await turn();
  assertEquals(stage.runtime.timers, 1);
  stage.attachment.stop();
  assertEquals(stage.runtime.timers, 0);
});
