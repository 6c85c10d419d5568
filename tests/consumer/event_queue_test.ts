import { EventQueue } from "../../src/consumer/event_queue.ts";
import { decodeEvent } from "../../src/protocol/decode.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { documentOf } from "../support/recording_reader.ts";
import { seededRandom } from "../support/seeded_random.ts";

/** `a1`: task a reports 1. `A1`: its outcome. */
function push(queue: EventQueue, ...names: string[]): boolean {
  let isTaken = true;
  for (const name of names) {
    const isReady = name < "a";
    const state = isReady ? "SUCCESS" : "PROGRESS";
    const taskId = name[0]!.toLowerCase();
    const document = documentOf(state, name, taskId);
    const event = decodeEvent(
      document,
      taskId,
      { integers: "bigint" },
      "live",
    );
    isTaken = queue.push(event, Number(name.slice(1)));
  }
  return isTaken;
}

function drain(queue: EventQueue, count = Infinity): string {
  const names: unknown[] = [];
  while (names.length < count) {
    const event = queue.shift();
    if (event === undefined) break;
    names.push(event.result);
  }
  return names.join(" ");
}

Deno.test("EventQueue conflates beyond its high-water mark, in place, and keeps every outcome", () => {
  const cases: [number, string, string][] = [
    [2, "a1 a2", "a1 a2"],
    [2, "a1 a2 a3", "a1 a3"],
    [2, "a1 b1 a2 b2", "a2 b2"],
    [2, "a1 a2 b1 c1 b2", "a1 a2 b2 c1"],
    [2, "a1 a2 A3", "a1 a2 A3"],
    [0, "a1 a2 a3 b1 b2", "a3 b2"],
    [0, "A1 B1 C1", "A1 B1 C1"],
    [1, "a1 A2 a3 a4", "a1 A2 a4"],
    [2, "a1 a2 A3 B4 C5 b1 b2", "a1 a2 A3 B4 C5 b2"],
    [16, "a1 a2 a3 a4 a5", "a1 a2 a3 a4 a5"],
  ];
  for (const [highWaterMark, pushed, expected] of cases) {
    const queue = new EventQueue(highWaterMark);
    push(queue, ...pushed.split(" "));
    assertEquals(drain(queue), expected, `${highWaterMark}: ${pushed}`);
    assertEquals([queue.length, queue.bytes], [0, 0]);
  }
});

Deno.test("EventQueue counts the bytes of queued events", () => {
  const queue = new EventQueue(1);
  push(queue, "a10");
  push(queue, "a30");
  assertEquals([queue.length, queue.bytes], [1, 30]);
  push(queue, "B100");
  assertEquals(queue.bytes, 130);
  queue.shift();
  assertEquals(queue.bytes, 100);
  push(queue, "a1");
  queue.clear();
  assertEquals([queue.length, queue.bytes], [0, 0]);
  push(queue, "a1", "a2");
  assertEquals(drain(queue), "a2");
});

Deno.test("EventQueue refuses an event that would exceed its byte limit, and does not count it", () => {
  const cases: [number, string, string, boolean][] = [
    // An event that replaces another is counted instead of it.
    [1, "a60", "a70", true],
    [1, "a60", "a100", true],
    [1, "a60", "a101", false],
    // Also below the mark, if both would exceed the limit.
    [16, "a60", "a70", true],
    [16, "a40 a40", "a60", true],
    [16, "a40 a40", "a61", false],
    [16, "a60", "b40", true],
    [16, "a60", "b41", false],
    // An outcome replaces nothing.
    [16, "a60", "A40", true],
    [16, "a60", "A41", false],
    [16, "a20 A20", "a61", false],
  ];
  for (const [highWaterMark, queued, last, isTaken] of cases) {
    const queue = new EventQueue(highWaterMark, 100);
    push(queue, ...queued.split(" "));
    const { bytes, length } = queue;
    assertEquals(push(queue, last), isTaken, `${queued}, then ${last}`);
    assert(queue.bytes <= 100);
    if (!isTaken) assertEquals([queue.bytes, queue.length], [bytes, length]);
    drain(queue);
    assertEquals(queue.bytes, 0);
  }
});

Deno.test("EventQueue appends again once it is below its high-water mark", () => {
  const queue = new EventQueue(2);
  push(queue, "a1", "a2", "a3");
  assertEquals(drain(queue, 1), "a1");
  push(queue, "a4", "a5");
  assertEquals(drain(queue), "a3 a5");
});

Deno.test("EventQueue keeps the events of a task whose last event was taken while others fill the queue", () => {
  const queue = new EventQueue(1);
  push(queue, "a1");
  assertEquals(drain(queue, 1), "a1");
  push(queue, "b1", "a2", "a3", "b2");
  assertEquals(drain(queue), "b2 a3");
});

Deno.test("EventQueue.shiftOutcome() takes only small outcomes", () => {
  const queue = new EventQueue(1);
  push(queue, "A5", "B5", "c1", "C9");
  assertEquals(queue.shiftOutcome(5)?.result, "A5");
  assertEquals(queue.shiftOutcome(4), undefined);
  assertEquals(queue.shiftOutcome(5)?.result, "B5");
  // A newer report may still replace it.
  assertEquals(queue.shiftOutcome(5), undefined);
  assertEquals(drain(queue), "c1 C9");
  assertEquals(queue.shiftOutcome(5), undefined);
});

Deno.test("EventQueue keeps order per task, every outcome, and a bounded number of the rest", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed);
    const queue = new EventQueue(5);
    const seen: string[] = [];
    const outcomes: string[] = [];
    for (let i = 1; i <= 500; i++) {
      const task = "abcdef"[Math.trunc(random() * 6)]!;
      if (random() < 0.1) {
        outcomes.push(`${task.toUpperCase()}${i}`);
        push(queue, outcomes.at(-1)!);
      } else push(queue, `${task}${i}`);
      if (random() < 0.2) seen.push(...drain(queue, 1).split(" "));
    }
    seen.push(...drain(queue).split(" "));
    assertEquals(seen.filter((name) => name < "a"), outcomes);
    for (const task of "abcdef") {
      const numbers = seen.filter((name) => name[0]!.toLowerCase() === task)
        .map((name) => Number(name.slice(1)));
      assertEquals(numbers, numbers.toSorted((a, b) => a - b));
    }
  }
  const queue = new EventQueue(5);
  for (let i = 0; i < 1000; i++) push(queue, `${"abc"[i % 3]}${i}`);
  assert(queue.length <= 5 + 3);
});
