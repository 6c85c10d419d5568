import { type StatusEvent, StatusHub } from "../src/status.ts";
import { assertEquals, assertNotEquals } from "./support/assert.ts";

const CONNECTING: StatusEvent = { type: "connecting", attempt: 1 };
const error = new Error("e");

async function types(readable: ReadableStream<StatusEvent>): Promise<string[]> {
  return (await Array.fromAsync(readable)).map(({ type }) => type);
}

Deno.test("StatusHub.stream() begins with the current state, and ends with closed", async () => {
  const board = new StatusHub();
  const first = board.stream();
  board.emit(CONNECTING);
  board.emit({ type: "connected" });
  // These do not change the state, which is still connected.
  board.emit({ type: "degraded", error });
  board.emit({ type: "resynced", keys: 1 });
  board.emit({ type: "reconciled", keys: 1, delivered: 0 });
  const second = board.stream();
  board.emit({ type: "closed" });
  board.emit(CONNECTING);
  assertEquals(await types(first), [
    "disconnected",
    "connecting",
    "connected",
    "degraded",
    "resynced",
    "reconciled",
    "closed",
  ]);
  assertEquals(await types(second), ["connected", "closed"]);
  assertEquals(await types(board.stream()), ["closed"]);
});

Deno.test("StatusHub gives each stream its own copy of an event", async () => {
  const board = new StatusHub();
  const readers = [board.stream().getReader(), board.stream().getReader()];
  board.emit(CONNECTING);
  const events: StatusEvent[] = [];
  for (const reader of readers) {
    await reader.read();
    events.push((await reader.read()).value!);
    await reader.cancel();
  }
  assertEquals(events[0], events[1]);
  assertEquals(events[0] === events[1], false);
});

Deno.test("StatusHub keeps the newest events of an unread stream", async () => {
  const board = new StatusHub();
  const stream = board.stream();
  for (let attempt = 1; attempt <= 10_000; attempt++) {
    board.emit({ type: "connecting", attempt });
  }
  board.emit({ type: "closed" });
  const events = await Array.fromAsync(stream);
  assertEquals(events.length, 256);
  assertEquals(events[0], { type: "connecting", attempt: 9746 });
  assertEquals(events.at(-1), { type: "closed" });
});

Deno.test("StatusHub forgets a canceled stream", async () => {
  const board = new StatusHub();
  const canceled = board.stream();
  const stream = board.stream();
  await canceled.cancel();
  board.emit(CONNECTING);
  board.emit({ type: "closed" });
  assertEquals(await types(canceled), []);
  assertNotEquals(await types(stream), []);
});
