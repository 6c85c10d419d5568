import { Reconciler } from "../../src/source/reconciler.ts";
import { type StatusEvent, StatusHub } from "../../src/status.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { AttachStage } from "../support/attach_stage.ts";
import {
  documentOf,
  keyOf,
  RecordingReader,
} from "../support/recording_reader.ts";

class Stage extends AttachStage {
  readonly told: StatusEvent[] = [];
  readonly reader = new RecordingReader();

  start(period: number): Reconciler {
    const status = new StatusHub();
    status.emit = (event) => this.told.push(event);
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
    const stage = new Stage();
    await stage.await(count);
    const reconciler = stage.start(period);
    for (let round = 1; round <= 3; round++) {
      await stage.runtime.advance(period);
      const keys = stage.link.calls.flatMap((call) =>
        call.startsWith("read") ? call.split(" ").slice(1) : []
      );
      assert(Math.abs(stage.read - round * count) <= 1, `${count}, ${period}`);
      if (count < 9) {
        assert(new Set(keys).size >= Math.min(count, stage.read));
      }
    }
    reconciler.stop();
    assertEquals(stage.runtime.timers, 0);
  }
});

Deno.test("Reconciler reads no more than 1000 keys a second, and reaches all", async () => {
  const stage = new Stage();
  await stage.await(5000);
  const reconciler = stage.start(1000);
  const seen = new Set<string>();
  const read = stage.link.read.bind(stage.link);
  stage.link.read = (keys) => {
    for (const key of keys) seen.add(key);
    return read(keys);
  };
  for (let second = 1; second <= 5; second++) {
    await stage.runtime.advance(1000);
    assert(stage.read <= second * 1000);
  }
  assertEquals(seen.size, 5000);
  reconciler.stop();
});

Deno.test("Reconciler is off with a period of 0, and idle without keys", async () => {
  const stage = new Stage();
  stage.start(0);
  assertEquals(stage.runtime.timers, 0);
  const reconciler = stage.start(1000);
  await stage.runtime.advance(10_000);
  assertEquals(stage.link.calls, []);
  assertEquals(stage.told, []);
  assertEquals(stage.runtime.persistentTimers, 0);
  reconciler.stop();
});

Deno.test("Reconciler delivers what no message brought, and tells at once, and of each round", async () => {
  const stage = new Stage();
  await stage.await(4);
  const reconciler = stage.start(4000);
  stage.store.set(keyOf("t1"), documentOf("SUCCESS", 1));
  await stage.runtime.advance(2000);
  assertEquals(stage.reader.got, ["snapshot SUCCESS 1"]);
  assertEquals(stage.told, [{ type: "reconciled", keys: 2, delivered: 1 }]);
  await stage.runtime.advance(20_000);
  assertEquals(stage.told[1], { type: "reconciled", keys: 3, delivered: 0 });
  reconciler.stop();
});

Deno.test("Reconciler says nothing of a read that failed, and sets no timer behind its stop", async () => {
  const stage = new Stage();
  await stage.await(1);
  const reconciler = stage.start(1000);
  stage.link.ended.then(() => reconciler.stop());
  stage.link.held.add("read");
  await stage.runtime.advance(1000);
  assertEquals(stage.link.waiting("read"), 1);
  // A read on its way holds the next one up.
  await stage.runtime.advance(5000);
  assertEquals(stage.link.waiting("read"), 1);
  stage.link.die();
  await stage.runtime.advance(5000);
  assertEquals(stage.told, []);
  assertEquals(stage.runtime.timers, 0);
});
