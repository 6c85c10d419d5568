import { MemoryRedis } from "../../src/testing/memory_redis.ts";
import { STORE_SCRIPT } from "../../src/store/store_script.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
} from "../support/assert.ts";
import { connect, encodeCommand, ReplyError } from "../support/client.ts";
import { assertRefused, withFreshPorts } from "../support/fresh_ports.ts";

/** Sends raw bytes, and returns everything received until the connection ends. */
async function exchange(redis: MemoryRedis, text: string): Promise<string> {
  using conn = await Deno.connect({
    hostname: redis.hostname,
    port: redis.port,
  });
  await conn.write(new TextEncoder().encode(text));
  await conn.closeWrite();
  return await new Response(conn.readable).text();
}

Deno.test("MemoryRedis.start() listens on a free port of the loopback address", async () => {
  await using redis = await MemoryRedis.start();
  await using other = await MemoryRedis.start();
  assertEquals(redis.url, `redis://127.0.0.1:${redis.port}/0`);
  assert(redis.port !== other.port);
  await using client = await connect(redis.url);
  assertEquals(await client.send("PING"), "PONG");
  assertEquals(redis.connections, 1);
});

Deno.test("MemoryRedis.start() rejects invalid options", async () => {
  await assertRejects(() => MemoryRedis.start({ databases: 0 }), RangeError);
  await assertRejects(() => MemoryRedis.start({ databases: 1.5 }), RangeError);
  await assertRejects(() => MemoryRedis.start({ username: "a" }), TypeError);
  await using redis = await MemoryRedis.start();
  await assertRejects(
    () => MemoryRedis.start({ port: redis.port }),
    Deno.errors.AddrInUse,
  );
});

Deno.test("MemoryRedis.start() takes a username, a password and a number of databases", async () => {
  await using redis = await MemoryRedis.start({
    username: "us:er",
    password: "p@ss/word",
    databases: 2,
  });
  await using client = await connect(redis.url);
  assertEquals(await client.send("SELECT", 1), "OK");
  await assertRejects(
    () => client.send("SELECT", 2),
    ReplyError,
    "ERR DB index",
  );
  await using stranger = await connect(`redis://127.0.0.1:${redis.port}`);
  await assertRejects(() => stranger.send("GET", "k"), ReplyError, "NOAUTH");
  await assertRejects(
    () => stranger.send("AUTH", "p@ss/word"),
    ReplyError,
    "WRONGPASS",
  );
});

Deno.test("MemoryRedis.stop() drops connections, refuses new ones, and is idempotent", () =>
  withFreshPorts(async () => {
    await using redis = await MemoryRedis.start();
    await using client = await connect(redis.url);
    await using subscriber = await connect(redis.url);
    await subscriber.send("SUBSCRIBE", "a");
    await Promise.all([redis.stop(), redis.stop()]);
    await redis.stop();
    await Promise.all([client.closed, subscriber.closed]);
    assertEquals(redis.connections, 0);
    await assertRefused(redis);
  }));

Deno.test("MemoryRedis.stop() does not wait for a client that does not read", async () => {
  await using redis = await MemoryRedis.start();
  await using client = await connect(redis.url);
  const value = "x".repeat(1_000_000);
  await client.send("SET", "big", value);
  using idle = await Deno.connect({
    hostname: redis.hostname,
    port: redis.port,
  });
  await idle.write(
    new TextEncoder().encode("GET big\r\n".repeat(20) + "INCR done\r\n"),
  );
  while (await client.send("GET", "done") === null) {
    // Each iteration is a round trip, while the other connection's commands are in transit.
  }
  await redis.stop();
});

Deno.test("MemoryRedis.restart() keeps the port and the data", async () => {
  await using redis = await MemoryRedis.start();
  const { port } = redis;
  await using before = await connect(redis.url);
  await before.send("SET", "key", "value");
  await redis.restart();
  await before.closed;
  assertEquals(redis.port, port);
  await using after = await connect(redis.url);
  assertEquals(await after.send("GET", "key"), "value");
  await redis.restart({ keepData: false });
  await using last = await connect(redis.url);
  assertEquals(await last.send("GET", "key"), null);
  await redis.stop();
  await redis.restart();
  await using again = await connect(redis.url);
  assertEquals(await again.send("PING"), "PONG");
});

Deno.test("MemoryRedis.restart() many times leaves nothing behind", async () => {
  await using redis = await MemoryRedis.start();
  for (let round = 0; round < 20; round++) {
    await using client = await connect(redis.url);
    await client.send("SUBSCRIBE", `channel-${round}`);
    await redis.restart();
    await client.closed;
  }
  await using client = await connect(redis.url);
  assertEquals(await client.send("PUBSUB", "CHANNELS"), []);
});

Deno.test("MemoryRedis.restart() can listen again at once", async () => {
  await using redis = await MemoryRedis.start();
  for (let round = 0; round < 20; round++) await redis.restart();
  await Promise.all([redis.restart(), redis.stop(), redis.restart()]);
  await using client = await connect(redis.url);
  assertEquals(await client.send("PING"), "PONG");
});

Deno.test("MemoryRedis.restart() forgets loaded scripts, as Redis does", async () => {
  await using redis = await MemoryRedis.start();
  await using before = await connect(redis.url);
  const sha = String(await before.send("SCRIPT", "LOAD", STORE_SCRIPT));
  await redis.restart();
  await using after = await connect(redis.url);
  await assertRejects(
    () => after.send("EVALSHA", sha, 1, "key", "{}", 0, "PUBLISH", 0),
    ReplyError,
    "NOSCRIPT",
  );
});

Deno.test("MemoryRedis expires keys", async () => {
  const now = Date.now;
  try {
    let time = now();
    Date.now = (): number => time;
    await using redis = await MemoryRedis.start();
    await using client = await connect(redis.url);
    await client.send("SETEX", "key", 10, "value");
    await client.send("SET", "other", "value");
    time += 9_999;
    assertEquals(await client.send("GET", "key"), "value");
    assertEquals(await client.send("PTTL", "key"), 1);
    time += 1;
    assertEquals(await client.send("GET", "key"), null);
    assertEquals(await client.send("TTL", "key"), -2);
    assertEquals(await client.send("DBSIZE"), 1);
    await client.send("SETEX", "watched", 10, "value");
    await client.send("WATCH", "watched");
    time += 10_000;
    await client.send("MULTI");
    assertEquals(await client.send("EXEC"), null);
  } finally {
    Date.now = now;
  }
});

Deno.test("MemoryRedis sends a message before it replies to its publisher", async () => {
  await using redis = await MemoryRedis.start();
  await using publisher = await connect(redis.url);
  await using subscriber = await connect(redis.url);
  await subscriber.send("SUBSCRIBE", "a");
  for (let round = 0; round < 500; round++) {
    await publisher.send("PUBLISH", "a", round);
    // Sent after the message was queued, so its reply follows the message.
    await subscriber.send("PING", round);
    assertEquals(subscriber.messages.all.length, round + 1);
  }
});

Deno.test("MemoryRedis answers pipelined commands of any piece size in order", async () => {
  await using redis = await MemoryRedis.start();
  using conn = await Deno.connect({
    hostname: redis.hostname,
    port: redis.port,
  });
  const value = "\r\n$3\r\n".repeat(20);
  const bytes = encodeCommand(["SET", "key", value]);
  for (let index = 0; index < bytes.length; index += 7) {
    await conn.write(bytes.subarray(index, index + 7));
  }
  await conn.write(encodeCommand(["GET", "key"]));
  await conn.write(encodeCommand(["QUIT"]));
  assertEquals(
    await new Response(conn.readable).text(),
    `+OK\r\n$${value.length}\r\n${value}\r\n+OK\r\n`,
  );
});

Deno.test("MemoryRedis stores and returns 20 MB", async () => {
  await using redis = await MemoryRedis.start();
  await using client = await connect(redis.url, { as: "bytes" });
  const value = crypto.getRandomValues(new Uint8Array(65_536));
  const big = new Uint8Array(320 * value.length);
  for (let part = 0; part < 320; part++) big.set(value, part * value.length);
  await client.send("SET", "big", big);
  const stored = await client.send("GET", "big");
  assert(stored instanceof Uint8Array);
  assertEquals(stored.length, big.length);
  assert(stored.every((byte, index) => byte === big[index]));
});

Deno.test("MemoryRedis delivers 100,000 messages in order, without losing one", async () => {
  await using redis = await MemoryRedis.start();
  await using subscriber = await connect(redis.url);
  await subscriber.send("SUBSCRIBE", "a");
  const count = 100_000;
  const parts = Array.from(
    { length: count },
    (_, index) => `PUBLISH a ${index}\r\n`,
  );
  // Raw, because a promise per command would take most of the time.
  using raw = await Deno.connect({
    hostname: redis.hostname,
    port: redis.port,
  });
  const writing = new Blob(parts).stream().pipeTo(raw.writable, {
    preventClose: true,
  });
  let received = 0;
  const buffer = new Uint8Array(65_536);
  while (received < count * 4) received += await raw.read(buffer) ?? count * 4;
  await writing;
  await subscriber.send("PING");
  const messages = subscriber.messages.all;
  assertEquals(messages.length, count);
  assert(messages.every(({ payload }, index) => payload === String(index)));
});

Deno.test("MemoryRedis answers inline commands", async () => {
  await using redis = await MemoryRedis.start();
  assertEquals(
    await exchange(redis, "\r\n  SET a  b \r\nget a\nQUIT\r\nGET a\r\n"),
    "+OK\r\n$1\r\nb\r\n+OK\r\n",
  );
});

Deno.test("MemoryRedis disconnects after a protocol error, with Redis's message", async () => {
  await using redis = await MemoryRedis.start();
  const cases: [string, string][] = [
    ["*1\r\n+PING\r\n", "expected '$', got '+'"],
    ["*x\r\n", "invalid multibulk length"],
    ["*99999999999\r\n", "invalid multibulk length"],
    ["*1\r\n$x\r\n", "invalid bulk length"],
    ["*1\r\n$-1\r\n", "invalid bulk length"],
    ["*1\r\n$99999999999\r\n", "invalid bulk length"],
    ["x".repeat(70_000), "too big inline request"],
  ];
  for (const [sent, error] of cases) {
    assertEquals(
      await exchange(redis, sent),
      `-ERR Protocol error: ${error}\r\n`,
    );
  }
  assertEquals(await exchange(redis, "*0\r\n*-1\r\nPING\r\n"), "+PONG\r\n");
  // Earlier commands in the same packet are answered.
  assertEquals(
    await exchange(redis, "PING\r\n*x\r\nPING\r\n"),
    "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n",
  );
  assertEquals(redis.connections, 0);
});

Deno.test("MemoryRedis does not know HELLO, so clients fall back to RESP2", async () => {
  await using redis = await MemoryRedis.start();
  await using client = await connect(redis.url);
  await assertRejects(
    () => client.send("HELLO", 3),
    ReplyError,
    "ERR unknown command 'HELLO', with args beginning with: '3' ",
  );
});

Deno.test("MemoryRedis assigns ids to connections, and kills them by id and by type", async () => {
  await using redis = await MemoryRedis.start();
  await using one = await connect(redis.url);
  await using two = await connect(redis.url);
  await using subscriber = await connect(redis.url);
  const ids = [await one.send("CLIENT", "ID"), await two.send("CLIENT", "ID")];
  assertEquals(new Set(ids).size, 2);
  await subscriber.send("SUBSCRIBE", "a");
  assertEquals(
    await one.send("CLIENT", "SETINFO", "LIB-NAME", "celery-results"),
    "OK",
  );
  assertEquals(await one.send("CLIENT", "KILL", "TYPE", "pubsub"), 1);
  await subscriber.closed;
  assertEquals(await one.send("CLIENT", "KILL", "ID", Number(ids[1])), 1);
  await two.closed;
  assertEquals(
    await one.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"),
    1,
  );
  await one.closed;
  assertEquals(redis.connections, 0);
});

Deno.test("MemoryRedis rejects a Lua script that it does not know", async () => {
  await using redis = await MemoryRedis.start();
  await using client = await connect(redis.url);
  for (
    const command of [["EVAL", "return 1", 0], ["SCRIPT", "LOAD", "return 1"]]
  ) {
    await assertRejects(
      () => client.send(...command),
      ReplyError,
      "ERR MemoryRedis cannot run Lua",
    );
  }
  await assertRejects(
    () => client.send("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 0),
    ReplyError,
    "NOSCRIPT No matching script. Please use EVAL.",
  );
});

Deno.test("MemoryRedis answers what clients ask when they connect", async () => {
  await using redis = await MemoryRedis.start();
  await using client = await connect(redis.url);
  await client.send("SETEX", "key", 100, "value");
  const info = String(await client.send("INFO"));
  assertMatch(info, /redis_version:7\./);
  assertMatch(info, /role:master/);
  assertMatch(info, /db0:keys=1,expires=1/);
  const table = await client.send("COMMAND");
  assert(Array.isArray(table));
  assertEquals(await client.send("COMMAND", "COUNT"), table.length);
  assertEquals(await client.send("COMMAND", "DOCS"), []);
});
