/**
 * A result as part of a tree: a task, or a group with its members. What
 * `AsyncResult` and `GroupResult` have in common with what a document says.
 */
export interface ResultNode {
  /** The task's id, or the group's. */
  readonly id: string;
  /** What came before it in a chain. */
  readonly parent: ResultNode | null;
  /** The members of a group; a task has none, not even an empty list. */
  readonly results?: readonly ResultNode[];
}

/** What came before a result in its chain, the nearest first. Each once, even if they lead in a circle. */
export function listAncestors(result: ResultNode): ResultNode[] {
  const ancestors = new Set<ResultNode>();
  let { parent } = result;
  while (parent !== null && !ancestors.has(parent)) {
    ancestors.add(parent);
    ({ parent } = parent);
  }
  return [...ancestors];
}

/** The ids of the tasks among the results, those in groups included, each once and in order. */
export function collectTaskIds(results: Iterable<ResultNode>): Set<string> {
  const ids = new Set<string>();
  addTaskIds(results, ids);
  return ids;
}

/** Groups nest no deeper than a tuple may: recursion is safe. */
function addTaskIds(results: Iterable<ResultNode>, ids: Set<string>): void {
  for (const result of results) {
    if (result.results === undefined) ids.add(result.id);
    else addTaskIds(result.results, ids);
  }
}

/** The ids of the tasks among the results, and of all that came before any of them. */
export function collectLineageIds(results: Iterable<ResultNode>): Set<string> {
  const ids = new Set<string>();
  const lineage = new Set(results);
  // The loop comes to what is added in it; each once, even if they lead in a circle.
  for (const { id, parent, results } of lineage) {
    if (results === undefined) ids.add(id);
    for (const member of results ?? []) lineage.add(member);
    if (parent !== null) lineage.add(parent);
  }
  return ids;
}
