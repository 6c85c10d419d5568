import { encodeDocument } from "../../src/protocol/encode.ts";
import { encodeJson } from "../../src/formats/json/encode.ts";
import type { ResultNode } from "../../src/protocol/result_node.ts";
import {
  parseResultTuple,
  toResultTuple,
} from "../../src/protocol/result_tuple.ts";
import { resolveFormats } from "../../src/formats/options.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

const TASK: ResultNode = { id: "t", parent: null };
const CHAIN: ResultNode = { id: "c", parent: { id: "b", parent: TASK } };
const GROUP: ResultNode = {
  id: "g",
  parent: CHAIN,
  results: [TASK, { id: "h", parent: null, results: [CHAIN] }],
};

/** Makes a tuple of `count` nested parents or, with `member`, groups. */
function deep(count: number, member = false): unknown {
  let tuple: unknown = [["id", null], member ? [] : null];
  for (let i = 1; i < count; i++) {
    tuple = member ? [["id", null], [tuple]] : [["id", tuple], null];
  }
  return tuple;
}

Deno.test("toResultTuple() writes a task, its parents and a group as Celery does", () => {
  assertEquals(
    [TASK, CHAIN, GROUP].map((node) => encodeJson(toResultTuple(node))),
    [
      '[["t", null], null]',
      '[["c", [["b", [["t", null], null]], null]], null]',
      '[["g", [["c", [["b", [["t", null], null]], null]], null]], ' +
      '[[["t", null], null], [["h", null], [[["c", [["b", [["t", null], null]], null]], null]]]]]',
    ],
  );
});

Deno.test("parseResultTuple() reverses toResultTuple()", () => {
  for (
    const node of [TASK, CHAIN, GROUP, { id: "e", parent: null, results: [] }]
  ) {
    assertEquals(parseResultTuple(toResultTuple(node)), node);
  }
});

Deno.test("parseResultTuple() reads the older form, and bare ids", () => {
  assertEquals(parseResultTuple(["t", null]), TASK);
  assertEquals(parseResultTuple("t"), TASK);
  assertEquals(parseResultTuple(["g", ["t", ["t", null]]]), {
    id: "g",
    parent: null,
    results: [TASK, TASK],
  });
  assertEquals(parseResultTuple([["c", "t"], null]), { id: "c", parent: TASK });
});

Deno.test("parseResultTuple() refuses other shapes, and its errors show them", () => {
  for (
    const [tuple, words] of [
      [null, "from null"],
      [7, "from 7"],
      [{}, "from {}"],
      ["", 'from "": its id'],
      [[], "from []"],
      [["t"], "expected [[id, parent], null]"],
      [["t", null, null], "expected [[id, parent], null]"],
      [[["t"], null], "it does not begin with [id, parent]"],
      [[["t", null, null], null], "it does not begin with [id, parent]"],
      [[["", null], null], "its id is not a non-empty, well-formed string"],
      [
        [["\ud800", null], null],
        "its id is not a non-empty, well-formed string",
      ],
      [[[1, null], null], "its id is not a non-empty, well-formed string"],
      [[null, null], "its id is not a non-empty, well-formed string"],
      [[["t", null], "xy"], "its members are neither null nor a list"],
      [[["t", null], {}], "its members are neither null nor a list"],
      [[["t", null], [null]], "from null"],
      [[["t", 5], null], "from 5"],
      [[["t", undefined], null], "from undefined"],
    ] as const
  ) {
    assertThrows(() => parseResultTuple(tuple), TypeError, words);
  }
  const { message } = assertThrows(
    () => parseResultTuple([["t", null], null, "x".repeat(10_000)]),
    TypeError,
  );
  assertEquals(message.length < 300, true);
});

Deno.test("parseResultTuple() reads 1,000 nested results, and refuses more, even endless ones", () => {
  for (const member of [false, true]) {
    let node: ResultNode | null | undefined = parseResultTuple(
      deep(1000, member),
    );
    let count = 0;
    for (; node !== null && node !== undefined; count++) {
      node = member ? node.results?.[0] : node.parent;
    }
    assertEquals(count, 1000);
    for (const count of [1001, 10_000, 1_000_000]) {
      assertThrows(() => parseResultTuple(deep(count, member)), RangeError);
    }
  }
  const circle: unknown[] = [["g", null]];
  circle.push([circle, circle]);
  assertThrows(() => parseResultTuple(circle), RangeError);
});

Deno.test("toResultTuple() writes as many nested results as can be stored, and no more", () => {
  const fields = { taskId: "t", state: "SUCCESS", dateDone: new Date(0) };
  for (const member of [false, true]) {
    const tuple = toResultTuple(parseResultTuple(deep(399, member)));
    assertEquals(encodeJson(tuple), encodeJson(deep(399, member)));
    for (const serializer of ["json", "msgpack"] as const) {
      const format = resolveFormats({ serializer }, "bigint");
      format.encode({ result: tuple }, "group");
      encodeDocument({ ...fields, result: tuple, children: [tuple] }, format);
      // One more does not fit into groups and children.
      assertThrows(
        () => format.encode({ result: deep(400, member) }, "group"),
        TypeError,
      );
    }
    for (const count of [400, 1000]) {
      const node = parseResultTuple(deep(count, member));
      assertThrows(
        () => toResultTuple(node),
        RangeError,
        "Cannot write more than 399 results inside one another",
      );
    }
  }
  let node: ResultNode = TASK;
  for (let i = 0; i < 10_000; i++) node = { id: `${i}`, parent: node };
  assertThrows(() => toResultTuple(node), RangeError);
});
