/**
 * The contract of a Redis driver, as tests: a new driver must pass them.
 *
 * @module
 */

import { RedisConnectionError, RedisError } from "../../src/errors.ts";
import type {
  RedisDriver,
  RedisLink,
  RedisText,
} from "../../src/redis/link.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "./assert.ts";
import { ChildDeno } from "./child_deno.ts";
import type { TestClient } from "./client.ts";
import { Inbox } from "./inbox.ts";
import { until, within } from "./until.ts";

/** What a test changes about a fixture's driver. */
export interface DriverChange {
  /** Another port of the same host. */
  port?: number;
  /** Another password. */
  password?: string;
  /** Another database. */
  db?: number;
  /** Milliseconds for an attempt to connect. */
  connectTimeout?: number;
  /** Milliseconds of silence before a probe. */
  heartbeat?: number;
}

/** A server, and a driver for it. */
export interface LinkFixture extends AsyncDisposable {
  /** Creates the driver under test. */
  driver(change?: DriverChange): RedisDriver;
  /** A plain client on the driver's database. */
  client(): Promise<TestClient>;
  /** A program for another process that defines `driver`. */
  readonly program: string;
  /** The number of connections to the server; required where it has no CLIENT LIST. */
  connections?(): number;
  /** Kills the server and starts it again. */
  restart(): Promise<void>;
  /** Makes the server fall silent with its connections open; undefined if it cannot. */
  pause?(): void;
  /** Ends a pause. */
  resume?(): void;
}

/** How a contract is registered. */
export interface LinkContractOptions {
  /** Skips a test where the machine lacks something. */
  needs?(test: Deno.TestDefinition): Deno.TestDefinition;
  /**
   * Whether the fixture has `pause` and `resume`.
   *
   * @default {true}
   */
  canPause?: boolean;
  /**
   * Whether a peer that never answers sees an abandoned connection close. Deno
   * keeps the socket of a TLS handshake until the peer does something.
   *
   * @default {true}
   */
  canHangUp?: boolean;
  /**
   * Whether the server has several databases.
   *
   * @default {true}
   */
  hasDatabases?: boolean;
  /**
   * Whether channels are sharded.
   *
   * @default {false}
   */
  sharded?: boolean;
  /**
   * Registers each test.
   *
   * @default {Deno.test}
   */
  register?(test: Deno.TestDefinition): void;
}

/** A link, and what it reported. */
class Held {
  readonly messages = new Inbox<[channel: string, payload: RedisText]>();
  readonly notices: Error[] = [];

  connect(
    driver: RedisDriver,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<RedisLink> {
    return driver.connect({
      onMessage: (channel, payload) => this.messages.push([channel, payload]),
      onNotice: (notice) => this.notices.push(notice),
    }, signal);
  }
}

const enough = new Error("end of the test");

/** Registers the tests of one driver; `start` creates a fixture for each. */
export function linkContract(
  name: string,
  start: () => Promise<LinkFixture>,
  {
    needs = (test) => test,
    canPause = true,
    canHangUp = true,
    hasDatabases = true,
    sharded = false,
    register = Deno.test,
  }: LinkContractOptions = {},
): void {
  const publish = sharded ? "SPUBLISH" : "PUBLISH";
  const numsub = sharded ? "SHARDNUMSUB" : "NUMSUB";
  const channelList = sharded ? "SHARDCHANNELS" : "CHANNELS";

  /** The number of subscriptions to the channels. */
  async function subscribers(
    client: TestClient,
    channels: readonly string[],
  ): Promise<number> {
    const reply = await client.send("PUBSUB", numsub, ...channels);
    assert(Array.isArray(reply));
    return reply.reduce<number>(
      (sum, each, index) => index % 2 === 0 ? sum : sum + Number(each),
      0,
    );
  }

  function test(
    behaviour: string,
    fn: () => Promise<void>,
    applies = true,
  ): void {
    if (applies) register(needs({ name: `${name} ${behaviour}`, fn }));
  }

  test("subscribe() resolves when the server has confirmed each channel", async () => {
    await using fixture = await start();
    await using client = await fixture.client();
    const held = new Held();
    const link = await held.connect(fixture.driver());
    const channels = Array.from({ length: 2500 }, (_, index) => `c${index}`);
    for (let i = 0; i < channels.length; i += 1000) {
      const chunk = channels.slice(i, i + 1000);
      await link.subscribe(chunk);
      assertEquals(await client.send(publish, chunk.at(-1)!, String(i)), 1);
    }
    assertEquals(await subscribers(client, channels), 2500);
    await link.fence();
    assertEquals(held.messages.all, [["c999", "0"], ["c1999", "1000"], [
      "c2499",
      "2000",
    ]]);
    await link.end(enough);
  });

  test("subscribe() and unsubscribe() take effect in call order, however they overlap", async () => {
    await using fixture = await start();
    await using client = await fixture.client();
    const held = new Held();
    const link = await held.connect(fixture.driver());
    for (let i = 0; i < 20; i++) {
      await Promise.all([
        link.subscribe(["stays", "goes"]),
        link.unsubscribe(["stays"]),
        link.subscribe(["stays"]),
        link.fence(),
        link.unsubscribe(["goes"]),
      ]);
      assertEquals(await subscribers(client, ["stays"]), 1);
      assertEquals(await subscribers(client, ["goes"]), 0);
    }
    const many = Array.from({ length: 1000 }, (_, index) => `c${index}`);
    for (let i = 0; i < 10; i++) {
      await link.subscribe(many);
      await link.unsubscribe(many);
      assertEquals(await subscribers(client, many), 0);
    }
    // Neither may drop every channel.
    await link.subscribe([]);
    await link.unsubscribe([]);
    await client.send(publish, "goes", "1");
    await client.send(publish, "stays", "2");
    await link.fence();
    assertEquals(held.messages.all, [["stays", "2"]]);
    await link.end(enough);
  });

  test("unsubscribe(), fence() and read() of nothing need no subscription", async () => {
    await using fixture = await start();
    const link = await new Held().connect(fixture.driver());
    await link.unsubscribe(["k"]);
    await link.fence();
    assertEquals(await link.read([]), []);
    await link.end(enough);
  });

  test("messages arrive in the server's order, as text if they are UTF-8 and as bytes if not", async () => {
    await using fixture = await start();
    await using client = await fixture.client();
    const held = new Held();
    const link = await held.connect(fixture.driver());
    await link.subscribe(["a", "b"]);
    const bytes = new Uint8Array([0x82, 0xa6, 0xff, 0, 10, 13]);
    const large = "\u20ac".repeat(500_000);
    const payloads = [
      "",
      "\ufeffmark",
      bytes,
      large,
      "*3\r\n$7\r\nmessage\r\n",
    ];
    const sent: [string, RedisText][] = [];
    for (let i = 0; i < 200; i++) {
      const pair: [string, RedisText] = [
        i % 3 === 0 ? "a" : "b",
        i < payloads.length ? payloads[i]! : String(i),
      ];
      sent.push(pair);
      await client.send(publish, ...pair);
    }
    await link.fence();
    assertEquals(held.messages.all, sent);
    await link.end(enough);
  });

  test("read() returns what is stored, byte for byte, in the order asked", async () => {
    await using fixture = await start();
    await using client = await fixture.client();
    const link = await new Held().connect(fixture.driver());
    const bytes = new Uint8Array([0x82, 0xa6, 0xff, 0, 10, 13]);
    await client.send("SET", "bytes", bytes);
    await client.send("SET", "text", "\ufeff\u20ac");
    await client.send("SET", "empty", "");
    await client.send("RPUSH", "list", "1");
    assertEquals(
      await link.read(["text", "none", "bytes", "list", "empty", "text"]),
      ["\ufeff\u20ac", null, bytes, null, "", "\ufeff\u20ac"],
    );
    assertEquals(await link.command(["GET", "bytes"]), bytes);
    await link.command(["SET", "written", bytes]);
    assertEquals(await link.read(["written"]), [bytes]);
    const keys = Array.from({ length: 1000 }, (_, index) => `k${index}`);
    await Promise.all(keys.map((key) => link.command(["SET", key, key])));
    assertEquals(await link.read(keys), keys);
    await link.end(enough);
  });

  test("fence() resolves after every message published before it, 2,000 times", async () => {
    await using fixture = await start();
    await using client = await fixture.client();
    const held = new Held();
    const link = await held.connect(fixture.driver());
    await link.subscribe(["k"]);
    let late = 0;
    for (let i = 1; i <= 2000; i++) {
      await client.send(publish, "k", i);
      await link.fence();
      if (held.messages.all.length !== i) late++;
    }
    assertEquals(late, 0);
    await link.end(enough);
  });

  test("command() resolves in call order, and rejects with the server's words", async () => {
    await using fixture = await start();
    const link = await new Held().connect(fixture.driver());
    const words = Array.from({ length: 3000 }, (_, index) => `word ${index}`);
    const replies = words.map((word, index) =>
      link.command(index % 7 === 0 ? ["LLEN", word] : ["ECHO", word])
    );
    const refused = assertRejects(() => link.command(["GET"]), RedisError);
    const statuses = Promise.all([
      link.command(["SET", "k", "v"]),
      link.command(["PING"]),
      link.command(["SET", "k", "v"]),
    ]);
    assertEquals(
      await Promise.all(replies),
      words.map((word, index) => index % 7 === 0 ? 0 : word),
    );
    assertEquals((await refused).code, "ERR");
    assert(!(await refused).message.startsWith("-"));
    assertEquals(await statuses, ["OK", "PONG", "OK"]);
    await link.end(enough);
  });

  test("transaction() is atomic and isolated", async () => {
    await using fixture = await start();
    const link = await new Held().connect(fixture.driver());
    const bytes = new Uint8Array([0xff, 0xfe]);
    await link.command(["SET", "{n}bytes", bytes]);
    const rounds = await Promise.all(Array.from({ length: 100 }, async () => {
      const [replies] = await Promise.all([
        link.transaction([["INCR", "n"], ["GET", "{n}bytes"], ["INCR", "n"]]),
        link.command(["INCR", "n"]),
      ]);
      return replies;
    }));
    for (const [first, got, second] of rounds) {
      assertEquals(second, Number(first) + 1);
      assertEquals(got, bytes);
    }
    assertEquals(await link.command(["GET", "n"]), "300");
    await link.end(enough);
  });

  test("a refused transaction() says why, and does not shift later replies", async () => {
    await using fixture = await start();
    await using client = await fixture.client();
    const link = await new Held().connect(fixture.driver());
    const refused = await assertRejects(
      () => link.transaction([["INCR", "n"], ["GET"]]),
      RedisError,
    );
    assert(refused.message.includes("wrong number of arguments"));
    assertEquals(await client.send("GET", "n"), null);
    assertEquals(await link.command(["ECHO", "on"]), "on");

    await link.command(["SET", "{n}text", "x"]);
    const [outcome, ...later] = await Promise.allSettled([
      link.transaction([["INCR", "n"], ["RPUSH", "{n}text", 1], ["INCR", "n"]]),
      link.command(["ECHO", "a"]),
      link.command(["ECHO", "b"]),
    ]);
    assert(outcome.status === "rejected");
    assertInstanceOf(outcome.reason, RedisError);
    assertEquals(outcome.reason.code, "WRONGTYPE");
    // A link that cannot continue ends.
    for (const [index, each] of later.entries()) {
      if (each.status === "fulfilled") assertEquals(each.value, "ab"[index]);
      else assertInstanceOf(each.reason, RedisConnectionError);
    }
    await link.end(enough);
  });

  test("a reply of 20 MB arrives whole, with messages in between", async () => {
    await using fixture = await start();
    await using client = await fixture.client();
    const held = new Held();
    const link = await held.connect(fixture.driver());
    await link.subscribe(["k"]);
    const large = "0123456789".repeat(2_000_000);
    await client.send("SET", "large", large);
    const read = link.read(["large", "large"]);
    await client.send(publish, "k", "meanwhile");
    await held.messages.until(([channel]) => channel === "k");
    assert((await read).every((each) => each === large));
    await link.end(enough);
  });

  for (const kind of ["pubsub", "normal"]) {
    test(`the link ends when the server kills its ${kind} connection`, async () => {
      await using fixture = await start();
      await using client = await fixture.client();
      const link = await new Held().connect(fixture.driver());
      await link.subscribe(["k"]);
      assertEquals(
        await client.send("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"),
        1,
      );
      // A driver may detect the loss of an idle connection only with the next command.
      if (kind === "normal") {
        await assertRejects(
          () => link.command(["PING"]),
          RedisConnectionError,
        );
      }
      const reason = await within(link.ended, { what: "the end" });
      assertInstanceOf(reason, RedisConnectionError);
      for (
        const call of [
          () => link.command(["PING"]),
          () => link.subscribe(["l"]),
          () => link.fence(),
          () => link.read(["k"]),
          () => link.transaction([["PING"]]),
        ]
      ) {
        assertStrictEquals(await assertRejects(call), reason);
      }
      await link.end(enough);
      assertStrictEquals(await link.ended, reason);
      await onlyClient(fixture, client);
    });
  }

  test("a restarted server is reached by a fresh link", async () => {
    await using fixture = await start();
    const driver = fixture.driver();
    const link = await new Held().connect(driver);
    await link.subscribe(["k"]);
    await fixture.restart();
    await Promise.allSettled([link.command(["PING"])]);
    assertInstanceOf(await link.ended, RedisConnectionError);
    await link.end(enough);
    const held = new Held();
    const next = await held.connect(driver);
    await next.subscribe(["k"]);
    await next.command([publish, "k", "again"]);
    await held.messages.until(([, payload]) => payload === "again");
    await next.end(enough);
  });

  test("a silent server ends the link", async () => {
    await using fixture = await start();
    const link = await new Held().connect(fixture.driver({ heartbeat: 500 }));
    await link.subscribe(["k"]);
    fixture.pause?.();
    const asked = assertRejects(() => link.fence(), RedisConnectionError);
    assertInstanceOf(
      await within(link.ended, { what: "the end" }),
      RedisConnectionError,
    );
    await asked;
    fixture.resume?.();
    await link.end(enough);
  }, canPause);

  test("a refused password or database is reported at once, in the server's words", async () => {
    await using fixture = await start();
    const wrong = await assertRejects(
      () => new Held().connect(fixture.driver({ password: "wrong" })),
      RedisError,
    );
    assert(
      wrong.message.startsWith("WRONGPASS") || wrong.message.includes("AUTH"),
      wrong.message,
    );
    assert(!/\bwrong\b/.test(wrong.message), wrong.message);
    if (hasDatabases) {
      const db = await assertRejects(
        () => new Held().connect(fixture.driver({ db: 9999 })),
        RedisError,
      );
      assert(db.message.includes("DB index is out of range"), db.message);
    }
    await using client = await fixture.client();
    await onlyClient(fixture, client);
  });

  test("a refused connection is a connection error", async () => {
    await using fixture = await start();
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const error = await assertRejects(
      () => new Held().connect(fixture.driver({ port })),
      RedisConnectionError,
    );
    assert(error.message.includes(String(port)), error.message);
  });

  test("connect() ends when its signal aborts, and leaves nothing behind", async () => {
    await using fixture = await start();
    const reason = new Error("no longer wanted");
    assertStrictEquals(
      await assertRejects(() =>
        new Held().connect(fixture.driver(), AbortSignal.abort(reason))
      ),
      reason,
    );
    // A peer that accepts the connection, and stays silent.
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const abort = new AbortController();
    const failed = assertRejects(() =>
      new Held().connect(fixture.driver({ port }), abort.signal)
    );
    const accepted = await listener.accept();
    abort.abort(reason);
    assertStrictEquals(await failed, reason);
    if (canHangUp) await untilClosed(accepted);
    else accepted.close();
  });

  test("connect() gives up on a silent peer after connectTimeout", async () => {
    await using fixture = await start();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const failed = assertRejects(
      () => new Held().connect(fixture.driver({ port, connectTimeout: 100 })),
      RedisConnectionError,
      "100 ms",
    );
    const accepted = await listener.accept();
    if (canHangUp) await untilClosed(accepted);
    await failed;
    if (!canHangUp) accepted.close();
  });

  test("end() lets commands in flight finish, rejects later ones, and leaves nothing behind", async () => {
    await using fixture = await start();
    await using client = await fixture.client();
    const link = await new Held().connect(fixture.driver());
    await link.subscribe(["k"]);
    const sent = Array.from(
      { length: 500 },
      (_, index) => link.command(["ECHO", index]),
    );
    const first = link.end(enough);
    assertStrictEquals(link.end(new Error("another")), first);
    assertStrictEquals(
      await assertRejects(() => link.command(["PING"])),
      enough,
    );
    assertStrictEquals(
      await assertRejects(() => link.subscribe(["l"])),
      enough,
    );
    assertEquals(
      await Promise.all(sent),
      sent.map((_, index) => String(index)),
    );
    await first;
    assertStrictEquals(await link.ended, enough);
    await onlyClient(fixture, client);
    assertEquals(await client.send("PUBSUB", channelList), []);
  });

  test("end() also stops a subscription in progress", async () => {
    await using fixture = await start();
    await using client = await fixture.client();
    const link = await new Held().connect(fixture.driver());
    const subscribed = assertRejects(() => link.subscribe(["k"]));
    const fenced = assertRejects(() => link.fence());
    await link.end(enough);
    assertStrictEquals(await subscribed, enough);
    assertStrictEquals(await fenced, enough);
    await onlyClient(fixture, client);
  });

  test("keepAlive(false) lets the process end", async () => {
    await using fixture = await start();
    const program = `
      ${fixture.program}
      const link = await driver.connect(
        { onMessage() {}, onNotice() {} },
        new AbortController().signal,
      );
      await link.subscribe(["k"]);
      link.keepAlive(false);
      console.log("idle");
    `;
    await using child = new ChildDeno(["eval", program], ".");
    assertEquals(await within(child.end(), { timeout: 60_000 }), ["idle"]);
  });
}

/** Waits until this client's connection is the only one to the server. */
async function onlyClient(
  fixture: LinkFixture,
  client: TestClient,
): Promise<void> {
  await until(
    async () =>
      (fixture.connections?.() ??
        String(await client.send("CLIENT", "LIST")).trim().split("\n")
          .length) === 1,
    { what: "the link's connections to go" },
  );
}

/** Reads a connection until it closes or fails. */
async function untilClosed(connection: Deno.Conn): Promise<void> {
  using conn = connection;
  const buffer = new Uint8Array(1024);
  try {
    while (await conn.read(buffer) !== null);
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
}
