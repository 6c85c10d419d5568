/**
 * Runs the examples in the doc comments as tests, with no more permissions than
 * they need.
 *
 * @module
 */

import settings from "../../deno.json" with { type: "json" };
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";
import { readImports } from "../support/import_graph.ts";

const root = new URL("../../", import.meta.url);
const ENTRIES = Object.values(settings.exports);
/** Where the examples import the module from. */
const PUBLISHED = `https://deno.land/x/celery_results@v${settings.version}/`;

/** The part of the output of `deno doc --json` that these tests read. */
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

async function readDocs(entries: readonly string[]): Promise<Docs> {
  await using child = new ChildDeno(
    ["doc", "--json", ...entries],
    root.pathname,
  );
  return JSON.parse((await child.end()).join("\n"));
}

Deno.test("every exported class has an example in its doc comment that runs", async () => {
  const { nodes } = await readDocs(ENTRIES);
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

Deno.test("the examples in the doc comments import what a user would import", async () => {
  const strays: string[] = [];
  for (const file of await listSources()) {
    const text = await Deno.readTextFile(new URL(file, root));
    for (const [line] of text.matchAll(/^ *\*.* from "\.{1,2}\/.*$/gm)) {
      strays.push(`${file}: ${line.trim()}`);
    }
  }
  assertEquals(strays, []);
});

Deno.test("the examples in the doc comments run with the net permission alone", async () => {
  // Maps the published specifier to this tree, and nothing else.
  const map = JSON.stringify({ imports: { [PUBLISHED]: root.href } });
  await using child = new ChildDeno([
    ...["test", "--doc", "--allow-net=127.0.0.1"],
    `--import-map=data:application/json,${encodeURIComponent(map)}`,
    ...[...ENTRIES, "src/"],
  ], root.pathname);
  // A failure is in the error of end().
  const lines = await child.end();
  const summary = lines.findLast((line) => line.startsWith("ok |")) ?? "";
  assertMatch(summary, /^ok \| [1-9]\d* passed \| 0 failed/);
});

/** The entries and all files of `src/`. */
async function listSources(): Promise<string[]> {
  const { files } = await readImports(new URL("src/", root));
  return [...ENTRIES, ...files.map((file) => `src/${file}`)];
}
