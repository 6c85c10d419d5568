import {
  collectLineageIds,
  collectTaskIds,
  listAncestors,
  type ResultNode,
} from "../../src/protocol/result_node.ts";
import { assertEquals } from "../support/assert.ts";

function task(id: string, parent: ResultNode | null = null): ResultNode {
  return { id, parent };
}

function group(
  id: string,
  results: ResultNode[],
  parent: ResultNode | null = null,
): ResultNode {
  return { id, parent, results };
}

Deno.test("listAncestors() lists the nearest first", () => {
  const root = task("a");
  const middle = group("g", [task("x", task("y"))], root);
  assertEquals(listAncestors(root), []);
  assertEquals(listAncestors(task("c", middle)), [middle, root]);
});

Deno.test("listAncestors() and collectLineageIds() end if parents form a cycle", () => {
  const first: { id: string; parent: ResultNode | null } = task("a");
  const second = task("b", first);
  first.parent = second;
  assertEquals(listAncestors(first), [second, first]);
  assertEquals(collectLineageIds([first]), new Set(["a", "b"]));
});

Deno.test("collectTaskIds() collects the tasks in groups at any depth, once and in order", () => {
  assertEquals(
    [...collectTaskIds([
      task("c"),
      group("g", [
        task("a"),
        group("h", [task("c"), task("b")]),
        group("e", []),
      ]),
      task("a"),
      task("d", task("before")),
    ])],
    ["c", "a", "b", "d"],
  );
});

Deno.test("collectLineageIds() collects the tasks and all before them, including those in groups", () => {
  const before = group("g", [task("x", task("y"))], task("a"));
  assertEquals(
    collectLineageIds([task("c", before), group("h", [task("d")])]),
    new Set(["c", "d", "x", "a", "y"]),
  );
});

Deno.test("listAncestors() and collectLineageIds() accept any number of parents", () => {
  let node = task("0");
  for (let i = 1; i < 100_000; i++) node = task(`${i}`, node);
  assertEquals(listAncestors(node).length, 99_999);
  assertEquals(collectLineageIds([node]).size, 100_000);
});
