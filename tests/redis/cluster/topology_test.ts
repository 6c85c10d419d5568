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
class Fixture {
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
  const fixture = new Fixture();
  await fixture.runtime.advance(4999);
  assertEquals(fixture.asked, []);
  await fixture.runtime.advance(1);
  assertEquals(fixture.asked, [undefined]);
  await fixture.reply(mapOf(a));
  assertEquals(fixture.changes, 0);
  await fixture.runtime.advance(5000);
  await fixture.reply(mapOf(b));
  assertEquals([fixture.asked.length, fixture.changes], [2, 1]);
  assertEquals(fixture.topology.findOwner(7)?.name, b.name);

  fixture.isWatched = false;
  await fixture.runtime.advance(20_000);
  assertEquals(fixture.asked.length, 2);
  fixture.isWatched = true;
  await fixture.runtime.advance(5000);
  assertEquals(fixture.asked.length, 3);
  fixture.topology.stop();
  await fixture.reply(mapOf(a));
  assertEquals([fixture.changes, fixture.runtime.timers], [1, 0]);
});

Deno.test("Topology asks another node if one does not answer within a period", async () => {
  const fixture = new Fixture();
  await fixture.runtime.advance(5000);
  assertEquals(fixture.asked.length, 1);
  const late = fixture.answer;
  fixture.answer = Promise.withResolvers();
  // A redirection meanwhile does not wait for the silent node.
  fixture.topology.applyMoved(7, b, a);
  await fixture.runtime.advance(5000);
  await fixture.runtime.advance(250);
  assertEquals(fixture.asked, [undefined, a.name]);
  await fixture.reply(mapOf(b));
  assertEquals([fixture.changes, fixture.topology.findOwner(8)?.name], [
    1,
    b.name,
  ]);
  // The answer arrives late and is outdated, or the node dies.
  late.resolve(mapOf(a));
  await fixture.runtime.advance(0);
  assertEquals(fixture.topology.findOwner(8)?.name, b.name);

  await fixture.runtime.advance(5000);
  fixture.topology.stop();
  assertEquals(fixture.runtime.timers, 0);
  fixture.answer.reject(new Error("The link is over"));
  await fixture.runtime.advance(0);
  assertEquals(fixture.runtime.timers, 0);
});

Deno.test("Topology applies MOVED at once, and asks its sender, once for many redirections", async () => {
  const fixture = new Fixture();
  await fixture.runtime.advance(1000);
  for (let slot = 0; slot < 50; slot++) fixture.topology.applyMoved(slot, b, a);
  assertEquals(fixture.topology.findOwner(49)?.name, b.name);
  assertEquals(fixture.topology.findOwner(50)?.name, a.name);
  await fixture.runtime.advance(0);
  assertEquals(fixture.asked, [a.name]);

  // One refresh at a time. The reply may lack redirections that arrive meanwhile.
  fixture.topology.applyMoved(60, b, a);
  await fixture.runtime.advance(1000);
  assertEquals(fixture.asked.length, 1);
  await fixture.reply(mapOf(a));
  assertEquals(fixture.changes, 1);
  await fixture.runtime.advance(249);
  assertEquals(fixture.asked.length, 1);
  await fixture.runtime.advance(1);
  assertEquals(fixture.asked.length, 2);
  // The map is as before, but the redirection may have moved something.
  await fixture.reply(mapOf(a));
  assertEquals(fixture.changes, 2);
  await fixture.runtime.advance(4999);
  assertEquals(fixture.asked.length, 2);
  fixture.topology.stop();
});

Deno.test("Topology continues if no node has the map, or the query fails", async () => {
  const fixture = new Fixture();
  fixture.topology.applyMoved(1, b, a);
  await fixture.runtime.advance(250);
  await fixture.reply(undefined);
  assertEquals(fixture.topology.findOwner(1)?.name, b.name);
  // MOVED still has to be followed.
  await fixture.runtime.advance(250);
  assertEquals(fixture.asked.length, 2);
  fixture.answer.reject(new RedisError("LOADING later"));
  fixture.answer = Promise.withResolvers();
  await fixture.runtime.advance(250);
  assertEquals(fixture.asked.length, 3);
  await fixture.reply(mapOf(b));
  assertEquals(fixture.changes, 1);
  fixture.topology.stop();
});

Deno.test("Topology.owner throws CLUSTERDOWN for a slot without an owner, and refreshes", async () => {
  const fixture = new Fixture();
  await fixture.runtime.advance(1000);
  const error = assertThrows(() => fixture.topology.owner(100), RedisError);
  assertEquals(error.code, "CLUSTERDOWN");
  await fixture.runtime.advance(0);
  assertEquals(fixture.asked.length, 1);
  fixture.topology.stop();
});
