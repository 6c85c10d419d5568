import {
  BackendClosedError,
  ChordError,
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../src/errors.ts";
import {
  type RetryCallbacks,
  RetryListener,
  retryMessage,
  type RetryNotice,
} from "../../src/retry/listener.ts";
import { type StatusEvent, StatusHub } from "../../src/status.ts";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { turn } from "../support/turn.ts";

const error = new RedisConnectionError("lost");
const notice: Omit<RetryNotice, "message"> = {
  kind: "command",
  attempt: 1,
  maxAttempts: 3,
  delay: 0,
  error,
};

/** A listener, and the status events it emitted. */
function listen(
  callbacks: RetryCallbacks,
): { listener: RetryListener; told: StatusEvent[] } {
  const board = new StatusHub();
  const told: StatusEvent[] = [];
  board.emit = (event) => void told.push(event);
  return { listener: new RetryListener(callbacks, board), told };
}

Deno.test("test_on_connection_error: retryMessage is Celery's log line", () => {
  const lost = (attempt: number, maxAttempts: number, delay: number): string =>
    retryMessage({ kind: "reconnect", attempt, maxAttempts, delay, error });
  const cases: [string, string][] = [
    [lost(1, 21, 0), "(0/20) now."],
    [lost(2, 21, 1000), "(1/20) in 1.00 second."],
    [lost(2, Infinity, 10_000), "(1/Inf) in 10.00 seconds."],
    [lost(3, 11, 20_000), "(2/10) in 20.00 seconds."],
    [lost(4, 11, 30_000), "(3/10) in 30.00 seconds."],
    [lost(1, Infinity, 2500), "(0/Inf) in 2.50 seconds."],
    [lost(1, 2, 994), "(0/1) now."],
    [lost(1, 2, 996), "(0/1) in 1.00 second."],
    [lost(1, 2, 60_000), "(0/1) in 1.00 minute."],
    [lost(1, 2, 90_000), "(0/1) in 1.50 minutes."],
    [lost(1, 2, 3_600_000), "(0/1) in 1.00 hour."],
    [lost(1, 2, 172_800_000), "(0/1) in 2.00 days."],
  ];
  for (const [message, end] of cases) {
    assertEquals(message, `Connection to Redis lost: Retry ${end}`);
  }
  assertEquals(
    retryMessage(notice),
    "Command to Redis failed: Retry (0/2) now.",
  );
});

Deno.test("RetryListener.notify calls onRetry with a notice of its own, with the message", () => {
  const got: RetryNotice[] = [];
  const { listener } = listen({ onRetry: (retry) => void got.push(retry) });
  const message = listener.notify(notice);
  assertEquals(got, [{ ...notice, message }]);
  assertEquals(message, retryMessage(notice));
  assertStrictEquals(got[0]?.error, error);
  assertEquals(listen({}).listener.notify(notice), message);
});

Deno.test("RetryListener reports a function that fails once, and goes on", async () => {
  const failures: (() => unknown)[] = [
    () => {
      throw new Error("broken hook");
    },
    () => Promise.reject(new Error("broken hook")),
    () => Promise.reject("broken hook"),
    () => ({
      then() {
        throw new Error("broken hook");
      },
    }),
  ];
  for (const fail of failures) {
    let calls = 0;
    const { listener, told } = listen({
      onRetry: () => {
        calls++;
        return fail() as never;
      },
    });
    listener.notify(notice);
    listener.notify(notice);
    await turn();
    assertEquals(calls, 2);
    assertEquals(told.length, 1);
    const [event] = told;
    assert(event?.type === "degraded");
    assertStringIncludes(event.error.message, "The option onRetry failed");
    assertStringIncludes(event.error.message, "broken hook");
  }
});

Deno.test("test_exception_safe_to_retry: RetryListener.isRetriable knows what is, and test_additional_connection_errors: the caller adds to it", () => {
  const { listener } = listen({});
  assert(listener.isRetriable(new RedisConnectionError("unavailable")));
  assert(listener.isRetriable(new RedisError("LOADING wait")));
  assert(!listener.isRetriable(new RedisError("ERR redis error")));
  assert(!listener.isRetriable(new Error("failed")));

  const asked: Error[] = [];
  const added = listen({
    isRetriable: (each) => {
      asked.push(each);
      return each.message.startsWith("PROXY");
    },
  }).listener;
  assert(added.isRetriable(new RedisError("PROXY is busy")));
  assert(!added.isRetriable(new RedisError("ERR other")));
  assert(added.isRetriable(error));
  assertEquals(asked.length, 2);
});

Deno.test("RetryListener.isRetriable never lets the caller retry a mistake or a closed backend", () => {
  const { listener } = listen({ isRetriable: () => true });
  assert(!listener.isRetriable(new ConfigurationError("wrong")));
  assert(!listener.isRetriable(new ChordError("counted?", "group")));
  assert(!listener.isRetriable(new BackendClosedError()));
  assert(listener.isRetriable(new Error("whatever")));
  const truthy = listen({ isRetriable: () => 1 as never }).listener;
  assert(!truthy.isRetriable(new Error("whatever")));
});

Deno.test("RetryListener.isRetriable is false if the function throws, which is reported once", () => {
  const { listener, told } = listen({
    isRetriable: () => {
      throw new Error("broken rule");
    },
  });
  assert(!listener.isRetriable(new Error("whatever")));
  assert(!listener.isRetriable(new Error("whatever")));
  assert(listener.isRetriable(error));
  assertEquals(told.map(({ type }) => type), ["degraded"]);
});
