import { listSignatureTasks } from "../../src/protocol/signature.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

type Dict = Record<string, unknown>;

const BODY = task("body");

/** Makes a signature in Celery's form. */
function task(id: string, options: Dict = {}): Dict {
  return {
    task: "tasks.add",
    args: [],
    kwargs: {},
    options: { task_id: id, reply_to: "somebody", ...options },
    subtask_type: null,
    immutable: false,
  };
}

/** Makes a signature of several tasks. */
function several(type: string, kwargs: Dict, options: Dict = {}): Dict {
  return {
    task: `celery.${type}`,
    args: [],
    kwargs,
    options,
    subtask_type: type,
  };
}

/** Makes the options of a task in the header of the chord `group_id`. */
function member(group_id: string, group_index?: number): Dict {
  return {
    group_id,
    chord: BODY,
    ...(group_index === undefined ? {} : { group_index }),
  };
}

/** Lists the ids, and for each part its id and group. */
function summary(signatures: unknown[]): [ids: string[], parts: string[]] {
  const tasks = listSignatureTasks(signatures);
  return [
    tasks.map(({ taskId }) => taskId),
    tasks.flatMap(({ part }) =>
      part === null ? [] : `${part.taskId} in ${part.groupId}`
    ),
  ];
}

Deno.test("listSignatureTasks() lists the tasks of a chain's signatures", () => {
  assertEquals(
    listSignatureTasks([
      task("c", { ...member("g", 2), parent_id: "b" }),
      task("b", member("g")),
      task("a", { group_id: "g" }),
    ]),
    [
      {
        taskId: "c",
        fields: { groupId: "g", parentId: "b", name: "tasks.add" },
        part: { taskId: "c", groupId: "g", groupIndex: 2, chord: BODY },
      },
      {
        taskId: "b",
        fields: { groupId: "g", name: "tasks.add" },
        part: { taskId: "b", groupId: "g", groupIndex: null, chord: BODY },
      },
      {
        taskId: "a",
        fields: { groupId: "g", name: "tasks.add" },
        part: null,
      },
    ],
  );
});

Deno.test("listSignatureTasks() lists the members of groups and chains, with their parts", () => {
  const inner = several("chain", {
    tasks: [task("b"), task("c", member("g"))],
  });
  const group = several("group", {
    tasks: [task("a", member("g")), inner],
  }, { task_id: "g", ...member("g") });
  assertEquals(summary([group]), [["a", "b", "c", "g"], ["a in g", "c in g"]]);
});

Deno.test("listSignatureTasks() lists a group's own part if its members return none, as Celery does", () => {
  const options = { task_id: "inner", ...member("outer") };
  for (const tasks of [[], [task("a")], [several("map", {})], undefined]) {
    const group = several("group", { tasks }, options);
    assertEquals(summary([group])[1], ["inner in outer"]);
  }
});

Deno.test("listSignatureTasks() lists no parts for a chord's header, but one for its body", () => {
  const headed = [task("a", member("inner", 0)), task("b", member("inner", 1))];
  const header = several("group", { tasks: headed }, {
    task_id: "inner",
    ...member("inner"),
  });
  const body = task("c", member("outer", 0));
  for (const form of [header, headed]) {
    const chord = several("chord", { header: form, body }, {
      task_id: "inner",
    });
    const [ids, parts] = summary([chord]);
    assertEquals(ids.toSorted(), ["a", "b", "c", "inner"]);
    assertEquals(parts, ["c in outer"]);
  }
});

Deno.test("listSignatureTasks() skips what is not a signature, or has no id", () => {
  const strange = [
    null,
    1,
    "task",
    [],
    {},
    { options: null },
    { options: { task_id: "" } },
    { options: { task_id: 1 } },
    { options: { task_id: "\ud800" } },
    several("group", { tasks: null }),
    several("chain", { tasks: [null, 1] }),
    several("chord", { header: null, body: null }),
    { ...several("group", {}), kwargs: null },
  ];
  assertEquals(listSignatureTasks(strange), []);
  const odd = { options: { task_id: "t", group_id: 1, chord: BODY } };
  assertEquals(listSignatureTasks([odd]), [{
    taskId: "t",
    fields: {},
    part: null,
  }]);
  const options = { task_id: "t", group_id: "g", chord: {}, group_index: -1 };
  assertEquals(listSignatureTasks([{ options }])[0]?.part?.groupIndex, null);
  assertEquals(
    listSignatureTasks([{ options: { ...options, chord: "body" } }])[0]?.part,
    null,
  );
});

Deno.test("listSignatureTasks() refuses signatures that nest too deeply", () => {
  let nested = task("t");
  for (let i = 0; i < 999; i++) nested = several("chain", { tasks: [nested] });
  assertEquals(summary([nested])[0], ["t"]);
  assertThrows(
    () => listSignatureTasks([several("chain", { tasks: [nested] })]),
    RangeError,
    "more than 1000 levels deep",
  );
});
