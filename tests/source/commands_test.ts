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
import { GaveUp, SourceStage } from "../support/source_stage.ts";
import { turn } from "../support/turn.ts";

Deno.test("Commands.run tries again as often as allowed, on whatever link there is", async () => {
  using stage = new SourceStage();
  const replies = [
    new RedisError("LOADING wait"),
    new RedisError("OOM memory"),
    "value",
  ];
  stage.driver.onLink = (link) => link.onCommand = () => replies.shift()!;
  const got = stage.get();
  await stage.runtime.advance(310);
  assertEquals(await got, "value");
  await stage.close();
});

Deno.test("Commands.run gives up with the last error, and says how often it tried", async () => {
  using stage = new SourceStage();
  stage.driver.onLink = (link) =>
    link.onCommand = () => new RedisError("BUSY script");
  const got = assertRejects(
    () => stage.get(),
    GaveUp,
    "tried 3 times, last: BUSY script",
  );
  await stage.runtime.advance(310);
  assertInstanceOf((await got).cause, RedisError);
  await stage.close();
});

Deno.test("Commands.run does not try again what another try cannot mend", async () => {
  using stage = new SourceStage();
  const refused = new RedisError("WRONGTYPE no");
  stage.driver.onLink = (link) => link.onCommand = () => refused;
  assertStrictEquals(await assertRejects(() => stage.get()), refused);
  assertEquals(stage.driver.link.sizes.command, [2]);
  await stage.close();
});

Deno.test("Commands.run counts a failed attempt to connect as one try of each command that waits", async () => {
  using stage = new SourceStage({ retry: { minTimeout: 10 } });
  stage.driver.onConnect = () => new RedisConnectionError("refused");
  const waits = [1, 2].map(() =>
    assertRejects(() => stage.get(), GaveUp, "tried 3 times, last: refused")
  );
  await stage.runtime.advance(100_000);
  await Promise.all(waits);
  // It is the source that dials, and it stops when nobody waits.
  assertEquals(stage.driver.attempts, 3);
  assertEquals(stage.runtime.timers, 0);
  await stage.close();
});

Deno.test("Commands.run gives up when the source does", async () => {
  using stage = new SourceStage({
    reconnect: { maxAttempts: 2 },
    retry: { maxAttempts: 9, minTimeout: 50 },
  });
  stage.driver.onConnect = () => new RedisConnectionError("refused");
  const got = assertRejects(() => stage.get(), GaveUp);
  await stage.runtime.advance(100_000);
  await got;
  await stage.close();
});

Deno.test("Commands.run tries a command again whose link died with it", async () => {
  using stage = new SourceStage();
  stage.driver.onLink = (link) => link.held.add("command");
  const got = stage.get();
  await turn();
  stage.driver.onLink = () => {};
  stage.driver.link.die();
  await stage.runtime.advance(100);
  assertEquals(await got, "OK");
  assertEquals(stage.driver.attempts, 2);
  await stage.close();
});

Deno.test("Commands.run ends by its signal: before, while it waits for a link, for a reply, for another try", async () => {
  const reason = new Error("enough");
  const prepares: ((stage: SourceStage) => void)[] = [
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
    using stage = new SourceStage();
    await assertRejects(() => stage.get({ signal: AbortSignal.abort(reason) }));
    assertEquals(stage.driver.attempts, 0);
    prepare(stage);
    const controller = new AbortController();
    const got = assertRejects(() => stage.get(controller));
    await turn();
    controller.abort(reason);
    assertStrictEquals(await got, reason);
    await turn();
    assertEquals(stage.runtime.timers, 0);
    await stage.close();
  }
});

Deno.test("Commands.run rejects with BackendClosedError when the backend closes, while it waits for a link or for another try", async () => {
  const prepares: ((stage: SourceStage) => void)[] = [
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
    using stage = new SourceStage();
    prepare(stage);
    const got = assertRejects(() => stage.get(), BackendClosedError);
    await turn();
    // Without a timer that is left behind, too.
    await stage.close();
    await got;
  }
});

Deno.test("Commands.run finishes what was sent when the backend closes, within closeTimeout", async () => {
  for (const isAnswered of [true, false]) {
    using stage = new SourceStage();
    stage.driver.onLink = (link) => link.held.add("command");
    const got = stage.get().then(
      (value) => value,
      (error) => error instanceof BackendClosedError,
    );
    await turn();
    let isClosed = false;
    const closed = stage.close().then(() => isClosed = true);
    await stage.runtime.advance(4999);
    assertEquals(isClosed, false);
    await assertRejects(() => stage.get(), BackendClosedError);
    if (isAnswered) stage.driver.link.free("command");
    else await stage.runtime.advance(1);
    assertEquals(await got, isAnswered ? "OK" : true);
    await closed;
  }
});

Deno.test("Commands.run rejects with BackendClosedError what fails after the backend was closed", async () => {
  using stage = new SourceStage();
  stage.driver.onLink = (link) => {
    link.held.add("command");
    link.onCommand = () => new RedisError("LOADING wait");
  };
  const got = assertRejects(() => stage.get(), BackendClosedError);
  await turn();
  const closed = stage.close();
  stage.driver.link.free("command");
  await Promise.all([got, closed]);
});

Deno.test("Commands.run sends nothing for a call that ended before there was a link", async () => {
  using stage = new SourceStage();
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.driver.gate = promise;
  const controller = new AbortController();
  const ended = assertRejects(() => stage.get(controller));
  const got = stage.get();
  await turn();
  controller.abort();
  await ended;
  resolve();
  await got;
  assertEquals(stage.driver.link.calls, ["command GET k"]);
  await stage.close();
});

class Unsure extends Error {}

function incr(stage: SourceStage): Promise<RespValue> {
  return stage.commands.runOnce(
    (link) => link.command(["INCR", "k"]),
    (cause) => new Unsure("may have", { cause }),
    (message, cause) => new GaveUp(message, { cause }),
  );
}

Deno.test("Commands.runOnce tries again what was not carried out: no link, or a refusal", async () => {
  using stage = new SourceStage();
  const replies = [new RedisError("LOADING wait"), 1];
  stage.driver.onConnect = (attempt) =>
    attempt === 1 ? new RedisConnectionError("refused") : undefined;
  stage.driver.onLink = (link) => link.onCommand = () => replies.shift()!;
  const got = incr(stage);
  await stage.runtime.advance(1000);
  assertEquals(await got, 1);
  await stage.close();
});

Deno.test("Commands.runOnce tries again what was never sent: its node of a cluster could not be reached", async () => {
  using stage = new SourceStage();
  const away = new UnreachableNodeError("refused");
  const replies = [away, away, 1];
  stage.driver.onLink = (link) => link.onCommand = () => replies.shift()!;
  const got = incr(stage);
  await stage.runtime.advance(1000);
  assertEquals(await got, 1);
  await stage.close();
});

Deno.test("Commands.runOnce gives up as run() does, and throws at once what stays wrong", async () => {
  using stage = new SourceStage();
  const replies = [..."123"].map(() => new RedisError("BUSY script"));
  const refused = new RedisError("WRONGTYPE no");
  stage.driver.onLink = (link) =>
    link.onCommand = () => replies.shift() ?? refused;
  const got = assertRejects(() => incr(stage), GaveUp, "tried 3 times");
  await stage.runtime.advance(1000);
  await got;
  assertStrictEquals(await assertRejects(() => incr(stage)), refused);
  await stage.close();
});

Deno.test("Commands.runOnce does not try again when the link ended first, whatever its end was", async () => {
  for (
    const end of [
      new RedisConnectionError("lost"),
      // As a server says before it hangs up.
      new RedisError("LOADING wait"),
    ]
  ) {
    using stage = new SourceStage();
    stage.driver.onLink = (link) => link.held.add("command");
    const got = assertRejects(() => incr(stage), Unsure);
    await turn();
    stage.driver.link.die(end);
    assertStrictEquals((await got).cause, end);
    assertEquals(stage.driver.link.calls.length, 1);
    await stage.close();
  }
});
