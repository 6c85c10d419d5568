/**
 * The examples in the doc comments, run as tests of their own, with no more
 * permissions than they need.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "./support/assert.ts";
import { ChildDeno } from "./support/child_deno.ts";

const root = `${import.meta.dirname}/..`;
const ENTRIES = ["mod.ts", "deno_redis.ts", "driver.ts", "testing.ts"];

/** As much of what `deno doc --json` gives as is needed here. */
interface Docs {
  nodes: Record<string, {
    symbols: {
      name: string;
      declarations: {
        kind: string;
        jsDoc?: { tags?: { kind: string; doc?: string }[] };
      }[];
    }[];
  }>;
}

async function docsOf(entries: readonly string[]): Promise<Docs> {
  await using child = new ChildDeno(["doc", "--json", ...entries], root);
  return JSON.parse((await child.end()).join("\n"));
}

Deno.test("every exported class has an example in its doc comment that runs", async () => {
  const { nodes } = await docsOf(ENTRIES);
  assertEquals(Object.keys(nodes).length, ENTRIES.length);
  const classes: string[] = [];
  const without: string[] = [];
  for (const { symbols } of Object.values(nodes)) {
    for (const { name, declarations } of symbols) {
      for (const { kind, jsDoc } of declarations) {
        if (kind !== "class") continue;
        classes.push(name);
        const examples = jsDoc?.tags?.filter(({ kind }) => kind === "example");
        // Not ```ts ignore, and not in another language.
        const runs = examples?.some(({ doc }) => /^```ts\n/m.test(doc ?? ""));
        if (!runs) without.push(name);
      }
    }
  }
  assert(classes.includes("ResultBackend") && classes.includes("MemoryRedis"));
  assertEquals(without, []);
});

Deno.test("the examples in the doc comments run with the net permission alone", async () => {
  await using child = new ChildDeno([
    ...["test", "--doc", "--allow-net=127.0.0.1"],
    ...[...ENTRIES, "src/"],
  ], root);
  // It says itself what failed.
  const lines = await child.end();
  const summary = lines.findLast((line) => line.startsWith("ok |")) ?? "";
  assertMatch(summary, /^ok \| [1-9]\d* passed \| 0 failed/);
});
