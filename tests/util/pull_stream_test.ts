import { PullStream } from "../../src/util/pull_stream.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { turn } from "../support/turn.ts";

function outletOver(items: number[]): {
  outlet: PullStream<number>;
  canceled: unknown[];
  push(item: number): void;
} {
  const canceled: unknown[] = [];
  const outlet = new PullStream<number>({
    next: () => items.shift(),
    isEmpty: () => items.length === 0,
    cancel: (reason) => canceled.push(reason),
  });
  const push = (item: number): void => {
    items.push(item);
    outlet.notify();
  };
  return { outlet, canceled, push };
}

Deno.test("PullStream takes an item only when a reader requests one", async () => {
  const items = [1, 2, 3];
  const { outlet, push } = outletOver(items);
  outlet.notify();
  await turn();
  assertEquals(items.length, 3);
  const reader = outlet.readable.getReader();
  assertEquals((await reader.read()).value, 1);
  await turn();
  assertEquals(items.length, 2);
  await Promise.all([reader.read(), reader.read()]);
  const waiting = [reader.read(), reader.read()];
  await turn();
  push(4);
  push(5);
  assertEquals((await Promise.all(waiting)).map(({ value }) => value), [4, 5]);
  push(6);
  assertEquals(items, [6]);
});

Deno.test("PullStream closes and fails after the queue is empty", async () => {
  const error = new Error("the end");
  for (const isFailure of [false, true]) {
    const { outlet } = outletOver([1, 2]);
    if (isFailure) outlet.fail(error);
    else outlet.close();
    // The first end counts.
    outlet.close();
    outlet.fail(new Error("another"));
    const reader = outlet.readable.getReader();
    assertEquals((await reader.read()).value, 1);
    assertEquals((await reader.read()).value, 2);
    if (isFailure) {
      assertStrictEquals(await assertRejects(() => reader.read()), error);
    } else assertEquals((await reader.read()).done, true);
  }
});

Deno.test("PullStream ends a pending read, and a reader that only waits for the end", async () => {
  const error = new Error("the end");
  const ends: ((outlet: PullStream<number>) => void)[] = [
    (outlet) => outlet.close(),
    (outlet) => outlet.fail(error),
    (outlet) => outlet.abort(error),
  ];
  for (const [i, end] of ends.entries()) {
    const asking = outletOver([]).outlet;
    const idle = outletOver([]).outlet;
    const reader = asking.readable.getReader();
    const read = reader.read().then(({ done }) => done, (reason) => reason);
    const closed = idle.readable.getReader().closed.then(
      () => true,
      (reason) => reason,
    );
    await turn();
    end(asking);
    end(idle);
    assertStrictEquals(await read, i === 0 ? true : error);
    assertStrictEquals(await closed, i === 0 ? true : error);
    asking.notify();
    asking.abort(new Error("late"));
  }
});

Deno.test("PullStream.abort errors at once, and leaves the queue as it is", async () => {
  const items = [1, 2];
  const { outlet } = outletOver(items);
  const error = new Error("the end");
  outlet.abort(error);
  const reader = outlet.readable.getReader();
  assertStrictEquals(await assertRejects(() => reader.read()), error);
  assertEquals(items, [1, 2]);
});

Deno.test("PullStream reports a cancel once, with its reason, and then takes nothing", async () => {
  const items = [1];
  const { outlet, canceled, push } = outletOver(items);
  await outlet.readable.cancel("why");
  push(2);
  outlet.close();
  outlet.fail(new Error("late"));
  outlet.abort(new Error("late"));
  assertEquals(canceled, ["why"]);
  assertEquals(items, [1, 2]);
  // Also when a reader waits.
  const other = outletOver([]);
  const reader = other.outlet.readable.getReader();
  const read = reader.read();
  await turn();
  await reader.cancel("why");
  assert((await read).done);
  other.push(1);
  assertEquals(other.canceled, ["why"]);
});

Deno.test("PullStream takes a few final items ahead, and still fails after all of them", async () => {
  const items = Array.from({ length: 40 }, (_, index) => index);
  const outlet = new PullStream<number>({
    next: () => items.shift(),
    nextIfFinal: () => items[0] === 35 ? undefined : items.shift(),
    isEmpty: () => items.length === 0,
    cancel: () => {},
  });
  const reader = outlet.readable.getReader();
  assertEquals((await reader.read()).value, 0);
  assertEquals(items.length, 24);
  const error = new Error("the end");
  const taken = [0];
  for (let count = 1; count < 35; count++) {
    taken.push((await reader.read()).value!);
  }
  // 35 is not taken before somebody asks for it.
  assertEquals(items[0], 35);
  taken.push((await reader.read()).value!);
  assertEquals(items.length, 0);
  outlet.fail(error);
  for (let count = 36; count < 40; count++) {
    taken.push((await reader.read()).value!);
  }
  assertEquals(taken, Array.from({ length: 40 }, (_, index) => index));
  assertStrictEquals(await assertRejects(() => reader.read()), error);
});

Deno.test("PullStream closes after the items taken ahead, and drops them when it aborts", async () => {
  for (const isAborted of [false, true]) {
    const items = [1, 2, 3];
    const outlet = new PullStream<number>({
      next: () => items.shift(),
      nextIfFinal: () => items.shift(),
      isEmpty: () => items.length === 0,
      cancel: () => {},
    });
    const reader = outlet.readable.getReader();
    assertEquals((await reader.read()).value, 1);
    assertEquals(items, []);
    if (isAborted) {
      outlet.abort(new Error("now"));
      await assertRejects(() => reader.read(), Error, "now");
      continue;
    }
    outlet.close();
    assertEquals((await reader.read()).value, 2);
    assertEquals((await reader.read()).value, 3);
    assertEquals((await reader.read()).done, true);
  }
});

Deno.test("PullStream closes with the last item, for a reader that does not request another", async () => {
  for (const isEarly of [false, true]) {
    const items = [1, 2, 3];
    const outlet = new PullStream<number>({
      next: () => items.shift(),
      nextIfFinal: () => items.shift(),
      isEmpty: () => items.length === 0,
      cancel: () => {},
    });
    if (isEarly) outlet.close();
    const reader = outlet.readable.getReader();
    await reader.read();
    outlet.close();
    await reader.read();
    await reader.read();
    await reader.closed;
  }
});
