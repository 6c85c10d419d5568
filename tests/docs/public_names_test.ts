/**
 * Checks that every name in the public documentation can be imported: a class that
 * cannot be imported can neither be caught nor be thrown by a driver.
 *
 * @module
 */

import { assert, assertEquals } from "../support/assert.ts";
import { ChildDeno } from "../support/child_deno.ts";

const root = `${import.meta.dirname}/../..`;
const ENTRIES = ["mod.ts", "testing.ts", "yaml.ts"];

/** The name of a DOMException, which is not a class. */
const ABORT = "AbortError";

/** An exported name in the output of `deno doc --json`: a tree of declarations. */
interface PublicSymbol {
  name: string;
  declarations: unknown[];
}

/** What an entry exports. */
async function symbolsOf(entry: string): Promise<PublicSymbol[]> {
  await using child = new ChildDeno(["doc", "--json", entry], root);
  const { nodes } = JSON.parse((await child.end()).join("\n"));
  const [module] = Object.values(nodes) as { symbols: PublicSymbol[] }[];
  return module!.symbols;
}

/** Calls `visit` with each object in a tree of JSON. */
function walk(node: unknown, visit: (node: Record<string, unknown>) => void) {
  if (typeof node !== "object" || node === null) return;
  if (!Array.isArray(node)) visit(node as Record<string, unknown>);
  for (const value of Object.values(node)) walk(value, visit);
}

/** The names that the doc comments of a symbol and its members refer to. */
function namesIn(symbol: PublicSymbol): Set<string> {
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

/** The names of a symbol's own members. */
function membersOf(symbol: PublicSymbol): Set<string> {
  const members = new Set<string>();
  walk(symbol, ({ name }) => {
    if (typeof name === "string") members.add(name);
  });
  return members;
}

for (const entry of ENTRIES) {
  Deno.test(`every class that the documentation of ${entry} throws or links to can be imported from it`, async () => {
    const symbols = await symbolsOf(entry);
    const exported = new Set(symbols.map(({ name }) => name));
    const missing: string[] = [];
    let checked = 0;
    for (const symbol of symbols) {
      const members = membersOf(symbol);
      for (const name of namesIn(symbol)) {
        checked++;
        const [head = ""] = name.split(".");
        const isKnown = exported.has(head) || members.has(name) ||
          head in globalThis || name === ABORT;
        if (!isKnown) missing.push(`${symbol.name}: ${name}`);
      }
    }
    assertEquals(missing, []);
    // If the format of `deno doc` changes, this finds nothing to check.
    assert(entry === "yaml.ts" || checked > 0);
    if (entry === "mod.ts") assert(checked > 50, `${checked} names`);
  });
}

Deno.test("every type in a public signature can be imported", async () => {
  await using child = new ChildDeno(["doc", "--lint", ...ENTRIES], root);
  // A failure is in the error of end().
  await child.end();
});
