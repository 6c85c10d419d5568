// What a program prints when an uncaught error ends it.

import {
  assert,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";

const program = new URL("../support/uncaught.ts", import.meta.url);
const folder = new URL("./", program);

/** The position of a call in the program: `uncaught.ts:12:`. */
async function lineOf(call: string): Promise<string> {
  const lines = (await Deno.readTextFile(program)).split("\n");
  const index = lines.findIndex((line) => line.endsWith(`// ${call}`));
  assert(index >= 0, call);
  return `/uncaught.ts:${index + 1}:`;
}

/** The stderr of a program that an `error` in `call` ends. */
async function lastWords(call: string, error: string): Promise<string> {
  await using child = new ChildDeno(
    ["run", "--no-check", "--allow-net=127.0.0.1", program.href, call, error],
    folder.pathname,
  );
  const { message } = await assertRejects(() => child.end(), Error);
  return message;
}

const CALLS: Record<string, string[]> = {
  TaskError: ["get", "look", "set.get", "join", "all", "leaf"],
  ResultTimeoutError: ["get", "look", "join", "leaf"],
  BackendClosedError: ["get", "join", "leaf", "stream", "events", "iterate"],
  RetryLimitError: [
    "get",
    "set.get",
    "leaf",
    "stream",
    "events",
    "iterate",
    "consumer",
  ],
};

for (const [error, calls] of Object.entries(CALLS)) {
  Deno.test(`an uncaught ${error} names the file and the line of the caller`, async () => {
    for (const call of calls) {
      const words = await lastWords(call, error);
      assertStringIncludes(words, `Uncaught (in promise) ${error}: `, call);
      // The stack of the error itself, without its causes and the code line.
      const [stack] = words.split(/^Caused by:/m);
      assertStringIncludes(stack!, await lineOf(call), call);
    }
  });
}
