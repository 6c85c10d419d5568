// deno-lint-ignore-file no-console
// Imports point one way: each folder knows only the folders below it, types included.

import { assertEquals } from "./support/assert.ts";
import {
  countLayers,
  findCircle,
  type Import,
  readImports,
} from "./support/import_graph.ts";

const BASE = ["util", "errors", "runtime", "deps"];

/** What each part of `src/` may import besides its own files, from the top down. */
const MAY_KNOW: Record<string, readonly string[]> = {
  "backend": [
    "results",
    "chords",
    "consumer",
    "store",
    "celery_config",
    "options",
    "source",
    "status",
    "retry",
    "redis",
    "protocol",
    "formats",
    ...BASE,
  ],
  "results": ["consumer", "store", "source", "protocol", "formats", ...BASE],
  "chords": [
    "store",
    "source",
    "status",
    "redis",
    "protocol",
    "formats",
    ...BASE,
  ],
  "consumer": ["source", "protocol", ...BASE],
  "store": ["source", "status", "redis", "protocol", "formats", ...BASE],
  "celery_config": ["options", "retry", "redis", ...BASE],
  "options": ["retry", "redis", "formats", ...BASE],
  "source": ["retry", "status", "redis", "protocol", "formats", ...BASE],
  "retry": ["status", "redis", ...BASE],
  "status": [...BASE],
  "redis": [...BASE],
  "protocol": ["formats", ...BASE],
  "formats": [...BASE],
  "testing": ["chords", "store", "redis", ...BASE],
  "util": ["errors", "runtime", "deps"],
  "errors": [],
  "runtime": [],
  "deps": [],
};

/** The same within `redis/`: what two drivers share is in a part below both. */
const REDIS_MAY_KNOW: Record<string, readonly string[]> = {
  "create_driver": [
    "target",
    "options",
    "sentinel",
    "cluster",
    "server",
    "tls",
    "link",
  ],
  "target": ["options", "sentinel", "cluster", "url", "link", "address"],
  "options": ["sentinel", "server", "tls", "url", "link"],
  "deno_redis": ["server", "url", "link", "wire", "address"],
  "sentinel": [
    "server",
    "tls",
    "url",
    "link",
    "retriable",
    "wire",
    "address",
  ],
  "cluster": [
    "server",
    "url",
    "link",
    "retriable",
    "unreachable",
    "wire",
    "address",
  ],
  "server": ["tls", "link", "retriable", "wire", "address"],
  "url": ["tls"],
  "tls": [],
  "link": ["wire"],
  "retriable": ["wire"],
  "unreachable": [],
  "address": [],
  "wire": [],
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

Deno.test("each folder of src/ knows only the folders below it", () => {
  assertEquals(violations(graph.imports, MAY_KNOW, 0), []);
});

Deno.test("each part of src/redis/ knows only the parts below it", () => {
  assertEquals(violations(redisImports, REDIS_MAY_KNOW, 1), []);
});

Deno.test("the table of src/redis/ allows nothing that is not used", () => {
  const used = new Set(
    redisImports.map(({ from, to }) => `${partOf(from, 1)} ${partOf(to, 1)}`),
  );
  const unused = Object.entries(REDIS_MAY_KNOW).flatMap(([part, others]) =>
    others.map((other) => `${part} ${other}`).filter((arrow) =>
      !used.has(arrow)
    )
  );
  assertEquals(unused, []);
});

Deno.test("the tables of what each part may know have no circle", () => {
  for (const table of [MAY_KNOW, REDIS_MAY_KNOW]) {
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
