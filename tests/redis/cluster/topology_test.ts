import { RedisError } from "../../../src/errors.ts";
import {
  type NodeAddress,
  SlotMap,
  toNodeAddress,
} from "../../../src/redis/cluster/slot_map.ts";
import { Topology } from "../../../src/redis/cluster/topology.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";
import { FakeRuntime } from "../../support/fake_runtime.ts";

const [a, b] = [toNodeAddress("a.test", 1), toNodeAddress("b.test", 2)];

function mapOf(owner: NodeAddress): SlotMap {
  return SlotMap.parse(
    [[0, 99, [owner.hostname, owner.port]]],
    { hostname: "asked.test", port: 1 },
  );
}

/** A topology whose queries the test answers. */
class Stage {
  readonly runtime = new FakeRuntime();
  readonly asked: (string | undefined)[] = [];
  isWatched = true;
  changes = 0;
  answer = Promise.withResolvers<SlotMap | undefined>();
  readonly topology = new Topology({
    runtime: this.runtime,
    fetch: (name) => {
      this.asked.push(name);
      return this.answer.promise;
    },
    isWatched: () => this.isWatched,
    onChange: () => this.changes++,
  });

  constructor() {
    this.topology.start(mapOf(a));
  }

  /** Answers a query, and runs what follows from it. */
  async reply(map: SlotMap | undefined): Promise<void> {
    const { resolve } = this.answer;
    this.answer = Promise.withResolvers();
    resolve(map);
    await this.runtime.advance(0);
  }
}

Deno.test("Topology refreshes the map while there are subscriptions", async () => {
  const stage = new Stage();
  await stage.runtime.advance(4999);
  assertEquals(stage.asked, []);
  await stage.runtime.advance(1);
  assertEquals(stage.asked, [undefined]);
  await stage.reply(mapOf(a));
  assertEquals(stage.changes, 0);
  await stage.runtime.advance(5000);
  await stage.reply(mapOf(b));
  assertEquals([stage.asked.length, stage.changes], [2, 1]);
  assertEquals(stage.topology.findOwner(7)?.name, b.name);

  stage.isWatched = false;
  await stage.runtime.advance(20_000);
  assertEquals(stage.asked.length, 2);
  stage.isWatched = true;
  await stage.runtime.advance(5000);
  assertEquals(stage.asked.length, 3);
  stage.topology.stop();
  await stage.reply(mapOf(a));
  assertEquals([stage.changes, stage.runtime.timers], [1, 0]);
});

Deno.test("Topology asks another node if one does not answer within a period", async () => {
  const stage = new Stage();
  await stage.runtime.advance(5000);
  assertEquals(stage.asked.length, 1);
  const late = stage.answer;
  stage.answer = Promise.withResolvers();
  // A redirection meanwhile does not wait for the silent node.
  stage.topology.applyMoved(7, b, a);
  await stage.runtime.advance(5000);
  await stage.runtime.advance(250);
  assertEquals(stage.asked, [undefined, a.name]);
  await stage.reply(mapOf(b));
  assertEquals([stage.changes, stage.topology.findOwner(8)?.name], [1, b.name]);
  // The answer arrives late and is outdated, or the node dies.
  late.resolve(mapOf(a));
  await stage.runtime.advance(0);
  assertEquals(stage.topology.findOwner(8)?.name, b.name);

  await stage.runtime.advance(5000);
  stage.topology.stop();
  assertEquals(stage.runtime.timers, 0);
  stage.answer.reject(new Error("The link is over"));
  await stage.runtime.advance(0);
  assertEquals(stage.runtime.timers, 0);
});

Deno.test("Topology applies MOVED at once, and asks its sender, once for many redirections", async () => {
  const stage = new Stage();
  await stage.runtime.advance(1000);
  for (let slot = 0; slot < 50; slot++) stage.topology.applyMoved(slot, b, a);
  assertEquals(stage.topology.findOwner(49)?.name, b.name);
  assertEquals(stage.topology.findOwner(50)?.name, a.name);
  await stage.runtime.advance(0);
  assertEquals(stage.asked, [a.name]);

  // One refresh at a time. The reply may lack redirections that arrive meanwhile.
  stage.topology.applyMoved(60, b, a);
  await stage.runtime.advance(1000);
  assertEquals(stage.asked.length, 1);
  await stage.reply(mapOf(a));
  assertEquals(stage.changes, 1);
  await stage.runtime.advance(249);
  assertEquals(stage.asked.length, 1);
  await stage.runtime.advance(1);
  assertEquals(stage.asked.length, 2);
  // The map is as before, but the redirection may have moved something.
  await stage.reply(mapOf(a));
  assertEquals(stage.changes, 2);
  await stage.runtime.advance(4999);
  assertEquals(stage.asked.length, 2);
  stage.topology.stop();
});

Deno.test("Topology continues if no node has the map, or the query fails", async () => {
  const stage = new Stage();
  stage.topology.applyMoved(1, b, a);
  await stage.runtime.advance(250);
  await stage.reply(undefined);
  assertEquals(stage.topology.findOwner(1)?.name, b.name);
  // MOVED still has to be followed.
  await stage.runtime.advance(250);
  assertEquals(stage.asked.length, 2);
  stage.answer.reject(new RedisError("LOADING later"));
  stage.answer = Promise.withResolvers();
  await stage.runtime.advance(250);
  assertEquals(stage.asked.length, 3);
  await stage.reply(mapOf(b));
  assertEquals(stage.changes, 1);
  stage.topology.stop();
});

Deno.test("Topology.owner throws CLUSTERDOWN for a slot without an owner, and refreshes", async () => {
  const stage = new Stage();
  await stage.runtime.advance(1000);
  const error = assertThrows(() => stage.topology.owner(100), RedisError);
  assertEquals(error.code, "CLUSTERDOWN");
  await stage.runtime.advance(0);
  assertEquals(stage.asked.length, 1);
  stage.topology.stop();
});
