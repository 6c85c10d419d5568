import { FaultProxy } from "../../src/testing/fault_proxy.ts";
import { MemoryRedis } from "../../src/testing/memory_redis.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
} from "../support/assert.ts";
import { connect, type TestClient } from "../support/client.ts";
import { assertRefused, withFreshPorts } from "../support/fresh_ports.ts";
import { within } from "../support/until.ts";

interface Bench extends AsyncDisposable {
  redis: MemoryRedis;
  proxy: FaultProxy;
  client: () => Promise<TestClient>;
  subscriber: (...channels: string[]) => Promise<TestClient>;
}

/** A server with a proxy in front of it, and clients that go through the proxy. */
async function bench(): Promise<Bench> {
  const stack = new AsyncDisposableStack();
  const redis = stack.use(await MemoryRedis.start());
  const proxy = stack.use(await FaultProxy.start(redis.url));
  async function client(): Promise<TestClient> {
    return stack.use(await connect(proxy.url));
  }
  async function subscriber(...channels: string[]): Promise<TestClient> {
    const subscribed = await client();
    await subscribed.send("SUBSCRIBE", ...channels);
    return subscribed;
  }
  return {
    redis,
    proxy,
    client,
    subscriber,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A bare connection, for what a client would hide. */
async function rawThrough(proxy: FaultProxy): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: proxy.hostname, port: proxy.port });
}

async function readAll(conn: Deno.TcpConn): Promise<string> {
  const buffer = new Uint8Array(65_536);
  let text = "";
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null) return text;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

Deno.test("FaultProxy passes commands, replies and messages, and counts them", async () => {
  await using env = await bench();
  const { proxy } = env;
  const client = await env.client();
  const subscriber = await env.subscriber("a", "b");
  const value = "x".repeat(3_000_000);
  assertEquals(
    await Promise.all([
      client.send("SET", "big", value),
      client.send("GET", "big"),
      client.send("PUBLISH", "a", value),
    ]),
    ["OK", value, 1],
  );
  assertEquals((await subscriber.messages.next()).payload, value);
  assertEquals(proxy.connections, 2);
  assertEquals(proxy.accepted, 2);
  assertEquals(
    [...proxy.commands],
    [["SUBSCRIBE", 1], ["SET", 1], ["GET", 1], ["PUBLISH", 1]],
  );
});

Deno.test("FaultProxy.url keeps everything but the address of the target's URL", async () => {
  await using proxy = await FaultProxy.start("redis://us%40er:pw@localhost/3");
  assertEquals(proxy.url, `redis://us%40er:pw@127.0.0.1:${proxy.port}/3`);
  await using other = await FaultProxy.start({ hostname: "::1", port: 1 });
  assertEquals(other.url, `redis://127.0.0.1:${other.port}`);
  await assertRejects(() => FaultProxy.start("not a URL"), TypeError);
});

Deno.test("FaultProxy disconnects a client if the server cannot be reached", async () => {
  await using proxy = await FaultProxy.start({
    hostname: "127.0.0.1",
    port: 1,
  });
  using conn = await rawThrough(proxy);
  assertEquals(await conn.read(new Uint8Array(1)), null);
});

Deno.test("FaultProxy passes bytes that are not Redis's protocol", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using proxy = await FaultProxy.start({
    hostname: "127.0.0.1",
    port: server.addr.port,
  });
  using client = await rawThrough(proxy);
  // A TLS handshake's first bytes.
  const hello = new Uint8Array([22, 3, 1, 0, 5, 13, 10, 1, 2, 3]);
  const accepted = server.accept();
  await client.write(hello);
  using peer = await accepted;
  const buffer = new Uint8Array(100);
  assertEquals(await peer.read(buffer), hello.length);
  assertEquals(buffer.subarray(0, hello.length), hello);
  await peer.write(hello);
  assertEquals(await client.read(buffer), hello.length);
  assertEquals(proxy.commands.size, 0);
});

/** Sends these pieces through a proxy, and returns what the server receives. */
async function received(pieces: readonly string[]): Promise<string> {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using proxy = await FaultProxy.start({
    hostname: "127.0.0.1",
    port: server.addr.port,
  });
  const accepted = server.accept();
  using client = await rawThrough(proxy);
  using peer = await accepted;
  const buffer = new Uint8Array(100);
  let text = "";
  for (const [index, piece] of pieces.entries()) {
    await client.write(new TextEncoder().encode(piece));
    if (index === pieces.length - 1) break;
    // The part of this piece that is passed on shows that the proxy has read it.
    const count = await peer.read(buffer) ?? 0;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  await client.closeWrite();
  return text + await readAll(peer);
}

Deno.test("FaultProxy passes on the bytes it kept when they turn out not to be a command", async () => {
  const pieces = ["PING\r\n*2\r\n$3\r\nGET\r\n", "XYZ\r\n"];
  assertEquals(await received(pieces), pieces.join(""));
});

Deno.test("FaultProxy passes on half a command at the end of its connection", async () => {
  const half = "PING\r\n*2\r\n$3\r\nGET\r\n$1";
  assertEquals(await received([half]), half);
});

Deno.test("FaultProxy.cut() passes on half a command that was read", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using proxy = await FaultProxy.start({
    hostname: "127.0.0.1",
    port: server.addr.port,
  });
  const accepted = server.accept();
  using client = await rawThrough(proxy);
  using peer = await accepted;
  const half = "PING\r\n*2\r\n$3\r\nGET\r\n$1";
  await client.write(new TextEncoder().encode(half));
  await proxy.seen("PING");
  await proxy.cut();
  assertEquals(await readAll(peer), half);
});

Deno.test("FaultProxy sees and holds the commands before a protocol error", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using proxy = await FaultProxy.start({
    hostname: "127.0.0.1",
    port: server.addr.port,
  });
  const accepted = server.accept();
  using hold = proxy.hold("GET");
  using client = await rawThrough(proxy);
  using peer = await accepted;
  await client.write(new TextEncoder().encode("PING\r\nGET a\r\n*x\r\n"));
  await within(hold.reached);
  const buffer = new Uint8Array(100);
  assertEquals(await peer.read(buffer), "PING\r\n".length);
  hold.release();
  await client.closeWrite();
  assertEquals(await readAll(peer), "GET a\r\n*x\r\n");
});

Deno.test("FaultProxy passes on the end of one direction and keeps the other open", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using proxy = await FaultProxy.start({
    hostname: "127.0.0.1",
    port: server.addr.port,
  });
  const accepted = server.accept();
  using client = await rawThrough(proxy);
  await client.write(new TextEncoder().encode("PING\r\n"));
  await client.closeWrite();
  const peer = await accepted;
  assertEquals(await readAll(peer), "PING\r\n");
  await peer.write(new TextEncoder().encode("+PONG\r\n"));
  peer.close();
  assertEquals(await readAll(client), "+PONG\r\n");
});

Deno.test("FaultProxy.cut() closes the connections of the given kind", async () => {
  await using env = await bench();
  const { proxy } = env;
  const client = await env.client();
  const subscriber = await env.subscriber("a");
  assertEquals(await proxy.cut("subscribed"), 1);
  await subscriber.closed;
  assertEquals(await client.send("PING"), "PONG");
  assertEquals(await proxy.cut("command"), 1);
  await client.closed;
  assertEquals(proxy.connections, 0);
  assertEquals(await proxy.cut(), 0);
});

Deno.test("FaultProxy.cut() first passes on what was delayed", async () => {
  await using env = await bench();
  const client = await env.client();
  env.proxy.delay("toServer", 3_600_000);
  await using direct = await connect(env.redis.url);
  client.sendRaw(new TextEncoder().encode("SET key value\r\n"));
  await within(env.proxy.seen("SET"));
  // A round trip, during which the wait begins.
  await direct.send("PING");
  await env.proxy.cut();
  assertEquals(await direct.send("GET", "key"), "value");
});

Deno.test("FaultProxy.cut() drops a command that is held", async () => {
  await using env = await bench();
  const client = await env.client();
  const hold = env.proxy.hold("SET");
  const reply = client.send("SET", "key", "value");
  await within(hold.reached);
  assertEquals(await env.proxy.cut(), 1);
  await assertRejects(() => reply);
  await using direct = await connect(env.redis.url);
  assertEquals(await direct.send("GET", "key"), null);
});

Deno.test("FaultProxy.reset() closes at once, and the peer's writes fail", async () => {
  await using env = await bench();
  const { proxy } = env;
  using conn = await rawThrough(proxy);
  await conn.write(new TextEncoder().encode("PING\r\n"));
  await conn.read(new Uint8Array(100));
  assertEquals(proxy.reset("subscribed"), 0);
  assertEquals(proxy.reset(), 1);
  const error = await assertRejects(async () => {
    await readAll(conn);
    // The first write after the reset may still find room in the socket.
    for (;;) await conn.write(new Uint8Array(1));
  });
  assert(
    error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset,
    String(error),
  );
});

Deno.test("FaultProxy.silence() drops both directions of existing and new connections", async () => {
  await using env = await bench();
  const { proxy } = env;
  const subscriber = await env.subscriber("a");
  await using direct = await connect(env.redis.url);
  proxy.silence();
  const late = await rawThrough(proxy);
  await late.write(new TextEncoder().encode("ECHO late\r\n"));
  await within(proxy.seen("ECHO"));
  assertEquals(proxy.connections, 2);
  // The server sends the message, but the subscriber never receives it.
  assertEquals(await direct.send("PUBLISH", "a", "lost"), 1);
  const ping = subscriber.send("PING");
  await within(proxy.seen("PING"));
  await proxy.heal();
  assertEquals(await direct.send("PUBLISH", "a", "lost as well"), 1);
  const fresh = await env.subscriber("b");
  await direct.send("PUBLISH", "b", "heard");
  assertEquals((await fresh.messages.next()).payload, "heard");
  assertEquals(subscriber.messages.all, []);
  late.close();
  await subscriber.close();
  await assertRejects(() => ping);
});

Deno.test("FaultProxy.silence() with existingOnly leaves new connections alone", async () => {
  await using env = await bench();
  const old = await env.client();
  await old.send("PING");
  env.proxy.silence("all", { existingOnly: true });
  const unanswered = old.send("ECHO", "old");
  const fresh = await env.client();
  assertEquals(await fresh.send("ECHO", "new"), "new");
  assertEquals(await env.proxy.cut(), 2);
  await assertRejects(() => unanswered);
});

Deno.test("FaultProxy.silence() for one kind applies to new connections once their kind is known", async () => {
  await using env = await bench();
  const { proxy } = env;
  proxy.silence("subscribed");
  const client = await env.client();
  assertEquals(await client.send("GET", "key"), null);
  const subscribing = client.send("SUBSCRIBE", "a");
  await within(proxy.seen("SUBSCRIBE"));
  await proxy.heal();
  proxy.silence("command");
  const subscriber = await env.subscriber("b");
  const other = await env.client();
  assertEquals(await other.send("SELECT", "1"), "OK");
  const reading = other.send("GET", "key");
  await within(proxy.seen("GET", 2));
  assertEquals(await subscriber.send("PING", "x"), ["pong", "x"]);
  assertEquals(await proxy.cut(), 3);
  await assertRejects(() => subscribing);
  await assertRejects(() => reading);
});

Deno.test("FaultProxy.silence() keeps the client's connection when the server disconnects", async () => {
  await using env = await bench();
  const client = await env.client();
  await client.send("PING");
  env.proxy.silence();
  await env.redis.stop();
  // Once this has arrived, so has the end of the server's stream.
  using other = await rawThrough(env.proxy);
  await other.write(new TextEncoder().encode("GET key\r\n"));
  await within(env.proxy.seen("GET"));
  assertEquals(env.proxy.connections, 2);
  const echo = client.send("ECHO", "x");
  await within(env.proxy.seen("ECHO"));
  assertEquals(env.proxy.connections, 2);
  await client.close();
  await assertRejects(() => echo);
});

Deno.test("FaultProxy.delay() delays the bytes of one direction, in order", async () => {
  await using env = await bench();
  const client = await env.client();
  await client.send("PING");
  const numbers = Array.from({ length: 50 }, (_, index) => index);
  for (const direction of ["toServer", "toClient"] as const) {
    env.proxy.delay(direction, 300);
    const start = performance.now();
    const sent: Promise<unknown>[] = [];
    for (const n of numbers) {
      sent.push(client.send("ECHO", n));
      await within(
        env.proxy.seen("ECHO", (env.proxy.commands.get("ECHO") ?? 0) + 1),
      );
    }
    const replies = await Promise.all(sent);
    const took = performance.now() - start;
    assertEquals(replies, numbers.map(String));
    // One after the other, they would take 15 seconds.
    assert(took >= 299 && took < 10_000, `${direction}: ${took} ms`);
    env.proxy.delay(direction, 0);
  }
  env.proxy.delay("toClient", 3_600_000, "subscribed");
  assertEquals(await client.send("PING"), "PONG");
});

Deno.test("FaultProxy.split() writes single bytes", async () => {
  await using env = await bench();
  env.proxy.split();
  const client = await env.client();
  const subscriber = await env.subscriber("a", "b", "c");
  const value = "\r\n$5\r\n".repeat(100);
  assertEquals(await client.send("PUBLISH", "b", value), 1);
  assertEquals((await subscriber.messages.next()).payload, value);
  using conn = await rawThrough(env.proxy);
  await conn.write(new TextEncoder().encode(`ECHO ${"x".repeat(1_000)}\r\n`));
  let reads = 0;
  const buffer = new Uint8Array(65_536);
  for (let received = 0; received < 1_009; reads++) {
    received += await conn.read(buffer) ?? 0;
  }
  assertEquals(reads, 1_009);
});

Deno.test("FaultProxy.truncate() passes on half a frame and closes", async () => {
  await using env = await bench();
  const { proxy } = env;
  const subscriber = await env.subscriber("a");
  using conn = await rawThrough(proxy);
  const truncated = proxy.truncate("command");
  await using direct = await connect(env.redis.url);
  await direct.send("PUBLISH", "a", "whole");
  assertEquals((await subscriber.messages.next()).payload, "whole");
  await conn.write(new TextEncoder().encode("ECHO 0123456789\r\nPING\r\n"));
  assertEquals(await readAll(conn), "$10\r\n0123");
  await truncated;
  assertEquals(proxy.connections, 1);
});

Deno.test("FaultProxy.refuse() refuses until accept(), on the same port", () =>
  withFreshPorts(async () => {
    await using env = await bench();
    const { proxy } = env;
    const client = await env.client();
    await Promise.all([proxy.refuse(), proxy.refuse()]);
    await assertRefused(proxy);
    assertEquals(await client.send("PING"), "PONG");
    await Promise.all([proxy.accept(), proxy.accept()]);
    await proxy.accept();
    assertEquals(await (await env.client()).send("PING"), "PONG");
  }));

Deno.test("FaultProxy.hold() holds a command and everything behind it", async () => {
  await using env = await bench();
  const { proxy } = env;
  const client = await env.client();
  const other = await env.client();
  await using direct = await connect(env.redis.url);
  const hold = proxy.hold("mget");
  const replies = Promise.all([
    client.send("SET", "before", 1),
    client.send("MGET", "before", "meanwhile"),
    client.send("SET", "after", 1),
  ]);
  await within(hold.reached);
  assertEquals(await direct.send("MGET", "before", "after"), ["1", null]);
  await direct.send("SET", "meanwhile", 2);
  // A hold holds one command, and only its connection.
  assertEquals(await other.send("MGET", "before"), ["1"]);
  hold.release();
  hold.release();
  assertEquals(await replies, ["OK", ["1", "2"], "OK"]);
});

Deno.test("FaultProxy.hold() chooses by connection, argument and number", async () => {
  await using env = await bench();
  const { proxy } = env;
  const client = await env.client();
  const subscriber = await env.subscriber("a");
  const byKind = proxy.hold("PING", { which: "subscribed" });
  assertEquals(await client.send("PING"), "PONG");
  const ping = subscriber.send("PING");
  await within(byKind.reached);
  byKind.release();
  assertEquals(await ping, ["pong", ""]);
  const byArgument = proxy.hold("GET", { argument: "wanted", skip: 1 });
  assertEquals(
    await Promise.all(["GET", "wanted"].map((key) => client.send("GET", key))),
    [null, null],
  );
  const held = client.send("GET", "wanted");
  await within(byArgument.reached);
  byArgument.release();
  assertEquals(await held, null);
  // A connection counts as subscribed with its first SUBSCRIBE.
  const first = proxy.hold("SUBSCRIBE", { which: "subscribed" });
  const late = await env.client();
  const subscribing = late.send("SUBSCRIBE", "b");
  await within(first.reached);
  first.release();
  await subscribing;
});

Deno.test("FaultProxy.hold() ignores silent connections", async () => {
  await using env = await bench();
  const { proxy } = env;
  const client = await env.client();
  const subscriber = await env.subscriber("a");
  proxy.silence("subscribed", { existingOnly: true });
  const hold = proxy.hold("PING");
  subscriber.send("PING");
  await within(proxy.seen("PING"));
  const ping = client.send("PING");
  await within(hold.reached);
  hold.release();
  assertEquals(await ping, "PONG");
});

Deno.test("FaultProxy.hold() rejects `reached` when its connection ends", async () => {
  await using env = await bench();
  const { proxy } = env;
  const client = await env.client();
  const hold = proxy.hold("GET");
  const replyHold = proxy.holdReply("GET");
  client.send("GET", "key");
  await within(hold.reached);
  proxy.reset();
  await assertRejects(() => replyHold.reached, Error, "GET was not held");
});

Deno.test("FaultProxy.holdReply() holds a reply after the server ran the command", async () => {
  await using env = await bench();
  const { proxy } = env;
  const client = await env.client();
  await using direct = await connect(env.redis.url);
  const hold = proxy.holdReply("SET", { skip: 1 });
  const first = client.send("SET", "key", 1);
  const second = client.send("SET", "key", 2);
  const third = client.send("PING");
  assertEquals(await first, "OK");
  await within(hold.reached);
  assertEquals(await direct.send("GET", "key"), "2");
  assertEquals(await Promise.race([third, "held"]), "held");
  hold.release();
  assertEquals(await Promise.all([second, third]), ["OK", "PONG"]);
});

Deno.test("FaultProxy.holdReply() passes on the messages before the reply", async () => {
  await using env = await bench();
  const { proxy } = env;
  const subscriber = await env.subscriber("a", "b");
  await using direct = await connect(env.redis.url);
  const sending = proxy.hold("UNSUBSCRIBE");
  using hold = proxy.holdReply("UNSUBSCRIBE");
  const unsubscribed = subscriber.send("UNSUBSCRIBE", "a");
  await within(sending.reached);
  await direct.send("PUBLISH", "a", "before");
  assertEquals((await subscriber.messages.next()).payload, "before");
  sending.release();
  await within(hold.reached);
  await direct.send("PUBLISH", "b", "behind");
  assertEquals(subscriber.messages.all.length, 1);
  hold.release();
  await unsubscribed;
  assertEquals((await subscriber.messages.next()).payload, "behind");
});

Deno.test("FaultProxy.holdReply() counts the replies to earlier commands", async () => {
  await using env = await bench();
  const client = await env.client();
  using hold = env.proxy.holdReply("PING");
  const before = Promise.all([
    client.send("MGET", "a", "b", "c"),
    client.send("SUBSCRIBE", "a", "b", "c"),
  ]);
  const ping = client.send("PING", "x");
  await within(hold.reached);
  assertEquals((await before)[0], [null, null, null]);
  assertEquals(client.subscriptions, 3);
  hold.release();
  assertEquals(await ping, ["pong", "x"]);
});

Deno.test("FaultProxy.holdReply() distinguishes messages from replies", async () => {
  using server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using proxy = await FaultProxy.start({
    hostname: "127.0.0.1",
    port: server.addr.port,
  });
  const accepted = server.accept();
  using client = await rawThrough(proxy);
  using hold = proxy.holdReply("PING", { skip: 1 });
  await client.write(new TextEncoder().encode("PING 1\r\nPING 2\r\n"));
  const peer = await accepted;
  const message = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nok\r\n";
  const first = `${message}${message}$1\r\n1\r\n${message}`;
  await peer.write(new TextEncoder().encode(`${first}$1\r\n2\r\n`));
  await within(hold.reached);
  const buffer = new Uint8Array(first.length + 100);
  assertEquals(await client.read(buffer), first.length);
  peer.close();
  hold.release();
  assertEquals(await readAll(client), "$1\r\n2\r\n");
});

Deno.test("FaultProxy.heal() ends every fault", async () => {
  await using env = await bench();
  const { proxy } = env;
  const client = await env.client();
  const hold = proxy.hold("GET");
  const idle = proxy.hold("MGET");
  const truncated = proxy.truncate("subscribed");
  const held = client.send("GET", "key");
  await within(hold.reached);
  await proxy.refuse();
  proxy.silence("subscribed");
  proxy.split();
  proxy.delay("toClient", 3_600_000);
  await proxy.heal();
  assertEquals(await held, null);
  const subscriber = await env.subscriber("a");
  assertEquals(await client.send("PUBLISH", "a", "x"), 1);
  await subscriber.messages.next();
  for (const promise of [idle.reached, truncated]) {
    assertInstanceOf(await assertRejects(() => promise), Error);
  }
});

Deno.test("FaultProxy.seen() resolves once a command was received often enough", async () => {
  await using env = await bench();
  const client = await env.client();
  const twice = env.proxy.seen("ping", 2);
  await client.send("PING");
  await within(env.proxy.seen("PING"));
  assertEquals(
    await Promise.race([twice, Promise.resolve("not yet")]),
    "not yet",
  );
  await client.send("PING");
  await twice;
  const never = env.proxy.seen("PING", 3);
  await env.proxy.stop();
  await assertRejects(() => never, Error, "Too few PING");
});

Deno.test("FaultProxy.retarget() connects new clients to another server", async () => {
  await using env = await bench();
  await using other = await MemoryRedis.start();
  const before = await env.client();
  await before.send("SET", "key", "first");
  env.proxy.retarget(other.url);
  assertEquals(await (await env.client()).send("GET", "key"), null);
  assertEquals(await before.send("GET", "key"), "first");
});

Deno.test("FaultProxy.stop() is idempotent and ends holds, delays and silence", () =>
  withFreshPorts(async () => {
    await using env = await bench();
    const { proxy } = env;
    const clients = [
      await env.client(),
      await env.client(),
      await env.client(),
    ];
    const hold = proxy.hold("GET");
    const gets = clients.map((client) => client.send("GET", "key"));
    await within(hold.reached);
    proxy.delay("toServer", 3_600_000);
    const pings = clients.map((client) => client.send("PING"));
    await within(proxy.seen("PING", 3));
    proxy.silence("all");
    await Promise.all([proxy.stop(), proxy.stop()]);
    await proxy.stop();
    assertEquals(proxy.connections, 0);
    await Promise.allSettled([...gets, ...pings]);
    await Promise.all(clients.map((client) => client.closed));
    await proxy.accept();
    await assertRefused(proxy);
  }));
