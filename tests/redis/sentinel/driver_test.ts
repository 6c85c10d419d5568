// What Sentinels do that real ones cannot be made to do at a given moment.

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

class Stage {
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

  /** Listens as between two attempts. */
  news(): { isOver: boolean; abort(): void } {
    const controller = new AbortController();
    const waits = { isOver: false, abort: () => controller.abort() };
    this.driver.topologyChanged(controller.signal).then(() =>
      waits.isOver = true
    );
    return waits;
  }

  /** Lets a Sentinel think for some time before it says what it watches. */
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

  /** Lets what is under way happen, without time passing. */
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

/** The reason why a link ended, which it has to do now. */
async function reasonOf(link: RedisLink): Promise<Error> {
  const reason = await Promise.race([
    link.ended,
    turn().then(() => turn()).then(() => undefined),
  ]);
  assertInstanceOf(reason, RedisConnectionError);
  return reason;
}

Deno.test("SentinelDriver takes the master of the highest epoch, since one that was cut off does not know the last", async () => {
  const stage = new Stage(["stale", "s2", "stale2"]);
  for (const name of ["stale", "stale2"]) {
    stage.network.sentinel(name, [{ at: "old", epoch: 3 }]);
  }
  stage.network.sentinel("s2", [{ at: "new", epoch: 4 }]);
  const old = stage.network.server("old");
  const present = stage.network.server("new");
  const link = await stage.connect();
  await link.subscribe(["k"]);
  assertEquals([old.peers.length, present.peers.length], [0, 2]);
  for (const { commands } of present.peers) assert(commands.includes("ROLE"));
  await stage.end(link);
});

Deno.test("SentinelDriver goes where the one that leads a fail-over sends clients, while its list has the old master", async () => {
  const leading = {
    at: "old",
    present: "new",
    flags: "s_down,o_down,master,failover_in_progress",
    epoch: 4,
  };
  for (const others of [[], [{ at: "new", epoch: 4, flags: "master" }]]) {
    const stage = new Stage(["leader", "s2"]);
    stage.network.sentinel("leader", [leading]);
    if (others.length > 0) stage.network.sentinel("s2", others);
    const present = stage.network.server("new");
    stage.network.server("old");
    const link = await stage.connect();
    assertEquals(present.peers.length, 1);
    await stage.end(link);
    if (others.length === 0) continue;
    // Where that may not be asked, the one that leads does not count.
    const { accept } = stage.network.host("leader");
    stage.network.host("leader").accept = (peer) => {
      accept(peer);
      peer.answers["SENTINEL GET-MASTER-ADDR-BY-NAME"] = "-NOPERM no\r\n";
    };
    await stage.end(await stage.connect());
    assertEquals(present.peers.length, 2);
  }
});

Deno.test("SentinelDriver does not wait for a Sentinel that hangs, but a little for one that is slow", async () => {
  const stage = new Stage(["hangs", "stale", "slow"]);
  stage.network.host("hangs").isBlackHole = true;
  stage.network.sentinel("stale", [{ at: "old", epoch: 1 }]);
  const slow = stage.network.sentinel("slow", [{ at: "new", epoch: 2 }]);
  const { accept } = slow;
  slow.accept = (peer) => {
    accept(peer);
    peer.answers["SENTINEL GET-MASTER-ADDR-BY-NAME"] = null;
  };
  stage.network.server("old");
  const present = stage.network.server("new");
  const connecting = stage.connect();
  await stage.runtime.advance(100);
  slow.peers[0]!.say("*2\r\n$3\r\nnew\r\n$4\r\n6379\r\n");
  await stage.runtime.advance(100);
  const link = await connecting;
  assertEquals(present.peers.length, 1);
  assertEquals(stage.network.aborted, 1);
  await stage.end(link);
});

Deno.test("SentinelDriver waits for the next master while the newest is down, and takes it at once", async () => {
  const down = [{ at: "old", flags: "s_down,o_down,master,disconnected" }];
  // One Sentinel was just started again, and does not know better yet.
  const unsure = [{ at: "old", flags: "master,disconnected" }];
  const stage = new Stage(["s1", "s2"]);
  stage.network.sentinel("s1", down);
  stage.network.sentinel("s2", unsure);
  const old = stage.network.server("old");
  const present = stage.network.server("new");
  const connecting = stage.connect();
  await stage.settle();
  assertEquals(old.peers.length, 0);
  await stage.runtime.advance(1000);
  stage.network.sentinel("s2", [{ at: "new", epoch: 1 }]);
  stage.network.publish("s2", "+switch-master", SWITCH);
  const link = await connecting;
  assertEquals([old.peers.length, present.peers.length], [0, 1]);
  await stage.end(link);
});

Deno.test("SentinelDriver hears of the next master from a Sentinel that is too slow to be waited for", async () => {
  const stage = new Stage(["stale", "slow"]);
  stage.network.sentinel("stale", [{ at: "old", flags: "o_down,master" }]);
  stage.network.sentinel("slow", [{ at: "new", epoch: 1 }]);
  stage.delay("slow", 300);
  stage.network.server("new");
  const connecting = stage.connect();
  // Where the test fails before it is awaited.
  connecting.catch(() => {});
  for (let i = 0; i < 20; i++) await stage.runtime.advance(100);
  assertEquals(stage.network.host("new").peers.length, 1);
  await stage.end(await connecting);
});

Deno.test("a link that left an old master for the word of a slow Sentinel is not made there again", async () => {
  const stage = new Stage(["stale", "slow"]);
  stage.network.sentinel("stale", [{ at: "old" }]);
  stage.network.sentinel("slow", [{ at: "new", epoch: 1 }]);
  stage.delay("slow", 300);
  stage.network.server("old");
  const server = stage.network.server("new");
  const connecting = stage.connect();
  await stage.runtime.advance(1000);
  const link = await connecting;
  assertStringIncludes((await reasonOf(link)).message, "is now new:6379");
  const next = stage.connect();
  await stage.runtime.advance(1000);
  assertEquals(server.peers.length, 1);
  await stage.end(await next);
  // A word is used once: the Sentinels may have been set up anew.
  const third = stage.connect();
  await stage.runtime.advance(1000);
  assertEquals(server.peers.length, 1);
  await stage.end(await third);
});

Deno.test("SentinelDriver takes a master that is up again", async () => {
  const stage = new Stage(["s1"]);
  stage.network.sentinel("s1", [{ at: "old", flags: "s_down,master" }]);
  stage.network.server("old");
  const connecting = stage.connect();
  await stage.settle();
  stage.network.publish("s1", "-sdown", "master other old 6379");
  const asked = stage.network.host("s1").peers.length;
  await stage.settle();
  assertEquals(stage.network.host("s1").peers.length, asked);
  assertEquals(stage.network.host("old").peers.length, 0);
  stage.network.sentinel("s1", [{ at: "old" }]);
  stage.network.publish("s1", "-sdown", "master mymaster old 6379");
  await stage.end(await connecting);
});

Deno.test("SentinelDriver ends an attempt after connectTimeout, and says what each Sentinel said", async () => {
  const stage = new Stage(["s1", "s2", "gone", "hangs"]);
  stage.network.host("hangs").isBlackHole = true;
  stage.network.sentinel("s1", [{ at: "old", flags: "s_down,master" }]);
  stage.network.sentinel("s2", [{ at: "old", flags: "o_down,master" }]);
  const failed = assertRejects(() => stage.connect(), RedisConnectionError);
  await stage.runtime.advance(5000);
  await stage.runtime.advance(200);
  const { message } = await failed;
  assertStringIncludes(message, "s1:26379 reports it down at old:6379");
  assertStringIncludes(message, "s2:26379 reports");
  assertStringIncludes(message, "gone:26379: Cannot connect");
  assertStringIncludes(message, "hangs:26379: no answer so far");
  assert(!message.includes("quicker"), message);
  await stage.end();
});

Deno.test("SentinelDriver.connect ends at once when its signal aborts, whatever it waits for", async () => {
  const reason = new Error("no longer wanted");
  const stages: ((network: FakeSentinels) => void)[] = [
    (network) => network.host("s1").isBlackHole = true,
    (network) => network.sentinel("s1", [{ at: "m", flags: "s_down,master" }]),
    (network) => {
      network.sentinel("s1", [{ at: "m" }]);
      network.host("m").isBlackHole = true;
    },
  ];
  for (const prepare of stages) {
    const stage = new Stage(["s1"]);
    prepare(stage.network);
    const abort = new AbortController();
    const failed = assertRejects(() => stage.connect(abort.signal));
    await stage.settle();
    abort.abort(reason);
    assertEquals(await failed, reason);
    await stage.end();
  }
});

Deno.test("SentinelDriver needs no name where there is one master, and says which there are where there are more", async () => {
  const masters = [{ name: "a", at: "m" }, { name: "b", at: "n" }];
  const one = new Stage(["s1"]);
  one.network.sentinel("s1", [{ name: "a", at: "m" }]);
  one.network.server("m");
  const link = await one.connect();
  await one.end(link);
  // What it was told once counts.
  one.network.sentinel("s1", masters);
  await one.end(await one.connect());

  const several = new Stage(["s1"]);
  several.network.sentinel("s1", masters);
  await assertRejects(
    () => several.connect(),
    ConfigurationError,
    'the Sentinels watch "a", "b"; name one with the option `sentinel.masterName`',
  );
  await several.end();

  const named = new Stage(["s1"], { masterName: "b" });
  named.network.sentinel("s1", masters);
  const server = named.network.server("n");
  // The present address is the first one's here: only the list counts.
  const { accept } = named.network.host("s1");
  named.network.host("s1").accept = (peer) => {
    accept(peer);
    peer.answers["SENTINEL GET-MASTER-ADDR-BY-NAME"] = "-NOPERM no\r\n";
  };
  await named.end(await named.connect());
  assertEquals(server.peers.length, 1);

  const unknown = new Stage(["s1", "s2"], { masterName: "c" });
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

Deno.test("SentinelDriver tries again where a Sentinel that is away may know the name", async () => {
  const stage = new Stage(["s1", "gone"], { masterName: "c" });
  stage.network.sentinel("s1", []);
  const error = await assertRejects(() => stage.connect());
  assert(isRetriable(error));
  await stage.end();
});

Deno.test("SentinelDriver.news, between two attempts, is that the master moved, or is up again, or that Sentinels answer again", async () => {
  const stage = new Stage(["s1", "s2"]);
  for (const name of ["s1", "s2"]) {
    stage.network.sentinel(name, [{ at: "old" }]);
  }
  // It is dead, and no Sentinel has noticed yet.
  await assertRejects(() => stage.connect(), RedisConnectionError);
  let waits = stage.news();
  await stage.runtime.advance(60_000);
  assert(!waits.isOver);
  stage.network.sentinel("s2", [{ at: "new", epoch: 1 }]);
  stage.network.publish("s2", "+switch-master", SWITCH);
  await stage.settle();
  assert(waits.isOver);

  // It tells what was missed, too, and the next attempt trusts it.
  stage.delay("s2", 300);
  waits = stage.news();
  await stage.runtime.advance(600);
  assert(waits.isOver);
  stage.network.server("new");
  const connecting = stage.connect();
  await stage.runtime.advance(300);
  const link = await connecting;
  await stage.runtime.advance(300);
  await stage.end(link);

  const down = [{ at: "m", epoch: 2, flags: "s_down,master" }];
  stage.network.sentinel("s1", down);
  stage.network.sentinel("s2", down);
  const failed = assertRejects(() => stage.connect(), RedisConnectionError);
  await stage.runtime.advance(5000);
  await failed;
  waits = stage.news();
  await stage.runtime.advance(1000);
  assert(!waits.isOver);
  stage.network.publish("s1", "-sdown", "master mymaster m 6379");
  await stage.settle();
  assert(waits.isOver);

  for (const name of ["s1", "s2"]) {
    stage.network.sentinel(name, [{ at: "m", epoch: 2 }]);
  }
  await assertRejects(() => stage.connect(), RedisConnectionError);
  for (const name of ["s1", "s2"]) {
    stage.network.host(name).accept = () => new Error("gone");
  }
  await assertRejects(() => stage.connect(), RedisConnectionError);
  waits = stage.news();
  await stage.runtime.advance(60_000);
  assert(!waits.isOver);
  stage.network.sentinel("s1", [{ at: "m", epoch: 2 }]);
  await stage.runtime.advance(10_000);
  assert(waits.isOver);
  await stage.end();
});

Deno.test("SentinelDriver.news comes at once where the master moved while it was dialled, and never where none was ever found", async () => {
  const stage = new Stage(["s1"]);
  const first = stage.news();
  await stage.runtime.advance(60_000);
  assert(!first.isOver);
  first.abort();
  await stage.settle();
  assert(first.isOver);

  stage.network.sentinel("s1", [{ at: "old" }]);
  stage.network.host("old").isBlackHole = true;
  const failed = assertRejects(() => stage.connect(), RedisConnectionError);
  await stage.settle();
  stage.network.publish("s1", "+switch-master", SWITCH);
  await failed;
  const moved = stage.news();
  await stage.settle();
  assert(moved.isOver);
  // It was news to the attempt that has failed since.
  await assertRejects(() => {
    stage.network.host("old").isBlackHole = false;
    stage.network.host("old").accept = () => new Error("dead");
    return stage.connect();
  });
  const next = stage.news();
  await stage.runtime.advance(1000);
  assert(!next.isOver);
  assertEquals(stage.network.listeners("s1").length, 1);
  next.abort();
  await stage.settle();
  assert(next.isOver);
  await stage.end();
});

Deno.test("a name that the Sentinels knew before may come back: they are set up anew", async () => {
  for (const masterName of ["mymaster", undefined]) {
    const stage = new Stage(
      ["s1"],
      masterName === undefined ? {} : { masterName },
    );
    stage.network.sentinel("s1", [{ at: "m" }]);
    stage.network.server("m");
    await stage.end(await stage.connect());
    // SENTINEL REMOVE, and after a while SENTINEL MONITOR.
    stage.network.sentinel("s1", []);
    const error = await assertRejects(
      () => stage.connect(),
      RedisConnectionError,
      "s1:26379 watches no master",
    );
    assert(isRetriable(error));
    stage.network.sentinel("s1", [{ at: "m" }]);
    await stage.end(await stage.connect());
  }
});

Deno.test("SentinelDriver does not count a Sentinel that knows too few others", async () => {
  const stage = new Stage(["s1", "s2"], { minOtherSentinels: 2 });
  stage.network.sentinel("s1", [{ at: "old", epoch: 9, others: 1 }]);
  stage.network.sentinel("s2", [{ at: "new", others: 2 }]);
  const server = stage.network.server("new");
  await stage.end(await stage.connect());
  assertEquals(server.peers.length, 1);
  stage.network.sentinel("s2", [{ at: "new", others: 0 }]);
  const error = await assertRejects(
    () => stage.connect(),
    RedisConnectionError,
    "fewer than `sentinel.minOtherSentinels` (2)",
  );
  assert(isRetriable(error));
  await stage.end();
});

Deno.test("a Sentinel that knows too few others is no news, neither to an attempt nor to a link", async () => {
  const stage = new Stage(["s1", "s2"], { minOtherSentinels: 1 });
  const down = [{ at: "old", flags: "s_down,master" }];
  stage.network.sentinel("s1", down);
  stage.network.sentinel("s2", [{ at: "new", epoch: 9, others: 0 }]);
  stage.network.server("old");
  const connecting = stage.connect();
  // Where the test fails before it is awaited.
  connecting.catch(() => {});
  for (let i = 0; i < 20; i++) await stage.settle();
  // Asked once, then listened to, which is another question.
  assertEquals(stage.network.host("s1").peers.length, 3);
  stage.network.sentinel("s1", [{ at: "old" }]);
  stage.network.publish("s1", "-sdown", "master mymaster old 6379");
  const link = await connecting;
  await stage.settle();
  assertEquals(await link.command(["GET", "k"]), "value of k");
  await stage.end(link);
});

Deno.test("SentinelDriver refuses a server that is no master, on either connection", async () => {
  const stage = new Stage(["s1"]);
  stage.network.sentinel("s1", [{ at: "m" }]);
  const server = stage.network.server("m", "slave");
  const error = await assertRejects(
    () => stage.connect(),
    RedisConnectionError,
    "its role is slave",
  );
  assertStringIncludes(error.message, 'announce it as the master "mymaster"');
  assert(isRetriable(error));
  await stage.end();

  stage.network.server("m");
  const link = await stage.connect();
  stage.network.server("m", "slave");
  await assertRejects(() => link.subscribe(["k"]), RedisConnectionError);
  assertStringIncludes((await link.ended).message, "its role is slave");
  assertEquals(server.peers.length, 3);
  // Nobody has to end it for that.
  await stage.settle();
  for (const { transport } of stage.network.peers) {
    assertEquals(transport.closed, 1);
  }
  await stage.end(link);
});

Deno.test("SentinelDriver asks by INFO where ROLE is refused, and goes on where that is refused too", async () => {
  const info = "role:slave\r\nconnected_slaves:0";
  const stage = new Stage(["s1"]);
  stage.network.sentinel("s1", [{ at: "m" }]);
  const server = stage.network.host("m");
  server.accept = (peer) => {
    peer.answers.ROLE = "-NOPERM no ROLE\r\n";
    peer.answers.INFO = `$${info.length}\r\n${info}\r\n`;
  };
  await assertRejects(() => stage.connect(), RedisConnectionError, "slave");
  server.accept = (peer) => {
    peer.answers.ROLE = "-NOPERM no ROLE\r\n";
    peer.answers.INFO = "-NOPERM no INFO\r\n";
  };
  stage.notices.length = 0;
  await stage.end(await stage.connect());
  assertEquals(stage.notices.map((each) => each.message.slice(0, 14)), [
    "NOPERM no ROLE",
    "NOPERM no INFO",
  ]);
});

Deno.test("a link leaves the old master as soon as one Sentinel tells of another, and nothing waits for it", async () => {
  const stage = new Stage(["s1", "s2"]);
  for (const name of ["s1", "s2"]) {
    stage.network.sentinel(name, [{ at: "old" }]);
  }
  const server = stage.network.server("old");
  const link = await stage.connect();
  await link.subscribe(["k"]);
  await stage.settle();
  for (
    const payload of [
      "another old 6379 new 6379",
      "mymaster new 6379 OLD 6379",
      "mymaster new 6379",
      "mymaster old 6379 new port",
      "mymaster old 6379 new 6379 more",
    ]
  ) stage.network.publish("s2", "+switch-master", payload);
  stage.network.publish("s2", "-sdown", "master mymaster old 6379");
  await stage.settle();
  assertEquals(await link.command(["GET", "k"]), "value of k");
  server.peers[0]!.answers.SET = null;
  const stored = assertRejects(() => link.command(["SET", "k", "v"]));
  await turn();
  stage.network.publish("s2", "+switch-master", SWITCH);
  const reason = await reasonOf(link);
  assertEquals(
    reason.message,
    'Left old:6379: the Sentinels say that "mymaster" is now new:6379',
  );
  assert(isRetriable(reason));
  assertEquals(await stored, reason);
  await stage.end(link);
});

Deno.test("a link leaves a master in whose place SENTINEL REMOVE and MONITOR put another, whose epochs begin anew", async () => {
  const stage = new Stage(["s1"]);
  stage.network.sentinel("s1", [{ at: "old", epoch: 7 }]);
  stage.network.server("old");
  const link = await stage.connect();
  await stage.settle();
  for (
    const payload of [
      "master mymaster old 6379 quorum 2",
      "master another new 6379 quorum 2",
      "master mymaster",
    ]
  ) stage.network.publish("s1", "+monitor", payload);
  await stage.settle();
  assertEquals(await link.command(["GET", "k"]), "value of k");
  stage.network.sentinel("s1", [{ at: "new", epoch: 0 }]);
  const server = stage.network.server("new");
  stage.network.publish(
    "s1",
    "+monitor",
    "master mymaster new 6379 quorum 2",
  );
  assertStringIncludes((await reasonOf(link)).message, "is now new:6379");
  await stage.end(await stage.connect());
  assertEquals(server.peers.length, 1);
});

Deno.test("a master that moves while it is dialled ends the attempt", async () => {
  const stage = new Stage(["s1"]);
  stage.network.sentinel("s1", [{ at: "old" }]);
  stage.network.host("old").isBlackHole = true;
  const failed = assertRejects(() => stage.connect(), RedisConnectionError);
  await stage.settle();
  stage.network.publish("s1", "+switch-master", SWITCH);
  assertEquals(
    (await failed).message,
    'Left old:6379: the Sentinels say that "mymaster" is now new:6379',
  );
  await stage.end();
});

Deno.test("a Sentinel that was lost is dialled again with growing waits, and tells of a switch that was missed", async () => {
  const stage = new Stage(["s1"]);
  const sentinel = stage.network.sentinel("s1", [{ at: "old", epoch: 5 }]);
  stage.network.server("old");
  const link = await stage.connect();
  await stage.settle();
  const dials: number[] = [];
  sentinel.accept = () => {
    dials.push(stage.runtime.now());
    return new Deno.errors.ConnectionRefused("refused");
  };
  stage.network.listeners("s1")[0]!.transport.end();
  for (let i = 0; i < 300; i++) await stage.runtime.advance(100);
  const waits = dials.slice(1).map((at, i) => at - dials[i]!);
  assert(waits.length > 4 && waits.length < 12, String(waits));
  assert(waits[0]! < waits[1]! && waits.at(-1)! <= 10_000, String(waits));
  // Told once, though it failed many times.
  assertEquals(stage.notices.length, 1);
  assertStringIncludes(
    stage.notices[0]!.message,
    'Cannot listen to any Sentinel of "mymaster"',
  );
  // One that was restored from long ago.
  stage.network.sentinel("s1", [{ at: "ancient", epoch: 4 }]);
  await stage.runtime.advance(10_000);
  assertEquals(stage.network.listeners("s1").length, 1);
  assertEquals(await link.command(["GET", "k"]), "value of k");
  stage.network.listeners("s1")[0]!.transport.end();
  stage.network.sentinel("s1", [{ at: "new", epoch: 6 }]);
  await stage.runtime.advance(250);
  assertStringIncludes((await reasonOf(link)).message, "is now new:6379");
  await stage.end(link);
});

Deno.test("a Sentinel that lets nobody subscribe is told of once, and seldom tried again: it may be mended while the link lives", async () => {
  const stage = new Stage(["s1", "s2"]);
  for (const name of ["s1", "s2"]) stage.network.sentinel(name, [{ at: "m" }]);
  const sentinel = stage.network.host("s1");
  const { accept } = sentinel;
  sentinel.accept = (peer) => {
    accept(peer);
    peer.answers.SUBSCRIBE = "-NOPERM no channels\r\n";
  };
  stage.network.server("m");
  const link = await stage.connect();
  await stage.runtime.advance(29_000);
  // Asked, and listened to in vain.
  assertEquals(sentinel.peers.length, 2);
  await stage.runtime.advance(600_000);
  assert(sentinel.peers.length < 20, String(sentinel.peers.length));
  assertEquals(stage.notices.length, 1);
  assertStringIncludes(stage.notices[0]!.message, "to subscribe to +switch");
  assertEquals(stage.network.listeners("s2").length, 1);
  sentinel.accept = accept;
  await stage.runtime.advance(60_000);
  assertEquals(stage.network.listeners("s1").length, 1);
  await stage.end(link);
});

Deno.test("a link outlives its Sentinels", async () => {
  const stage = new Stage(["s1", "s2"]);
  for (const name of ["s1", "s2"]) stage.network.sentinel(name, [{ at: "m" }]);
  stage.network.server("m");
  const link = await stage.connect();
  await stage.settle();
  for (const name of ["s1", "s2"]) {
    const [listener] = stage.network.listeners(name);
    stage.network.host(name).accept = () => new Error("gone");
    listener!.transport.end();
    await stage.settle();
    assertEquals(stage.notices.length, name === "s1" ? 0 : 1);
  }
  await stage.runtime.advance(60_000);
  assertEquals(await link.command(["GET", "k"]), "value of k");
  assertEquals(stage.notices.length, 1);
  await stage.end(link);
});

Deno.test("SentinelDriver knows the Sentinels that the others told of, when those of the URL fail", async () => {
  const stage = new Stage(["s1"]);
  stage.network.sentinel("s1", [{ at: "m" }], ["s2", "s3"]);
  const server = stage.network.server("m");
  const learned = stage.network.sentinel("s2", [{ at: "m" }]);
  const link = await stage.connect();
  await stage.settle();
  assertEquals(learned.peers.length, 0);
  await link.end(new Error("enough"));
  stage.network.host("s1").accept = () => new Error("gone for good");
  const next = await stage.connect();
  await stage.settle();
  assertEquals(server.peers.length, 2);
  assertEquals(stage.network.listeners("s2").length, 1);
  await stage.end(next);
});

Deno.test("SentinelDriver says what a Sentinel refuses, and shows no password", async () => {
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
    const stage = new Stage(["s1"], { username: "u", password: "S3CRET" });
    const sentinel = stage.network.sentinel("s1", [{ at: "m" }]);
    const { accept } = sentinel;
    sentinel.accept = (peer) => {
      accept(peer);
      peer.answers[command] = answer;
    };
    const error = await assertRejects(() => stage.connect(), RedisError, words);
    assertStringIncludes(error.message, "Sentinel s1:26379");
    assert(sentinel.peers[0]!.commands.includes("AUTH u S3CRET"));
    assert(!isRetriable(error));
    assert(!Deno.inspect(error).includes("S3CRET"), Deno.inspect(error));
    assert(!Deno.inspect(stage.driver, { depth: 9 }).includes("S3CRET"));
    await stage.end();
  }
});

Deno.test("SentinelDriver names sentinel.tls where a Sentinel speaks no TLS, or no other", async () => {
  const stage = new Stage(["s1"], { tls: tlsSources({}, {}) });
  stage.network.host("s1").accept = () =>
    new Deno.errors.InvalidData("received corrupt message");
  const error = await assertRejects(
    () => stage.connect(),
    ConfigurationError,
    "it does not speak TLS",
  );
  assertStringIncludes(error.message, "`sentinel.tls`: as with the servers");
  stage.network.host("s1").isBlackHole = true;
  const silent = assertRejects(() => stage.connect(), RedisConnectionError);
  await stage.runtime.advance(5000);
  assertStringIncludes((await silent).message, "`sentinel.tls`");
  await stage.end();
});

Deno.test("SentinelDriver takes a malformed answer for a failure that may pass", async () => {
  for (const answer of ["+OK\r\n", "*1\r\n:1\r\n", "*1\r\n*0\r\n"]) {
    const stage = new Stage(["s1"]);
    stage.network.host("s1").accept = (peer) => {
      peer.answers["SENTINEL MASTERS"] = answer;
    };
    await assertRejects(() => stage.connect(), RedisConnectionError, "Read");
    await stage.end();
  }
});

Deno.test("SentinelDriver names the permission that is missing, for Sentinels and for the master", async () => {
  const refusal = new Deno.errors.NotCapable("Requires net access");
  const stage = new Stage(["s1", "s2"]);
  for (const name of ["s1", "s2"]) {
    stage.network.host(name).accept = () => refusal;
  }
  await assertRejects(
    () => stage.connect(),
    ConfigurationError,
    "--allow-net=s1:26379",
  );
  // With another that answers it is worth a notice.
  stage.network.sentinel("s2", [{ at: "m" }]);
  stage.network.server("m");
  await stage.end(await stage.connect());
  assertStringIncludes(stage.notices[0]!.message, "--allow-net=s1:26379");
  stage.network.host("m").accept = () => refusal;
  const error = await assertRejects(() => stage.connect(), ConfigurationError);
  assertStringIncludes(error.message, "--allow-net=m:6379");
  assertStringIncludes(error.message, "the Sentinels announce it");
  await stage.end();
});

Deno.test("keepAlive(false) lets no connection of a link keep the process alive, and the watch never does", async () => {
  const stage = new Stage(["s1"]);
  stage.network.sentinel("s1", [{ at: "m" }]);
  stage.network.server("m");
  const link = await stage.connect();
  await stage.settle();
  assert(!stage.network.listeners("s1")[0]!.transport.isRef);
  link.keepAlive(false);
  for (const { transport } of stage.network.peers) {
    assert(transport.closed > 0 || !transport.isRef);
  }
  link.keepAlive(true);
  assert(stage.network.host("m").peers[0]!.transport.isRef);
  await stage.end(link);
});
