import { RedisConnectionError, RedisError } from "../../../src/errors.ts";
import type { RedisLink } from "../../../src/redis/link.ts";
import { UnreachableChannelsError } from "../../../src/redis/unreachable.ts";
import { isRetriable } from "../../../src/redis/retriable.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../../support/assert.ts";
import { FakeCluster, type Range } from "../../support/fake_cluster.ts";
import { array, bulk, message } from "../../support/fake_peer.ts";
import { turn } from "../../support/turn.ts";

// Slots 5061 and 12182: the first half is at 7000, the second at 7001.
const [LOW, HIGH] = ["bar", "foo"];
const TO_7001 = "-MOVED 5061 redis.test:7001\r\n";
const ASK_7001 = "-ASK 5061 redis.test:7001\r\n";
const ALL_AT_7001: Range[] = [[0, 16_383, 7001]];

/** The commands that a connection received, without handshake and checks. */
function sent(commands: readonly string[]): string[] {
  return commands.filter((command) =>
    !/^(PING|PUBSUB|CLUSTER)\b/.test(command)
  );
}

/** A node's message about a sharded channel. */
function sharded(kind: string, channel: string): string {
  return array(bulk(kind), bulk(channel), ":1\r\n");
}

async function subscribed(
  cluster: FakeCluster,
  ...channels: string[]
): Promise<RedisLink> {
  const link = await cluster.connect();
  await link.subscribe(channels);
  return link;
}

Deno.test("ClusterLink subscribes each channel at the owner of its slot, and reads there with single GETs", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW, HIGH);
  assertEquals(await link.read([HIGH, LOW, "hello"]), [
    "value of foo",
    "value of bar",
    "value of hello",
  ]);
  assertEquals(sent(cluster.subscriber(7000).commands), ["SUBSCRIBE bar"]);
  assertEquals(sent(cluster.subscriber(7001).commands), ["SUBSCRIBE foo"]);
  assertEquals(sent(cluster.commands(7000).commands), ["GET bar", "GET hello"]);
  assertEquals(sent(cluster.commands(7001).commands), ["GET foo"]);
  await link.unsubscribe([LOW, HIGH]);
  assertEquals(sent(cluster.subscriber(7001).commands)[1], "UNSUBSCRIBE foo");
  assertEquals(await link.read([]), []);
  await cluster.end(link);
});

Deno.test("ClusterLink dials a node when it is first needed, and only once", async () => {
  const cluster = new FakeCluster();
  const link = await cluster.connect();
  assertEquals(cluster.dialled, [7000]);
  await link.command(["PING"]);
  await Promise.all([
    link.command(["GET", HIGH]),
    link.command(["GET", HIGH]),
    link.fence(),
  ]);
  assertEquals(cluster.dialled, [7000, 7001]);
  await cluster.end(link);
});

Deno.test("ClusterLink sends calls to a node in order, before and after it is connected", async () => {
  const cluster = new FakeCluster();
  const link = await cluster.connect();
  for (const known of [0, 3]) {
    await Promise.all([
      link.subscribe([HIGH]),
      link.unsubscribe([HIGH]),
      link.subscribe([HIGH]),
      link.command(["SET", HIGH, 1]),
      link.command(["SET", HIGH, 2]),
    ]);
    assertEquals(
      sent(cluster.subscriber(7001).commands).slice(known),
      ["SUBSCRIBE foo", "UNSUBSCRIBE foo", "SUBSCRIBE foo"],
    );
    assertEquals(
      sent(cluster.commands(7001).commands).slice(-2),
      ["SET foo 1", "SET foo 2"],
    );
  }
  await cluster.end(link);
});

Deno.test("ClusterLink reads keys that share a slot with one MGET, and one by one while the slot is migrated", async () => {
  const cluster = new FakeCluster();
  const link = await cluster.connect();
  const keys = ["{bar}1", "{bar}2", "{bar}3"];
  const values = keys.map((key) => `value of ${key}`);
  assertEquals(await link.read(keys), values);
  const { answers, commands } = cluster.commands(7000);
  assertEquals(sent(commands), [`MGET ${keys.join(" ")}`]);

  answers.MGET = "-TRYAGAIN Multiple keys request during rehashing of slot\r\n";
  answers["GET {bar}2"] = ASK_7001;
  assertEquals(await link.read(keys), values);
  assertEquals(sent(commands).slice(-3), keys.map((key) => `GET ${key}`));
  assertEquals(sent(cluster.commands(7001).commands), [
    "ASKING",
    "GET {bar}2",
  ]);

  // Before Redis 7, this means that some of them are missing here.
  answers.MGET = ASK_7001;
  assertEquals(await link.read(keys), values);
  assertEquals(sent(commands).slice(-3), keys.map((key) => `GET ${key}`));
  assertEquals(sent(cluster.commands(7001).commands).slice(2), [
    "ASKING",
    "GET {bar}2",
  ]);

  // Each after its own ASKING: the new node may have only some of them.
  for (const key of keys) answers[`GET ${key}`] = ASK_7001;
  assertEquals(await link.read(keys), values);
  assertEquals(
    sent(cluster.commands(7001).commands).slice(4),
    keys.flatMap((key) => ["ASKING", `GET ${key}`]),
  );
  await cluster.end(link);
});

Deno.test("ClusterLink reads a key of another type as missing, as MGET does", async () => {
  const cluster = new FakeCluster();
  const link = await cluster.connect();
  const { answers } = cluster.commands(7000);
  answers[`GET ${LOW}`] = "-WRONGTYPE wrong kind\r\n";
  answers["GET {bar}2"] = "$-1\r\n";
  assertEquals(await link.read([LOW]), [null]);
  assertEquals(await link.read(["{bar}2"]), [null]);
  answers.GET = "-NOPERM no get\r\n";
  await assertRejects(() => link.read(["{bar}3"]), RedisError, "NOPERM");
  await cluster.end(link);
});

for (const redirection of [TO_7001, ASK_7001]) {
  const [word] = redirection.slice(1).split(" ");
  const asking = word === "ASK" ? ["ASKING"] : [];

  Deno.test(`ClusterLink starts over at the new node after a read's ${word}: subscribe, confirm, read`, async () => {
    const cluster = new FakeCluster();
    cluster.onDial = (peer, port) => {
      if (port === 7001) peer.answers.SUBSCRIBE = null;
    };
    const link = await subscribed(cluster, LOW);
    cluster.commands(7000).answers[`GET ${LOW}`] = redirection;
    const reading = link.read([LOW]);
    await turn();
    const { commands } = cluster.commands(7001);
    const subscriber = cluster.subscriber(7001);
    assertEquals(sent(subscriber.commands), ["SUBSCRIBE bar"]);
    assertEquals(sent(commands), []);

    // The old node's messages count until the new one has confirmed.
    cluster.subscriber(7000).say(message(LOW, "old, early"));
    subscriber.say(message(LOW, "new, early"));
    await turn();
    assertEquals(cluster.moved, []);
    subscriber.say(array(bulk("subscribe"), bulk(LOW), ":1\r\n"));
    assertEquals(await reading, ["value of bar"]);
    assertEquals(sent(commands), [...asking, "GET bar"]);
    assertEquals(cluster.moved, [[LOW]]);
    cluster.subscriber(7000).say(message(LOW, "old, late"));
    subscriber.say(message(LOW, "new"));
    await turn();
    assertEquals(cluster.messages, [[LOW, "old, early"], [LOW, "new"]]);
    assertEquals(sent(cluster.subscriber(7000).commands), [
      "SUBSCRIBE bar",
      "UNSUBSCRIBE bar",
    ]);
    await cluster.end(link);
  });
}

Deno.test("ClusterLink sends nothing between ASKING and the command, nor between ASKING and its transaction", async () => {
  const cluster = new FakeCluster();
  const link = await cluster.connect();
  await link.command(["GET", HIGH]);
  const { answers } = cluster.commands(7000);
  answers.EVAL =
    answers.MULTI =
    answers.SET =
    answers.EXEC =
      ASK_7001;
  const commands = [["SET", LOW, "v"], ["PUBLISH", LOW, "v"]];
  cluster.commands(7001).answers.EXEC = array("+OK\r\n", ":0\r\n");
  const replies = await Promise.all([
    link.command(["EVAL", "script", 1, LOW]),
    link.command(["GET", HIGH]),
    link.transaction(commands),
    link.command(["GET", "nil"]),
    link.command(["EVAL", "script", 1, LOW]),
  ]);
  assertEquals(replies[2], ["OK", 0]);
  const all = sent(cluster.commands(7001).commands);
  assertEquals(all.filter((command) => command === "ASKING").length, 3);
  for (const [index, command] of all.entries()) {
    if (command === "EVAL script 1 bar") assertEquals(all[index - 1], "ASKING");
    if (command === "MULTI") {
      assertEquals(all.slice(index - 1, index + 4), [
        "ASKING",
        "MULTI",
        "SET bar v",
        "PUBLISH bar v",
        "EXEC",
      ]);
    }
  }
  // ASK applies once: the map is unchanged.
  await link.command(["GET", LOW]);
  assertEquals(sent(cluster.commands(7000).commands).at(-1), "GET bar");
  await cluster.end(link);
});

Deno.test("ClusterLink moves a channel back after ASK once the owner serves its key again", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW);
  const { answers } = cluster.commands(7000);
  answers[`GET ${LOW}`] = ASK_7001;
  await link.read([LOW]);
  // The map is consistent with this.
  cluster.reshard([[0, 8191, 7000], [8192, 8192, 7000], [8193, 16_383, 7001]]);
  await cluster.runtime.advance(5000);
  assertEquals(cluster.moved, [[LOW]]);

  answers[`GET ${LOW}`] = bulk("back");
  assertEquals(await link.read([LOW]), ["back"]);
  assertEquals(cluster.moved, [[LOW], [LOW]]);
  cluster.subscriber(7000).say(message(LOW, "old"));
  cluster.subscriber(7001).say(message(LOW, "new"));
  await turn();
  assertEquals(cluster.messages, [[LOW, "old"]]);
  await cluster.end(link);
});

Deno.test("ClusterLink forgets an ASK once the slot has migrated, and follows it back", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW);
  cluster.commands(7000).answers[`GET ${LOW}`] = ASK_7001;
  await link.read([LOW]);
  cluster.reshard(ALL_AT_7001);
  await cluster.runtime.advance(5000);
  assertEquals(cluster.moved, [[LOW]]);
  cluster.reshard([[0, 8191, 7000], [8192, 16_383, 7001]]);
  await cluster.runtime.advance(5000);
  assertEquals(cluster.moved, [[LOW], [LOW]]);
  // Its connections were closed meanwhile, and dialled again.
  cluster.peers(7000).at(-1)!.say(message(LOW, "v"));
  await turn();
  assertEquals(cluster.messages, [[LOW, "v"]]);
  await cluster.end(link);
});

Deno.test("ClusterLink moves channels by the refreshed map, and retires a node without slots", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW, HIGH);
  cluster.commands(7000).answers.SET = null;
  const stored = link.command(["SET", LOW, "v"]);
  await turn();
  cluster.reshard(ALL_AT_7001);
  await cluster.runtime.advance(5000);
  assertEquals(cluster.moved, [[LOW]]);
  assertEquals(sent(cluster.subscriber(7001).commands), [
    "SUBSCRIBE foo",
    "SUBSCRIBE bar",
  ]);
  assertEquals(await link.read([LOW, HIGH]), ["value of bar", "value of foo"]);
  // Commands in flight finish, and its end does not end the link.
  cluster.commands(7000).say("+OK\r\n");
  assertEquals(await stored, "OK");
  await turn();
  for (const { transport } of cluster.peers(7000)) {
    assertEquals(transport.closed, 1);
  }
  await link.fence();
  await cluster.end(link);
});

Deno.test("ClusterLink follows MOVED for one key at once, and then moves the channels of other slots", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW, "{bar}2", "hello");
  cluster.reshard(ALL_AT_7001);
  cluster.commands(7000).answers.EVAL = TO_7001;
  await link.command(["EVAL", "script", 1, LOW]);
  await cluster.runtime.advance(250);
  assertEquals(cluster.moved, [[LOW, "{bar}2", "hello"]]);
  await cluster.end(link);
});

Deno.test("ClusterLink leaves nothing subscribed when a channel is unsubscribed during its move", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW, HIGH);
  cluster.subscriber(7001).answers.SUBSCRIBE = null;
  cluster.commands(7000).answers[`GET ${LOW}`] = TO_7001;
  const reading = link.read([LOW]);
  await turn();
  await link.unsubscribe([LOW]);
  cluster.subscriber(7001).say(
    array(bulk("subscribe"), bulk(LOW), ":2\r\n") + message(LOW, "late"),
  );
  await reading;
  await turn();
  for (const port of [7000, 7001]) {
    const commands = sent(cluster.subscriber(port).commands);
    assertEquals(commands.at(-1), "UNSUBSCRIBE bar");
  }
  assertEquals([cluster.moved, cluster.messages], [[], []]);
  await cluster.end(link);
});

Deno.test("ClusterLink.fence waits for every subscribed node", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW, HIGH);
  const peers = [cluster.subscriber(7000), cluster.subscriber(7001)];
  for (const { answers } of peers) answers.PING = null;
  let isFenced = false;
  const fenced = link.fence().then(() => isFenced = true);
  for (const peer of peers) {
    await turn();
    assertEquals(isFenced, false);
    const nonce = peer.commands.at(-1)!.slice("PING ".length);
    peer.say(
      message(peer === peers[0] ? LOW : HIGH, "v") +
        array(bulk("pong"), bulk(nonce)),
    );
  }
  await fenced;
  assertEquals(cluster.messages, [[LOW, "v"], [HIGH, "v"]]);
  await cluster.end(link);
});

Deno.test("ClusterLink continues when a node is retired while a fence or an UNSUBSCRIBE waits for it", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW, "{bar}2", HIGH);
  const { answers } = cluster.subscriber(7000);
  answers.PING = answers.UNSUBSCRIBE = null;
  const waiting = Promise.all([link.fence(), link.unsubscribe(["{bar}2"])]);
  await turn();
  cluster.reshard(ALL_AT_7001);
  await cluster.runtime.advance(5000);
  await waiting;
  for (const { transport } of cluster.peers(7000)) {
    assertEquals(transport.closed, 1);
  }
  assertEquals(await link.read([LOW]), ["value of bar"]);
  await cluster.end(link);
});

Deno.test("ClusterLink ends with the first connection that dies, and lets commands in flight elsewhere finish", async () => {
  for (const port of [7000, 7001]) {
    for (const index of [0, 1]) {
      const cluster = new FakeCluster();
      const link = await subscribed(cluster, LOW, HIGH);
      const other = port === 7000 ? 7001 : 7000;
      cluster.commands(other).answers.SET = null;
      const stored = link.command(["SET", port === 7000 ? HIGH : LOW, "v"]);
      await turn();
      cluster.peers(port)[index]!.transport.end();
      const reason = await link.ended;
      assertInstanceOf(reason, RedisConnectionError);
      for (
        const call of [
          () => link.command(["GET", LOW]),
          () => link.read([HIGH]),
          () => link.subscribe(["l"]),
          () => link.unsubscribe([LOW]),
          () => link.fence(),
          () => link.transaction([["SET", LOW, "v"]]),
        ]
      ) assertStrictEquals(await assertRejects(call), reason);
      cluster.commands(other).say("+OK\r\n");
      assertEquals(await stored, "OK");
      await cluster.end(link);
    }
  }
});

Deno.test("ClusterLink fails only the calls that need an unreachable node", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW);
  let isDown = true;
  cluster.onDial = (_, port) =>
    port === 7001 && isDown
      ? new Deno.errors.ConnectionRefused("refused")
      : undefined;
  await assertRejects(
    () => link.command(["GET", HIGH]),
    RedisConnectionError,
    "redis.test:7001: refused (this address is what the cluster announces)",
  );
  assertEquals(await link.command(["GET", LOW]), "value of bar");
  await link.fence();
  // Another node may serve its slots by now.
  const { commands } = cluster.commands(7000);
  const asked = (): number =>
    commands.filter((each) => each.startsWith("CLUSTER")).length;
  const before = asked();
  await cluster.runtime.advance(250);
  assertEquals(asked(), before + 1);
  isDown = false;
  assertEquals(await link.command(["GET", HIGH]), "value of foo");
  await cluster.end(link);
});

for (const sharded of [false, true]) {
  Deno.test(`ClusterLink subscribes what it can reach, and names the rest, sharded: ${sharded}`, async () => {
    const cluster = new FakeCluster(undefined, [7000], { sharded });
    let isDown = true;
    cluster.onDial = ({ answers }, port) => {
      const confirmation = (channel: string): string =>
        array(bulk("ssubscribe"), bulk(channel), ":1\r\n");
      answers[`SSUBSCRIBE ${LOW}`] = confirmation(LOW);
      answers[`SSUBSCRIBE ${HIGH}`] = confirmation(HIGH);
      return port === 7001 && isDown
        ? new Deno.errors.ConnectionRefused("refused")
        : undefined;
    };
    const link = await cluster.connect();
    const error = await assertRejects(
      () => link.subscribe([LOW, HIGH]),
      UnreachableChannelsError,
      "redis.test:7001",
    );
    assertEquals([...error.channels], [HIGH]);
    assert(cluster.notices[0]!.message.includes("redis.test:7001"));
    assertEquals(await link.read([LOW]), ["value of bar"]);
    cluster.subscriber(7000).say(message(LOW, "v"));
    await link.unsubscribe([HIGH]);
    await turn();
    assertEquals(cluster.messages, [[LOW, "v"]]);

    isDown = false;
    await link.subscribe([HIGH]);
    cluster.subscriber(7001).say(message(HIGH, "w"));
    await turn();
    assertEquals(cluster.messages.at(-1), [HIGH, "w"]);
    await cluster.end(link);
  });
}

Deno.test("ClusterLink refreshes the map when a node does not serve a slot", async () => {
  const cluster = new FakeCluster();
  const link = await cluster.connect();
  const { answers, commands } = cluster.commands(7000);
  for (const [index, code] of ["MASTERDOWN", "CLUSTERDOWN"].entries()) {
    answers.EVAL = answers.GET = `-${code} not now\r\n`;
    for (
      const call of [
        () => link.command(["EVAL", "script", 1, LOW]),
        () => link.read([LOW]),
      ]
    ) {
      const error = await assertRejects(call, RedisError, code);
      assert(isRetriable(error));
    }
    await cluster.runtime.advance(250);
    const asked = commands.filter((each) => each === "CLUSTER SLOTS").length;
    assertEquals(asked, index + 2);
  }
  // The next attempt goes to the present master.
  cluster.reshard(ALL_AT_7001);
  await assertRejects(() => link.read([LOW]));
  await cluster.runtime.advance(250);
  assertEquals(await link.read([LOW]), ["value of bar"]);
  await cluster.end(link);
});

Deno.test("ClusterLink refreshes the map when MOVED has no host, as from a node that has just started", async () => {
  const cluster = new FakeCluster();
  const link = await cluster.connect();
  cluster.commands(7000).answers.GET = "-MOVED 5061 ?:7001\r\n";
  cluster.reshard(ALL_AT_7001);
  for (
    const call of [() => link.command(["GET", LOW]), () => link.read([LOW])]
  ) {
    const error = await assertRejects(call, RedisConnectionError, "hostname");
    assert(isRetriable(error));
  }
  await cluster.runtime.advance(250);
  assertEquals(await link.read([LOW]), ["value of bar"]);
  await cluster.end(link);
});

Deno.test("ClusterLink sends DEL key by key while the slot is migrated", async () => {
  const cluster = new FakeCluster();
  cluster.onDial = ({ answers }) => {
    answers.DEL = ":1\r\n";
  };
  const link = await cluster.connect();
  const { answers, commands } = cluster.commands(7000);
  answers["DEL {bar}1"] = "-TRYAGAIN Multiple keys request\r\n";
  answers["DEL {bar}2"] = ASK_7001;
  // For a single key, the refusal is thrown.
  await assertRejects(
    () => link.command(["DEL", "{bar}1", "{bar}2"]),
    RedisError,
    "TRYAGAIN",
  );
  assertEquals(sent(commands), [
    "DEL {bar}1 {bar}2",
    "DEL {bar}1",
    "DEL {bar}2",
  ]);
  await turn();
  assertEquals(sent(cluster.commands(7001).commands), ["ASKING", "DEL {bar}2"]);
  await cluster.end(link);
});

Deno.test("ClusterLink names the node that refuses a command", async () => {
  const cluster = new FakeCluster();
  cluster.onDial = (peer, port) => {
    if (port === 7000) return;
    peer.answers.GET = "-NOPERM no get\r\n";
    peer.answers.SUBSCRIBE = "-NOPERM no channels\r\n";
  };
  const link = await cluster.connect();
  for (
    const call of [
      () => link.read([LOW, HIGH]),
      () => link.command(["GET", HIGH]),
      () => link.subscribe([LOW, HIGH]),
    ]
  ) {
    const error = await assertRejects(call, RedisError, "redis.test:7001");
    assertEquals([error.code, isRetriable(error)], ["NOPERM", false]);
  }
  await cluster.end(link);
});

Deno.test("ClusterLink resubscribes sharded channels that a node has dropped, one command per slot", async () => {
  const cluster = new FakeCluster(undefined, [7000], { sharded: true });
  const channels = [LOW, "{bar}2", "hello"];
  cluster.onDial = ({ answers }) => {
    for (const channel of channels) {
      answers[`SSUBSCRIBE ${channel}`] = channel === LOW
        ? sharded("ssubscribe", LOW) + sharded("ssubscribe", "{bar}2")
        : sharded("ssubscribe", channel);
    }
  };
  const link = await subscribed(cluster, ...channels);
  const peer = cluster.subscriber(7000);
  const commands = ["SSUBSCRIBE bar {bar}2", "SSUBSCRIBE hello"];
  assertEquals(sent(peer.commands), commands);
  // The map does not show it: the slots are back already.
  peer.say(channels.map((each) => sharded("sunsubscribe", each)).join(""));
  await turn();
  assertEquals(sent(peer.commands), [...commands, ...commands]);
  assertEquals(cluster.moved.flat(), channels);
  await cluster.end(link);
});

Deno.test("ClusterLink ends when it can reach no node", async () => {
  // The seed is a replica.
  const cluster = new FakeCluster([[0, 16_383, 7001, 7000]]);
  cluster.onDial = (_, port) =>
    port === 7001 ? new Deno.errors.ConnectionRefused("refused") : undefined;
  const link = await cluster.connect();
  await assertRejects(() => link.command(["GET", LOW]), RedisConnectionError);
  assertInstanceOf(await link.ended, RedisConnectionError);
  await cluster.end(link);
});

Deno.test("ClusterLink stops following redirections that go in circles, with a transient error", async () => {
  const cluster = new FakeCluster();
  cluster.onDial = (peer, port) => {
    const other = port === 7000 ? 7001 : 7000;
    peer.answers.GET = `-MOVED 5061 redis.test:${other}\r\n`;
  };
  const link = await subscribed(cluster, LOW);
  for (
    const call of [() => link.read([LOW]), () => link.command(["GET", LOW])]
  ) {
    const error = await assertRejects(
      call,
      RedisConnectionError,
      "Followed 5 redirections",
    );
    assert(isRetriable(error));
  }
  const gets = [7000, 7001].flatMap((port) =>
    cluster.commands(port).commands.filter((each) => each.startsWith("GET"))
  );
  assertEquals(gets.length, 12);
  await cluster.end(link);
});

Deno.test("ClusterLink throws CLUSTERDOWN for a slot without an owner", async () => {
  const cluster = new FakeCluster([[0, 8191, 7000]]);
  const link = await subscribed(cluster, LOW);
  for (
    const call of [
      () => link.read([LOW, HIGH]),
      () => link.command(["GET", HIGH]),
    ]
  ) {
    const error = await assertRejects(call, RedisError, "CLUSTERDOWN");
    assert(isRetriable(error));
  }
  // The other nodes are not affected: the slot may stay without an owner.
  await link.unsubscribe([LOW]);
  const error = await assertRejects(
    () => link.subscribe([HIGH, LOW]),
    UnreachableChannelsError,
    "CLUSTERDOWN",
  );
  assertEquals([...error.channels], [HIGH]);
  assertEquals(
    sent(cluster.subscriber(7000).commands).at(-1),
    "SUBSCRIBE bar",
  );
  cluster.reshard([[0, 16_383, 7000]]);
  await cluster.runtime.advance(250);
  await link.subscribe([HIGH]);
  await cluster.end(link);
});

Deno.test("ClusterLink splits DEL and EXISTS by slot, and adds up the replies", async () => {
  const cluster = new FakeCluster();
  cluster.onDial = ({ answers }) => {
    answers.DEL = ":1\r\n";
    answers["DEL {bar}1"] = ":2\r\n";
  };
  const link = await cluster.connect();
  assertEquals(await link.command(["DEL", "{bar}1", HIGH, "{bar}2"]), 3);
  assertEquals(sent(cluster.commands(7000).commands), ["DEL {bar}1 {bar}2"]);
  assertEquals(sent(cluster.commands(7001).commands), ["DEL foo"]);
  await cluster.end(link);
});

Deno.test("ClusterLink refuses commands across slots without sending them", async () => {
  const cluster = new FakeCluster();
  const link = await cluster.connect();
  for (
    const call of [
      () => link.command(["EVAL", "script", 2, LOW, HIGH]),
      () => link.command(["MGET", LOW, HIGH]),
      () => link.transaction([["SET", LOW, "v"], ["SET", HIGH, "v"]]),
    ]
  ) {
    const error = await assertRejects(call, RedisError, "hash tag");
    assertEquals([error.code, isRetriable(error)], ["CROSSSLOT", false]);
  }
  assertEquals(sent(cluster.commands(7000).commands), []);
  assert(link.sharesNode?.([LOW, "{bar}2"]));
  assert(link.sharesNode?.([]));
  assertEquals(link.sharesNode?.([LOW, HIGH]), false);
  await cluster.end(link);
});

Deno.test("ClusterLink.keepAlive applies to every connection, present and future", async () => {
  const cluster = new FakeCluster();
  const link = await cluster.connect();
  link.keepAlive(false);
  await link.subscribe([LOW, HIGH]);
  const transports = [7000, 7001].flatMap((port) =>
    cluster.peers(port).map(({ transport }) => transport)
  );
  assertEquals(transports.length, 4);
  for (const transport of transports) assertEquals(transport.isRef, false);
  link.keepAlive(true);
  await turn();
  for (const transport of transports) assertEquals(transport.isRef, true);
  await cluster.end(link);
});

Deno.test("ClusterLink.end can be called at any time, and leaves nothing behind", async () => {
  const cluster = new FakeCluster();
  const link = await subscribed(cluster, LOW, HIGH);
  cluster.subscriber(7001).answers.SUBSCRIBE = null;
  cluster.commands(7000).answers["CLUSTER SLOTS"] = null;
  cluster.commands(7001).answers["CLUSTER SLOTS"] = null;
  cluster.commands(7000).answers[`GET ${LOW}`] = TO_7001;
  const reading = assertRejects(() => link.read([LOW]));
  // A move is under way, and a refresh of the map.
  await cluster.runtime.advance(300);
  const reason = new Error("enough");
  const ended = link.end(reason);
  assertStrictEquals(link.end(new Error("another")), ended);
  await cluster.runtime.advance(5000);
  await ended;
  assertStrictEquals(await link.ended, reason);
  assertStrictEquals(await reading, reason);
  cluster.checkNothingLeft();
});
