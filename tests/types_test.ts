// What the types promise to users of mod.ts. The compiler checks most of it; the
// tests run so that nothing here is unused.

import {
  type AsyncResult,
  type DecodeFailure,
  type GetOptions,
  ResultBackend,
  type ResultConsumer,
  type ResultEvent,
  type ResultMeta,
  TaskError,
  type TaskFailure,
} from "../mod.ts";
import { assertEquals } from "./support/assert.ts";

/** True only where the two types are the same one. */
type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends
  (<X>() => X extends B ? 1 : 2) ? true : false;

/** Has the compiler prove it. */
function prove<_Claim extends true>(): void {}

interface Sum {
  sum: number;
}

/** One branch for each member of the union: what is left in the end is nothing. */
function describe(event: ResultEvent<Sum, "UPLOADING" | "RESIZING">): string {
  prove<Same<typeof event.origin, "live" | "snapshot">>();
  switch (event.state) {
    case "SUCCESS":
      prove<Same<typeof event.result, Sum>>();
      prove<Same<typeof event.ready, true>>();
      return `${event.result.sum}`;
    case "FAILURE":
    case "REVOKED":
      prove<Same<typeof event.result, TaskFailure | null>>();
      prove<Same<typeof event.ready, true>>();
      return event.result?.excType ?? "no exception";
    case "RETRY":
      prove<Same<typeof event.result, TaskFailure | null>>();
      prove<Same<typeof event.ready, false>>();
      return event.result?.message ?? "no exception";
    case "UNDECODABLE":
      prove<Same<typeof event.result, DecodeFailure>>();
      prove<Same<typeof event.ready, true>>();
      return event.result.message;
    case "UPLOADING":
    case "RESIZING":
      prove<Same<typeof event.result, unknown>>();
      prove<Same<typeof event.ready, false>>();
      return `${event.state} ${event.result}`;
    case "PENDING":
    case "RECEIVED":
    case "STARTED":
    case "REJECTED":
    case "IGNORED":
      prove<Same<typeof event.ready, false>>();
      return event.state;
    default: {
      // A state that nobody listed can still arrive: it is no error.
      const nothing: never = event;
      return `another state: ${(nothing as { state: string }).state}`;
    }
  }
}

/** What every meta has in common. */
const fields = {
  taskId: "t",
  traceback: null,
  children: null,
  dateDone: null,
  extra: {},
  origin: "live",
} as const;

Deno.test("a ResultEvent narrows on its state, for every member of the union", () => {
  const failure = {
    excType: "E",
    excModule: null,
    excArgs: [],
    message: "no",
  };
  assertEquals(
    [
      describe({
        ...fields,
        state: "SUCCESS",
        ready: true,
        result: { sum: 3 },
      }),
      describe({ ...fields, state: "FAILURE", ready: true, result: failure }),
      describe({ ...fields, state: "REVOKED", ready: true, result: null }),
      describe({ ...fields, state: "RETRY", ready: false, result: failure }),
      describe({
        ...fields,
        state: "UNDECODABLE",
        ready: true,
        result: { message: "not JSON", text: "{" },
      }),
      describe({ ...fields, state: "UPLOADING", ready: false, result: 5 }),
      describe({ ...fields, state: "STARTED", ready: false, result: null }),
      // @ts-expect-error -- A state that the type does not list.
      describe({ ...fields, state: "PAUSED", ready: false, result: 5 }),
    ],
    [
      "3",
      "E",
      "no exception",
      "no",
      "not JSON",
      "UPLOADING 5",
      "STARTED",
      "another state: PAUSED",
    ],
  );
});

/** Never called: only compiled. */
async function compiled(backend: ResultBackend): Promise<void> {
  // Narrowing on `ready` leaves the outcomes.
  const meta = await backend.getMeta<Sum>("t");
  prove<Same<typeof meta, ResultMeta<Sum, "PROGRESS">>>();
  if (meta.ready) {
    prove<
      Same<
        typeof meta.state,
        "SUCCESS" | "FAILURE" | "REVOKED" | "UNDECODABLE"
      >
    >();
  }
  // @ts-expect-error -- The result is a Sum in one state only.
  meta.result.sum;

  // The application's own states: PROGRESS unless others are listed.
  if (meta.state === "PROGRESS") prove<Same<typeof meta.result, unknown>>();
  // @ts-expect-error -- Not listed.
  if (meta.state === "UPLOADING") return;
  const own = await backend.getMeta<Sum, "UPLOADING">("t");
  if (own.state === "UPLOADING") prove<Same<typeof own.ready, false>>();
  const metas = await backend.getMetas<Sum, "UPLOADING">(["t"]);
  prove<Same<typeof metas, ResultMeta<Sum, "UPLOADING">[]>>();

  // A result gives what the caller says that the task returns.
  const result = backend.result<Sum>("t");
  prove<Same<typeof result, AsyncResult<Sum>>>();
  const sum = await result.get({ timeout: 1 });
  prove<Same<typeof sum, Sum>>();
  const either = await result.get({ propagate: false });
  prove<Same<typeof either, Sum | TaskError>>();
  if (!(either instanceof TaskError)) prove<Same<typeof either, Sum>>();
  const options: GetOptions = {};
  const unsure = await result.get(options);
  prove<Same<typeof unsure, Sum | TaskError>>();
  const untyped = await backend.result("t").get();
  prove<Same<typeof untyped, unknown>>();
  // @ts-expect-error -- Nobody said what it returns.
  untyped.sum;
  // @ts-expect-error -- It may be a TaskError.
  either.sum;
  await backend.result<Sum, "UPLOADING">("t").get({
    onEvent: (event) => {
      prove<Same<typeof event, ResultEvent<Sum, "UPLOADING">>>();
      if (event.state === "SUCCESS") prove<Same<typeof event.result, Sum>>();
    },
  });
  // A callback that takes any event will do.
  await result.get({ onEvent: (_event: ResultEvent) => {} });

  // Streams of all kinds agree.
  const stream = backend.stream<Sum>("t");
  prove<Same<typeof stream, ReadableStream<ResultEvent<Sum>>>>();
  const events = backend.result<Sum, "UPLOADING">("t").events();
  prove<Same<typeof events, ReadableStream<ResultEvent<Sum, "UPLOADING">>>>();
  const consumer: ResultConsumer<Sum, "UPLOADING"> = backend.consumer();
  const pair: ReadableWritablePair<ResultEvent<Sum, "UPLOADING">, string> =
    consumer;
  const piped = ReadableStream.from(["t"])
    .pipeThrough(pair)
    .pipeThrough(new TransformStream<ResultEvent<Sum, "UPLOADING">, number>());
  prove<Same<typeof piped, ReadableStream<number>>>();
  ReadableStream.from(["t"]).pipeThrough(backend.consumer<Sum>());
  // @ts-expect-error -- Task ids are strings.
  ReadableStream.from([1]).pipeThrough(backend.consumer());
  // @ts-expect-error -- Neither is this a list of them.
  backend.stream([1, 2]);
  // @ts-expect-error -- No spread arguments: a million ids must do.
  backend.stream("a", "b");
  // @ts-expect-error -- There is no such option.
  backend.consumer({ maxQueue: 1 });
  // @ts-expect-error -- A consumer is not made by hand.
  consumer.pending = 1;

  // An event of a stream is also a meta.
  for await (const event of stream) {
    const asMeta: ResultMeta<Sum> = event;
    prove<Same<typeof asMeta.taskId, string>>();
    const anyEvent: ResultEvent = event;
    // @ts-expect-error -- The other way round, what it returns is not known.
    const sumEvent: ResultEvent<Sum> = anyEvent;
    void sumEvent;
  }
}

Deno.test("the types of the public API say what they should", async () => {
  await using backend = new ResultBackend();
  assertEquals([typeof backend.stream, compiled.length], ["function", 1]);
});
