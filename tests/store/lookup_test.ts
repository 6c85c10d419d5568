import { resolveFormats } from "../../src/formats/options.ts";
import {
  BackendGetMetaError,
  DecodeError,
  RedisError,
} from "../../src/errors.ts";
import { ResultLookup } from "../../src/store/lookup.ts";
import { KeySpace } from "../../src/protocol/keys.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { documentOf, keyOf } from "../support/recording_reader.ts";
import { SourceFixture } from "../support/source_fixture.ts";

function lookupOf(fixture: SourceFixture): ResultLookup {
  return new ResultLookup({
    commands: fixture.commands,
    keys: new KeySpace(),
    integers: "bigint",
    formats: resolveFormats({}, "bigint"),
  });
}

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `t${i}`);
}

Deno.test("ResultLookup.forEach() reads a thousand keys at a time, in order", async () => {
  using fixture = new SourceFixture();
  fixture.driver.store.set(keyOf("t1500"), documentOf("SUCCESS", 1));
  const seen: string[] = [];
  await lookupOf(fixture).forEach(new Set(ids(2500)), ({ taskId, state }) => {
    if (state !== "PENDING") seen.push(`${state} at ${taskId}`);
  });
  assertEquals(seen, ["SUCCESS at t1500"]);
  assertEquals(fixture.driver.link.sizes.read, [1000, 1000, 500]);
  await fixture.close();
});

Deno.test("ResultLookup.getMetas() reads fewer keys at a time if documents are large", async () => {
  using fixture = new SourceFixture();
  const large = documentOf("SUCCESS", "x".repeat(40_000));
  for (const id of ids(3000)) fixture.driver.store.set(keyOf(id), large);
  const metas = await lookupOf(fixture).getMetas(ids(1500));
  assertEquals(metas.length, 1500);
  const [first, ...others] = fixture.driver.link.sizes.read ?? [];
  assertEquals(first, 1000);
  assertEquals(others.every((size) => size < 110), true);
  await fixture.close();
});

Deno.test("ResultLookup.forEach() reports UNDECODABLE where getMetas() throws, and rejects with its callback's error", async () => {
  using fixture = new SourceFixture();
  fixture.driver.store.set(keyOf("bad"), "{");
  const lookup = lookupOf(fixture);
  const states: string[] = [];
  await lookup.forEach(
    new Set(["bad", "t"]),
    ({ state }) => void states.push(state),
  );
  assertEquals(states, ["UNDECODABLE", "PENDING"]);
  await assertRejects(() => lookup.getMetas(["bad", "t"]), DecodeError);
  await assertRejects(
    () =>
      lookup.forEach(new Set(["t"]), () => {
        throw new RangeError("enough");
      }),
    RangeError,
    "enough",
  );
  await fixture.close();
});

Deno.test("ResultLookup reads nothing for no ids, and nothing if one of them is invalid", async () => {
  using fixture = new SourceFixture();
  const lookup = lookupOf(fixture);
  assertEquals(await lookup.getMetas([]), []);
  await assertRejects(() => lookup.getMetas(["t", ""]), TypeError);
  assertEquals(fixture.driver.attempts, 0);
  await fixture.close();
});

Deno.test("ResultLookup gives up with a BackendGetMetaError that names the task", async () => {
  using fixture = new SourceFixture();
  fixture.driver.onLink = (link) =>
    link.onCommand = () => new RedisError("BUSY script");
  const failed = assertRejects(
    () => lookupOf(fixture).getMeta("t"),
    BackendGetMetaError,
    "Failed to read the result of task t: tried 3 times",
  );
  await fixture.runtime.advance(1000);
  assertEquals((await failed).taskId, "t");
  await fixture.close();
});
