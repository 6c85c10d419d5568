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
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import type { RedisDriver } from "../../src/redis/link.ts";
import { RespError } from "../../src/redis/wire/resp.ts";
import type { RetryNotice } from "../../src/retry/listener.ts";
import {
  documentOf,
  keyOf,
  RecordingReader,
} from "../support/recording_reader.ts";
import { SourceStage } from "../support/source_stage.ts";
import { turn } from "../support/turn.ts";

const A = keyOf("a");

function lost(): Error {
  return new RedisConnectionError("refused");
}

Deno.test("ResultSource dials nothing before somebody waits, and one link for all", async () => {
  using stage = new SourceStage();
  await turn();
  assertEquals(stage.driver.attempts, 0);
  const [one, two] = [new RecordingReader(), new RecordingReader()];
  await Promise.all([
    stage.source.add(one, ["a"]),
    stage.source.add(two, ["b", "a"]),
    stage.get(),
  ]);
  await turn();
  assertEquals(stage.driver.attempts, 1);
  assertEquals(stage.types, ["connecting", "connected"]);
  stage.driver.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals([one.got, two.got], [["live SUCCESS 1"], ["live SUCCESS 1"]]);
  await stage.close();
  assertEquals(stage.types.at(-1), "closed");
});

Deno.test("ResultSource.add checks every id before it adds one", async () => {
  using stage = new SourceStage();
  const reader = new RecordingReader();
  for (const bad of [["a", ""], ["a", 1 as never], ["a", "\ud800"]]) {
    assertThrows(() => stage.source.add(reader, bad), TypeError);
  }
  assertEquals(reader.waits, []);
  await turn();
  assertEquals(stage.driver.attempts, 0);
  await stage.source.add(reader, []);
  assertEquals(stage.driver.attempts, 0);
  await stage.close();
});

Deno.test("ResultSource reconnects by growing waits, attaches everything, and tells", async () => {
  using stage = new SourceStage();
  const reader = new RecordingReader();
  await stage.source.add(reader, ["a", "b"]);
  await stage.runtime.advance(5000);
  stage.driver.onConnect = (attempt) => attempt < 5 ? lost() : undefined;
  stage.told.length = 0;
  stage.driver.link.die();
  await turn();
  assertInstanceOf(stage.source.lastError, RedisConnectionError);
  stage.driver.store.set(A, documentOf("SUCCESS", 1));
  const attempts: number[] = [];
  for (let i = 0; i < 4; i++) {
    attempts.push(stage.driver.attempts);
    await stage.runtime.advance(100 * 2 ** i);
  }
  assertEquals(attempts, [2, 3, 4, 5]);
  assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  assertEquals(stage.types, [
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
  const retrying = stage.told.filter((event) => event.type === "retrying");
  assertEquals(retrying.map(({ attempt }) => attempt), [1, 2, 3]);
  assertEquals(retrying.map(({ delay }) => delay), [100, 200, 400]);
  assertEquals(
    retrying.map(({ message }) => message),
    [0, 1, 2].map((n) => `Connection to Redis lost: Retry (${n}/Inf) now.`),
  );
  const resynced = stage.told.at(-1)!;
  assert(resynced.type === "resynced");
  assertEquals(resynced.keys, 2);
  assertEquals(stage.source.lastError, undefined);
  await stage.close();
});

Deno.test("ResultSource counts a link that dies before it is attached as a failed attempt", async () => {
  using stage = new SourceStage();
  stage.driver.onLink = (link) => link.held.add("subscribe");
  const reader = new RecordingReader();
  const attached = stage.source.add(reader, ["a"]);
  await turn();
  stage.driver.onLink = () => {};
  stage.driver.link.die();
  await stage.runtime.advance(100);
  await attached;
  assertEquals(stage.types, [
    "connecting",
    "retrying",
    "connecting",
    "connected",
  ]);
  await stage.close();
});

Deno.test("ResultSource redials a link that lived for a second at once, and short-lived ones with growing waits", async () => {
  using stage = new SourceStage({ reconnect: { jitter: 1 } });
  stage.runtime.chance = 0.5;
  await stage.source.add(new RecordingReader(), ["a"]);
  await stage.runtime.advance(1000);
  stage.driver.link.die();
  await turn();
  assertEquals(stage.driver.attempts, 2);
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    stage.driver.link.die();
    const { attempts } = stage.driver;
    let waited = 0;
    for (await turn(); stage.driver.attempts === attempts; waited += 10) {
      await stage.runtime.advance(10);
    }
    waits.push(waited);
  }
  assertEquals(waits, [50, 100, 200, 400, 400, 400]);
  await stage.runtime.advance(1000);
  stage.driver.link.die();
  await turn();
  assertEquals(stage.driver.attempts, 9);
  await stage.close();
});

Deno.test("ResultSource waits as `jitter` and `delay` say behind a short-lived link too", async () => {
  for (const reconnect of [{ jitter: 0 }, { delay: () => 100 }]) {
    using stage = new SourceStage({ reconnect });
    await stage.source.add(new RecordingReader(), ["a"]);
    stage.driver.link.die();
    await stage.runtime.advance(99);
    assertEquals(stage.driver.attempts, 1);
    await stage.runtime.advance(1);
    assertEquals(stage.driver.attempts, 2);
    await stage.close();
  }
});

Deno.test("ResultSource does not redial a dead link before the next use", async () => {
  using stage = new SourceStage();
  await stage.get();
  assert(!stage.driver.link.isKept);
  stage.driver.link.die();
  await stage.runtime.advance(60_000);
  assertEquals(stage.driver.attempts, 1);
  assertEquals(stage.runtime.timers, 0);
  await stage.source.add(new RecordingReader(), ["a"]);
  assertEquals(stage.driver.attempts, 2);
  assert(stage.driver.link.isKept);
  await stage.close();
});

Deno.test("ResultSource keeps the process alive only while somebody waits", async () => {
  using stage = new SourceStage();
  const reader = new RecordingReader();
  await stage.source.add(reader, ["a"]);
  const { link } = stage.driver;
  assert(link.isKept);
  stage.source.remove(reader, ["a"]);
  assert(!link.isKept);
  link.held.add("command");
  const got = stage.get();
  await turn();
  assert(link.isKept);
  link.free("command");
  await got;
  assert(!link.isKept);
  await stage.close();
});

Deno.test("ResultSource calls off a dial when nobody waits any more, and its next wait is not lost", async () => {
  using stage = new SourceStage();
  const reader = new RecordingReader();
  stage.driver.isBlackHole = true;
  stage.source.add(reader, ["a"]);
  await turn();
  stage.source.removeAll(reader);
  await turn();
  assertEquals(stage.driver.aborted, 1);
  assertEquals(stage.types, ["connecting"]);
  // One ends, others come in the same turn.
  stage.source.add(reader, ["a"]);
  await turn();
  stage.source.removeAll(reader);
  stage.driver.isBlackHole = false;
  await Promise.all([stage.source.add(reader, ["b"]), stage.get()]);
  assertEquals(stage.driver.attempts, 3);
  await stage.close();
});

Deno.test("ResultSource ends a link that comes when nobody waits any more, unless somebody came", async () => {
  using stage = new SourceStage();
  const reader = new RecordingReader();
  stage.driver.onLink = () => {
    stage.driver.onLink = () => {};
    // The dial has succeeded; its promise is still on its way.
    stage.source.removeAll(reader);
    again.resolve(Promise.all([stage.get(), stage.source.add(reader, ["b"])]));
  };
  const again = Promise.withResolvers<unknown>();
  stage.source.add(reader, ["a"]);
  await again.promise;
  assertEquals(stage.driver.links.filter(({ reason }) => !reason).length, 1);
  assertEquals(stage.source.lastError, undefined);
  await stage.close();
});

Deno.test("ResultSource fails every reader after the last attempt, and the next use starts afresh", async () => {
  using stage = new SourceStage({ reconnect: { maxAttempts: 3 } });
  stage.driver.onConnect = lost;
  const readers = [new RecordingReader(), new RecordingReader()];
  const added = readers.map((reader) =>
    assertRejects(() => stage.source.add(reader, ["a"]), RetryLimitError)
  );
  await stage.runtime.advance(300);
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
  assertEquals(stage.types.slice(-2), ["connecting", "failed"]);
  assertEquals(stage.driver.attempts, 3);
  await stage.runtime.advance(60_000);
  assertEquals(stage.driver.attempts, 3);
  stage.driver.onConnect = () => {};
  await stage.source.add(readers[0]!, ["a"]);
  assertEquals(stage.driver.attempts, 4);
  await stage.close();
});

Deno.test("ResultSource ends at once with an error that no attempt can mend", async () => {
  using stage = new SourceStage();
  const wrong = new RedisError("WRONGPASS invalid username-password pair");
  stage.driver.onConnect = () => wrong;
  const reader = new RecordingReader();
  assertEquals(
    await assertRejects(() => stage.source.add(reader, ["a"])),
    wrong,
  );
  assertEquals(reader.failures, [wrong]);
  assertEquals(await assertRejects(() => stage.get()), wrong);
  assertEquals(stage.driver.attempts, 2);
  // And so does a link that ends with one.
  stage.driver.onConnect = () => {};
  await stage.source.add(reader, ["a"]);
  const refused = new RedisError("NOPERM no channel");
  stage.driver.link.die(refused);
  await turn();
  assertEquals(reader.failures, [wrong, refused]);
  assertEquals(stage.driver.attempts, 3);
  await stage.close();
});

Deno.test("ResultSource retries what may pass once it has worked, and tells it once in each outage", async () => {
  const faults = [
    new RedisError("ERR upstream not ready"),
    new ConfigurationError("no Redis", { cause: new RespError("garbage") }),
  ];
  for (const fault of faults) {
    using stage = new SourceStage();
    const reader = new RecordingReader();
    stage.driver.onConnect = () => fault;
    // Never before: it ends at once.
    assertEquals(
      await assertRejects(() => stage.source.add(reader, ["a"])),
      fault,
    );
    stage.driver.onConnect = () => {};
    await stage.source.add(reader, ["a"]);
    for (let outage = 1; outage <= 2; outage++) {
      stage.driver.onConnect = () => fault;
      stage.driver.link.die(fault);
      await turn();
      // What a command is told of it can be retried, too.
      const refused = assertRejects(
        () => stage.source.link(),
        RedisConnectionError,
        fault.message,
      );
      await stage.runtime.advance(1000);
      await refused;
      // Refused while it attaches: that is no success.
      stage.driver.onConnect = () => {};
      stage.driver.onLink = (link) => link.held.add("subscribe");
      await stage.runtime.advance(1000);
      stage.driver.onLink = () => {};
      stage.driver.link.die(fault);
      await stage.runtime.advance(1000);
      assertEquals(stage.types.at(-1), "resynced");
      assertEquals(
        stage.types.filter((type) => type === "degraded").length,
        outage,
      );
    }
    assertEquals(reader.failures, [fault]);
    await stage.close();
  }
});

Deno.test("ResultSource gives up a first connection after its budget, hanging or refused", async () => {
  for (const isBlackHole of [true, false]) {
    using stage = new SourceStage({ firstConnectTimeout: 15_000 });
    stage.driver.isBlackHole = isBlackHole;
    stage.driver.onConnect = isBlackHole ? () => {} : lost;
    const reader = new RecordingReader();
    const added = assertRejects(
      () => stage.source.add(reader, ["a"]),
      RetryLimitError,
      "15000 ms, never having reached it",
    );
    const got = stage.source.link().then(() => undefined, (error) => error);
    const ran = assertRejects(() => stage.get(), Error);
    await stage.runtime.advance(14_999);
    assertEquals(reader.failures, []);
    await stage.runtime.advance(1);
    const error = await added;
    assertEquals(reader.failures, [error]);
    if (isBlackHole) {
      assertEquals(await got, error);
      assertEquals((await ran).name, "GaveUp");
    }
    await Promise.all([got, ran]);
    assertEquals(stage.types.at(-1), "failed");
    await stage.close();
  }
});

Deno.test("ResultSource has no budget after its first success", async () => {
  using stage = new SourceStage({ firstConnectTimeout: 15_000 });
  const reader = new RecordingReader();
  await stage.source.add(reader, ["a"]);
  stage.driver.onConnect = lost;
  stage.driver.link.die();
  await stage.runtime.advance(3_600_000);
  assertEquals(reader.failures, []);
  assert(stage.driver.attempts > 1000);
  await stage.close();
  assertInstanceOf(reader.failures[0], BackendClosedError);
});

Deno.test("ResultSource.close rejects every wait with BackendClosedError, whatever goes on", async () => {
  const cases: Record<string, (stage: SourceStage) => void> = {
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
    using stage = new SourceStage();
    prepare(stage);
    const reader = new RecordingReader();
    const added = assertRejects(
      () => stage.source.add(reader, ["a"]),
      BackendClosedError,
    );
    if (name !== "before the first dial") await turn();
    await Promise.all([stage.close(), stage.close()]);
    await added;
    assertEquals(reader.failures.length, 1, name);
    assertThrows(() => stage.source.add(reader, ["b"]), BackendClosedError);
    await assertRejects(() => stage.get(), BackendClosedError);
    await assertRejects(() => stage.source.link(), BackendClosedError);
    stage.source.removeAll(reader);
    await stage.close();
    assertEquals(stage.types.filter((type) => type === "closed").length, 1);
  }
});

Deno.test("ResultSource reads the key after an undecodable message", async () => {
  using stage = new SourceStage();
  const reader = new RecordingReader();
  await stage.source.add(reader, ["a"]);
  stage.driver.store.set(A, documentOf("SUCCESS", 1));
  stage.driver.link.publish(A, "{");
  await turn();
  assertEquals(reader.got, ["snapshot SUCCESS 1"]);
  await stage.close();
});

Deno.test("ResultSource.remove ends the waits of one reader only", async () => {
  using stage = new SourceStage();
  const [one, two] = [new RecordingReader(), new RecordingReader()];
  await Promise.all([
    stage.source.add(one, ["a", "b"]),
    stage.source.add(two, ["a"]),
  ]);
  stage.source.remove(one, ["a", "unknown"]);
  stage.driver.link.publish(A, documentOf("SUCCESS", 1));
  assertEquals([one.got, two.got], [[], ["live SUCCESS 1"]]);
  assertEquals(one.waits.length, 1);
  stage.source.removeAll(one);
  await turn();
  assertEquals(stage.driver.link.channels.size, 0);
  await stage.close();
});

Deno.test("ResultSource reads again what the link has subscribed to anew elsewhere", async () => {
  using stage = new SourceStage();
  const reader = new RecordingReader();
  await stage.source.add(reader, ["a", "b"]);
  const { driver: { link, store } } = stage;
  // Stored, and the message of it lost on the way.
  store.set(A, documentOf("FAILURE", null));
  link.publish(keyOf("b"), documentOf("STARTED", null));
  link.calls.length = 0;
  link.move([A, "unknown"]);
  await turn();
  assertEquals(link.calls.slice(0, 2), [`read ${A}`, "fence"]);
  assertEquals(reader.got.length, 2);
  assertEquals(reader.waits.length, 1);
  stage.source.removeAll(reader);
  await turn();
  await stage.close();
});

Deno.test("ResultSource tells once of a refusal that each link meets", async () => {
  using stage = new SourceStage();
  stage.driver.onLink = (link) =>
    link.notice(new RedisError("NOPERM no PUBSUB"));
  for (let round = 0; round < 2; round++) {
    await stage.get();
    await stage.driver.link.end(lost());
    await turn();
  }
  assertEquals(stage.driver.attempts, 2);
  assertEquals(stage.types.filter((type) => type === "degraded").length, 1);
  await stage.close();
});

Deno.test("ResultSource that fails while a command waits for its next try begins anew behind that, and its next link is for all who ask", async () => {
  using stage = new SourceStage();
  const reader = new RecordingReader();
  // As a consumer does.
  reader.fail = () => stage.source.removeAll(reader);
  await stage.source.add(reader, ["a"]);
  stage.driver.link.onCommand = () => new RedisError("BUSY script");
  const tried = stage.get();
  await turn();
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.driver.gate = promise;
  stage.driver.link.die(new RedisError("NOPERM no"));
  await turn();
  const asked = stage.get();
  await turn();
  resolve();
  assertEquals(await asked, "OK");
  await stage.runtime.advance(100);
  assertEquals(await tried, "OK");
  assertEquals(stage.types.slice(2), [
    "disconnected",
    "failed",
    "connecting",
    "connected",
    "resynced",
  ]);
  await stage.close();
});

Deno.test("ResultSource tells onRetry of each wait, those behind short-lived links included", async () => {
  const notices: RetryNotice[] = [];
  using stage = new SourceStage({
    onRetry: (notice) => void notices.push(notice),
  });
  const reader = new RecordingReader();
  stage.driver.onConnect = (attempt) => attempt === 1 ? lost() : undefined;
  const added = stage.source.add(reader, ["a"]);
  await stage.runtime.advance(100);
  await added;
  const died = new RedisConnectionError("died young");
  stage.driver.link.die(died);
  await turn();
  assertEquals(
    notices.map(({ kind, attempt, delay }) => [kind, attempt, delay]),
    [["reconnect", 1, 100], ["reconnect", 1, 100]],
  );
  assertStrictEquals(notices[1]?.error, died);
  // The status has these two by other names: the link was lost, and there is no attempt yet.
  assertEquals(stage.types.filter((type) => type === "retrying").length, 1);
  await stage.runtime.advance(100);
  assertEquals(stage.driver.attempts, 3);
  await stage.close();
});

Deno.test("ResultSource retries what isRetriable adds: an attempt's failure, and a link's end", async () => {
  const odd = new RedisError("PROXY reloads");
  using stage = new SourceStage({
    isRetriable: (error) => error === odd,
  });
  const reader = new RecordingReader();
  stage.driver.onConnect = (attempt) => attempt === 1 ? odd : undefined;
  const added = stage.source.add(reader, ["a"]);
  await stage.runtime.advance(100);
  await added;
  stage.driver.link.die(odd);
  await stage.runtime.advance(100);
  assertEquals([stage.driver.attempts, reader.failures.length], [3, 0]);
  await stage.close();
});

Deno.test("ResultSource gives up at the first failure after reconnect.timeout", async () => {
  using stage = new SourceStage({
    reconnect: { maxAttempts: 21, delay: () => 1000, timeout: 2500 },
  });
  stage.driver.onConnect = () => lost();
  const reader = new RecordingReader();
  const failed = assertRejects(
    () => stage.source.add(reader, ["a"]),
    RetryLimitError,
    "after 4 attempts",
  );
  await stage.runtime.advance(10_000);
  await failed;
  await stage.close();
});

Deno.test("ResultSource makes the next attempt as soon as its driver has news", async () => {
  using stage = new SourceStage();
  stage.runtime.chance = 0.999;
  const news = Promise.withResolvers<void>();
  const driver: RedisDriver = stage.driver;
  driver.topologyChanged = () => news.promise;
  stage.driver.onConnect = (attempt) => attempt === 1 ? lost() : undefined;
  await using _ = { [Symbol.asyncDispose]: () => stage.close() };
  const added = stage.source.add(new RecordingReader(), ["a"]);
  // Where the test fails before it is awaited.
  added.catch(() => {});
  await stage.runtime.advance(1);
  assertEquals(stage.types, ["connecting", "retrying"]);
  news.resolve();
  await turn();
  assertEquals(stage.types.slice(2), ["connecting", "connected"]);
});
