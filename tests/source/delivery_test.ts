import { Delivery } from "../../src/source/delivery.ts";
import { decodeEvent } from "../../src/protocol/decode.ts";
import { WatchTable } from "../../src/source/watch_table.ts";
import { AttachFixture } from "../support/attach_fixture.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import {
  documentOf,
  keyOf,
  RecordingReader,
} from "../support/recording_reader.ts";
import { turn } from "../support/turn.ts";
import { Latch } from "../../src/source/latch.ts";
import type { Watch } from "../../src/source/watch.ts";

const STARTED = documentOf("STARTED", 1);
const PROGRESS = documentOf("PROGRESS", 2);
const RETRY = documentOf("RETRY");
const FAILURE = documentOf("FAILURE");
const REVOKED = documentOf("REVOKED");
const SUCCESS = documentOf("SUCCESS", 3);
const BROKEN = "{";

/**
 * How a wait comes to its read: its key is `new`, and subscribed for it; it
 * `join`s a reader of the key; or it is attached, and the key `check`ed now and
 * then.
 */
type Manner = "new" | "join" | "check";
const MANNERS: readonly Manner[] = ["new", "join", "check"];

interface Case {
  /** What the key holds when it is read. */
  stored: string | null;
  /** Published after the wait began (and the confirmation came), before the read is sent. */
  before?: string;
  /** Published after the read was sent, before its reply is there. */
  sent?: string;
  /** Published between the read's reply and the fence's. */
  read?: string;
  /** What the key holds from then on; without it, the same as before. */
  then?: string;
  /** Published after the fence's answer. */
  fenced?: string;
  /** What the reader gets. */
  gets: string[] | Record<Manner, string[]>;
}

const CASES: Record<string, Case> = {
  "a missing key is no event": { stored: null, gets: [] },
  "a not-ready snapshot": { stored: STARTED, gets: ["snapshot STARTED 1"] },
  "a SUCCESS snapshot": { stored: SUCCESS, gets: ["snapshot SUCCESS 3"] },
  "a FAILURE snapshot": { stored: FAILURE, gets: ["snapshot FAILURE null"] },
  "a REVOKED snapshot": { stored: REVOKED, gets: ["snapshot REVOKED null"] },
  "an undecodable snapshot is the outcome": {
    stored: BROKEN,
    gets: ["snapshot UNDECODABLE"],
  },
  "a snapshot that equals the message before the read was sent is left out": {
    stored: STARTED,
    before: STARTED,
    gets: ["live STARTED 1"],
  },
  "another snapshot than the message before the read was sent is delivered": {
    stored: PROGRESS,
    before: STARTED,
    gets: ["live STARTED 1", "snapshot PROGRESS 2"],
  },
  "a not-ready snapshot gives way to a message after the read was sent": {
    stored: STARTED,
    sent: PROGRESS,
    then: PROGRESS,
    gets: ["live PROGRESS 2"],
  },
  "a not-ready snapshot gives way to a message that the fence brings": {
    stored: STARTED,
    read: PROGRESS,
    then: PROGRESS,
    gets: ["live PROGRESS 2"],
  },
  "a message behind the fence comes behind the snapshot": {
    stored: STARTED,
    fenced: PROGRESS,
    gets: ["snapshot STARTED 1", "live PROGRESS 2"],
  },
  "an equal message behind the fence is delivered: messages are not compared": {
    stored: STARTED,
    fenced: STARTED,
    gets: ["snapshot STARTED 1", "live STARTED 1"],
  },
  "a SUCCESS snapshot is delivered behind an older message": {
    stored: SUCCESS,
    sent: PROGRESS,
    gets: ["live PROGRESS 2", "snapshot SUCCESS 3"],
  },
  "a SUCCESS snapshot gives way to the next run of its task": {
    stored: SUCCESS,
    sent: STARTED,
    then: STARTED,
    fenced: FAILURE,
    gets: ["live STARTED 1", "live FAILURE null"],
  },
  "a FAILURE snapshot behind a message before the read is delivered": {
    stored: FAILURE,
    before: PROGRESS,
    gets: ["live PROGRESS 2", "snapshot FAILURE null"],
  },
  "a FAILURE snapshot gives way to a message after the read was sent": {
    stored: FAILURE,
    sent: RETRY,
    then: RETRY,
    fenced: SUCCESS,
    gets: ["live RETRY null", "live SUCCESS 3"],
  },
  "a FAILURE snapshot is delivered behind an older message": {
    stored: FAILURE,
    sent: RETRY,
    gets: ["live RETRY null", "snapshot FAILURE null"],
  },
  "a REVOKED snapshot gives way to a message after the read was sent": {
    stored: REVOKED,
    sent: STARTED,
    then: STARTED,
    gets: ["live STARTED 1"],
  },
  "an outcome is seen once: message after the read was sent": {
    stored: SUCCESS,
    sent: SUCCESS,
    gets: {
      new: ["live SUCCESS 3"],
      join: ["snapshot SUCCESS 3"],
      check: ["live SUCCESS 3"],
    },
  },
  "an outcome is seen once: message after the snapshot": {
    stored: SUCCESS,
    read: SUCCESS,
    gets: ["snapshot SUCCESS 3"],
  },
  "an outcome is seen once: message before the read": {
    stored: SUCCESS,
    before: SUCCESS,
    gets: {
      new: ["snapshot SUCCESS 3"],
      join: ["snapshot SUCCESS 3"],
      check: ["live SUCCESS 3"],
    },
  },
  "nothing comes behind the outcome": {
    stored: FAILURE,
    read: PROGRESS,
    fenced: SUCCESS,
    gets: ["snapshot FAILURE null"],
  },
  "an outcome from before the wait does not end it": {
    stored: null,
    before: FAILURE,
    fenced: SUCCESS,
    gets: {
      new: ["live SUCCESS 3"],
      join: ["live SUCCESS 3"],
      check: ["live FAILURE null"],
    },
  },
  "an outcome from before the wait that comes behind its read does not end it":
    {
      stored: STARTED,
      sent: FAILURE,
      gets: {
        new: ["live FAILURE null"],
        join: ["snapshot STARTED 1"],
        check: ["live FAILURE null"],
      },
    },
  "an outcome that is newer than the read is not lost": {
    stored: STARTED,
    sent: SUCCESS,
    then: SUCCESS,
    gets: {
      new: ["live SUCCESS 3"],
      join: ["snapshot SUCCESS 3"],
      check: ["live SUCCESS 3"],
    },
  },
  "an outcome that the fence brings is not lost": {
    stored: null,
    read: FAILURE,
    then: FAILURE,
    gets: {
      new: ["live FAILURE null"],
      join: ["snapshot FAILURE null"],
      check: ["live FAILURE null"],
    },
  },
  "an outcome behind the fence needs no further read": {
    stored: STARTED,
    sent: PROGRESS,
    then: PROGRESS,
    fenced: FAILURE,
    gets: ["live PROGRESS 2", "live FAILURE null"],
  },
  "an outcome that was never stored ends only a wait that takes messages": {
    stored: null,
    sent: SUCCESS,
    gets: { new: ["live SUCCESS 3"], join: [], check: ["live SUCCESS 3"] },
  },
  "after an undecodable message the key decides": {
    stored: STARTED,
    fenced: BROKEN,
    gets: ["snapshot STARTED 1"],
  },
  "an undecodable message before the read adds nothing": {
    stored: SUCCESS,
    before: BROKEN,
    gets: ["snapshot SUCCESS 3"],
  },
  "an undecodable message does not hide a FAILURE": {
    stored: FAILURE,
    sent: BROKEN,
    gets: ["snapshot FAILURE null"],
  },
};

/** Brings waits for task t to the sending of their read. Resolves when the read counts. */
async function begin(
  fixture: AttachFixture,
  readers: readonly RecordingReader[],
  manner: Manner,
  { stored, before }: Case,
): Promise<{ read: Promise<unknown> }> {
  const { link, store } = fixture;
  const add = (): Promise<unknown> =>
    Promise.all(readers.map((reader) => fixture.add(reader, "t")));
  if (manner === "join") await fixture.add(new RecordingReader(), "t");
  if (manner === "check") await add();
  if (stored !== null) store.set(keyOf("t"), stored);
  link.held.add("read").add("fence").add("subscribe");
  let read: Promise<unknown> | undefined;
  if (manner !== "check") read = add();
  if (manner === "new") {
    await turn();
    // Its continuation has not run yet, so the read is still to be sent.
    link.release("subscribe");
  }
  if (before !== undefined) link.publish(keyOf("t"), before);
  read ??= fixture.attachment.check([...fixture.table]);
  await turn();
  return { read };
}

for (const [name, each] of Object.entries(CASES)) {
  for (const manner of MANNERS) {
    for (const count of [1, 2]) {
      Deno.test(`Delivery, ${manner}, ${count} reader(s): ${name}`, async () => {
        const fixture = new AttachFixture();
        const { link, store } = fixture;
        const publish = (document: string | undefined): void => {
          if (document !== undefined) link.publish(keyOf("t"), document);
        };
        const readers = Array.from(
          { length: count },
          () => new RecordingReader(),
        );
        const { read } = await begin(fixture, readers, manner, each);
        publish(each.sent);
        if (link.waiting("read") > 0) link.release("read");
        await turn();
        publish(each.read);
        if (each.then !== undefined) store.set(keyOf("t"), each.then);
        link.free("read");
        if (link.waiting("fence") > 0) link.release("fence");
        await turn();
        publish(each.fenced);
        link.free("fence");
        await read;
        await turn();
        const gets = "new" in each.gets ? each.gets[manner] : each.gets;
        for (const reader of readers) assertEquals(reader.got, gets);
        // Each reader's event is its own to change.
        const [first, second] = readers;
        for (const [i, event] of second?.events.entries() ?? []) {
          assert(event !== first!.events[i]);
        }
      });
    }
  }
}

Deno.test("Delivery gives a reader that joins the snapshot that another already has", async () => {
  const fixture = new AttachFixture();
  const [first, second] = [new RecordingReader(), new RecordingReader()];
  fixture.store.set(keyOf("t"), STARTED);
  await fixture.add(first, "t");
  await fixture.add(second, "t");
  assertEquals(first.got, ["snapshot STARTED 1"]);
  assertEquals(second.got, ["snapshot STARTED 1"]);
  assertEquals(fixture.link.sizes.subscribe, [1]);
  assertEquals(fixture.link.sizes.fence?.length, 2);
  fixture.link.publish(keyOf("t"), SUCCESS);
  assertEquals(first.got.at(-1), "live SUCCESS 3");
  assertEquals(second.got.at(-1), "live SUCCESS 3");
});

Deno.test("Delivery passes over a reader that left while the read was on its way", async () => {
  const fixture = new AttachFixture();
  const [first, second] = [new RecordingReader(), new RecordingReader()];
  fixture.store.set(keyOf("t"), STARTED);
  fixture.link.held.add("fence");
  const attached = Promise.all([
    fixture.add(first, "t"),
    fixture.add(second, "t"),
  ]);
  await turn();
  fixture.leave(first, "t");
  fixture.link.free("fence");
  await attached;
  assertEquals(first.got, []);
  assertEquals(second.got, ["snapshot STARTED 1"]);
});

Deno.test("Delivery does not repeat an outcome to a reader that awaits the task again", async () => {
  const fixture = new AttachFixture();
  const reader = new RecordingReader();
  fixture.store.set(keyOf("t"), FAILURE);
  fixture.link.held.add("read");
  const attached = fixture.add(reader, "t");
  await turn();
  fixture.link.publish(keyOf("t"), FAILURE);
  await attached;
  assertEquals(reader.got, ["live FAILURE null"]);
  // The first read's reply is older than the message; the new wait gets its own read.
  fixture.store.set(keyOf("t"), STARTED);
  const again = fixture.add(reader, "t");
  fixture.link.release("read");
  await turn();
  assertEquals(reader.got.length, 1);
  fixture.link.free("read");
  await again;
  assertEquals(reader.got, ["live FAILURE null", "snapshot STARTED 1"]);
});

Deno.test("Delivery passes over messages that nobody waits for", () => {
  const fixture = new AttachFixture();
  assertEquals(fixture.delivery.deliverMessage(keyOf("t"), BROKEN), undefined);
  assertEquals(fixture.delivery.deliverMessage(keyOf("t"), SUCCESS), undefined);
});

Deno.test("Delivery reports an abandoned watch once, before the last reader gets its event", () => {
  const table = new WatchTable();
  const log: string[] = [];
  const delivery = new Delivery({
    table,
    decode: (document, taskId, origin) => {
      if (document === "!") throw new RangeError("a bug");
      return decodeEvent(document, taskId, { integers: "bigint" }, origin);
    },
    onAbandoned: (watch: Watch) => log.push(`abandoned ${watch.taskId}`),
  });
  for (let i = 0; i < 2; i++) {
    const reader = new RecordingReader();
    reader.onEvent = ({ state }) => log.push(state);
    table.add(reader, "k", "t", new Latch());
  }
  table.get("k")!.confirmSubscription(table.tick());
  assertThrows(() => delivery.deliverMessage("k", "!"), RangeError);
  delivery.deliverMessage("k", SUCCESS);
  delivery.deliverMessage("k", SUCCESS);
  assertEquals(log, ["SUCCESS", "abandoned t", "SUCCESS"]);
  assertEquals(table.awaitedCount, 0);
});

Deno.test("Delivery passes over a reader that another one's event made leave", async () => {
  for (const document of [STARTED, SUCCESS]) {
    for (const origin of ["live", "snapshot"]) {
      const fixture = new AttachFixture();
      const readers = [new RecordingReader(), new RecordingReader()];
      for (const [i, reader] of readers.entries()) {
        reader.onEvent = () => fixture.leave(readers[1 - i]!, "t");
        await fixture.add(reader, "other");
      }
      if (origin === "snapshot") fixture.store.set(keyOf("t"), document);
      await Promise.all(readers.map((reader) => fixture.add(reader, "t")));
      fixture.link.publish(keyOf("t"), document);
      const got = readers.map((reader) => reader.events.length).sort();
      assertEquals(got[0], 0);
      assert(got[1]! > 0);
      fixture.link.publish(keyOf("t"), SUCCESS);
      assertEquals(fixture.table.awaitedCount, 1);
      for (const { waits } of readers) {
        assertEquals(waits.map(({ watch }) => watch.taskId), ["other"]);
      }
    }
  }
});

Deno.test("Delivery gives what was read to the waits that began before the read was sent", async () => {
  for (const document of [STARTED, FAILURE]) {
    const fixture = new AttachFixture();
    const [first, second] = [new RecordingReader(), new RecordingReader()];
    fixture.store.set(keyOf("t"), document);
    fixture.link.held.add("read");
    const attached = fixture.add(first, "t");
    await turn();
    // Overwritten, and the message of that is from before the second wait.
    fixture.store.set(keyOf("t"), PROGRESS);
    const joined = fixture.add(second, "t");
    fixture.link.free("read");
    await Promise.all([attached, joined]);
    assertEquals(
      first.events[0]!.state,
      document === STARTED ? "STARTED" : "FAILURE",
    );
    assertEquals(second.got, ["snapshot PROGRESS 2"]);
  }
});
