import {
  BackendClosedError,
  ConfigurationError,
  RedisConnectionError,
  RedisError,
  RetryLimitError,
} from "../../src/errors.ts";
import {
  assert,
  assertEquals,
  assertExists,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import type { RedisDriver } from "../../src/redis/link.ts";
import { RespError } from "../../src/redis/wire/resp.ts";
import type { RetryNotice } from "../../src/retry/listener.ts";
import { abortable } from "../../src/util/abortable.ts";
import {
  documentOf,
  keyOf,
  RecordingReader,
} from "../support/recording_reader.ts";
import { SourceFixture } from "../support/source_fixture.ts";
import { turn } from "../support/turn.ts";

const A = keyOf("a");

function lost(): Error {
  return new RedisConnectionError("refused");
}

Deno.test("ResultSource dials nothing before somebody waits, and one link for all", async () => {
  using fixture = new SourceFixture();
  await turn();
  assertEquals(fixture.driver.attempts, 0);
  const [one, two] = [new RecordingReader(), new RecordingReader()];
  await Promise.all([
    fixture.source.add(one, ["a"]),
    fixture.source.add(two, ["b", "a"]),
    fixture.get(),
  ]);
  await turn();
  assertEquals(fixture.driver.attempts, 1);
  assertEquals(fixture.types, ["connecting", "connected"]);
  fixture.driver.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals([one.got, two.got], [["live SUCCESS 1"], ["live SUCCESS 1"]]);
  await fixture.close();
  assertEquals(fixture.types.at(-1), "closed");
});

Deno.test("ResultSource.add checks every id before it adds one", async () => {
  using fixture = new SourceFixture();
  const reader = new RecordingReader();
  for (const bad of [["a", ""], ["a", 1 as never], ["a", "\ud800"]]) {
    assertThrows(() => fixture.source.add(reader, bad), TypeError);
  }
  assertEquals(reader.waits, []);
  await turn();
  assertEquals(fixture.driver.attempts, 0);
  await fixture.source.add(reader, []);
  assertEquals(fixture.driver.attempts, 0);
  await fixture.close();
});

Deno.test("ResultSource reconnects with growing waits, attaches everything, and reports it", async () => {
  using fixture = new SourceFixture();
  const reader = new RecordingReader();
  await fixture.source.add(reader, ["a", "b"]);
  await fixture.runtime.advance(5000);
  fixture.driver.onConnect = (attempt) => attempt < 5 ? lost() : undefined;
  fixture.statusEvents.length = 0;
  fixture.driver.link.die();
  await turn();
  assertInstanceOf(fixture.source.lastError, RedisConnectionError);
  fixture.driver.store.set(A, documentOf("SUCCESS", 1));
  const attempts: number[] = [];
  for (let i = 0; i < 4; i++) {
    attempts.push(fixture.driver.attempts);
    await fixture.runtime.advance(100 * 2 ** i);
  }
  assertEquals(attempts, [2, 3, 4, 5]);
  assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  assertEquals(fixture.types, [
    "disconnected",
    "connecting",
    "retrying",
    "connecting",
    "retrying",
    "connecting",
    "retrying",
    "connecting",
    "connected",
    "resynced",
  ]);
  const retrying = fixture.statusEvents.filter((event) =>
    event.type === "retrying"
  );
  assertEquals(retrying.map(({ attempt }) => attempt), [1, 2, 3]);
  assertEquals(retrying.map(({ delay }) => delay), [100, 200, 400]);
  assertEquals(
    retrying.map(({ message }) => message),
    [0, 1, 2].map((n) => `Connection to Redis lost: Retry (${n}/Inf) now.`),
  );
  const resynced = fixture.statusEvents.at(-1)!;
  assert(resynced.type === "resynced");
  assertEquals(resynced.keys, 2);
  assertEquals(fixture.source.lastError, undefined);
  await fixture.close();
});

Deno.test("ResultSource counts a link that dies before it is attached as a failed attempt", async () => {
  using fixture = new SourceFixture();
  fixture.driver.onLink = (link) => link.held.add("subscribe");
  const reader = new RecordingReader();
  const attached = fixture.source.add(reader, ["a"]);
  await turn();
  fixture.driver.onLink = () => {};
  fixture.driver.link.die();
  await fixture.runtime.advance(100);
  await attached;
  assertEquals(fixture.types, [
    "connecting",
    "retrying",
    "connecting",
    "connected",
  ]);
  await fixture.close();
});

Deno.test("ResultSource redials a link that lived for a second at once, and short-lived ones with growing waits", async () => {
  using fixture = new SourceFixture({ reconnect: { jitter: 1 } });
  fixture.runtime.chance = 0.5;
  await fixture.source.add(new RecordingReader(), ["a"]);
  await fixture.runtime.advance(1000);
  fixture.driver.link.die();
  await turn();
  assertEquals(fixture.driver.attempts, 2);
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    fixture.driver.link.die();
    const { attempts } = fixture.driver;
    let waited = 0;
    for (await turn(); fixture.driver.attempts === attempts; waited += 10) {
      await fixture.runtime.advance(10);
    }
    waits.push(waited);
  }
  assertEquals(waits, [50, 100, 200, 400, 400, 400]);
  await fixture.runtime.advance(1000);
  fixture.driver.link.die();
  await turn();
  assertEquals(fixture.driver.attempts, 9);
  await fixture.close();
});

Deno.test("ResultSource applies `jitter` and `delay` after a short-lived link, too", async () => {
  for (const reconnect of [{ jitter: 0 }, { delay: () => 100 }]) {
    using fixture = new SourceFixture({ reconnect });
    await fixture.source.add(new RecordingReader(), ["a"]);
    fixture.driver.link.die();
    await fixture.runtime.advance(99);
    assertEquals(fixture.driver.attempts, 1);
    await fixture.runtime.advance(1);
    assertEquals(fixture.driver.attempts, 2);
    await fixture.close();
  }
});

Deno.test("ResultSource does not redial a dead link before the next use", async () => {
  using fixture = new SourceFixture();
  await fixture.get();
  assert(!fixture.driver.link.isKept);
  fixture.driver.link.die();
  await fixture.runtime.advance(60_000);
  assertEquals(fixture.driver.attempts, 1);
  assertEquals(fixture.runtime.timers, 0);
  await fixture.source.add(new RecordingReader(), ["a"]);
  assertEquals(fixture.driver.attempts, 2);
  assert(fixture.driver.link.isKept);
  await fixture.close();
});

Deno.test("ResultSource keeps the process alive only while somebody waits", async () => {
  using fixture = new SourceFixture();
  const reader = new RecordingReader();
  await fixture.source.add(reader, ["a"]);
  const { link } = fixture.driver;
  assert(link.isKept);
  fixture.source.remove(reader, ["a"]);
  assert(!link.isKept);
  link.held.add("command");
  const got = fixture.get();
  await turn();
  assert(link.isKept);
  link.free("command");
  await got;
  assert(!link.isKept);
  await fixture.close();
});

Deno.test("ResultSource aborts a dial when nobody waits any more, and its next wait is not lost", async () => {
  using fixture = new SourceFixture();
  const reader = new RecordingReader();
  fixture.driver.isBlackHole = true;
  fixture.source.add(reader, ["a"]);
  await turn();
  fixture.source.removeAll(reader);
  await turn();
  assertEquals(fixture.driver.aborted, 1);
  assertEquals(fixture.types, ["connecting"]);
  // One ends, others come in the same turn.
  fixture.source.add(reader, ["a"]);
  await turn();
  fixture.source.removeAll(reader);
  fixture.driver.isBlackHole = false;
  await Promise.all([fixture.source.add(reader, ["b"]), fixture.get()]);
  assertEquals(fixture.driver.attempts, 3);
  await fixture.close();
});

Deno.test("ResultSource settles the wait for a link when nobody waits any more, so cancelled calls are released", async () => {
  using fixture = new SourceFixture();
  fixture.driver.isBlackHole = true;
  const controller = new AbortController();
  let link: Promise<unknown> | undefined;
  const call = fixture.source.withLink(async (signal) => {
    link = fixture.source.link();
    await abortable(link, signal);
  }, controller.signal);
  await turn();
  controller.abort(new Error("no longer needed"));
  await assertRejects(() => call, Error, "no longer needed");
  assertExists(link);
  await assertRejects(() => link!, RedisConnectionError, "Nobody waits");
  await fixture.close();
});

Deno.test("ResultSource ends a link that comes when nobody waits any more, unless somebody came", async () => {
  using fixture = new SourceFixture();
  const reader = new RecordingReader();
  fixture.driver.onLink = () => {
    fixture.driver.onLink = () => {};
    // The dial has succeeded; its promise is not settled yet.
    fixture.source.removeAll(reader);
    again.resolve(
      Promise.all([fixture.get(), fixture.source.add(reader, ["b"])]),
    );
  };
  const again = Promise.withResolvers<unknown>();
  fixture.source.add(reader, ["a"]);
  await again.promise;
  assertEquals(fixture.driver.links.filter(({ reason }) => !reason).length, 1);
  assertEquals(fixture.source.lastError, undefined);
  await fixture.close();
});

Deno.test("ResultSource fails every reader after the last attempt, and the next use starts afresh", async () => {
  using fixture = new SourceFixture({ reconnect: { maxAttempts: 3 } });
  fixture.driver.onConnect = lost;
  const readers = [new RecordingReader(), new RecordingReader()];
  const added = readers.map((reader) =>
    assertRejects(() => fixture.source.add(reader, ["a"]), RetryLimitError)
  );
  await fixture.runtime.advance(300);
  await Promise.all(added);
  for (const { failures, waits } of readers) {
    assertEquals(waits, []);
    assertEquals(failures.length, 1);
    const [failure] = failures;
    assertInstanceOf(failure, RetryLimitError);
    assertEquals(failure.attempts, 3);
    assertStringIncludes(failure.message, "after 3 attempts: refused");
    assertInstanceOf(failure.cause, RedisConnectionError);
  }
  assertEquals(fixture.types.slice(-2), ["connecting", "failed"]);
  assertEquals(fixture.driver.attempts, 3);
  await fixture.runtime.advance(60_000);
  assertEquals(fixture.driver.attempts, 3);
  fixture.driver.onConnect = () => {};
  await fixture.source.add(readers[0]!, ["a"]);
  assertEquals(fixture.driver.attempts, 4);
  await fixture.close();
});

Deno.test("ResultSource ends at once with a permanent error", async () => {
  using fixture = new SourceFixture();
  const wrong = new RedisError("WRONGPASS invalid username-password pair");
  fixture.driver.onConnect = () => wrong;
  const reader = new RecordingReader();
  assertEquals(
    await assertRejects(() => fixture.source.add(reader, ["a"])),
    wrong,
  );
  assertEquals(reader.failures, [wrong]);
  assertEquals(await assertRejects(() => fixture.get()), wrong);
  assertEquals(fixture.driver.attempts, 2);
  // And so does a link that ends with one.
  fixture.driver.onConnect = () => {};
  await fixture.source.add(reader, ["a"]);
  const refused = new RedisError("NOPERM no channel");
  fixture.driver.link.die(refused);
  await turn();
  assertEquals(reader.failures, [wrong, refused]);
  assertEquals(fixture.driver.attempts, 3);
  await fixture.close();
});

Deno.test("ResultSource retries a fault that may pass once it has worked, and reports it once per outage", async () => {
  const faults = [
    new RedisError("ERR upstream not ready"),
    new ConfigurationError("no Redis", { cause: new RespError("garbage") }),
  ];
  for (const fault of faults) {
    using fixture = new SourceFixture();
    const reader = new RecordingReader();
    fixture.driver.onConnect = () => fault;
    // Never before: it ends at once.
    assertEquals(
      await assertRejects(() => fixture.source.add(reader, ["a"])),
      fault,
    );
    fixture.driver.onConnect = () => {};
    await fixture.source.add(reader, ["a"]);
    for (let outage = 1; outage <= 2; outage++) {
      fixture.driver.onConnect = () => fault;
      fixture.driver.link.die(fault);
      await turn();
      // Commands get a retriable error, too.
      const refused = assertRejects(
        () => fixture.source.link(),
        RedisConnectionError,
        fault.message,
      );
      await fixture.runtime.advance(1000);
      await refused;
      // A refusal while it attaches is not a success.
      fixture.driver.onConnect = () => {};
      fixture.driver.onLink = (link) => link.held.add("subscribe");
      await fixture.runtime.advance(1000);
      fixture.driver.onLink = () => {};
      fixture.driver.link.die(fault);
      await fixture.runtime.advance(1000);
      assertEquals(fixture.types.at(-1), "resynced");
      assertEquals(
        fixture.types.filter((type) => type === "degraded").length,
        outage,
      );
    }
    assertEquals(reader.failures, [fault]);
    await fixture.close();
  }
});

Deno.test("ResultSource gives up on a first connection after its time limit, hanging or refused", async () => {
  for (const isBlackHole of [true, false]) {
    using fixture = new SourceFixture({ firstConnectTimeout: 15_000 });
    fixture.driver.isBlackHole = isBlackHole;
    fixture.driver.onConnect = isBlackHole ? () => {} : lost;
    const reader = new RecordingReader();
    const added = assertRejects(
      () => fixture.source.add(reader, ["a"]),
      RetryLimitError,
      "15000 ms, never having reached it",
    );
    const got = fixture.source.link().then(() => undefined, (error) => error);
    const ran = assertRejects(() => fixture.get(), Error);
    await fixture.runtime.advance(14_999);
    assertEquals(reader.failures, []);
    await fixture.runtime.advance(1);
    const error = await added;
    assertEquals(reader.failures, [error]);
    if (isBlackHole) {
      assertEquals(await got, error);
      assertEquals((await ran).name, "GaveUp");
    }
    await Promise.all([got, ran]);
    assertEquals(fixture.types.at(-1), "failed");
    await fixture.close();
  }
});

Deno.test("ResultSource has no budget after its first success", async () => {
  using fixture = new SourceFixture({ firstConnectTimeout: 15_000 });
  const reader = new RecordingReader();
  await fixture.source.add(reader, ["a"]);
  fixture.driver.onConnect = lost;
  fixture.driver.link.die();
  await fixture.runtime.advance(3_600_000);
  assertEquals(reader.failures, []);
  assert(fixture.driver.attempts > 1000);
  await fixture.close();
  assertInstanceOf(reader.failures[0], BackendClosedError);
});

Deno.test("ResultSource.close rejects every wait with BackendClosedError, whatever goes on", async () => {
  const cases: Record<string, (fixture: SourceFixture) => void> = {
    "before the first dial": () => {},
    "during a dial": ({ driver }) => driver.isBlackHole = true,
    "during a wait": ({ driver }) => driver.onConnect = lost,
    "during an attach": ({ driver }) => {
      driver.onLink = (link) => link.held.add("subscribe");
    },
    "during a read": ({ driver }) => {
      driver.onLink = (link) => link.held.add("read");
    },
  };
  for (const [name, prepare] of Object.entries(cases)) {
    using fixture = new SourceFixture();
    prepare(fixture);
    const reader = new RecordingReader();
    const added = assertRejects(
      () => fixture.source.add(reader, ["a"]),
      BackendClosedError,
    );
    if (name !== "before the first dial") await turn();
    await Promise.all([fixture.close(), fixture.close()]);
    await added;
    assertEquals(reader.failures.length, 1, name);
    assertThrows(() => fixture.source.add(reader, ["b"]), BackendClosedError);
    await assertRejects(() => fixture.get(), BackendClosedError);
    await assertRejects(() => fixture.source.link(), BackendClosedError);
    fixture.source.removeAll(reader);
    await fixture.close();
    assertEquals(fixture.types.filter((type) => type === "closed").length, 1);
  }
});

Deno.test("ResultSource reads the key after an undecodable message", async () => {
  using fixture = new SourceFixture();
  const reader = new RecordingReader();
  await fixture.source.add(reader, ["a"]);
  fixture.driver.store.set(A, documentOf("SUCCESS", 1));
  fixture.driver.link.publish(A, "{");
  await turn();
  assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  await fixture.close();
});

Deno.test("ResultSource.remove ends the waits of one reader only", async () => {
  using fixture = new SourceFixture();
  const [one, two] = [new RecordingReader(), new RecordingReader()];
  await Promise.all([
    fixture.source.add(one, ["a", "b"]),
    fixture.source.add(two, ["a"]),
  ]);
  fixture.source.remove(one, ["a", "unknown"]);
  fixture.driver.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals([one.got, two.got], [[], ["live SUCCESS 1"]]);
  assertEquals(one.waits.length, 1);
  fixture.source.removeAll(one);
  await turn();
  assertEquals(fixture.driver.link.channels.size, 0);
  await fixture.close();
});

Deno.test("ResultSource rereads keys whose subscription has moved", async () => {
  using fixture = new SourceFixture();
  const reader = new RecordingReader();
  await fixture.source.add(reader, ["a", "b"]);
  const { driver: { link, store } } = fixture;
  // Stored, and the message of it lost on the way.
  store.set(A, documentOf("FAILURE", null));
  link.publish(keyOf("b"), documentOf("STARTED", null));
  link.calls.length = 0;
  link.move([A, "unknown"]);
  await turn();
  assertEquals(link.calls.slice(0, 2), [`read ${A}`, "fence"]);
  assertEquals(reader.got.length, 2);
  assertEquals(reader.waits.length, 1);
  fixture.source.removeAll(reader);
  await turn();
  await fixture.close();
});

Deno.test("ResultSource reports once a refusal that each link meets", async () => {
  using fixture = new SourceFixture();
  fixture.driver.onLink = (link) =>
    link.notice(new RedisError("NOPERM no PUBSUB"));
  for (let round = 0; round < 2; round++) {
    await fixture.get();
    await fixture.driver.link.end(lost());
    await turn();
  }
  assertEquals(fixture.driver.attempts, 2);
  assertEquals(fixture.types.filter((type) => type === "degraded").length, 1);
  await fixture.close();
});

Deno.test("ResultSource that fails while a command waits to retry connects again, with one link for all who ask", async () => {
  using fixture = new SourceFixture();
  const reader = new RecordingReader();
  // As a consumer does.
  reader.fail = () => fixture.source.removeAll(reader);
  await fixture.source.add(reader, ["a"]);
  fixture.driver.link.onCommand = () => new RedisError("BUSY script");
  const tried = fixture.get();
  await turn();
  const { promise, resolve } = Promise.withResolvers<void>();
  fixture.driver.gate = promise;
  fixture.driver.link.die(new RedisError("NOPERM no"));
  await turn();
  const asked = fixture.get();
  await turn();
  resolve();
  assertEquals(await asked, "OK");
  await fixture.runtime.advance(100);
  assertEquals(await tried, "OK");
  assertEquals(fixture.types.slice(2), [
    "disconnected",
    "failed",
    "connecting",
    "connected",
    "resynced",
  ]);
  await fixture.close();
});

Deno.test("ResultSource calls onRetry before each wait, also after short-lived links", async () => {
  const notices: RetryNotice[] = [];
  using fixture = new SourceFixture({
    onRetry: (notice) => void notices.push(notice),
  });
  const reader = new RecordingReader();
  fixture.driver.onConnect = (attempt) => attempt === 1 ? lost() : undefined;
  const added = fixture.source.add(reader, ["a"]);
  await fixture.runtime.advance(100);
  await added;
  const died = new RedisConnectionError("died young");
  fixture.driver.link.die(died);
  await turn();
  assertEquals(
    notices.map(({ kind, attempt, delay }) => [kind, attempt, delay]),
    [["reconnect", 1, 100], ["reconnect", 1, 100]],
  );
  assertStrictEquals(notices[1]?.error, died);
  // The status has these two by other names: the link was lost, and there is no attempt yet.
  assertEquals(fixture.types.filter((type) => type === "retrying").length, 1);
  await fixture.runtime.advance(100);
  assertEquals(fixture.driver.attempts, 3);
  await fixture.close();
});

Deno.test("ResultSource retries what isRetriable adds: an attempt's failure, and a link's end", async () => {
  const odd = new RedisError("PROXY reloads");
  using fixture = new SourceFixture({
    isRetriable: (error) => error === odd,
  });
  const reader = new RecordingReader();
  fixture.driver.onConnect = (attempt) => attempt === 1 ? odd : undefined;
  const added = fixture.source.add(reader, ["a"]);
  await fixture.runtime.advance(100);
  await added;
  fixture.driver.link.die(odd);
  await fixture.runtime.advance(100);
  assertEquals([fixture.driver.attempts, reader.failures.length], [3, 0]);
  await fixture.close();
});

Deno.test("ResultSource gives up at the first failure after reconnect.timeout", async () => {
  using fixture = new SourceFixture({
    reconnect: { maxAttempts: 21, delay: () => 1000, timeout: 2500 },
  });
  fixture.driver.onConnect = () => lost();
  const reader = new RecordingReader();
  const failed = assertRejects(
    () => fixture.source.add(reader, ["a"]),
    RetryLimitError,
    "after 4 attempts",
  );
  await fixture.runtime.advance(10_000);
  await failed;
  await fixture.close();
});

Deno.test("ResultSource makes the next attempt as soon as its driver reports a change", async () => {
  using fixture = new SourceFixture();
  fixture.runtime.chance = 0.999;
  const change = Promise.withResolvers<void>();
  const driver: RedisDriver = fixture.driver;
  driver.topologyChanged = () => change.promise;
  fixture.driver.onConnect = (attempt) => attempt === 1 ? lost() : undefined;
  await using _ = { [Symbol.asyncDispose]: () => fixture.close() };
  const added = fixture.source.add(new RecordingReader(), ["a"]);
  // Where the test fails before it is awaited.
  added.catch(() => {});
  await fixture.runtime.advance(1);
  assertEquals(fixture.types, ["connecting", "retrying"]);
  change.resolve();
  await turn();
  assertEquals(fixture.types.slice(2), ["connecting", "connected"]);
});
