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

Deno.test("ancestorsOf() gives what came before, the nearest first", () => {
  const root = task("a");
  const middle = group("g", [task("x", task("y"))], root);
  assertEquals(listAncestors(root), []);
  assertEquals(listAncestors(task("c", middle)), [middle, root]);
});

Deno.test("ancestorsOf() and lineageIdsOf() end where parents lead in a circle", () => {
  const first: { id: string; parent: ResultNode | null } = task("a");
  const second = task("b", first);
  first.parent = second;
  assertEquals(listAncestors(first), [second, first]);
  assertEquals(collectLineageIds([first]), new Set(["a", "b"]));
});

Deno.test("taskIdsOf() gives the tasks in groups at any depth, once and in order", () => {
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

Deno.test("lineageIdsOf() gives the tasks and all that came before them, those in groups too", () => {
  const before = group("g", [task("x", task("y"))], task("a"));
  assertEquals(
    collectLineageIds([task("c", before), group("h", [task("d")])]),
    new Set(["c", "d", "x", "a", "y"]),
  );
});

Deno.test("ancestorsOf() and lineageIdsOf() take any number of parents", () => {
  let node = task("0");
  for (let i = 1; i < 100_000; i++) node = task(`${i}`, node);
  assertEquals(listAncestors(node).length, 99_999);
  assertEquals(collectLineageIds([node]).size, 100_000);
});
