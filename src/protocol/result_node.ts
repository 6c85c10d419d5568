/**
 * A result in a tree: a task, or a group with its members. `AsyncResult` and
 * `GroupResult` have this shape, and so have the results in a document.
 */
export interface ResultNode {
  /** The id of the task or the group. */
  readonly id: string;
  /** The result before it in a chain. */
  readonly parent: ResultNode | null;
  /** The members of a group; undefined for a task. */
  readonly results?: readonly ResultNode[];
}

/** Lists the results before `result` in its chain, the nearest first; each once, even if they form a cycle. */
export function listAncestors(result: ResultNode): ResultNode[] {
  const ancestors = new Set<ResultNode>();
  let { parent } = result;
  while (parent !== null && !ancestors.has(parent)) {
    ancestors.add(parent);
    ({ parent } = parent);
  }
  return [...ancestors];
}

/** Collects the ids of the tasks among `results`, and in their groups; each once, in order. */
export function collectTaskIds(results: Iterable<ResultNode>): Set<string> {
  const ids = new Set<string>();
  addTaskIds(results, ids);
  return ids;
}

/** Recursion is safe: groups nest no deeper than a tuple may. */
function addTaskIds(results: Iterable<ResultNode>, ids: Set<string>): void {
  for (const result of results) {
    if (result.results === undefined) ids.add(result.id);
    else addTaskIds(result.results, ids);
  }
}

/** Collects the ids of the tasks among `results`, in their groups, and before any of them in its chain. */
export function collectLineageIds(results: Iterable<ResultNode>): Set<string> {
  const ids = new Set<string>();
  const lineage = new Set(results);
  // The loop also visits what it adds to the set; each once, even in a cycle.
  for (const { id, parent, results } of lineage) {
    if (results === undefined) ids.add(id);
    for (const member of results ?? []) lineage.add(member);
    if (parent !== null) lineage.add(parent);
  }
  return ids;
}
