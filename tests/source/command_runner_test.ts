import { UnreachableNodeError } from "../../src/redis/unreachable.ts";
import type { RespValue } from "../../src/redis/wire/resp.ts";
import {
  BackendClosedError,
  RedisConnectionError,
  RedisError,
} from "../../src/errors.ts";
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { GaveUp, SourceFixture } from "../support/source_fixture.ts";
import { turn } from "../support/turn.ts";

Deno.test("CommandRunner.run tries again as often as allowed, on whatever link there is", async () => {
  using fixture = new SourceFixture();
  const replies = [
    new RedisError("LOADING wait"),
    new RedisError("OOM memory"),
    "value",
  ];
  fixture.driver.onLink = (link) => link.onCommand = () => replies.shift()!;
  const got = fixture.get();
  await fixture.runtime.advance(310);
  assertEquals(await got, "value");
  await fixture.close();
});

Deno.test("CommandRunner.run gives up with the last error and the number of attempts", async () => {
  using fixture = new SourceFixture();
  fixture.driver.onLink = (link) =>
    link.onCommand = () => new RedisError("BUSY script");
  const got = assertRejects(
    () => fixture.get(),
    GaveUp,
    "tried 3 times, last: BUSY script",
  );
  await fixture.runtime.advance(310);
  assertInstanceOf((await got).cause, RedisError);
  await fixture.close();
});

Deno.test("CommandRunner.run does not retry permanent errors", async () => {
  using fixture = new SourceFixture();
  const refused = new RedisError("WRONGTYPE no");
  fixture.driver.onLink = (link) => link.onCommand = () => refused;
  assertStrictEquals(await assertRejects(() => fixture.get()), refused);
  assertEquals(fixture.driver.link.sizes.command, [2]);
  await fixture.close();
});

Deno.test("CommandRunner.run counts a failed attempt to connect as one try of each command that waits", async () => {
  using fixture = new SourceFixture({ retry: { minTimeout: 10 } });
  fixture.driver.onConnect = () => new RedisConnectionError("refused");
  const waits = [1, 2].map(() =>
    assertRejects(() => fixture.get(), GaveUp, "tried 3 times, last: refused")
  );
  await fixture.runtime.advance(100_000);
  await Promise.all(waits);
  // It is the source that dials, and it stops when nobody waits.
  assertEquals(fixture.driver.attempts, 3);
  assertEquals(fixture.runtime.timers, 0);
  await fixture.close();
});

Deno.test("CommandRunner.run gives up when the source does", async () => {
  using fixture = new SourceFixture({
    reconnect: { maxAttempts: 2 },
    retry: { maxAttempts: 9, minTimeout: 50 },
  });
  fixture.driver.onConnect = () => new RedisConnectionError("refused");
  const got = assertRejects(() => fixture.get(), GaveUp);
  await fixture.runtime.advance(100_000);
  await got;
  await fixture.close();
});

Deno.test("CommandRunner.run tries a command again whose link died with it", async () => {
  using fixture = new SourceFixture();
  fixture.driver.onLink = (link) => link.held.add("command");
  const got = fixture.get();
  await turn();
  fixture.driver.onLink = () => {};
  fixture.driver.link.die();
  await fixture.runtime.advance(100);
  assertEquals(await got, "OK");
  assertEquals(fixture.driver.attempts, 2);
  await fixture.close();
});

Deno.test("CommandRunner.run ends by its signal: before, while it waits for a link, for a reply, for another try", async () => {
  const reason = new Error("enough");
  const prepares: ((fixture: SourceFixture) => void)[] = [
    ({ driver }) => driver.isBlackHole = true,
    ({ driver }) => {
      driver.onLink = (link) => link.held.add("command");
    },
    ({ driver }) => {
      driver.onLink = (link) =>
        link.onCommand = () => new RedisError("BUSY script");
    },
  ];
  for (const prepare of prepares) {
    using fixture = new SourceFixture();
    await assertRejects(() =>
      fixture.get({ signal: AbortSignal.abort(reason) })
    );
    assertEquals(fixture.driver.attempts, 0);
    prepare(fixture);
    const controller = new AbortController();
    const got = assertRejects(() => fixture.get(controller));
    await turn();
    controller.abort(reason);
    assertStrictEquals(await got, reason);
    await turn();
    assertEquals(fixture.runtime.timers, 0);
    await fixture.close();
  }
});

Deno.test("CommandRunner.run rejects with BackendClosedError when the backend closes, while it waits for a link or for another try", async () => {
  const prepares: ((fixture: SourceFixture) => void)[] = [
    ({ driver }) => driver.isBlackHole = true,
    ({ driver }) => {
      driver.onConnect = () => new RedisConnectionError("refused");
    },
    ({ driver }) => {
      driver.onLink = (link) =>
        link.onCommand = () => new RedisError("BUSY script");
    },
  ];
  for (const prepare of prepares) {
    using fixture = new SourceFixture();
    prepare(fixture);
    const got = assertRejects(() => fixture.get(), BackendClosedError);
    await turn();
    // And no timer is left.
    await fixture.close();
    await got;
  }
});

Deno.test("CommandRunner.run finishes what was sent when the backend closes, within closeTimeout", async () => {
  for (const isAnswered of [true, false]) {
    using fixture = new SourceFixture();
    fixture.driver.onLink = (link) => link.held.add("command");
    const got = fixture.get().then(
      (value) => value,
      (error) => error instanceof BackendClosedError,
    );
    await turn();
    let isClosed = false;
    const closed = fixture.close().then(() => isClosed = true);
    await fixture.runtime.advance(4999);
    assertEquals(isClosed, false);
    await assertRejects(() => fixture.get(), BackendClosedError);
    if (isAnswered) fixture.driver.link.free("command");
    else await fixture.runtime.advance(1);
    assertEquals(await got, isAnswered ? "OK" : true);
    await closed;
  }
});

Deno.test("CommandRunner.run rejects with BackendClosedError what fails after the backend was closed", async () => {
  using fixture = new SourceFixture();
  fixture.driver.onLink = (link) => {
    link.held.add("command");
    link.onCommand = () => new RedisError("LOADING wait");
  };
  const got = assertRejects(() => fixture.get(), BackendClosedError);
  await turn();
  const closed = fixture.close();
  fixture.driver.link.free("command");
  await Promise.all([got, closed]);
});

Deno.test("CommandRunner.run sends nothing for a call that ended before there was a link", async () => {
  using fixture = new SourceFixture();
  const { promise, resolve } = Promise.withResolvers<void>();
  fixture.driver.gate = promise;
  const controller = new AbortController();
  const ended = assertRejects(() => fixture.get(controller));
  const got = fixture.get();
  await turn();
  controller.abort();
  await ended;
  resolve();
  await got;
  assertEquals(fixture.driver.link.calls, ["command GET k"]);
  await fixture.close();
});

class Unsure extends Error {}

function incr(fixture: SourceFixture): Promise<RespValue> {
  return fixture.commands.runOnce(
    (link) => link.command(["INCR", "k"]),
    (cause) => new Unsure("may have", { cause }),
    (message, cause) => new GaveUp(message, { cause }),
  );
}

Deno.test("CommandRunner.runOnce tries again what was not carried out: no link, or a refusal", async () => {
  using fixture = new SourceFixture();
  const replies = [new RedisError("LOADING wait"), 1];
  fixture.driver.onConnect = (attempt) =>
    attempt === 1 ? new RedisConnectionError("refused") : undefined;
  fixture.driver.onLink = (link) => link.onCommand = () => replies.shift()!;
  const got = incr(fixture);
  await fixture.runtime.advance(1000);
  assertEquals(await got, 1);
  await fixture.close();
});

Deno.test("CommandRunner.runOnce tries again what was never sent: its node of a cluster could not be reached", async () => {
  using fixture = new SourceFixture();
  const away = new UnreachableNodeError("refused");
  const replies = [away, away, 1];
  fixture.driver.onLink = (link) => link.onCommand = () => replies.shift()!;
  const got = incr(fixture);
  await fixture.runtime.advance(1000);
  assertEquals(await got, 1);
  await fixture.close();
});

Deno.test("CommandRunner.runOnce gives up as run() does, and throws permanent errors at once", async () => {
  using fixture = new SourceFixture();
  const replies = [..."123"].map(() => new RedisError("BUSY script"));
  const refused = new RedisError("WRONGTYPE no");
  fixture.driver.onLink = (link) =>
    link.onCommand = () => replies.shift() ?? refused;
  const got = assertRejects(() => incr(fixture), GaveUp, "tried 3 times");
  await fixture.runtime.advance(1000);
  await got;
  assertStrictEquals(await assertRejects(() => incr(fixture)), refused);
  await fixture.close();
});

Deno.test("CommandRunner.runOnce does not try again when the link ended first, whatever its end was", async () => {
  for (
    const end of [
      new RedisConnectionError("lost"),
      // As a server says before it hangs up.
      new RedisError("LOADING wait"),
    ]
  ) {
    using fixture = new SourceFixture();
    fixture.driver.onLink = (link) => link.held.add("command");
    const got = assertRejects(() => incr(fixture), Unsure);
    await turn();
    fixture.driver.link.die(end);
    assertStrictEquals((await got).cause, end);
    assertEquals(fixture.driver.link.calls.length, 1);
    await fixture.close();
  }
});
