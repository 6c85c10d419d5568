/**
 * Runs the examples and the demo as a user would.
 *
 * @module
 */

import {
  Ledger,
  type Outcome,
  type OutcomeEvent,
} from "../../examples/demo/ledger.ts";
import { ResultBackend } from "../../mod.ts";
import { FaultProxy, MemoryRedis } from "../../testing.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { connect } from "../support/client.ts";
import { freePort } from "../support/redis_server.ts";

const root = `${import.meta.dirname}/../..`;

/** Starts an example with no more permissions than it says it needs. */
function start(
  example: string,
  redisUrl: string,
  flags: readonly string[] = [],
): ChildDeno {
  return new ChildDeno([
    "run",
    ...["--check", "--allow-env=REDIS_URL", ...flags],
    `--allow-net=${new URL(redisUrl).host}`,
    `examples/${example}`,
    redisUrl,
  ], root);
}

Deno.test("examples/await_one.ts prints a result and an error", async () => {
  await using redis = await MemoryRedis.start();
  await using child = start("await_one.ts", redis.url);
  assertEquals(await child.end(), [
    "42",
    "failed: ValueError: math domain error",
  ]);
});

Deno.test("examples/stream_many.ts prints results as they complete", async () => {
  await using redis = await MemoryRedis.start();
  await using child = start("stream_many.ts", redis.url);
  const lines = await child.end();
  assertEquals(lines.pop(), "all done");
  // On a slow machine, some are stored before they are awaited.
  const came = lines.map((line) => line.replace(/ (live|snapshot)$/, ""));
  assertEquals(came.sort(), ["0", "1", "16", "4", "9"]);
  assert(lines.includes("0 snapshot"), lines.join());
});

Deno.test("examples/pipe.ts prints the result of each piped id", async () => {
  await using redis = await MemoryRedis.start();
  await using child = start("pipe.ts", redis.url);
  const lines = await child.end();
  assertEquals(lines.sort(), ["1", "16", "25", "4", "9"]);
});

Deno.test("examples/progress.ts follows a task in two ways", async () => {
  await using redis = await MemoryRedis.start();
  await using child = start("progress.ts", redis.url);
  const lines = await child.end();
  assertEquals(lines.filter((line) => line.startsWith("onEvent")), [
    "onEvent: STARTED",
    "onEvent: PROGRESS",
    "onEvent: PROGRESS",
    "onEvent: SUCCESS",
  ]);
  assertEquals(lines.filter((line) => line.startsWith("events")), [
    "events(): { done: 1, of: 2 }",
    "events(): { done: 2, of: 2 }",
  ]);
  assertEquals(lines.at(-1), "a picture");
});

Deno.test("examples/status.ts shows the connection's status, also when it is cut", async () => {
  await using redis = await MemoryRedis.start();
  await using proxy = await FaultProxy.start(redis.url);
  await using child = start("status.ts", proxy.url);
  const lines: string[] = [];
  while (lines.at(-1) !== "connected") lines.push(await child.line());
  proxy.reset();
  lines.push(...await child.end());
  assertEquals(lines.slice(0, 3), [
    "disconnected: not used yet",
    "connecting",
    "connected",
  ]);
  assertMatch(lines[3] ?? "", /^disconnected: \w/);
  // There may be several attempts in between.
  assertEquals(lines.slice(-4), [
    "connected",
    "resynced: 1 awaited results read again",
    "the result",
    "closed",
  ]);
});

Deno.test("examples/store.ts stores what another program reads", async () => {
  await using redis = await MemoryRedis.start();
  await using child = start("store.ts", redis.url);
  const [first = "", ...others] = await child.end();
  const [id = "", ...outcome] = first.split(" ");
  assertEquals(outcome, ["SUCCESS", "6"]);
  assertStringIncludes(others.join("\n"), "Infinity is no sum");
  await using backend = new ResultBackend(redis.url);
  assertEquals(await backend.result(id).get({ timeout: 0 }), 6);
});

Deno.test("examples/web_worker posts events to the main program", async () => {
  await using redis = await MemoryRedis.start();
  await using child = start("web_worker/main.ts", redis.url, [
    "--unstable-worker-options",
    "--allow-read=.",
  ]);
  assertEquals(await child.end(), ["STARTED null", "SUCCESS { sum: 42 }"]);
});

/** The outcome of a run of the demo. */
interface DemoRun {
  code: number;
  output: string;
}

/** Runs the demo as a task, where its output is no terminal. */
async function runDemo(
  redisUrl: string,
  onLine: (line: string) => void = () => {},
): Promise<DemoRun> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "demo"],
    cwd: root,
    env: { REDIS_URL: redisUrl, DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  let output = "";
  let line = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    const lines = (line + text).split("\n");
    line = lines.pop() ?? "";
    for (const each of lines) onLine(each);
  }
  const { code } = await child.status;
  return { code, output: output + await errors };
}

/** The numbers in a row of the closing table. */
function row({ output }: DemoRun, heading: string): string {
  const found = new RegExp(`^  ${heading}  +(.*)$`, "m").exec(output);
  assert(found !== null, `No row ${heading} in:\n${output}`);
  return found[1]!.replaceAll(/ +/g, " ");
}

// In parallel, because each takes several seconds.
Deno.test("deno task demo", async (t) => {
  const sideBySide = {
    sanitizeExit: false,
    sanitizeOps: false,
    sanitizeResources: false,
  };
  await Promise.all([
    t.step({
      ...sideBySide,
      name: "exits with 0 if every result is delivered once",
      async fn() {
        const run = await runDemo("");
        assertEquals(run.code, 0, run.output);
        assertEquals(row(run, "stored"), "100 100 100 100 400");
        assertEquals(row(run, "delivered"), "100 100 100 100 400");
        assertEquals(row(run, "lost"), "0 0 0 0 0");
        assertEquals(row(run, "repeated"), "0 0 0 0 0");
        // On a slow machine, a heartbeat may be late.
        assertMatch(row(run, "reconnects"), /^\d+ [3-9] [1-9] [1-9] \d+$/);
        assertMatch(row(run, "time to recover"), /^(-|[\d.]+ m?s)( .*m?s){4}$/);
        assertMatch(run.output, /cut +FAULT: cut \d+ connection/);
        assertMatch(run.output, /restart +FAULT: stopped the server/);
        // No escape sequences or Unicode outside a terminal.
        assertMatch(run.output, /^[\n\x20-\x7e]*$/);
      },
    }),
    t.step({
      ...sideBySide,
      name: "runs on the Redis at REDIS_URL, and leaves nothing there",
      async fn() {
        await using redis = await MemoryRedis.start();
        await using client = await connect(redis.url);
        const run = await runDemo(redis.url);
        assertEquals(run.code, 0, run.output);
        assertEquals(row(run, "delivered"), "100 100 100 100 400");
        assertMatch(run.output, /outage +FAULT: cut .*, refused new ones/);
        assertEquals(await client.send("DBSIZE"), 0);
        assertEquals(redis.connections, 1);
      },
    }),
    t.step({
      ...sideBySide,
      name: "exits with 1 if results are lost",
      async fn() {
        await using redis = await MemoryRedis.start();
        await using client = await connect(redis.url);
        let timer: ReturnType<typeof setInterval> | undefined;
        // Results stored during the silence are deleted before the reader can read them.
        const run = await runDemo(redis.url, (line) => {
          if (line.includes("FAULT: silenced")) {
            timer = setInterval(() => client.send("FLUSHDB"), 5);
          } else clearInterval(timer);
        });
        assertEquals(run.code, 1, run.output);
        assertMatch(row(run, "lost"), /^0 0 [1-9]\d* 0 [1-9]\d*$/);
        assertMatch(run.output, /Not well: \d+ results were lost/);
      },
    }),
    t.step({
      ...sideBySide,
      name: "exits with 1 if there is no Redis",
      async fn() {
        const { code, output } = await runDemo(
          `redis://127.0.0.1:${freePort()}`,
        );
        assertEquals(code, 1);
        assertMatch(output, /^The demo failed: Cannot connect to Redis at /);
      },
    }),
  ]);
});

/** An outcome as a stream delivers it. */
function event(taskId: string, outcome: Outcome): OutcomeEvent {
  const fields = {
    taskId,
    traceback: null,
    children: null,
    dateDone: null,
    extra: {},
    origin: "live",
    ready: true,
  } as const;
  if (outcome.state === "SUCCESS") return { ...fields, ...outcome };
  const { state, excType, message } = outcome;
  const result = { excType, excModule: null, excArgs: [message], message };
  return { ...fields, state, result };
}

Deno.test("the demo's Ledger counts lost and repeated outcomes", () => {
  const ledger = new Ledger();
  const good: Outcome = { state: "SUCCESS", result: { n: 1 } };
  const bad: Outcome = { state: "FAILURE", excType: "E", message: "no" };
  const cases: [id: string, stored: Outcome, delivered: Outcome[]][] = [
    ["delivered", good, [good]],
    ["failed and delivered", bad, [bad]],
    ["lost", good, []],
    ["another value", good, [{ state: "SUCCESS", result: { n: 2 } }]],
    ["another state", good, [bad]],
    ["repeated", bad, [bad, bad, bad]],
    ["right at last", good, [bad, good]],
  ];
  for (const [id, stored, delivered] of cases) {
    ledger.expect(id, id, stored);
    for (const outcome of delivered) {
      ledger.delivered(event(id, outcome));
    }
    ledger.stored(id);
  }
  ledger.expect("still running", "still running", good);
  const sums = (phase?: string): number[] => {
    const { stored, delivered, lost, repeated } = ledger.account(phase);
    return [stored, delivered, lost, repeated];
  };
  assertEquals(sums("delivered"), [1, 1, 0, 0]);
  assertEquals(sums("failed and delivered"), [1, 1, 0, 0]);
  assertEquals(sums("lost"), [1, 0, 1, 0]);
  assertEquals(sums("another value"), [1, 0, 1, 0]);
  assertEquals(sums("another state"), [1, 0, 1, 0]);
  assertEquals(sums("repeated"), [1, 1, 0, 2]);
  assertEquals(sums("right at last"), [1, 1, 0, 1]);
  assertEquals(sums("still running"), [0, 0, 0, 0]);
  assertEquals(sums(), [7, 4, 3, 3]);
});
