import { abortable } from "../../src/util/abortable.ts";
import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { turn } from "../support/turn.ts";

Deno.test("abortable leaves no listener behind", async () => {
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  assertEquals(await abortable(Promise.resolve(1), signal), 1);
  await assertRejects(() => abortable(Promise.reject(new Error("no")), signal));
  await turn();
  assertEquals(listeners, 0);
  const reason = new Error("enough");
  assertStrictEquals(
    await assertRejects(() =>
      abortable(Promise.reject(new Error("late")), AbortSignal.abort(reason))
    ),
    reason,
  );
});
