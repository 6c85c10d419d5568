import { Reconciler } from "../../src/source/reconciler.ts";
import { type StatusEvent, StatusHub } from "../../src/status.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { AttachFixture } from "../support/attach_fixture.ts";
import {
  documentOf,
  keyOf,
  RecordingReader,
} from "../support/recording_reader.ts";

class Fixture extends AttachFixture {
  readonly statusEvents: StatusEvent[] = [];
  readonly reader = new RecordingReader();

  start(period: number): Reconciler {
    const status = new StatusHub();
    status.emit = (event) => this.statusEvents.push(event);
    return new Reconciler({
      table: this.table,
      attachment: this.attachment,
      period,
      status,
      runtime: this.runtime,
    });
  }

  async await(count: number): Promise<void> {
    const ids = Array.from({ length: count }, (_, i) => `t${i}`);
    await this.add(this.reader, ...ids);
    this.link.calls.length = 0;
    this.link.sizes.read = [];
  }

  get read(): number {
    return this.link.sizes.read!.reduce((sum, size) => sum + size, 0);
  }
}

Deno.test("Reconciler reads every key about once per period, spread out, round after round", async () => {
  for (
    const [count, period] of [[1, 30_000], [7, 30_000], [90, 3000], [
      3,
      500,
    ]] as const
  ) {
    const fixture = new Fixture();
    await fixture.await(count);
    const reconciler = fixture.start(period);
    for (let round = 1; round <= 3; round++) {
      await fixture.runtime.advance(period);
      const keys = fixture.link.calls.flatMap((call) =>
        call.startsWith("read") ? call.split(" ").slice(1) : []
      );
      assert(
        Math.abs(fixture.read - round * count) <= 1,
        `${count}, ${period}`,
      );
      if (count < 9) {
        assert(new Set(keys).size >= Math.min(count, fixture.read));
      }
    }
    reconciler.stop();
    assertEquals(fixture.runtime.timers, 0);
  }
});

Deno.test("Reconciler reads no more than 1000 keys a second, and reaches all", async () => {
  const fixture = new Fixture();
  await fixture.await(5000);
  const reconciler = fixture.start(1000);
  const seen = new Set<string>();
  const read = fixture.link.read.bind(fixture.link);
  fixture.link.read = (keys) => {
    for (const key of keys) seen.add(key);
    return read(keys);
  };
  for (let second = 1; second <= 5; second++) {
    await fixture.runtime.advance(1000);
    assert(fixture.read <= second * 1000);
  }
  assertEquals(seen.size, 5000);
  reconciler.stop();
});

Deno.test("Reconciler is off with a period of 0, and idle without keys", async () => {
  const fixture = new Fixture();
  fixture.start(0);
  assertEquals(fixture.runtime.timers, 0);
  const reconciler = fixture.start(1000);
  await fixture.runtime.advance(10_000);
  assertEquals(fixture.link.calls, []);
  assertEquals(fixture.statusEvents, []);
  assertEquals(fixture.runtime.persistentTimers, 0);
  reconciler.stop();
});

Deno.test("Reconciler delivers what no message brought, and reports that at once, and each round", async () => {
  const fixture = new Fixture();
  await fixture.await(4);
  const reconciler = fixture.start(4000);
  fixture.store.set(keyOf("t1"), documentOf("SUCCESS", 1));
  await fixture.runtime.advance(2000);
  assertEquals(fixture.reader.got, ["snapshot SUCCESS 1"]);
  assertEquals(fixture.statusEvents, [{
    type: "reconciled",
    keys: 2,
    delivered: 1,
  }]);
  await fixture.runtime.advance(20_000);
  assertEquals(fixture.statusEvents[1], {
    type: "reconciled",
    keys: 3,
    delivered: 0,
  });
  reconciler.stop();
});

Deno.test("Reconciler reports no failed read, and sets no timer after its stop", async () => {
  const fixture = new Fixture();
  await fixture.await(1);
  const reconciler = fixture.start(1000);
  fixture.link.ended.then(() => reconciler.stop());
  fixture.link.held.add("read");
  await fixture.runtime.advance(1000);
  assertEquals(fixture.link.waiting("read"), 1);
  // A read in flight holds up the next one.
  await fixture.runtime.advance(5000);
  assertEquals(fixture.link.waiting("read"), 1);
  fixture.link.die();
  await fixture.runtime.advance(5000);
  assertEquals(fixture.statusEvents, []);
  assertEquals(fixture.runtime.timers, 0);
});
