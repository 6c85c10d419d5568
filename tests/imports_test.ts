// deno-lint-ignore-file no-console
// Imports point one way: each folder knows only what docs/architecture.md lists, types included.

import { assert, assertEquals } from "./support/assert.ts";
import {
  countLayers,
  findCircle,
  type Import,
  readImports,
} from "./support/import_graph.ts";

/** What every part of `src/` may import, and what these may import themselves. */
const COMMON: Record<string, readonly string[]> = {
  "util": ["errors", "runtime", "deps"],
  "errors": [],
  "runtime": [],
  "deps": [],
};

const doc = await Deno.readTextFile(
  new URL("../docs/architecture.md", import.meta.url),
);

/** What each part may import besides its own files, from a table of docs/architecture.md. */
function readTable(heading: string): Record<string, readonly string[]> {
  const lines = doc.split("\n");
  const start = lines.findIndex((line) => cells(line)[0] === heading);
  assert(start !== -1, `docs/architecture.md has no table of ${heading}`);
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith("|"));
  return Object.fromEntries(
    rows.slice(0, end).map(cells).map(([part = "", , others = ""]) => [
      part.replace(/^`(.*?)(?:\/|\.ts)`$/, "$1"),
      Array.from(others.matchAll(/`(.*?)`/g), ([, other = ""]) => other),
    ]),
  );
}

function cells(line: string): string[] {
  return line.split("|").slice(1, -1).map((cell) => cell.trim());
}

const SRC_TABLE = readTable("part");
const REDIS_TABLE = readTable("part of `redis/`");
const MAY_KNOW: Record<string, readonly string[]> = {
  ...Object.fromEntries(
    Object.entries(SRC_TABLE).map(([part, others]) => [
      part,
      [...others, ...Object.keys(COMMON)],
    ]),
  ),
  ...COMMON,
};

const graph = await readImports(new URL("../src/", import.meta.url));
const redisImports = graph.imports.filter(({ from, to }) =>
  partOf(from) === "redis" && partOf(to) === "redis"
);

/** The part that a file is in: its folder, or the file itself. */
function partOf(file: string, depth = 0): string {
  return (file.split("/")[depth] ?? file).replace(/\.ts$/, "");
}

function violations(
  imports: readonly Import[],
  table: Record<string, readonly string[]>,
  depth: number,
): string[] {
  return imports.flatMap(({ from, to, line }) => {
    const part = partOf(from, depth);
    const other = partOf(to, depth);
    if (part === other || table[part]?.includes(other)) return [];
    const rule = table[part] === undefined
      ? `${part} is in no row of the table`
      : `${part} may know only ${table[part].join(", ") || "itself"}`;
    return [`src/${from}:${line} imports src/${to}: ${rule}`];
  });
}

/** The permissions of a table that no import needs. */
function unused(
  imports: readonly Import[],
  table: Record<string, readonly string[]>,
  depth: number,
): string[] {
  const used = new Set(
    imports.map(({ from, to }) =>
      `${partOf(from, depth)} ${partOf(to, depth)}`
    ),
  );
  return Object.entries(table)
    .flatMap(([part, others]) => others.map((other) => `${part} ${other}`))
    .filter((arrow) => !used.has(arrow));
}

Deno.test("each folder of src/ knows only the folders below it", () => {
  assertEquals(violations(graph.imports, MAY_KNOW, 0), []);
});

Deno.test("each part of src/redis/ knows only the parts below it", () => {
  assertEquals(violations(redisImports, REDIS_TABLE, 1), []);
});

Deno.test("docs/architecture.md has a row for each part, and each row has its part", () => {
  const parts = new Set(graph.files.map((file) => partOf(file)));
  assertEquals(Object.keys(MAY_KNOW).sort(), [...parts].sort());
  const redisParts = new Set(
    graph.files.filter((file) => partOf(file) === "redis")
      .map((file) => partOf(file, 1)),
  );
  assertEquals(Object.keys(REDIS_TABLE).sort(), [...redisParts].sort());
});

Deno.test("the tables of docs/architecture.md allow nothing that is not used", () => {
  assertEquals(unused(graph.imports, SRC_TABLE, 0), []);
  assertEquals(unused(redisImports, REDIS_TABLE, 1), []);
});

Deno.test("the tables of what each part may know have no circle", () => {
  for (const table of [MAY_KNOW, REDIS_TABLE]) {
    const edges = Object.entries(table).flatMap(([from, parts]) =>
      parts.map((to) => ({ from, to, line: 0 }))
    );
    assertEquals(
      findCircle({ files: Object.keys(table), imports: edges }),
      undefined,
    );
  }
});

Deno.test("no circle of imports, types included", () => {
  assertEquals(findCircle(graph), undefined);
  const arrows = new Set(
    graph.imports.map(({ from, to }) => `${partOf(from)} ${partOf(to)}`)
      .filter((arrow) => arrow.split(" ")[0] !== arrow.split(" ")[1]),
  );
  const parts = new Set(graph.files.map((file) => partOf(file)));
  const edges = Array.from(arrows, (arrow) => {
    const [from = "", to = ""] = arrow.split(" ");
    return { from, to };
  });
  console.log(
    `src/: ${graph.files.length} files on ${
      countLayers(graph.files, graph.imports)
    } layers, ${parts.size} parts on ${
      countLayers(parts, edges)
    } layers with ${edges.length} arrows between them`,
  );
});
