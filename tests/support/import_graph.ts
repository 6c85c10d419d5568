/**
 * The imports between the files of `src/`, read from their text.
 *
 * @module
 */

/** One file's import of another. */
export interface Import {
  /** The importing file, such as `source/delivery.ts`. */
  readonly from: string;
  /** The imported file. */
  readonly to: string;
  /** The line of the import, counted from 1. */
  readonly line: number;
}

/** What {@linkcode readImports} found. */
export interface ImportGraph {
  /** Every file, relative to `src/`. */
  readonly files: readonly string[];
  /** Every import between them, types included. */
  readonly imports: readonly Import[];
}

const STATEMENT = /^(?:import|export)\b[^;]*?\bfrom\s+"(?<path>\.[^"]+)"/gms;

/** Reads the imports of all files below `src`, types included. */
export async function readImports(src: URL): Promise<ImportGraph> {
  const files: string[] = [];
  const imports: Import[] = [];
  for await (const from of sourceFiles(src, "")) {
    files.push(from);
    const text = await Deno.readTextFile(new URL(from, src));
    for (const { index, groups } of text.matchAll(STATEMENT)) {
      const target = new URL(groups?.path ?? "", new URL(from, src)).href;
      if (!target.startsWith(src.href)) continue;
      imports.push({
        from,
        to: target.slice(src.href.length),
        line: text.slice(0, index).split("\n").length,
      });
    }
  }
  return { files: files.sort(), imports };
}

async function* sourceFiles(
  src: URL,
  folder: string,
): AsyncGenerator<string> {
  for await (
    const { name, isDirectory } of Deno.readDir(new URL(folder, src))
  ) {
    const path = folder + name;
    if (isDirectory) yield* sourceFiles(src, `${path}/`);
    else if (name.endsWith(".ts") && !name.endsWith(".d.ts")) yield path;
  }
}

/**
 * Finds a circle of imports: its files, with the first repeated at the end;
 * undefined if there is no circle.
 */
export function findCircle(
  { files, imports }: ImportGraph,
): string[] | undefined {
  const targets = Map.groupBy(imports, ({ from }) => from);
  const done = new Set<string>();
  const path: string[] = [];
  function visit(file: string): string[] | undefined {
    if (done.has(file)) return undefined;
    const start = path.indexOf(file);
    if (start !== -1) return [...path.slice(start), file];
    path.push(file);
    for (const { to } of targets.get(file) ?? []) {
      const circle = visit(to);
      if (circle !== undefined) return circle;
    }
    path.pop();
    done.add(file);
    return undefined;
  }
  for (const file of files) {
    const circle = visit(file);
    if (circle !== undefined) return circle;
  }
  return undefined;
}

/** Counts the layers of imports in a graph without circles. */
export function countLayers(
  nodes: Iterable<string>,
  edges: Iterable<{ readonly from: string; readonly to: string }>,
): number {
  const targets = Map.groupBy(edges, ({ from }) => from);
  const layers = new Map<string, number>();
  function layer(node: string): number {
    const known = layers.get(node);
    if (known !== undefined) return known;
    const below = (targets.get(node) ?? []).map(({ to }) => layer(to));
    const own = 1 + Math.max(0, ...below);
    layers.set(node, own);
    return own;
  }
  return Math.max(0, ...Array.from(nodes, layer));
}
