import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../../src/errors.ts";
import type {
  Connection,
  ConnectionEvents,
  ConnectionOptions,
} from "../../../src/redis/server/connection.ts";
import { openConnection } from "../../../src/redis/server/open_connection.ts";
import { isRetriable } from "../../../src/redis/retriable.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
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

  open(
    options: Partial<ConnectionOptions> = {},
    signal: AbortSignal = new AbortController().signal,
    events: Partial<ConnectionEvents> = {},
  ): Promise<Connection> {
    return openConnection(
      {
        address: { hostname: "redis.test", port: 6379 },
        db: 0,
        connectTimeout: 5000,
        heartbeat: 10_000,
        runtime: this.runtime,
        ...options,
      },
      {
        onMessage: (channel, payload) => this.messages.push([channel, payload]),
        onNotice: (notice) => this.notices.push(notice),
        ...events,
      },
      signal,
    );
  }

  /** Checks that nothing is left behind. */
  async end(connection?: Connection): Promise<void> {
    connection?.end(new Error("end of the test"));
    await connection?.finished();
    assertEquals(this.runtime.timers, 0);
    for (const { transport } of this.network.peers) {
      assertEquals(transport.closed, 1);
    }
  }
}

Deno.test("openConnection sends the handshake in one write, in order", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({
    db: 3,
    username: "u",
    password: "p",
    clientName: "n",
  });
  const peer = fixture.network.peer(0);
  assertEquals(peer.commands, [
    "AUTH u p",
    "SELECT 3",
    "CLIENT SETNAME n",
    "PING",
  ]);
  assertEquals(peer.transport.writes, 1);
  await fixture.end(connection);
});

Deno.test("openConnection sends only what the options ask for", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  assertEquals(fixture.network.peer(0).commands, ["PING"]);
  await fixture.end(connection);
  const other = new Fixture();
  const second = await other.open({ password: "p" });
  assertEquals(other.network.peer(0).commands, ["AUTH p", "PING"]);
  await other.end(second);
  // A user without a password is not the default user.
  const named = new Fixture();
  const third = await named.open({ username: "u" });
  assertEquals(named.network.peer(0).commands, ["AUTH u ", "PING"]);
  await named.end(third);
});

Deno.test("openConnection adds advice to the server's errors", async () => {
  const cases: [
    string,
    string,
    Partial<ConnectionOptions>,
    string,
    string,
  ][] = [
    ["PING", "-NOAUTH Authentication required.", {}, "NOAUTH", "`password`"],
    [
      "AUTH",
      "-WRONGPASS invalid username-password pair",
      { username: "ann", password: "secret" },
      "WRONGPASS",
      "check the user name (ann)",
    ],
    [
      "AUTH",
      "-ERR invalid password",
      { password: "secret" },
      "ERR",
      "the default user",
    ],
    [
      "AUTH",
      "-ERR AUTH <password> called without any password configured",
      { password: "secret" },
      "ERR",
      "this server has no password: omit the user name and the password",
    ],
    [
      "AUTH",
      "-ERR Client sent AUTH, but no password is set",
      { password: "secret" },
      "ERR",
      "this server has no password",
    ],
    [
      "PING",
      "-ERR unknown command 'PING', with args beginning with: ",
      {},
      "ERR",
      "the server does not know PING, which is needed under this name: see rename-command",
    ],
    [
      "SELECT",
      "-ERR DB index is out of range",
      { db: 99 },
      "ERR",
      "database 99",
    ],
    [
      "PING",
      "-NOPERM this user has no permissions to run the 'ping' command",
      {},
      "NOPERM",
      "ACL",
    ],
    [
      "PING",
      "-LOADING Redis is loading the dataset in memory",
      {},
      "LOADING",
      "LOADING",
    ],
    [
      "AUTH",
      "-ERR max number of clients reached",
      { password: "secret" },
      "ERR",
      "max number of clients reached",
    ],
  ];
  for (const [command, reply, options, code, words] of cases) {
    const fixture = new Fixture();
    fixture.network.onDial = (peer) => {
      peer.answers[command] = `${reply}\r\n`;
      // Every later command of the handshake is refused, too.
      if (command === "AUTH") peer.answers.PING = "-NOAUTH first\r\n";
    };
    const error = await assertRejects(
      () => fixture.open(options),
      RedisError,
      words,
    );
    assertEquals(error.code, code);
    assertStringIncludes(error.message, reply.slice(1).split(", with")[0]!);
    assert(!error.message.includes("secret"));
    await fixture.end();
  }
});

Deno.test("openConnection classifies a refusal before it masks the password in it", async () => {
  const full = "-ERR max number of clients reached";
  const cases: [reply: string, password: string, shown: string][] = [
    [full, "x", "ma** number"],
    [full, "clients", "max number of ** reached"],
    ["-LOADING Redis is loading", "LOADING", "** Redis is loading"],
    ["-BUSY Redis is busy", "B", "**USY Redis"],
  ];
  for (const [reply, password, shown] of cases) {
    const fixture = new Fixture();
    fixture.network.onDial = (peer) => {
      peer.answers.AUTH = `${reply}\r\n`;
    };
    const error = await assertRejects(() => fixture.open({ password }), Error);
    assert(isRetriable(error), error.message);
    assertStringIncludes(error.message, shown);
    assert(!Deno.inspect(error).includes(reply.slice(1)), Deno.inspect(error));
    await fixture.end();
  }
  const fixture = new Fixture();
  fixture.network.onDial = (peer) => {
    peer.answers.AUTH = "-WRONGPASS invalid username-password pair\r\n";
  };
  const wrong = await assertRejects(
    () => fixture.open({ password: "WRONGPASS" }),
    RedisError,
    "** invalid username-password pair",
  );
  assertEquals(wrong.code, "WRONGPASS");
  assertStringIncludes(wrong.message, "check the user name");
  // The same if the next password may be right.
  const error = await assertRejects(
    () => fixture.open({ credentials: () => ({ password: "pair" }) }),
    RedisConnectionError,
    "with what credentials() returned: WRONGPASS invalid username-password **",
  );
  assert(!Deno.inspect(error).includes("pair"), Deno.inspect(error));
  await fixture.end();
});

Deno.test("openConnection reports too many clients as transient, whatever was sent first", async () => {
  for (
    const [command, options] of [
      ["AUTH", { password: "secret" }],
      ["SELECT", { db: 1 }],
      ["CLIENT", { clientName: "name" }],
      ["PUBSUB", { sharded: true }],
      ["PING", {}],
    ] as const
  ) {
    const fixture = new Fixture();
    fixture.network.onDial = (peer) => {
      peer.answers[command] = "-ERR max number of clients reached\r\n";
    };
    const error = await assertRejects(
      () => fixture.open(options),
      RedisError,
      "max number of clients reached",
    );
    assert(isRetriable(error), error.message);
    assertEquals(fixture.notices, []);
    await fixture.end();
  }
});

Deno.test("openConnection reports a refused client name, and continues", async () => {
  const fixture = new Fixture();
  fixture.network.onDial = (peer) => {
    peer.answers.CLIENT = "-NOPERM no\r\n";
  };
  const connection = await fixture.open({ clientName: "n" });
  assertEquals(fixture.notices.map(({ message }) => message), [
    "NOPERM no (what would allow it: ACL SETUSER default +client|setname)",
  ]);
  await fixture.end(connection);
});

Deno.test("openConnection refuses a peer that is not a Redis server", async () => {
  for (const words of ["HTTP/1.1 400 Bad Request\r\n", "+HELLO\r\n", "\x15"]) {
    const fixture = new Fixture();
    fixture.network.onDial = (peer) => {
      peer.answers.PING = words;
    };
    await assertRejects(
      () => fixture.open(),
      ConfigurationError,
      "does not speak Redis's protocol",
    );
    await fixture.end();
  }
});

Deno.test("openConnection gives up on a silent peer after connectTimeout", async () => {
  const fixture = new Fixture();
  fixture.network.onDial = (peer) => {
    peer.answers.PING = null;
  };
  const opening = assertRejects(
    () => fixture.open({ connectTimeout: 300 }),
    RedisConnectionError,
    "no answer within 300 ms",
  );
  await fixture.runtime.advance(299);
  assertEquals(fixture.network.peer(0).transport.closed, 0);
  await fixture.runtime.advance(1);
  await opening;
  await fixture.end();
});

Deno.test("openConnection gives up on a dial that hangs, and closes a late connection", async () => {
  const late = Promise.withResolvers<void>();
  const fixture = new Fixture();
  const network = fixture.network;
  const runtime = new FakeRuntime({
    dial: async (address, signal) => {
      await late.promise;
      return await network.dial(address, signal);
    },
  });
  const opening = assertRejects(
    () => fixture.open({ runtime }),
    RedisConnectionError,
    "connectTimeout",
  );
  await runtime.advance(5000);
  await opening;
  late.resolve();
  await turn();
  assertEquals(network.peer(0).transport.closed, 1);
  assertEquals(runtime.timers, 0);
});

Deno.test("openConnection obeys its signal: before, during the dial, during the handshake", async () => {
  const reason = new Error("not wanted any more");
  const aborted = new Fixture();
  assertStrictEquals(
    await assertRejects(() => aborted.open({}, AbortSignal.abort(reason))),
    reason,
  );
  assertEquals(aborted.network.peers.length, 0);
  for (const isBlackHole of [true, false]) {
    const fixture = new Fixture();
    fixture.network.isBlackHole = isBlackHole;
    fixture.network.onDial = (peer) => {
      peer.answers.PING = null;
    };
    const controller = new AbortController();
    const opening = assertRejects(() => fixture.open({}, controller.signal));
    await turn();
    controller.abort(reason);
    assertStrictEquals(await opening, reason);
    assertEquals(fixture.network.aborted, isBlackHole ? 1 : 0);
    await fixture.end();
  }
});

Deno.test("openConnection names a missing permission, and an unreachable address", async () => {
  const fixture = new Fixture();
  fixture.network.onDial = () => new Deno.errors.NotCapable("Requires net");
  await assertRejects(
    () => fixture.open(),
    ConfigurationError,
    "--allow-net=redis.test:6379",
  );
  fixture.network.onDial = () => new Deno.errors.ConnectionRefused("refused");
  const error = await assertRejects(
    () => fixture.open(),
    RedisConnectionError,
    "redis.test:6379: refused",
  );
  assertInstanceOf(error.cause, Deno.errors.ConnectionRefused);
  await fixture.end();
});

Deno.test("Connection writes the rest of a partial write", async () => {
  const fixture = new Fixture();
  fixture.network.onDial = ({ transport }) => {
    transport.maxWrite = 7;
  };
  const connection = await fixture.open();
  assertEquals(
    await connection.request(["GET", "k".repeat(100)]),
    `value of ${"k".repeat(100)}`,
  );
  await fixture.end(connection);
});

Deno.test("Connection sends the commands of one turn in one write, and those added meanwhile in the next", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  const { transport, commands } = fixture.network.peer(0);
  transport.stall();
  const first = [
    connection.request(["GET", 1]),
    connection.request(["GET", 2]),
  ];
  await turn();
  const second = [
    connection.request(["GET", 3]),
    connection.request(["GET", 4]),
  ];
  await turn();
  transport.resume();
  assertEquals(await Promise.all([...first, ...second]), [
    "value of 1",
    "value of 2",
    "value of 3",
    "value of 4",
  ]);
  assertEquals(commands.slice(1), ["GET 1", "GET 2", "GET 3", "GET 4"]);
  assertEquals(transport.writes, 3);
  await fixture.end(connection);
});

Deno.test("Connection matches replies first in, first out, errors included", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  const peer = fixture.network.peer(0);
  for (const name of ["A", "B", "C"]) peer.answers[name] = null;
  const replies = Promise.allSettled([
    connection.request(["A"]),
    connection.request(["B"]),
    connection.request(["C"]),
  ]);
  await turn();
  let isDrained = false;
  const drained = connection.drained().then(() => isDrained = true);
  peer.say("+a\r\n-ERR b\r\n");
  await turn();
  assert(!isDrained);
  peer.say(":3\r\n");
  await drained;
  assertEquals(
    (await replies).map((outcome) =>
      outcome.status === "fulfilled" ? outcome.value : outcome.reason.message
    ),
    ["a", "ERR b", 3],
  );
  await connection.drained();
  await fixture.end(connection);
});

Deno.test("Connection explains MOVED, ASK and CROSSSLOT", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  const peer = fixture.network.peer(0);
  for (const code of ["MOVED", "ASK", "CROSSSLOT"]) {
    peer.answers.GET = `-${code} 42 127.0.0.1:7001\r\n`;
    const error = await assertRejects(
      () => connection.request(["GET", "k"]),
      RedisError,
    );
    assertEquals(error.code, code);
    assertStringIncludes(error.message, "127.0.0.1:7001");
    assertStringIncludes(error.message, "use the option `cluster: true`");
  }
  await fixture.end(connection);
});

Deno.test("Connection.subscribe of many channels: an error answers the whole command", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  const peer = fixture.network.peer(0);
  peer.answers.SUBSCRIBE = "-NOPERM no channel permission\r\n";
  const outcomes = await Promise.allSettled([
    connection.subscribe(["a", "b", "c"]),
    connection.request(["GET", "k"]),
  ]);
  assertEquals(outcomes.map(({ status }) => status), ["rejected", "fulfilled"]);
  await fixture.end(connection);
});

Deno.test("Connection confirms SUBSCRIBE, UNSUBSCRIBE and SUBSCRIBE of one channel first in, first out", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  const peer = fixture.network.peer(0);
  peer.answers.SUBSCRIBE = peer.answers.UNSUBSCRIBE = null;
  const log: string[] = [];
  const calls = [
    connection.subscribe(["k", "l"]).then(() => log.push("first")),
    connection.unsubscribe(["k"]).then(() => log.push("second")),
    connection.subscribe(["k"]).then(() => log.push("third")),
    connection.subscribe([]),
    connection.unsubscribe([]),
  ];
  await turn();
  assertEquals(peer.commands.slice(1), [
    "SUBSCRIBE k l",
    "UNSUBSCRIBE k",
    "SUBSCRIBE k",
  ]);
  const confirmation = array(bulk("subscribe"), bulk("k"), ":1\r\n");
  peer.say(confirmation);
  await turn();
  assertEquals(log, []);
  peer.say(confirmation + message("k", "between"));
  await turn();
  assertEquals(log, ["first"]);
  peer.say(array(bulk("unsubscribe"), bulk("k"), ":1\r\n"));
  await turn();
  assertEquals(log, ["first", "second"]);
  peer.say(confirmation);
  await Promise.all(calls);
  assertEquals(log, ["first", "second", "third"]);
  assertEquals(fixture.messages, [["k", "between"]]);
  await fixture.end(connection);
});

Deno.test("openConnection refuses a server without sharded channels, if they are needed and the ACL lets it ask", async () => {
  const fixture = new Fixture();
  // The wording of Redis 6, Redis 5 and a proxy without PUBSUB.
  for (
    const words of [
      "Unknown subcommand or wrong number of arguments for 'SHARDNUMSUB'. Try PUBSUB HELP.",
      "Unknown PUBSUB subcommand or wrong number of arguments for 'SHARDNUMSUB'",
      "unknown command `PUBSUB`, with args beginning with: `SHARDNUMSUB`, ",
    ]
  ) {
    fixture.network.onDial = (peer) => {
      peer.answers.PUBSUB = `-ERR ${words}\r\n`;
    };
    await assertRejects(
      () => fixture.open({ sharded: true }),
      ConfigurationError,
      "Redis 7",
    );
  }
  await fixture.end(await fixture.open());
  fixture.network.onDial = (peer) => {
    peer.answers.PUBSUB = "-NOPERM no permissions\r\n";
  };
  // It is reported, and the first subscription decides.
  const connection = await fixture.open({ sharded: true });
  assertEquals(fixture.notices.map(({ message }) => message.slice(0, 6)), [
    "NOPERM",
  ]);
  await fixture.end(connection);
});

Deno.test("Connection never counts the drop of a sharded channel as an answer: requested or not, it looks the same", async () => {
  const fixture = new Fixture();
  const dropped: string[] = [];
  const connection = await fixture.open({ sharded: true }, undefined, {
    onDropped: (channel) => dropped.push(channel),
  });
  const peer = fixture.network.peer(0);
  const drop = (channel: string): string =>
    array(bulk("sunsubscribe"), bulk(channel), ":0\r\n");
  peer.answers.SSUBSCRIBE = array(bulk("ssubscribe"), bulk("a"), ":1\r\n") +
    array(bulk("ssubscribe"), bulk("b"), ":2\r\n");
  await connection.subscribe(["a", "b"]);
  peer.say(array(bulk("smessage"), bulk("a"), bulk("v")) + drop("b"));
  await turn();
  assertEquals([fixture.messages, dropped], [[["a", "v"]], ["b"]]);

  // As measured: the slot moves away, then SUNSUBSCRIBE arrives and is refused;
  // and the same without a refusal.
  for (const refusal of ["-MOVED 1 127.0.0.1:7001\r\n", ""]) {
    dropped.length = 0;
    peer.answers.SUNSUBSCRIBE = drop("a") + drop("b") + refusal;
    peer.answers.PING = peer.answers.GET = null;
    let isDone = false;
    const unsubscribed = connection.unsubscribe(["a"]).then(() =>
      isDone = true
    );
    const last = connection.request(["GET", "k"]);
    await turn();
    assertEquals(peer.commands.slice(-3), ["SUNSUBSCRIBE a", "PING", "GET k"]);
    assertEquals([dropped, isDone], [["a", "b"], false]);
    peer.say("+PONG\r\n" + bulk("value of k"));
    await unsubscribed;
    assertEquals(await last, "value of k");
  }
  await fixture.end(connection);
});

Deno.test("Connection reads a list that looks like a drop as a value if it cannot subscribe", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ sharded: true }, undefined, {
    onMessage: undefined as never,
  });
  fixture.network.peer(0).answers.LRANGE = array(
    bulk("sunsubscribe"),
    bulk("a"),
  );
  assertEquals(await connection.request(["LRANGE", "l", 0, -1]), [
    "sunsubscribe",
    "a",
  ]);
  await fixture.end(connection);
});

Deno.test("Connection ends on a confirmation of the wrong kind", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  fixture.network.peer(0).answers.SUBSCRIBE = array(
    bulk("unsubscribe"),
    bulk("k"),
    ":0\r\n",
  );
  await assertRejects(
    () => connection.subscribe(["k"]),
    RedisConnectionError,
    "to subscribe",
  );
  await fixture.end(connection);
});

Deno.test("Connection ends with an error that the server sends unasked", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  fixture.network.peer(0).say("-ERR max number of clients reached\r\n");
  assertInstanceOf(await connection.ended, RedisError);
  await fixture.end(connection);
  const other = new Fixture();
  const second = await other.open();
  other.network.peer(0).say("+OK\r\n");
  assertStringIncludes((await second.ended).message, "reply to no command");
  await other.end(second);
});

Deno.test("Connection ends when the peer closes it, a read or a write fails, or garbage arrives", async () => {
  const cases: [(peer: FakePeer) => void, string][] = [
    [({ transport }) => transport.end(), "the server closed it"],
    [({ transport }) => transport.break(new Error("reset")), "reset"],
    [(peer) => peer.say("garbage\r\n"), "should begin"],
  ];
  for (const [act, words] of cases) {
    const fixture = new Fixture();
    const connection = await fixture.open();
    const peer = fixture.network.peer(0);
    peer.answers.GET = null;
    const pending = [1, 2, 3].map((key) =>
      assertRejects(
        () => connection.request(["GET", key]),
        RedisConnectionError,
        words,
      )
    );
    await turn();
    act(peer);
    const reasons = await Promise.all(pending);
    const reason = await connection.ended;
    for (const each of reasons) assertStrictEquals(each, reason);
    assertStrictEquals(connection.reason, reason);
    await connection.drained();
    assertStrictEquals(
      await assertRejects(() => connection.request(["GET", 4])),
      reason,
    );
    // Later calls of end() change nothing.
    connection.keepAlive(true);
    await fixture.end(connection);
    assertStrictEquals(connection.reason, reason);
  }
});

Deno.test("Connection.finished waits for a write that hangs", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  fixture.network.peer(0).transport.stall();
  const request = assertRejects(() => connection.request(["GET", "k"]));
  await turn();
  await fixture.end(connection);
  await request;
});

Deno.test("Connection probes after one heartbeat, and ends after a second", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  peer.answers.PING = null;
  await fixture.runtime.advance(999);
  assertEquals(peer.commands, ["PING"]);
  await fixture.runtime.advance(1);
  assertEquals(peer.commands, ["PING", "PING"]);
  await fixture.runtime.advance(999);
  assertEquals(connection.reason, undefined);
  await fixture.runtime.advance(1);
  assertStringIncludes(
    connection.reason?.message ?? "",
    "silent for 2000 ms and did not answer a PING",
  );
  await fixture.end(connection);
});

Deno.test("Connection survives if any byte follows the probe", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  peer.answers.PING = null;
  await fixture.runtime.advance(1900);
  // Half a message is a sign of life.
  peer.say("*3\r\n$7\r\nmess");
  await fixture.runtime.advance(1999);
  assertEquals(connection.reason, undefined);
  assertEquals(peer.commands.length, 3);
  peer.say("age\r\n$1\r\nk\r\n$1\r\nv\r\n");
  await fixture.runtime.advance(900);
  assertEquals(connection.reason, undefined);
  assertEquals(fixture.messages, [["k", "v"]]);
  await fixture.end(connection);
});

Deno.test("Connection does not probe while bytes arrive", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  for (let i = 0; i < 10; i++) {
    await fixture.runtime.advance(900);
    peer.say(message("k", "v"));
  }
  assertEquals(peer.commands, ["PING"]);
  await fixture.end(connection);
});

Deno.test("Connection survives while a long command is accepted bit by bit, and ends when that stops", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const { transport } = fixture.network.peer(0);
  transport.maxWrite = 100;
  transport.stall();
  const stored = connection.request(["SET", "k", "v".repeat(9000)])
    .catch((error) => error);
  for (let i = 0; i < 9; i++) {
    await fixture.runtime.advance(900);
    transport.resume();
    transport.stall();
  }
  assertEquals(connection.reason, undefined);
  await fixture.runtime.advance(2000);
  assertInstanceOf(connection.reason, RedisConnectionError);
  assertStrictEquals(await stored, connection.reason);
  await fixture.end(connection);
});

Deno.test("Connection tolerates a late timer: the answer may be unread", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  peer.answers.PING = null;
  await fixture.runtime.advance(1000);
  await fixture.runtime.block(5000);
  assertEquals(connection.reason, undefined);
  peer.say("+PONG\r\n");
  await fixture.runtime.advance(600);
  assertEquals(connection.reason, undefined);
  // A peer that stays silent still ends the connection.
  await fixture.runtime.advance(3000);
  assertInstanceOf(connection.reason, RedisConnectionError);
  await fixture.end(connection);
});

/** Sends `text` every `every` milliseconds, until the connection ends or for `ms` milliseconds. */
async function chatter(
  fixture: Fixture,
  connection: Connection,
  { text, every, ms }: { text: string; every: number; ms: number },
): Promise<number> {
  const peer = fixture.network.peer(0);
  let passed = 0;
  for (; passed < ms && connection.reason === undefined; passed += every) {
    if (text !== "") peer.say(text);
    await fixture.runtime.advance(every);
  }
  return passed;
}

Deno.test("Connection ends when a command is not answered within two heartbeats, even while messages arrive", async () => {
  const cases: [
    name: string,
    send: (connection: Connection) => Promise<unknown>,
  ][] = [
    ["SUBSCRIBE", (connection) => connection.subscribe(["k", "l"])],
    ["UNSUBSCRIBE", (connection) => connection.unsubscribe(["k"])],
    ["PING", (connection) => connection.request(["PING", "nonce"])],
  ];
  for (const [name, send] of cases) {
    const fixture = new Fixture();
    const connection = await fixture.open({ heartbeat: 1000 });
    fixture.network.peer(0).answers[name] = null;
    const sent = assertRejects(
      () => send(connection),
      RedisConnectionError,
      `it did not answer ${name} within 2000 ms`,
    );
    const passed = await chatter(fixture, connection, {
      text: message("k", "v"),
      every: 100,
      ms: 10_000,
    });
    assertEquals(passed, 2000);
    await sent;
    await fixture.end(connection);
  }
});

Deno.test("Connection measures a command's age from when it is the oldest and written", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  peer.answers.GET = null;
  const text = message("k", "v");
  // Each is answered in time, although the last waits ten times as long.
  const replies = Promise.all(
    Array.from({ length: 10 }, (_, key) => connection.request(["GET", key])),
  );
  for (let key = 0; key < 10; key++) {
    await chatter(fixture, connection, { text, every: 100, ms: 1900 });
    peer.say(bulk(`value of ${key}`));
  }
  assertEquals((await replies).at(-1), "value of 9");
  // Later commands do not extend its deadline.
  let age = 0;
  const lost = assertRejects(() => connection.request(["GET", "last"]));
  for (; connection.reason === undefined; age += 100) {
    connection.request(["GET", age]).catch(() => {});
    peer.say(text);
    await fixture.runtime.advance(100);
  }
  assertEquals(age, 2000);
  await lost;
  await fixture.end(connection);
});

Deno.test("Connection counts each confirmation of a SUBSCRIBE as progress", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  peer.answers.SUBSCRIBE = null;
  const subscribed = connection.subscribe(["a", "b", "c"]);
  for (const channel of ["a", "b", "c"]) {
    await chatter(fixture, connection, {
      text: message("k", "v"),
      every: 100,
      ms: 1900,
    });
    peer.say(array(bulk("subscribe"), bulk(channel), ":1\r\n"));
  }
  await subscribed;
  await fixture.end(connection);
});

Deno.test("Connection waits for a confirmation behind a backlog of messages, with a limit", async () => {
  const backlog = {
    text: message("k", "v".repeat(100_000)),
    every: 500,
    ms: 10_000,
  };
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  peer.answers.SUBSCRIBE = null;
  const subscribed = connection.subscribe(["a"]);
  await chatter(fixture, connection, { ...backlog, ms: 5000 });
  peer.say(array(bulk("subscribe"), bulk("a"), ":1\r\n"));
  await subscribed;
  const lost = assertRejects(() => connection.subscribe(["b"]));
  assertEquals(await chatter(fixture, connection, backlog), 6000);
  await lost;
  await fixture.end(connection);

  // After a burst nothing is queued: the answer would have arrived.
  const other = new Fixture();
  const second = await other.open({ heartbeat: 1000 });
  other.network.peer(0).answers.SUBSCRIBE = null;
  const late = assertRejects(() => second.subscribe(["a"]));
  await chatter(other, second, { ...backlog, ms: 1900, every: 100 });
  const passed = await chatter(other, second, {
    text: message("k", "v"),
    every: 100,
    ms: 10_000,
  });
  assertEquals(passed, 2100);
  await late;
  await other.end(second);
});

Deno.test("Connection waits for a slow message in front of an answer", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  peer.answers.SUBSCRIBE = null;
  const subscribed = connection.subscribe(["a"]);
  const text = message("k", "v".repeat(9000));
  for (let at = 0; at < text.length; at += 1000) {
    await fixture.runtime.advance(900);
    peer.say(text.slice(at, at + 1000));
  }
  peer.say(array(bulk("subscribe"), bulk("a"), ":1\r\n"));
  await subscribed;
  await fixture.end(connection);
});

Deno.test("Connection waits for a large reply that arrives slowly, and sends no PING into it", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  peer.answers.MGET = null;
  const values = Array.from({ length: 30 }, (_, key) => `${key} `.repeat(1000));
  const read = connection.request(["MGET", ...values.keys()]);
  await fixture.runtime.advance(900);
  const { length } = peer.commands;
  peer.say(`*${values.length}\r\n`);
  for (const value of values) {
    await fixture.runtime.advance(1900);
    peer.say(bulk(value));
  }
  assertEquals(await read, values);
  assertEquals(peer.commands.length, length);
  await fixture.end(connection);
});

Deno.test("Connection ends when a reply stalls, or only trickles", async () => {
  // No PING is sent: its answer would be read as an element.
  const cases: [beginning: string, text: string, ms: number][] = [
    ["*1048576\r\n", "+PONG\r\n", 8000],
    ["$500000\r\n", "v", 8000],
    ["*2\r\n$1\r\nv\r\n", "", 2000],
  ];
  for (const [beginning, text, least] of cases) {
    const fixture = new Fixture();
    const connection = await fixture.open({ heartbeat: 1000 });
    const peer = fixture.network.peer(0);
    peer.answers.LRANGE = beginning;
    const read = assertRejects(
      () => connection.request(["LRANGE", "list", 0, -1]),
      RedisConnectionError,
      text === ""
        ? "it was silent for 2000 ms in the middle of a reply"
        : "it did not finish its answer to LRANGE",
    );
    await turn();
    const passed = await chatter(fixture, connection, {
      text,
      every: 100,
      ms: 100_000,
    });
    assert(passed >= least && passed < least + 1000, String(passed));
    await read;
    assertEquals(peer.commands.length, 2);
    await fixture.end(connection);
  }
});

Deno.test("Connection ends at once when an MGET is answered with the wrong number of values", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  fixture.network.peer(0).answers.MGET = "*1048576\r\n+PONG\r\n";
  await assertRejects(
    () => connection.request(["MGET", "a", "b"]),
    RedisConnectionError,
    "Read 1048576 values as the reply to an MGET of 2 keys",
  );
  await fixture.end(connection);
});

Deno.test("Connection tolerates an event loop that was blocked when a command was due", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 1000 });
  const peer = fixture.network.peer(0);
  peer.answers.SUBSCRIBE = peer.answers.PING = null;
  const subscribed = connection.subscribe(["k"]);
  await fixture.runtime.advance(900);
  peer.say(message("k", "v"));
  await fixture.runtime.block(5000);
  assertEquals(connection.reason, undefined);
  peer.say(array(bulk("subscribe"), bulk("k"), ":1\r\n"));
  await subscribed;
  await fixture.end(connection);
});

Deno.test("Connection with a heartbeat of 0 waits without limit", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open({ heartbeat: 0 });
  const peer = fixture.network.peer(0);
  peer.answers.GET = null;
  const reply = connection.request(["GET", "k"]);
  await fixture.runtime.advance(1e9);
  assertEquals(peer.commands, ["PING", "GET k"]);
  peer.say(bulk("value"));
  assertEquals(await reply, "value");
  await fixture.end(connection);
});

Deno.test("openConnection treats an extra reply after the last one as a lost connection", async () => {
  for (const extra of ["+OK\r\n", "garbage\r\n"]) {
    const fixture = new Fixture();
    fixture.network.onDial = (peer) => {
      peer.answers.PING = `+PONG\r\n${extra}`;
    };
    await assertRejects(
      () => fixture.open({ password: "p" }),
      RedisConnectionError,
      "Lost the connection to Redis at redis.test:6379: Read ",
    );
    await fixture.end();
  }
});

Deno.test("Connection.keepAlive lets the process end, or not", async () => {
  const fixture = new Fixture();
  const connection = await fixture.open();
  const { transport } = fixture.network.peer(0);
  assert(transport.isRef);
  connection.keepAlive(false);
  assert(!transport.isRef);
  connection.keepAlive(true);
  assert(transport.isRef);
  await fixture.end(connection);
});
