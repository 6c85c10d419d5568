/**
 * Everything that the public documentation names is exported by one of the
 * entries: callers must be able to catch every documented error, and drivers
 * to throw it.
 *
 * @module
 */

import { assert, assertEquals } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";

const root = `${import.meta.dirname}/../..`;
const ENTRIES = [
  "mod.ts",
  "deno_redis.ts",
  "driver.ts",
  "testing.ts",
  "yaml.ts",
];

/** The name of a DOMException. It has no class of its own. */
const ABORT = "AbortError";

/** An exported name in the output of `deno doc --json`: a tree of declarations. */
interface PublicSymbol {
  name: string;
  declarations: unknown[];
}

/** The exports of each entry. */
async function readExports(): Promise<PublicSymbol[][]> {
  return await Promise.all(ENTRIES.map(async (entry) => {
    await using child = new ChildDeno(["doc", "--json", entry], root);
    const { nodes } = JSON.parse((await child.end()).join("\n"));
    const [module] = Object.values(nodes) as { symbols: PublicSymbol[] }[];
    return module!.symbols;
  }));
}

/** Calls `visit` with each object in a tree of JSON. */
function walk(node: unknown, visit: (node: Record<string, unknown>) => void) {
  if (typeof node !== "object" || node === null) return;
  if (!Array.isArray(node)) visit(node as Record<string, unknown>);
  for (const value of Object.values(node)) walk(value, visit);
}

/** The names that the doc comments of a symbol and its members refer to. */
function findReferences(symbol: PublicSymbol): Set<string> {
  const names = new Set<string>();
  walk(symbol, ({ kind, doc, tsType }) => {
    if (kind === "throws") {
      walk(tsType, ({ repr }) => {
        if (typeof repr === "string" && repr !== "") names.add(repr);
      });
    }
    if (typeof doc !== "string") return;
    for (const [, name] of doc.matchAll(/\{@link(?:code)?\s+([\w.]+)/g)) {
      names.add(name!);
    }
    if (kind !== "throws") return;
    for (const [name] of doc.matchAll(/\b[A-Z]\w*Error\b/g)) names.add(name);
  });
  return names;
}

/** The names of a symbol's members. */
function findMembers(symbol: PublicSymbol): Set<string> {
  const members = new Set<string>();
  walk(symbol, ({ name }) => {
    if (typeof name === "string") members.add(name);
  });
  return members;
}

Deno.test("every name that the documentation links to, or lists as thrown, is exported", async () => {
  const symbols = (await readExports()).flat();
  const exported = new Set(symbols.map(({ name }) => name));
  const missing: string[] = [];
  let checked = 0;
  for (const symbol of symbols) {
    const members = findMembers(symbol);
    for (const name of findReferences(symbol)) {
      checked++;
      const [head = ""] = name.split(".");
      const isKnown = exported.has(head) || members.has(name) ||
        head in globalThis || name === ABORT;
      if (!isKnown) missing.push(`${symbol.name}: ${name}`);
    }
  }
  assertEquals(missing, []);
  // A changed format of `deno doc` would leave nothing to check.
  assert(checked > 50, `${checked} names`);
});

Deno.test("every type in a public signature can be imported", async () => {
  await using child = new ChildDeno(["doc", "--lint", ...ENTRIES], root);
  // It names those that cannot.
  await child.end();
});

Deno.test("deno.json exports and publishes every entry", async () => {
  const { exports, publish } = JSON.parse(
    await Deno.readTextFile(`${root}/deno.json`),
  );
  assertEquals(
    Object.values<string>(exports).sort(),
    ENTRIES.map((entry) => `./${entry}`).sort(),
  );
  assertEquals(
    ENTRIES.filter((entry) => !publish.include.includes(entry)),
    [],
  );
});
