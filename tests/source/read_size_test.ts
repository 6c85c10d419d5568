import { ReadSize } from "../../src/source/read_size.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("ReadSize grows in steps with small documents, and shrinks at once with large ones", () => {
  const size = new ReadSize();
  const sizes = [[size.keys, size.inFlight]];
  const learn = (count: number, bytes: number): void => {
    size.learn(count, bytes);
    sizes.push([size.keys, size.inFlight]);
  };
  for (let i = 0; i < 3; i++) learn(size.keys, size.keys * 100);
  learn(1000, 1000 * 1024 * 1024);
  learn(4, 4 * 40_000_000);
  learn(0, 0);
  learn(2, 2);
  assertEquals(sizes, [
    [16, 1],
    [128, 1],
    [1000, 4],
    [1000, 4],
    [4, 4],
    [1, 4],
    [8, 4],
    [64, 4],
  ]);
});

Deno.test("ReadSize learns nothing from missing keys, and restarts small", () => {
  const size = new ReadSize();
  for (let i = 0; i < 3; i++) size.learn(0, 0);
  assertEquals([size.keys, size.inFlight], [1000, 4]);
  // All but ten of a thousand were missing.
  size.learn(10, 10 * 1024 * 1024);
  assertEquals(size.keys, 4);
  size.restart();
  assertEquals([size.keys, size.inFlight], [4, 1]);
  for (let i = 0; i < 3; i++) size.learn(0, 0);
  size.restart();
  assertEquals([size.keys, size.inFlight], [16, 1]);
});
