import { RedisConnectionError, RedisError } from "../../../src/errors.ts";
import type { ConnectionOptions } from "../../../src/redis/server/connection.ts";
import type { RedisLink } from "../../../src/redis/link.ts";
import { TcpDriver } from "../../../src/redis/server/driver.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../../support/assert.ts";
import {
  array,
  bulk,
  FakeNetwork,
  type FakePeer,
  message,
} from "../../support/fake_peer.ts";
import { FakeRuntime } from "../../support/fake_runtime.ts";
import { turn } from "../../support/turn.ts";

class Fixture {
  readonly network = new FakeNetwork();
  readonly runtime = new FakeRuntime({ dial: this.network.dial });
  readonly notices: Error[] = [];
  readonly messages: [string, unknown][] = [];

  connect(options: Partial<ConnectionOptions> = {}): Promise<RedisLink> {
    return new TcpDriver({
      address: { hostname: "redis.test", port: 6379 },
      db: 0,
      connectTimeout: 5000,
      heartbeat: 1e9,
      runtime: this.runtime,
      ...options,
    }).connect({
      onMessage: (channel, payload) => this.messages.push([channel, payload]),
      onNotice: (notice) => this.notices.push(notice),
    }, new AbortController().signal);
  }

  get commands(): FakePeer {
    return this.network.peer(0);
  }

  get subscriber(): FakePeer {
    return this.network.peer(1);
  }

  async end(link: RedisLink): Promise<void> {
    await link.end(new Error("end of the test"));
    assertEquals(this.runtime.timers, 0);
    for (const { transport } of this.network.peers) {
      assertEquals(transport.closed, 1);
    }
  }
}

Deno.test("TcpLink dials the subscribing connection on first use, once", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  await link.fence();
  await link.unsubscribe(["k"]);
  await link.subscribe([]);
  assertEquals(await link.read([]), []);
  assertEquals(await link.read(["k", "l"]), ["value of k", "value of l"]);
  assertEquals(fixture.network.peers.length, 1);
  await Promise.all([link.subscribe(["k"]), link.subscribe(["l"])]);
  fixture.subscriber.say(message("k", "v"));
  await turn();
  assertEquals(fixture.messages, [["k", "v"]]);
  assertEquals(fixture.network.peers.length, 2);
  await fixture.end(link);
});

Deno.test("TcpLink sends calls in order, before the connection is open and after", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  for (const known of [1, 5]) {
    await Promise.all([
      link.subscribe(["k"]),
      link.unsubscribe(["k"]),
      link.fence(),
      link.subscribe(["k"]),
    ]);
    const sent = fixture.subscriber.commands.slice(known).map((command) =>
      command.replace(/^PING .*/, "PING")
    );
    assertEquals(sent, ["SUBSCRIBE k", "UNSUBSCRIBE k", "PING", "SUBSCRIBE k"]);
  }
  await fixture.end(link);
});

Deno.test("TcpLink ends when its connections reached different servers", async () => {
  const fixture = new Fixture();
  fixture.network.onDial = (peer) => {
    peer.answers.PUBSUB = array(bulk("k"), ":0\r\n");
  };
  const link = await fixture.connect();
  const outcomes = await Promise.allSettled([
    link.subscribe(["k"]),
    link.subscribe(["l"]),
  ]);
  for (const outcome of outcomes) {
    assert(outcome.status === "rejected");
    assertInstanceOf(outcome.reason, RedisConnectionError);
    assert(outcome.reason.message.includes("different Redis servers"));
  }
  assertInstanceOf(await link.ended, RedisConnectionError);
  await fixture.end(link);
});

Deno.test("TcpLink checks once that the server is the same, and reports a refusal as a notice", async () => {
  for (const answer of [undefined, "-NOPERM no PUBSUB\r\n"]) {
    const fixture = new Fixture();
    fixture.network.onDial = (peer) => {
      if (answer !== undefined) peer.answers.PUBSUB = answer;
    };
    const link = await fixture.connect();
    await Promise.all([link.subscribe(["k"]), link.subscribe(["l"])]);
    await link.subscribe(["m"]);
    assertEquals(
      fixture.commands.commands.filter((each) => each.startsWith("PUBSUB")),
      ["PUBSUB NUMSUB k"],
    );
    assertEquals(fixture.notices.length, answer === undefined ? 0 : 1);
    await fixture.end(link);
  }
});

Deno.test("TcpLink checks sharded channels if those are subscribed", async () => {
  const fixture = new Fixture();
  fixture.network.onDial = ({ answers }) => {
    answers.SSUBSCRIBE = array(bulk("ssubscribe"), bulk("k"), ":1\r\n");
  };
  const link = await fixture.connect({ sharded: true });
  await link.subscribe(["k"]);
  assertEquals(fixture.commands.commands.at(-1), "PUBSUB SHARDNUMSUB k");
  assertEquals(fixture.subscriber.commands.at(-1), "SSUBSCRIBE k");
  await fixture.end(link);
});

Deno.test("TcpLink ignores a check of a channel that was unsubscribed meanwhile, and checks again later", async () => {
  // Unsubscribed before the confirmation arrived, and after the check was sent.
  for (const isEarly of [true, false]) {
    const fixture = new Fixture();
    const link = await fixture.connect();
    fixture.commands.answers["PUBSUB NUMSUB"] = null;
    const subscribed = link.subscribe(["k"]);
    if (!isEarly) {
      while (fixture.commands.commands.length < 2) await turn();
    }
    const unsubscribed = link.unsubscribe(["k"]);
    await turn();
    if (fixture.commands.commands.includes("PUBSUB NUMSUB k")) {
      fixture.commands.say(array(bulk("k"), ":0\r\n"));
    }
    await Promise.all([subscribed, unsubscribed]);
    delete fixture.commands.answers["PUBSUB NUMSUB"];
    await link.subscribe(["l"]);
    assert(fixture.commands.commands.includes("PUBSUB NUMSUB l"));
    await fixture.end(link);
  }
});

Deno.test("TcpLink.fence accepts its nonce in both forms of the answer, and ends the link on another", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  await link.subscribe(["k"]);
  await link.fence();
  await link.unsubscribe(["k"]);
  await link.fence();
  fixture.subscriber.answers.PING = bulk("another");
  await assertRejects(() => link.fence(), RedisConnectionError, "another");
  assertInstanceOf(await link.ended, RedisConnectionError);
  await assertRejects(() => link.fence(), RedisConnectionError, "another");
  await fixture.end(link);
});

Deno.test("TcpLink.fence resolves after the messages that arrived before its answer", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  await link.subscribe(["k"]);
  fixture.subscriber.answers.PING = null;
  const seen: number[] = [];
  const fenced = link.fence().then(() => seen.push(fixture.messages.length));
  await turn();
  const nonce = fixture.subscriber.commands.at(-1)!.slice("PING ".length);
  fixture.subscriber.say(
    message("k", "1") + message("k", "2") + array(bulk("pong"), bulk(nonce)),
  );
  await fenced;
  assertEquals(seen, [2]);
  await fixture.end(link);
});

Deno.test("TcpLink lets commands in flight finish when the subscribed connection dies", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  await link.subscribe(["k"]);
  fixture.commands.answers.SET = null;
  const stored = link.command(["SET", "k", "v"]);
  await turn();
  fixture.subscriber.transport.end();
  const reason = await link.ended;
  assertStrictEquals(
    await assertRejects(() => link.command(["GET", "k"])),
    reason,
  );
  assertStrictEquals(await assertRejects(() => link.subscribe(["l"])), reason);
  await fixture.runtime.advance(4999);
  fixture.commands.say("+OK\r\n");
  assertEquals(await stored, "OK");
  await fixture.end(link);
});

Deno.test("TcpLink rejects commands that do not finish in time", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  fixture.commands.answers.SET = null;
  const reason = new Error("enough");
  const stored = assertRejects(() => link.command(["SET", "k", "v"]));
  await turn();
  const ended = link.end(reason);
  await fixture.runtime.advance(5000);
  await ended;
  assertStrictEquals(await stored, reason);
  await fixture.end(link);
});

Deno.test("TcpLink ends with the command connection, and the subscribed one with it", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  await link.subscribe(["k"]);
  fixture.commands.transport.end();
  assertInstanceOf(await link.ended, RedisConnectionError);
  await fixture.end(link);
});

Deno.test("TcpLink.end is idempotent, and stops a dial in progress", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  fixture.network.isBlackHole = true;
  const subscribed = assertRejects(() => link.subscribe(["k"]));
  const left = assertRejects(() => link.unsubscribe(["k"]));
  const fenced = assertRejects(() => link.fence());
  await turn();
  const reason = new Error("enough");
  const first = link.end(reason);
  assertStrictEquals(link.end(new Error("another")), first);
  await first;
  assertStrictEquals(await link.ended, reason);
  for (const failed of [subscribed, left, fenced]) {
    assertStrictEquals(await failed, reason);
  }
  assertEquals(fixture.network.aborted, 1);
  await fixture.end(link);
});

Deno.test("TcpLink ends when its second connection cannot be opened", async () => {
  const fixture = new Fixture();
  fixture.network.onDial = (_, number) =>
    number === 0 ? undefined : new Deno.errors.ConnectionRefused("refused");
  const link = await fixture.connect();
  await assertRejects(
    () => link.subscribe(["k"]),
    RedisConnectionError,
    "refused",
  );
  assertInstanceOf(await link.ended, RedisConnectionError);
  await fixture.end(link);
});

Deno.test("TcpLink.transaction resolves to EXEC's replies, or rejects with the first refusal", async () => {
  const commands = [["SET", "k", "v"], ["PUBLISH", "k", "v"]];
  const cases: [Record<string, string>, string | string[]][] = [
    [{ EXEC: array("+OK\r\n", ":1\r\n") }, ["OK", "1"]],
    [{
      PUBLISH: "-NOPERM no publish\r\n",
      EXEC: "-EXECABORT Transaction discarded\r\n",
    }, "NOPERM no publish (what would allow it: ACL SETUSER default +publish)"],
    [{ EXEC: array("-WRONGTYPE wrong\r\n", ":1\r\n") }, "WRONGTYPE wrong"],
    [{ EXEC: "-OOM memory\r\n" }, "OOM memory"],
  ];
  for (const [answers, expected] of cases) {
    const fixture = new Fixture();
    const link = await fixture.connect();
    Object.assign(fixture.commands.answers, answers);
    const [outcome] = await Promise.allSettled([
      link.transaction(commands),
      link.command(["GET", "k"]),
    ]);
    assertEquals(fixture.commands.commands.slice(1), [
      "MULTI",
      "SET k v",
      "PUBLISH k v",
      "EXEC",
      "GET k",
    ]);
    if (outcome.status === "fulfilled") {
      assertEquals(outcome.value.map(String), expected);
    } else {
      assertInstanceOf(outcome.reason, RedisError);
      assertEquals(outcome.reason.message, expected);
    }
    await fixture.end(link);
  }
});

Deno.test("TcpLink ends when its server became a replica, and what is in flight finishes", async () => {
  const readOnly = "-READONLY You can't write against a read only replica.\r\n";
  const inScript =
    "-ERR Error running script (call to f_abc): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.\r\n";
  const cases: [
    Record<string, string>,
    (link: RedisLink) => Promise<unknown>,
  ][] = [
    [{ SET: readOnly }, (link) => link.command(["SET", "k", "v"])],
    [{ EVALSHA: inScript }, (link) => link.command(["EVALSHA", "abc", 0])],
    [
      { SET: readOnly, EXEC: "-EXECABORT Transaction discarded\r\n" },
      (link) => link.transaction([["SET", "k", "v"]]),
    ],
    [
      { EXEC: array(readOnly) },
      (link) => link.transaction([["SET", "k", "v"]]),
    ],
    // It became one after the last command was queued.
    [
      {
        EXEC: `-EXECABORT Transaction discarded because of: ${
          readOnly.slice(1)
        }`,
      },
      (link) => link.transaction([["SET", "k", "v"]]),
    ],
  ];
  for (const [answers, write] of cases) {
    const fixture = new Fixture();
    const link = await fixture.connect();
    Object.assign(fixture.commands.answers, answers);
    const [outcome, read] = await Promise.allSettled([
      write(link),
      link.command(["GET", "k"]),
    ]);
    // A refused command was not executed: retrying is safe.
    assert(outcome?.status === "rejected");
    assertInstanceOf(outcome.reason, RedisError);
    assertEquals(outcome.reason.code, "READONLY");
    assertEquals(read?.status, "fulfilled");
    const reason = await link.ended;
    assertInstanceOf(reason, RedisConnectionError);
    assert(reason.message.includes("it is a replica now"));
    await fixture.end(link);
  }
});

Deno.test("TcpLink names the rule that would allow EXEC", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect({ username: "app" });
  fixture.commands.answers.EXEC =
    "-EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the 'exec' command\r\n";
  const error = await assertRejects(
    () => link.transaction([["SET", "k", "v"]]),
    RedisError,
    "ACL SETUSER app +exec",
  );
  assertEquals(error.code, "NOPERM");
  await fixture.end(link);
});

Deno.test("TcpLink ends when it must log in again, if there is a credentials provider", async () => {
  const noAuth = "-NOAUTH Authentication required.\r\n";
  for (const call of ["command", "subscribe"] as const) {
    for (const credentials of [undefined, () => ({ password: "p" })]) {
      const fixture = new Fixture();
      const link = await fixture.connect(credentials && { credentials });
      fixture.network.onDial = (peer) => {
        peer.answers.SUBSCRIBE = noAuth;
      };
      fixture.commands.answers.GET = noAuth;
      const error = await assertRejects(() =>
        call === "command" ? link.command(["GET", "k"]) : link.subscribe(["k"])
      );
      if (credentials === undefined) {
        assertInstanceOf(error, RedisError);
      } else {
        assertInstanceOf(error, RedisConnectionError);
        assert(error.message.includes("NOAUTH Authentication required."));
        assertStrictEquals(await link.ended, error);
      }
      await fixture.end(link);
    }
  }
});

Deno.test("TcpLink ends with a transient error even if its fence or UNSUBSCRIBE meets NOAUTH", async () => {
  for (const call of ["fence", "unsubscribe"] as const) {
    const fixture = new Fixture();
    const link = await fixture.connect({
      credentials: () => ({ password: "p" }),
    });
    await link.subscribe(["k"]);
    const { answers } = fixture.subscriber;
    answers.PING =
      answers.UNSUBSCRIBE =
        "-NOAUTH Authentication required.\r\n";
    const error = await assertRejects(
      () => call === "fence" ? link.fence() : link.unsubscribe(["k"]),
      RedisConnectionError,
      "NOAUTH Authentication required.",
    );
    assertStrictEquals(await link.ended, error);
    await fixture.end(link);
  }
});

Deno.test("TcpLink.read refuses a reply of the wrong length, and reads a list as a missing key", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  fixture.commands.answers.MGET = array(bulk("a"), "$-1\r\n");
  assertEquals(await link.read(["a", "b"]), ["a", null]);
  await assertRejects(() => link.read(["a"]), RedisConnectionError, "2 values");
  await fixture.end(link);
});

Deno.test("TcpLink.keepAlive applies to both connections, whenever they are opened", async () => {
  const fixture = new Fixture();
  const link = await fixture.connect();
  link.keepAlive(false);
  await link.subscribe(["k"]);
  for (const { transport } of fixture.network.peers) assert(!transport.isRef);
  link.keepAlive(true);
  await turn();
  for (const { transport } of fixture.network.peers) assert(transport.isRef);
  await fixture.end(link);
});
