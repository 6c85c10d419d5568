// Behaviour of Sentinels that real ones cannot be made to show on demand.

import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../../src/errors.ts";
import { isRetriable } from "../../../src/redis/retriable.ts";
import type { RedisLink } from "../../../src/redis/link.ts";
import {
  SentinelDriver,
  type SentinelDriverOptions,
} from "../../../src/redis/sentinel/driver.ts";
import { tlsSources } from "../../../src/redis/tls/tls.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "../../support/assert.ts";
import { FakeSentinels } from "../../support/fake_sentinels.ts";
import { FakeRuntime } from "../../support/fake_runtime.ts";
import { turn } from "../../support/turn.ts";

const SWITCH = "mymaster old 6379 new 6379";

class Fixture {
  readonly network = new FakeSentinels();
  readonly runtime = new FakeRuntime({ dial: this.network.dial });
  readonly notices: Error[] = [];
  readonly driver: SentinelDriver;

  constructor(
    sentinels: string[],
    options: Partial<SentinelDriverOptions> = {},
  ) {
    this.driver = new SentinelDriver({
      sentinels: sentinels.map((hostname) => ({ hostname, port: 26379 })),
      connection: {
        db: 0,
        connectTimeout: 5000,
        heartbeat: 1e9,
        runtime: this.runtime,
      },
      ...options,
    });
  }

  connect(signal = new AbortController().signal): Promise<RedisLink> {
    return this.driver.connect({
      onMessage() {},
      onNotice: (notice) => this.notices.push(notice),
    }, signal);
  }

  /** Listens, as a backend does between two attempts. */
  listen(): { isOver: boolean; abort(): void } {
    const controller = new AbortController();
    const waits = { isOver: false, abort: () => controller.abort() };
    this.driver.topologyChanged(controller.signal).then(() =>
      waits.isOver = true
    );
    return waits;
  }

  /** Delays a Sentinel's reply to SENTINEL MASTERS. */
  delay(name: string, ms: number): void {
    const host = this.network.host(name);
    const { accept } = host;
    host.accept = (peer) => {
      accept(peer);
      const answer = peer.answers["SENTINEL MASTERS"];
      peer.answers["SENTINEL MASTERS"] = null;
      this.runtime.setTimer(
        () => {
          const isAsked = peer.commands.includes("SENTINEL MASTERS");
          if (isAsked && peer.transport.closed === 0) peer.say(answer ?? "");
        },
        ms,
        false,
      );
    };
  }

  /** Runs pending work without advancing time. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await turn();
  }

  async end(link?: RedisLink): Promise<void> {
    await link?.end(new Error("end of the test"));
    await this.settle();
    assertEquals(this.runtime.timers, 0, "timers");
    for (const { transport } of this.network.peers) {
      assertEquals(transport.closed, 1);
    }
  }
}

/** The reason why a link has ended. Fails if it has not. */
async function reasonOf(link: RedisLink): Promise<Error> {
  const reason = await Promise.race([
    link.ended,
    turn().then(() => turn()).then(() => undefined),
  ]);
  assertInstanceOf(reason, RedisConnectionError);
  return reason;
}

Deno.test("SentinelDriver picks the master of the highest epoch, because a partitioned Sentinel misses fail-overs", async () => {
  const fixture = new Fixture(["stale", "s2", "stale2"]);
  for (const name of ["stale", "stale2"]) {
    fixture.network.sentinel(name, [{ at: "old", epoch: 3 }]);
  }
  fixture.network.sentinel("s2", [{ at: "new", epoch: 4 }]);
  const old = fixture.network.server("old");
  const present = fixture.network.server("new");
  const link = await fixture.connect();
  await link.subscribe(["k"]);
  assertEquals([old.peers.length, present.peers.length], [0, 2]);
  for (const { commands } of present.peers) assert(commands.includes("ROLE"));
  await fixture.end(link);
});

Deno.test("SentinelDriver uses the new address from the leader of a fail-over, while its list has the old one", async () => {
  const leading = {
    at: "old",
    present: "new",
    flags: "s_down,o_down,master,failover_in_progress",
    epoch: 4,
  };
  for (const others of [[], [{ at: "new", epoch: 4, flags: "master" }]]) {
    const fixture = new Fixture(["leader", "s2"]);
    fixture.network.sentinel("leader", [leading]);
    if (others.length > 0) fixture.network.sentinel("s2", others);
    const present = fixture.network.server("new");
    fixture.network.server("old");
    const link = await fixture.connect();
    assertEquals(present.peers.length, 1);
    await fixture.end(link);
    if (others.length === 0) continue;
    // Where the ACL forbids that query, the leader does not count.
    const { accept } = fixture.network.host("leader");
    fixture.network.host("leader").accept = (peer) => {
      accept(peer);
      peer.answers["SENTINEL GET-MASTER-ADDR-BY-NAME"] = "-NOPERM no\r\n";
    };
    await fixture.end(await fixture.connect());
    assertEquals(present.peers.length, 2);
  }
});

Deno.test("SentinelDriver waits briefly for a slow Sentinel, and not for one that hangs", async () => {
  const fixture = new Fixture(["hangs", "stale", "slow"]);
  fixture.network.host("hangs").isBlackHole = true;
  fixture.network.sentinel("stale", [{ at: "old", epoch: 1 }]);
  const slow = fixture.network.sentinel("slow", [{ at: "new", epoch: 2 }]);
  const { accept } = slow;
  slow.accept = (peer) => {
    accept(peer);
    peer.answers["SENTINEL GET-MASTER-ADDR-BY-NAME"] = null;
  };
  fixture.network.server("old");
  const present = fixture.network.server("new");
  const connecting = fixture.connect();
  await fixture.runtime.advance(100);
  slow.peers[0]!.say("*2\r\n$3\r\nnew\r\n$4\r\n6379\r\n");
  await fixture.runtime.advance(100);
  const link = await connecting;
  assertEquals(present.peers.length, 1);
  assertEquals(fixture.network.aborted, 1);
  await fixture.end(link);
});

Deno.test("SentinelDriver waits while the newest master is down, and uses the next one at once", async () => {
  const down = [{ at: "old", flags: "s_down,o_down,master,disconnected" }];
  // One Sentinel has just restarted, and does not know better yet.
  const unsure = [{ at: "old", flags: "master,disconnected" }];
  const fixture = new Fixture(["s1", "s2"]);
  fixture.network.sentinel("s1", down);
  fixture.network.sentinel("s2", unsure);
  const old = fixture.network.server("old");
  const present = fixture.network.server("new");
  const connecting = fixture.connect();
  await fixture.settle();
  assertEquals(old.peers.length, 0);
  await fixture.runtime.advance(1000);
  fixture.network.sentinel("s2", [{ at: "new", epoch: 1 }]);
  fixture.network.publish("s2", "+switch-master", SWITCH);
  const link = await connecting;
  assertEquals([old.peers.length, present.peers.length], [0, 1]);
  await fixture.end(link);
});

Deno.test("SentinelDriver learns about the next master from a Sentinel that is too slow for the query", async () => {
  const fixture = new Fixture(["stale", "slow"]);
  fixture.network.sentinel("stale", [{ at: "old", flags: "o_down,master" }]);
  fixture.network.sentinel("slow", [{ at: "new", epoch: 1 }]);
  fixture.delay("slow", 300);
  fixture.network.server("new");
  const connecting = fixture.connect();
  // The test may fail before it awaits this.
  connecting.catch(() => {});
  for (let i = 0; i < 20; i++) await fixture.runtime.advance(100);
  assertEquals(fixture.network.host("new").peers.length, 1);
  await fixture.end(await connecting);
});

Deno.test("after a slow Sentinel's announcement has ended a link, the next link skips the old master", async () => {
  const fixture = new Fixture(["stale", "slow"]);
  fixture.network.sentinel("stale", [{ at: "old" }]);
  fixture.network.sentinel("slow", [{ at: "new", epoch: 1 }]);
  fixture.delay("slow", 300);
  fixture.network.server("old");
  const server = fixture.network.server("new");
  const connecting = fixture.connect();
  await fixture.runtime.advance(1000);
  const link = await connecting;
  assertStringIncludes((await reasonOf(link)).message, "is now new:6379");
  const next = fixture.connect();
  await fixture.runtime.advance(1000);
  assertEquals(server.peers.length, 1);
  await fixture.end(await next);
  // An announcement is used once: the Sentinels may have been reconfigured.
  const third = fixture.connect();
  await fixture.runtime.advance(1000);
  assertEquals(server.peers.length, 1);
  await fixture.end(await third);
});

Deno.test("SentinelDriver uses a master that is up again", async () => {
  const fixture = new Fixture(["s1"]);
  fixture.network.sentinel("s1", [{ at: "old", flags: "s_down,master" }]);
  fixture.network.server("old");
  const connecting = fixture.connect();
  await fixture.settle();
  fixture.network.publish("s1", "-sdown", "master other old 6379");
  const asked = fixture.network.host("s1").peers.length;
  await fixture.settle();
  assertEquals(fixture.network.host("s1").peers.length, asked);
  assertEquals(fixture.network.host("old").peers.length, 0);
  fixture.network.sentinel("s1", [{ at: "old" }]);
  fixture.network.publish("s1", "-sdown", "master mymaster old 6379");
  await fixture.end(await connecting);
});

Deno.test("SentinelDriver ends an attempt after connectTimeout, and quotes each Sentinel", async () => {
  const fixture = new Fixture(["s1", "s2", "gone", "hangs"]);
  fixture.network.host("hangs").isBlackHole = true;
  fixture.network.sentinel("s1", [{ at: "old", flags: "s_down,master" }]);
  fixture.network.sentinel("s2", [{ at: "old", flags: "o_down,master" }]);
  const failed = assertRejects(() => fixture.connect(), RedisConnectionError);
  await fixture.runtime.advance(5000);
  await fixture.runtime.advance(200);
  const { message } = await failed;
  assertStringIncludes(message, "s1:26379 reports it down at old:6379");
  assertStringIncludes(message, "s2:26379 reports");
  assertStringIncludes(message, "gone:26379: Cannot connect");
  assertStringIncludes(message, "hangs:26379: no answer so far");
  assert(!message.includes("quicker"), message);
  await fixture.end();
});

Deno.test("SentinelDriver.connect ends at once when its signal aborts, at any step", async () => {
  const reason = new Error("no longer wanted");
  const fixtures: ((network: FakeSentinels) => void)[] = [
    (network) => network.host("s1").isBlackHole = true,
    (network) => network.sentinel("s1", [{ at: "m", flags: "s_down,master" }]),
    (network) => {
      network.sentinel("s1", [{ at: "m" }]);
      network.host("m").isBlackHole = true;
    },
  ];
  for (const prepare of fixtures) {
    const fixture = new Fixture(["s1"]);
    prepare(fixture.network);
    const abort = new AbortController();
    const failed = assertRejects(() => fixture.connect(abort.signal));
    await fixture.settle();
    abort.abort(reason);
    assertEquals(await failed, reason);
    await fixture.end();
  }
});

Deno.test("SentinelDriver needs no name for a single master, and lists the names if there are several", async () => {
  const masters = [{ name: "a", at: "m" }, { name: "b", at: "n" }];
  const one = new Fixture(["s1"]);
  one.network.sentinel("s1", [{ name: "a", at: "m" }]);
  one.network.server("m");
  const link = await one.connect();
  await one.end(link);
  // The first name that it found stays.
  one.network.sentinel("s1", masters);
  await one.end(await one.connect());

  const several = new Fixture(["s1"]);
  several.network.sentinel("s1", masters);
  await assertRejects(
    () => several.connect(),
    ConfigurationError,
    'the Sentinels watch "a", "b"; name one with the option `sentinel.masterName`',
  );
  await several.end();

  const named = new Fixture(["s1"], { masterName: "b" });
  named.network.sentinel("s1", masters);
  const server = named.network.server("n");
  // The current address is that of the first master here: only the list counts.
  const { accept } = named.network.host("s1");
  named.network.host("s1").accept = (peer) => {
    accept(peer);
    peer.answers["SENTINEL GET-MASTER-ADDR-BY-NAME"] = "-NOPERM no\r\n";
  };
  await named.end(await named.connect());
  assertEquals(server.peers.length, 1);

  const unknown = new Fixture(["s1", "s2"], { masterName: "c" });
  unknown.network.sentinel("s1", masters);
  unknown.network.sentinel("s2", []);
  const error = await assertRejects(
    () => unknown.connect(),
    ConfigurationError,
    'Cannot find "c"',
  );
  assertStringIncludes(error.message, 's1:26379 watches "a", "b"');
  assertStringIncludes(error.message, "s2:26379 watches no master");
  await unknown.end();
});

Deno.test("SentinelDriver retries if a Sentinel that is down may know the name", async () => {
  const fixture = new Fixture(["s1", "gone"], { masterName: "c" });
  fixture.network.sentinel("s1", []);
  const error = await assertRejects(() => fixture.connect());
  assert(isRetriable(error));
  await fixture.end();
});

Deno.test("SentinelDriver.topologyChanged resolves when the master moved or is up again, or Sentinels answer again", async () => {
  const fixture = new Fixture(["s1", "s2"]);
  for (const name of ["s1", "s2"]) {
    fixture.network.sentinel(name, [{ at: "old" }]);
  }
  // It has died, and no Sentinel has noticed yet.
  await assertRejects(() => fixture.connect(), RedisConnectionError);
  let waits = fixture.listen();
  await fixture.runtime.advance(60_000);
  assert(!waits.isOver);
  fixture.network.sentinel("s2", [{ at: "new", epoch: 1 }]);
  fixture.network.publish("s2", "+switch-master", SWITCH);
  await fixture.settle();
  assert(waits.isOver);

  // Its state covers what was missed, and the next attempt uses it.
  fixture.delay("s2", 300);
  waits = fixture.listen();
  await fixture.runtime.advance(600);
  assert(waits.isOver);
  fixture.network.server("new");
  const connecting = fixture.connect();
  await fixture.runtime.advance(300);
  const link = await connecting;
  await fixture.runtime.advance(300);
  await fixture.end(link);

  const down = [{ at: "m", epoch: 2, flags: "s_down,master" }];
  fixture.network.sentinel("s1", down);
  fixture.network.sentinel("s2", down);
  const failed = assertRejects(() => fixture.connect(), RedisConnectionError);
  await fixture.runtime.advance(5000);
  await failed;
  waits = fixture.listen();
  await fixture.runtime.advance(1000);
  assert(!waits.isOver);
  fixture.network.publish("s1", "-sdown", "master mymaster m 6379");
  await fixture.settle();
  assert(waits.isOver);

  for (const name of ["s1", "s2"]) {
    fixture.network.sentinel(name, [{ at: "m", epoch: 2 }]);
  }
  await assertRejects(() => fixture.connect(), RedisConnectionError);
  for (const name of ["s1", "s2"]) {
    fixture.network.host(name).accept = () => new Error("gone");
  }
  await assertRejects(() => fixture.connect(), RedisConnectionError);
  waits = fixture.listen();
  await fixture.runtime.advance(60_000);
  assert(!waits.isOver);
  fixture.network.sentinel("s1", [{ at: "m", epoch: 2 }]);
  await fixture.runtime.advance(10_000);
  assert(waits.isOver);
  await fixture.end();
});

Deno.test("SentinelDriver.topologyChanged resolves at once if the master moved during the dial, and never if none was ever found", async () => {
  const fixture = new Fixture(["s1"]);
  const first = fixture.listen();
  await fixture.runtime.advance(60_000);
  assert(!first.isOver);
  first.abort();
  await fixture.settle();
  assert(first.isOver);

  fixture.network.sentinel("s1", [{ at: "old" }]);
  fixture.network.host("old").isBlackHole = true;
  const failed = assertRejects(() => fixture.connect(), RedisConnectionError);
  await fixture.settle();
  fixture.network.publish("s1", "+switch-master", SWITCH);
  await failed;
  const moved = fixture.listen();
  await fixture.settle();
  assert(moved.isOver);
  // It was announced during the failed attempt.
  await assertRejects(() => {
    fixture.network.host("old").isBlackHole = false;
    fixture.network.host("old").accept = () => new Error("dead");
    return fixture.connect();
  });
  const next = fixture.listen();
  await fixture.runtime.advance(1000);
  assert(!next.isOver);
  assertEquals(fixture.network.listeners("s1").length, 1);
  next.abort();
  await fixture.settle();
  assert(next.isOver);
  await fixture.end();
});

Deno.test("an unknown name is retried if the Sentinels knew it before, because they may be starting up", async () => {
  for (const masterName of ["mymaster", undefined]) {
    const fixture = new Fixture(
      ["s1"],
      masterName === undefined ? {} : { masterName },
    );
    fixture.network.sentinel("s1", [{ at: "m" }]);
    fixture.network.server("m");
    await fixture.end(await fixture.connect());
    // SENTINEL REMOVE, and later SENTINEL MONITOR.
    fixture.network.sentinel("s1", []);
    const error = await assertRejects(
      () => fixture.connect(),
      RedisConnectionError,
      "s1:26379 watches no master",
    );
    assert(isRetriable(error));
    fixture.network.sentinel("s1", [{ at: "m" }]);
    await fixture.end(await fixture.connect());
  }
});

Deno.test("SentinelDriver ignores a Sentinel that knows too few others", async () => {
  const fixture = new Fixture(["s1", "s2"], { minOtherSentinels: 2 });
  fixture.network.sentinel("s1", [{ at: "old", epoch: 9, others: 1 }]);
  fixture.network.sentinel("s2", [{ at: "new", others: 2 }]);
  const server = fixture.network.server("new");
  await fixture.end(await fixture.connect());
  assertEquals(server.peers.length, 1);
  fixture.network.sentinel("s2", [{ at: "new", others: 0 }]);
  const error = await assertRejects(
    () => fixture.connect(),
    RedisConnectionError,
    "fewer than `sentinel.minOtherSentinels` (2)",
  );
  assert(isRetriable(error));
  await fixture.end();
});

Deno.test("a Sentinel that knows too few others changes nothing for an attempt or a link", async () => {
  const fixture = new Fixture(["s1", "s2"], { minOtherSentinels: 1 });
  const down = [{ at: "old", flags: "s_down,master" }];
  fixture.network.sentinel("s1", down);
  fixture.network.sentinel("s2", [{ at: "new", epoch: 9, others: 0 }]);
  fixture.network.server("old");
  const connecting = fixture.connect();
  // The test may fail before it awaits this.
  connecting.catch(() => {});
  for (let i = 0; i < 20; i++) await fixture.settle();
  // One connection for the query, two for the watch: listening asks again.
  assertEquals(fixture.network.host("s1").peers.length, 3);
  fixture.network.sentinel("s1", [{ at: "old" }]);
  fixture.network.publish("s1", "-sdown", "master mymaster old 6379");
  const link = await connecting;
  await fixture.settle();
  assertEquals(await link.command(["GET", "k"]), "value of k");
  await fixture.end(link);
});

Deno.test("SentinelDriver refuses a server that is not a master, on either connection", async () => {
  const fixture = new Fixture(["s1"]);
  fixture.network.sentinel("s1", [{ at: "m" }]);
  const server = fixture.network.server("m", "slave");
  const error = await assertRejects(
    () => fixture.connect(),
    RedisConnectionError,
    "its role is slave",
  );
  assertStringIncludes(error.message, 'announce it as the master "mymaster"');
  assert(isRetriable(error));
  await fixture.end();

  fixture.network.server("m");
  const link = await fixture.connect();
  fixture.network.server("m", "slave");
  await assertRejects(() => link.subscribe(["k"]), RedisConnectionError);
  assertStringIncludes((await link.ended).message, "its role is slave");
  assertEquals(server.peers.length, 3);
  // The link ends by itself.
  await fixture.settle();
  for (const { transport } of fixture.network.peers) {
    assertEquals(transport.closed, 1);
  }
  await fixture.end(link);
});

Deno.test("SentinelDriver falls back to INFO if ROLE is refused, and continues if both are", async () => {
  const info = "role:slave\r\nconnected_slaves:0";
  const fixture = new Fixture(["s1"]);
  fixture.network.sentinel("s1", [{ at: "m" }]);
  const server = fixture.network.host("m");
  server.accept = (peer) => {
    peer.answers.ROLE = "-NOPERM no ROLE\r\n";
    peer.answers.INFO = `$${info.length}\r\n${info}\r\n`;
  };
  await assertRejects(() => fixture.connect(), RedisConnectionError, "slave");
  server.accept = (peer) => {
    peer.answers.ROLE = "-NOPERM no ROLE\r\n";
    peer.answers.INFO = "-NOPERM no INFO\r\n";
  };
  fixture.notices.length = 0;
  await fixture.end(await fixture.connect());
  assertEquals(fixture.notices.map((each) => each.message.slice(0, 14)), [
    "NOPERM no ROLE",
    "NOPERM no INFO",
  ]);
});

Deno.test("a link leaves the old master as soon as one Sentinel announces another, and rejects pending commands", async () => {
  const fixture = new Fixture(["s1", "s2"]);
  for (const name of ["s1", "s2"]) {
    fixture.network.sentinel(name, [{ at: "old" }]);
  }
  const server = fixture.network.server("old");
  const link = await fixture.connect();
  await link.subscribe(["k"]);
  await fixture.settle();
  for (
    const payload of [
      "another old 6379 new 6379",
      "mymaster new 6379 OLD 6379",
      "mymaster new 6379",
      "mymaster old 6379 new port",
      "mymaster old 6379 new 6379 more",
    ]
  ) fixture.network.publish("s2", "+switch-master", payload);
  fixture.network.publish("s2", "-sdown", "master mymaster old 6379");
  await fixture.settle();
  assertEquals(await link.command(["GET", "k"]), "value of k");
  server.peers[0]!.answers.SET = null;
  const stored = assertRejects(() => link.command(["SET", "k", "v"]));
  await turn();
  fixture.network.publish("s2", "+switch-master", SWITCH);
  const reason = await reasonOf(link);
  assertEquals(
    reason.message,
    'Left old:6379: the Sentinels say that "mymaster" is now new:6379',
  );
  assert(isRetriable(reason));
  assertEquals(await stored, reason);
  await fixture.end(link);
});

Deno.test("a link leaves a master that SENTINEL REMOVE and MONITOR have replaced, although the epochs start over", async () => {
  const fixture = new Fixture(["s1"]);
  fixture.network.sentinel("s1", [{ at: "old", epoch: 7 }]);
  fixture.network.server("old");
  const link = await fixture.connect();
  await fixture.settle();
  for (
    const payload of [
      "master mymaster old 6379 quorum 2",
      "master another new 6379 quorum 2",
      "master mymaster",
    ]
  ) fixture.network.publish("s1", "+monitor", payload);
  await fixture.settle();
  assertEquals(await link.command(["GET", "k"]), "value of k");
  fixture.network.sentinel("s1", [{ at: "new", epoch: 0 }]);
  const server = fixture.network.server("new");
  fixture.network.publish(
    "s1",
    "+monitor",
    "master mymaster new 6379 quorum 2",
  );
  assertStringIncludes((await reasonOf(link)).message, "is now new:6379");
  await fixture.end(await fixture.connect());
  assertEquals(server.peers.length, 1);
});

Deno.test("a master that moves while it is dialled ends the attempt", async () => {
  const fixture = new Fixture(["s1"]);
  fixture.network.sentinel("s1", [{ at: "old" }]);
  fixture.network.host("old").isBlackHole = true;
  const failed = assertRejects(() => fixture.connect(), RedisConnectionError);
  await fixture.settle();
  fixture.network.publish("s1", "+switch-master", SWITCH);
  assertEquals(
    (await failed).message,
    'Left old:6379: the Sentinels say that "mymaster" is now new:6379',
  );
  await fixture.end();
});

Deno.test("a lost Sentinel is redialled with growing waits, and reports a switch that was missed", async () => {
  const fixture = new Fixture(["s1"]);
  const sentinel = fixture.network.sentinel("s1", [{ at: "old", epoch: 5 }]);
  fixture.network.server("old");
  const link = await fixture.connect();
  await fixture.settle();
  const dials: number[] = [];
  sentinel.accept = () => {
    dials.push(fixture.runtime.now());
    return new Deno.errors.ConnectionRefused("refused");
  };
  fixture.network.listeners("s1")[0]!.transport.end();
  for (let i = 0; i < 300; i++) await fixture.runtime.advance(100);
  const waits = dials.slice(1).map((at, i) => at - dials[i]!);
  assert(waits.length > 4 && waits.length < 12, String(waits));
  assert(waits[0]! < waits[1]! && waits.at(-1)! <= 10_000, String(waits));
  // Reported once, although it failed many times.
  assertEquals(fixture.notices.length, 1);
  assertStringIncludes(
    fixture.notices[0]!.message,
    'Cannot listen to any Sentinel of "mymaster"',
  );
  // One that was restored from an old backup.
  fixture.network.sentinel("s1", [{ at: "ancient", epoch: 4 }]);
  await fixture.runtime.advance(10_000);
  assertEquals(fixture.network.listeners("s1").length, 1);
  assertEquals(await link.command(["GET", "k"]), "value of k");
  fixture.network.listeners("s1")[0]!.transport.end();
  fixture.network.sentinel("s1", [{ at: "new", epoch: 6 }]);
  await fixture.runtime.advance(250);
  assertStringIncludes((await reasonOf(link)).message, "is now new:6379");
  await fixture.end(link);
});

Deno.test("a Sentinel that refuses to subscribe is reported once, and retried rarely, because it may be fixed while the link lasts", async () => {
  const fixture = new Fixture(["s1", "s2"]);
  for (const name of ["s1", "s2"]) {
    fixture.network.sentinel(name, [{ at: "m" }]);
  }
  const sentinel = fixture.network.host("s1");
  const { accept } = sentinel;
  sentinel.accept = (peer) => {
    accept(peer);
    peer.answers.SUBSCRIBE = "-NOPERM no channels\r\n";
  };
  fixture.network.server("m");
  const link = await fixture.connect();
  await fixture.runtime.advance(29_000);
  // One query, and one attempt to listen.
  assertEquals(sentinel.peers.length, 2);
  await fixture.runtime.advance(600_000);
  assert(sentinel.peers.length < 20, String(sentinel.peers.length));
  assertEquals(fixture.notices.length, 1);
  assertStringIncludes(fixture.notices[0]!.message, "to subscribe to +switch");
  assertEquals(fixture.network.listeners("s2").length, 1);
  sentinel.accept = accept;
  await fixture.runtime.advance(60_000);
  assertEquals(fixture.network.listeners("s1").length, 1);
  await fixture.end(link);
});

Deno.test("a link outlives its Sentinels", async () => {
  const fixture = new Fixture(["s1", "s2"]);
  for (const name of ["s1", "s2"]) {
    fixture.network.sentinel(name, [{ at: "m" }]);
  }
  fixture.network.server("m");
  const link = await fixture.connect();
  await fixture.settle();
  for (const name of ["s1", "s2"]) {
    const [listener] = fixture.network.listeners(name);
    fixture.network.host(name).accept = () => new Error("gone");
    listener!.transport.end();
    await fixture.settle();
    assertEquals(fixture.notices.length, name === "s1" ? 0 : 1);
  }
  await fixture.runtime.advance(60_000);
  assertEquals(await link.command(["GET", "k"]), "value of k");
  assertEquals(fixture.notices.length, 1);
  await fixture.end(link);
});

Deno.test("SentinelDriver falls back to Sentinels that it learned about when those of the URL fail", async () => {
  const fixture = new Fixture(["s1"]);
  fixture.network.sentinel("s1", [{ at: "m" }], ["s2", "s3"]);
  const server = fixture.network.server("m");
  const learned = fixture.network.sentinel("s2", [{ at: "m" }]);
  const link = await fixture.connect();
  await fixture.settle();
  assertEquals(learned.peers.length, 0);
  await link.end(new Error("enough"));
  fixture.network.host("s1").accept = () => new Error("gone for good");
  const next = await fixture.connect();
  await fixture.settle();
  assertEquals(server.peers.length, 2);
  assertEquals(fixture.network.listeners("s2").length, 1);
  await fixture.end(next);
});

Deno.test("SentinelDriver explains a Sentinel's refusal without showing a password", async () => {
  const cases: [command: string, answer: string, words: string][] = [
    ["AUTH", "-WRONGPASS invalid\r\n", "check `sentinel.username`"],
    ["PING", "-NOAUTH Authentication required.\r\n", "`sentinel.password`"],
    ["SENTINEL MASTERS", "-NOPERM no\r\n", "PING, SENTINEL MASTERS"],
    [
      "SENTINEL MASTERS",
      "-ERR unknown command `SENTINEL`\r\n",
      "it is not a Sentinel",
    ],
  ];
  for (const [command, answer, words] of cases) {
    const fixture = new Fixture(["s1"], { username: "u", password: "S3CRET" });
    const sentinel = fixture.network.sentinel("s1", [{ at: "m" }]);
    const { accept } = sentinel;
    sentinel.accept = (peer) => {
      accept(peer);
      peer.answers[command] = answer;
    };
    const error = await assertRejects(
      () => fixture.connect(),
      RedisError,
      words,
    );
    assertStringIncludes(error.message, "Sentinel s1:26379");
    assert(sentinel.peers[0]!.commands.includes("AUTH u S3CRET"));
    assert(!isRetriable(error));
    assert(!Deno.inspect(error).includes("S3CRET"), Deno.inspect(error));
    assert(!Deno.inspect(fixture.driver, { depth: 9 }).includes("S3CRET"));
    await fixture.end();
  }
});

Deno.test("SentinelDriver names sentinel.tls where a Sentinel does not speak TLS, or requires it", async () => {
  const fixture = new Fixture(["s1"], { tls: tlsSources({}, {}) });
  fixture.network.host("s1").accept = () =>
    new Deno.errors.InvalidData("received corrupt message");
  const error = await assertRejects(
    () => fixture.connect(),
    ConfigurationError,
    "it does not speak TLS",
  );
  assertStringIncludes(error.message, "`sentinel.tls`: as with the servers");
  fixture.network.host("s1").isBlackHole = true;
  const silent = assertRejects(() => fixture.connect(), RedisConnectionError);
  await fixture.runtime.advance(5000);
  assertStringIncludes((await silent).message, "`sentinel.tls`");
  await fixture.end();
});

Deno.test("SentinelDriver treats a malformed reply as a transient failure", async () => {
  for (const answer of ["+OK\r\n", "*1\r\n:1\r\n", "*1\r\n*0\r\n"]) {
    const fixture = new Fixture(["s1"]);
    fixture.network.host("s1").accept = (peer) => {
      peer.answers["SENTINEL MASTERS"] = answer;
    };
    await assertRejects(() => fixture.connect(), RedisConnectionError, "Read");
    await fixture.end();
  }
});

Deno.test("SentinelDriver names the missing permission, for Sentinels and for the master", async () => {
  const refusal = new Deno.errors.NotCapable("Requires net access");
  const fixture = new Fixture(["s1", "s2"]);
  for (const name of ["s1", "s2"]) {
    fixture.network.host(name).accept = () => refusal;
  }
  await assertRejects(
    () => fixture.connect(),
    ConfigurationError,
    "--allow-net=s1:26379",
  );
  // If another Sentinel answers, it is a notice.
  fixture.network.sentinel("s2", [{ at: "m" }]);
  fixture.network.server("m");
  await fixture.end(await fixture.connect());
  assertStringIncludes(fixture.notices[0]!.message, "--allow-net=s1:26379");
  fixture.network.host("m").accept = () => refusal;
  const error = await assertRejects(
    () => fixture.connect(),
    ConfigurationError,
  );
  assertStringIncludes(error.message, "--allow-net=m:6379");
  assertStringIncludes(error.message, "the Sentinels announce it");
  await fixture.end();
});

Deno.test("keepAlive(false) lets no connection of a link keep the process alive, and the watch never does", async () => {
  const fixture = new Fixture(["s1"]);
  fixture.network.sentinel("s1", [{ at: "m" }]);
  fixture.network.server("m");
  const link = await fixture.connect();
  await fixture.settle();
  assert(!fixture.network.listeners("s1")[0]!.transport.isRef);
  link.keepAlive(false);
  for (const { transport } of fixture.network.peers) {
    assert(transport.closed > 0 || !transport.isRef);
  }
  link.keepAlive(true);
  assert(fixture.network.host("m").peers[0]!.transport.isRef);
  await fixture.end(link);
});
