import { RedisConnectionError } from "../../src/errors.ts";
import { drainSource } from "../../src/source/drain.ts";
import { assertEquals } from "../support/assert.ts";
import { RecordingReader } from "../support/recording_reader.ts";
import { SourceFixture } from "../support/source_fixture.ts";
import { turn } from "../support/turn.ts";

/** Begins to drain without a limit, and records when that has ended. */
function drain({ source, runtime }: SourceFixture): { isOver: boolean } {
  const drain = { isOver: false };
  drainSource(source, Infinity, runtime).then(() => drain.isOver = true);
  return drain;
}

Deno.test("drainSource ends when the source is closed, connected or not", async () => {
  for (const isConnected of [true, false]) {
    using fixture = new SourceFixture();
    fixture.driver.isBlackHole = !isConnected;
    const attached = fixture.source.add(new RecordingReader(), ["a"]);
    attached.catch(() => {});
    await turn();
    const drained = drain(fixture);
    await fixture.runtime.advance(1000);
    assertEquals(drained.isOver, false);
    await fixture.source.close();
    await fixture.runtime.advance(1);
    assertEquals(drained.isOver, true);
    await fixture.close();
  }
});

Deno.test("drainSource ends when the source gives up, but not before its commands", async () => {
  using fixture = new SourceFixture({
    reconnect: { maxAttempts: 2 },
    retry: { delay: () => 500 },
  });
  const { driver, runtime, source } = fixture;
  const reader = new RecordingReader();
  driver.onConnect = () => new RedisConnectionError("refused");
  source.add(reader, ["a"]).catch(() => {});
  // It waits to try again when the source gives up.
  const read = fixture.get();
  const drained = drain(fixture);
  await runtime.advance(100);
  assertEquals(reader.failures.map(({ name }) => name), ["RetryLimitError"]);
  driver.onConnect = () => {};
  await runtime.advance(300);
  assertEquals(drained.isOver, false);
  await runtime.advance(101);
  assertEquals(await read, "OK");
  assertEquals(drained.isOver, true);
  // This time, nothing is left when it gives up.
  await source.add(reader, ["b"]);
  const again = drain(fixture);
  driver.onConnect = () => new RedisConnectionError("refused");
  driver.link.die();
  await runtime.advance(1000);
  assertEquals(reader.failures.length, 2);
  assertEquals(again.isOver, true);
  await fixture.close();
});
