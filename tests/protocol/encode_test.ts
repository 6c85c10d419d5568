import { decodeDocument } from "../../src/protocol/decode.ts";
import {
  type DocumentFields,
  encodeDocument,
} from "../../src/protocol/encode.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

const DONE = new Date("2026-11-20T15:24:35.026Z");

function fields(more: Partial<DocumentFields> = {}): DocumentFields {
  return { taskId: "t1", state: "SUCCESS", result: 3, dateDone: DONE, ...more };
}

Deno.test("encodeDocument() writes Celery's six members in order", () => {
  assertEquals(
    encodeDocument(fields({ result: { a: 1, "\u00e9": [1.5, null, true] } })),
    '{"status": "SUCCESS", "result": {"a": 1, "\\u00e9": [1.5, null, true]}, ' +
      '"traceback": null, "children": null, ' +
      '"date_done": "2026-11-20T15:24:35.026000+00:00", "task_id": "t1"}',
  );
});

Deno.test("encodeDocument() writes the optional members in between, in Celery's order", () => {
  assertEquals(
    encodeDocument(fields({
      queue: "celery",
      retries: 2,
      worker: "w1@host",
      kwargs: { x: null },
      args: [1, 2],
      name: "app.add",
      parentId: "p1",
      groupId: "g1",
      children: [[["c1", null], null]],
      traceback: "Traceback",
      stamps: { tenant: ["acme"], "n\n": 1 },
    })),
    '{"status": "SUCCESS", "result": 3, "traceback": "Traceback", ' +
      '"children": [[["c1", null], null]], ' +
      '"date_done": "2026-11-20T15:24:35.026000+00:00", "group_id": "g1", ' +
      '"parent_id": "p1", "name": "app.add", "args": [1, 2], ' +
      '"kwargs": {"x": null}, "worker": "w1@host", "retries": 2, ' +
      '"queue": "celery", "stamped_headers": ["tenant", "n\\n"], ' +
      '"tenant": ["acme"], "n\\n": 1, "task_id": "t1"}',
  );
});

Deno.test("encodeDocument() writes a date_done only in a ready state", () => {
  for (const state of ["PENDING", "STARTED", "RETRY", "PROGRESS", "IGNORED"]) {
    const text = encodeDocument(fields({ state, result: null }));
    assertEquals(JSON.parse(text).date_done, null);
  }
  for (const state of ["SUCCESS", "FAILURE", "REVOKED"]) {
    const text = encodeDocument(fields({ state }));
    assertEquals(
      JSON.parse(text).date_done,
      "2026-11-20T15:24:35.026000+00:00",
    );
  }
});

Deno.test("encodeDocument() refuses a ready state without a valid date", () => {
  for (const dateDone of [null, new Date(NaN)]) {
    assertThrows(
      () => encodeDocument(fields({ dateDone })),
      TypeError,
      'Cannot encode a result in state "SUCCESS"',
    );
  }
  encodeDocument(fields({ state: "STARTED", dateDone: null }));
});

Deno.test("encodeDocument() writes the exceptions of FAILURE, REVOKED and RETRY", () => {
  for (const state of ["FAILURE", "REVOKED", "RETRY"]) {
    const text = encodeDocument(fields({ state, result: new TypeError("x") }));
    assertEquals(JSON.parse(text).result, {
      exc_type: "TypeError",
      exc_message: ["x"],
      exc_module: null,
    });
  }
});

Deno.test("encodeDocument() always writes an object for FAILURE and REVOKED", () => {
  for (const state of ["FAILURE", "REVOKED"]) {
    for (const result of [null, undefined, "", 0, "boom", [], {}, ["x"]]) {
      const document = JSON.parse(encodeDocument(fields({ state, result })));
      assertEquals(document.result.exc_type, "Exception");
      assertEquals(Array.isArray(document.result.exc_message), true);
      assertEquals(document.result.exc_module, "builtins");
    }
  }
});

Deno.test("encodeDocument() lets a RETRY have no exception", () => {
  for (const result of [null, undefined]) {
    const text = encodeDocument(fields({ state: "RETRY", result }));
    assertEquals(JSON.parse(text).result, null);
  }
});

Deno.test("encodeDocument() leaves an Error-like result of other states alone", () => {
  const text = encodeDocument(
    fields({ state: "PROGRESS", result: { excType: "E" } }),
  );
  assertEquals(JSON.parse(text).result, { excType: "E" });
});

Deno.test("encodeDocument() writes null for an undefined result", () => {
  const text = encodeDocument(fields({ result: undefined }));
  assertEquals(JSON.parse(text).result, null);
});

Deno.test("encodeDocument() refuses a stamp that would replace a member", () => {
  for (
    const name of ["status", "result", "task_id", "stamped_headers", "name"]
  ) {
    assertThrows(
      () => encodeDocument(fields({ stamps: { [name]: 1 } })),
      TypeError,
      `Cannot encode a stamp named "${name}"`,
    );
  }
});

Deno.test("encodeDocument() names the path to what cannot be encoded", () => {
  assertThrows(
    () => encodeDocument(fields({ result: { items: [new Map()] } })),
    TypeError,
    "at result.items[0]",
  );
  assertThrows(
    () => encodeDocument(fields({ kwargs: { a: new Map() } })),
    TypeError,
    "at kwargs.a",
  );
  assertThrows(
    () => encodeDocument(fields({ stamps: { a: [new Map()] } })),
    TypeError,
    "at stamps.a[0]",
  );
});

Deno.test("decodeDocument() reverses encodeDocument()", () => {
  const document = encodeDocument(fields({
    result: [1, { at: DONE, raw: new Uint8Array([255]), n: 2n ** 70n, x: NaN }],
    groupId: "g1",
    parentId: "p1",
    name: "app.add",
    args: [DONE],
    kwargs: { a: 1 },
    worker: "w",
    retries: 0,
    queue: "q",
    stamps: { s: 1 },
  }));
  assertEquals(decodeDocument(document, "t1", { integers: "bigint" }), {
    taskId: "t1",
    state: "SUCCESS",
    ready: true,
    result: [1, { at: DONE, raw: new Uint8Array([255]), n: 2n ** 70n, x: NaN }],
    traceback: null,
    children: null,
    dateDone: DONE,
    extra: { stamped_headers: ["s"], s: 1 },
    groupId: "g1",
    parentId: "p1",
    name: "app.add",
    args: [DONE],
    kwargs: { a: 1 },
    worker: "w",
    retries: 0,
    queue: "q",
  });
});
