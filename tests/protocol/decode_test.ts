import { DecodeError } from "../../src/errors.ts";
import {
  decodeDocument,
  decodeEvent,
  pendingMeta,
  undecodableMeta,
} from "../../src/protocol/decode.ts";
import type { ResultMeta } from "../../src/protocol/meta.ts";
import { datetimeText } from "../../src/formats/envelopes.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
} from "../support/assert.ts";
import { withProtoSetter } from "../support/proto_setter.ts";
import { CELERY_4_4, CELERY_5_2, CELERY_5_6 } from "./fixtures.ts";
import type { StoredDocument } from "../../src/formats/types.ts";

const BIGINT = { integers: "bigint" } as const;

function decode(document: StoredDocument): ResultMeta {
  return decodeDocument(document, "t1", BIGINT);
}

function refusal(document: StoredDocument): DecodeError {
  return assertThrows(() => decode(document), DecodeError);
}

Deno.test("decodeDocument() reads a SUCCESS of Celery 5.6", () => {
  const id = "11111111-2222-3333-4444-555555555555";
  assertEquals(decodeDocument(CELERY_5_6.success, id, BIGINT), {
    taskId: id,
    state: "SUCCESS",
    ready: true,
    result: { a: 1, "\u00e9": [1, null, true] },
    traceback: null,
    children: null,
    dateDone: new Date("2026-11-20T15:24:35.026Z"),
    extra: {},
  });
});

Deno.test("decodeDocument() reads a naive date_done as UTC", () => {
  assertEquals(
    decode(CELERY_5_2.failure).dateDone,
    new Date("2026-11-21T02:22:38.793Z"),
  );
  assertEquals(
    decode(CELERY_4_4.success).dateDone,
    new Date("2020-04-01T10:11:12.000Z"),
  );
});

Deno.test("decodeDocument() reads a date_done with an offset", () => {
  assertEquals(
    decode(CELERY_5_6.zoned).dateDone,
    new Date("2026-11-20T15:24:35Z"),
  );
});

Deno.test("decodeDocument() keeps a date_done that it cannot read in extra", () => {
  for (const odd of ["yesterday", 5, ["2026-11-20"]]) {
    const meta = decode(
      JSON.stringify({ status: "SUCCESS", result: 1, date_done: odd }),
    );
    assertEquals(meta.dateDone, null);
    assertEquals(meta.extra, { date_done: odd });
  }
});

Deno.test("decodeDocument() reads every golden document without leftovers", () => {
  for (
    const [name, document] of Object.entries({
      ...CELERY_4_4,
      ...CELERY_5_2,
      ...CELERY_5_6,
    })
  ) {
    const meta = decode(document);
    assertEquals(meta.taskId, "t1");
    if (name !== "stamped") assertEquals(meta.extra, {}, name);
    assertEquals(meta.dateDone !== null, meta.ready, name);
  }
});

Deno.test("decodeDocument() reads numbers as Python wrote them", () => {
  assertEquals(decode(CELERY_5_2.big).result, [
    9007199254740991,
    9007199254740992n,
    9007199254740993n,
    -(2n ** 64n),
    10n ** 30n,
  ]);
  assertEquals(
    decodeDocument(CELERY_5_2.big, "t1", { integers: "number" }).result,
    [9007199254740991, 2 ** 53, 2 ** 53, -(2 ** 64), 1e30],
  );
  assertEquals(decode(CELERY_5_2.nonfinite).result, {
    loss: NaN,
    best: Infinity,
    worst: -Infinity,
  });
  assertEquals(decode(CELERY_5_2.success).result, {
    a: 1,
    "\u00e9\u{1f600}": [1, null, true, -0, 1e16, 1.5e-7, 1e300],
  });
});

Deno.test("decodeDocument() finds a large integer anywhere", () => {
  const big = "18446744073709551615";
  assertEquals(
    decode(`{"status": "SUCCESS", "result": ${big}}`).result,
    2n ** 64n - 1n,
  );
  const meta = decode(
    `{"status": "SUCCESS", "result": 1, "args": [[${big}]], "kwargs": {"k": -${big}}, "stamp": ${big}}`,
  );
  assertEquals(meta.args, [[2n ** 64n - 1n]]);
  assertEquals(meta.kwargs, { k: 1n - 2n ** 64n });
  assertEquals(meta.extra, { stamp: 2n ** 64n - 1n });
  assertEquals(
    decode(
      `{"status": "FAILURE", "result": {"exc_type": "E", "exc_message": [${big}]}}`,
    ).result,
    {
      excType: "E",
      excModule: null,
      excArgs: [2n ** 64n - 1n],
      message: big,
    },
  );
});

Deno.test("decodeDocument() keeps lone surrogates and controls", () => {
  assertEquals(
    decode(CELERY_5_2.surrogate).result,
    '\ud83d \u007f \u0000 / "\\ \n',
  );
});

Deno.test("decodeDocument() revives kombu's envelopes", () => {
  const result = decode(CELERY_5_6.envelopes).result as Record<string, unknown>;
  assertEquals(result, {
    at: new Date("2024-01-01T21:34:05.678Z"),
    day: "2024-01-02",
    time: "01:02:03.000004",
    price: "1.10",
    id: "01234567-89ab-cdef-0123-456789abcdef",
    text: new TextEncoder().encode("caf\u00e9"),
    raw: new Uint8Array([255, 0, 254]),
  });
  assertInstanceOf(result.at, Date);
  assertEquals(datetimeText(result.at), "2024-01-02T03:04:05.678901+05:30");
});

Deno.test("decodeDocument() revives an envelope that is the whole result", () => {
  assertEquals(
    decode(
      '{"status": "SUCCESS", "result": {"__type__": "decimal", "__value__": "1.5"}}',
    ).result,
    "1.5",
  );
});

Deno.test("decodeDocument() revives envelopes beside NaN and large integers", () => {
  for (const n of ["NaN", "9007199254740993"]) {
    const meta = decode(
      `{"status": "SUCCESS", "result": [${n}, {"__type__": "date", "__value__": "2024-01-02"}]}`,
    );
    assertEquals((meta.result as unknown[])[1], "2024-01-02");
  }
});

Deno.test("decodeDocument() leaves the strings of kombu 5.2 unchanged", () => {
  assertEquals(decode(CELERY_5_2.oldTypes).result, [
    "2024-01-02T03:04:05.678901Z",
    "2024-01-02T00:00:00",
    "01:02:03",
    "1.10",
    "00000000-0000-0000-0000-000000000005",
  ]);
});

Deno.test("decodeDocument() reads result_extended", () => {
  assertEquals(decode(CELERY_5_2.extended), {
    taskId: "t1",
    state: "SUCCESS",
    ready: true,
    result: 3,
    traceback: null,
    children: [],
    dateDone: new Date("2026-11-21T02:22:38.799Z"),
    extra: {},
    groupId: "g1",
    parentId: "p1",
    name: "app.add",
    args: [1, 2],
    kwargs: { x: null },
    worker: "w1@host",
    retries: 2,
    queue: "celery",
  });
});

Deno.test("decodeDocument() puts stamps and unknown members into extra, and drops known ones that are null", () => {
  const meta = decode(CELERY_5_6.stamped);
  assertEquals(meta.extra, { stamped_headers: ["tenant"], tenant: ["acme"] });
  assertEquals("queue" in meta, false);
  assertEquals(meta.args, ["2024-01-02", 1]);
  assertEquals(meta.kwargs, { at: new Date("2024-01-02T03:04:05Z") });
});

Deno.test("decodeDocument() puts a known member of the wrong type into extra", () => {
  const odd = {
    traceback: ["x"],
    group_id: 1,
    parent_id: 2,
    name: 3,
    args: "(1, 2)",
    kwargs: [],
    worker: {},
    retries: "4",
    queue: 5,
  };
  const meta = decode(JSON.stringify({ status: "SUCCESS", result: 1, ...odd }));
  assertEquals(meta.extra, odd);
  assertEquals(meta.traceback, null);
  for (
    const name of [
      "groupId",
      "parentId",
      "name",
      "args",
      "kwargs",
      "worker",
      "retries",
      "queue",
    ]
  ) {
    assertEquals(name in meta, false, name);
  }
});

Deno.test("decodeDocument() never shares extra", () => {
  const meta = decode(CELERY_4_4.success);
  meta.extra.mine = 1;
  assertEquals(decode(CELERY_4_4.success).extra, {});
  pendingMeta("a").extra.mine = 1;
  assertEquals(pendingMeta("b").extra, {});
});

Deno.test("decodeDocument() keeps __proto__ as an own member", () => {
  withProtoSetter(() => {
    const meta = decode(
      '{"status": "SUCCESS", "result": {"__proto__": {"a": 1}}, "__proto__": {"b": 1}}',
    );
    for (const holder of [meta.extra, meta.result as object]) {
      assert(Object.hasOwn(holder, "__proto__"));
      assertStrictEquals(Object.getPrototypeOf(holder), Object.prototype);
    }
    assertStrictEquals(Object.getPrototypeOf(meta), Object.prototype);
  });
});

Deno.test("decodeDocument() reads exceptions", () => {
  const meta = decode(CELERY_5_2.failure);
  assertEquals(meta.ready, true);
  assertEquals(meta.result, {
    excType: "ValueError",
    excModule: "builtins",
    excArgs: ["boom"],
    message: "boom",
  });
  assertStringIncludes(meta.traceback ?? "", "ValueError: boom\n");
  assertEquals(decode(CELERY_4_4.failure).result, {
    excType: "ValueError",
    excModule: null,
    excArgs: ["boom"],
    message: "boom",
  });
  assertEquals(decode(CELERY_5_2.nested).result, {
    excType: "Outer.Inner",
    excModule: "__main__",
    excArgs: ["x"],
    message: "x",
  });
  assertEquals(decode(CELERY_5_2.wrapper).result, {
    excType: "Local",
    excModule: "__main__",
    excArgs: ["a", 2],
    message: "a, 2",
  });
});

Deno.test("decodeDocument() reads REVOKED as ready, and RETRY as not ready", () => {
  const revoked = decode(CELERY_5_6.revoked);
  assertEquals([revoked.state, revoked.ready], ["REVOKED", true]);
  const retry = decode(CELERY_5_2.retry);
  assertEquals([retry.state, retry.ready, retry.dateDone], [
    "RETRY",
    false,
    null,
  ]);
  assert(retry.state === "RETRY");
  assertEquals(retry.result?.message, "refused");
  assertEquals(decode(CELERY_5_2.retryNone).result, null);
});

Deno.test("decodeDocument() reads FAILURE without an exception", () => {
  assertEquals(decode('{"status": "FAILURE", "result": null}').result, null);
  assertEquals(decode('{"status": "FAILURE"}').result, null);
});

Deno.test("decodeDocument() leaves the results of other states unchanged", () => {
  const started = decode(CELERY_5_2.started);
  assertEquals([started.state, started.ready], ["STARTED", false]);
  assertEquals(started.result, { pid: 7, hostname: "w1@host" });
  assertEquals(decode(CELERY_5_2.progress).result, { current: 3, total: 10 });
  const odd = decode('{"status": "MY STATE", "result": {"exc_type": "E"}}');
  assertEquals(odd.result, { exc_type: "E" });
  assertEquals(odd.ready, false);
});

Deno.test("decodeDocument() keeps children as Celery's lists", () => {
  assertEquals(decode(CELERY_5_6.children).children, [
    [["c1", null], null],
    [["g2", null], [[["m1", null], null], [["m2", null], null]]],
  ]);
});

Deno.test("decodeDocument() uses the task id that it was given", () => {
  assertEquals(
    decodeDocument(CELERY_5_6.success, "mine", BIGINT).taskId,
    "mine",
  );
});

Deno.test("decodeDocument() reads an empty document as PENDING", () => {
  assertEquals(decode(""), pendingMeta("t1"));
  assertEquals(decode(new Uint8Array()), pendingMeta("t1"));
});

Deno.test("decodeDocument() reads UTF-8 bytes", () => {
  assertEquals(
    decode(new TextEncoder().encode(CELERY_5_2.failure)),
    decode(CELERY_5_2.failure),
  );
});

Deno.test("decodeDocument() returns metas that survive structuredClone()", () => {
  for (
    const document of [
      ...Object.values(CELERY_4_4),
      ...Object.values(CELERY_5_2),
      ...Object.values(CELERY_5_6),
    ]
  ) {
    const meta = decode(document);
    assertEquals(structuredClone(meta), meta);
  }
});

Deno.test("decodeDocument() returns metas with their members in one order", () => {
  const order = Object.keys(pendingMeta("a"));
  for (const document of Object.values(CELERY_5_2)) {
    assertEquals(Object.keys(decode(document)).slice(0, order.length), order);
  }
});

Deno.test("decodeEvent() returns the same with an origin", () => {
  for (const origin of ["live", "snapshot"] as const) {
    for (const document of [CELERY_5_2.extended, CELERY_5_2.failure, ""]) {
      assertEquals(decodeEvent(document, "t1", BIGINT, origin), {
        ...decode(document),
        origin,
      });
    }
  }
  assertEquals("origin" in decode(CELERY_5_2.failure), false);
});

Deno.test("decodeDocument() refuses what is not JSON", () => {
  const error = refusal("not json");
  assertEquals(error.taskId, "t1");
  assertEquals(error.text, "not json");
  assertStringIncludes(error.message, 'Cannot decode the result of task "t1"');
  assertStringIncludes(error.message, "result_serializer");
  assertInstanceOf(error.cause, SyntaxError);
});

Deno.test("decodeDocument() refuses JSON that is not a result document", () => {
  for (const text of ["null", "[]", "5", '"x"', "NaN"]) {
    assertStringIncludes(refusal(text).message, "not an object");
  }
  assertStringIncludes(refusal('{"result": 1}').message, "has no status");
  assertStringIncludes(refusal("{}").message, "has no status");
  assertStringIncludes(
    refusal('{"__proto__": {"status": "SUCCESS"}}').message,
    "has no status",
  );
  for (const status of [null, 5, ["SUCCESS"]]) {
    assertStringIncludes(
      refusal(JSON.stringify({ status })).message,
      "status is not a string",
    );
  }
});

Deno.test("decodeDocument() refuses an integer with more digits than Python reads", () => {
  const error = refusal(
    `{"status": "SUCCESS", "result": [${"7".repeat(10_000_000)}]}`,
  );
  assertStringIncludes(
    error.message,
    'Cannot decode the result of task "t1": it has an integer of 10000000 digits, more than the 4300 that are read',
  );
  assertEquals(undecodableMeta(error).state, "UNDECODABLE");
});

Deno.test("decodeDocument() refuses a byte order mark, as Python does", () => {
  const text = `\ufeff${CELERY_5_2.failure}`;
  assertStringIncludes(refusal(text).message, "not JSON");
  assertStringIncludes(
    refusal(new TextEncoder().encode(text)).message,
    "not JSON",
  );
});

Deno.test("decodeDocument() refuses a reserved status", () => {
  assertStringIncludes(
    refusal('{"status": "UNDECODABLE", "result": 1}').message,
    "rename",
  );
});

Deno.test("decodeDocument() refuses a pickle, and names the setting", () => {
  const pickle = new Uint8Array([0x80, 4, 0x95, 1, 0, 0xff]);
  const { message } = refusal(pickle);
  assertStringIncludes(message, "pickle");
  assertStringIncludes(message, 'result_serializer = "json"');
});

Deno.test("decodeDocument() refuses bytes that are not UTF-8", () => {
  const error = refusal(new Uint8Array([0x7b, 0x22, 0xff]));
  assertStringIncludes(error.message, "not UTF-8");
  assertEquals(error.text, '{"\ufffd');
  assertStringIncludes(refusal(new Uint8Array([0xc3, 0x28])).message, "0xc3");
});

Deno.test("decodeDocument() shows only the beginning of a long document", () => {
  assertEquals(refusal("x".repeat(5000)).text, `${"x".repeat(200)}...`);
  assertEquals(refusal("x".repeat(200)).text, "x".repeat(200));
  const bytes = new Uint8Array(5000).fill(0xff);
  assertEquals(refusal(bytes).text, `${"\ufffd".repeat(200)}...`);
});

Deno.test("decodeDocument() refuses a value nested too deeply, without a crash", () => {
  for (const depth of [2100, 500_000]) {
    const nested = `${"[".repeat(depth)}1${"]".repeat(depth)}`;
    assertStringIncludes(
      refusal(`{"status": "SUCCESS", "result": ${nested}}`).message,
      "nested more than 2000 levels",
    );
  }
});

Deno.test("decodeDocument() reads values nested as deeply as Python can", () => {
  const nested = `${"[".repeat(1500)}NaN${"]".repeat(1500)}`;
  const meta = decode(`{"status": "SUCCESS", "result": ${nested}}`);
  structuredClone(meta);
});

Deno.test("decodeDocument() survives random damage", () => {
  const whole = CELERY_5_2.success + CELERY_5_6.envelopes;
  for (let at = 0; at < whole.length; at++) {
    for (const text of [whole.slice(0, at), whole.slice(at)]) {
      try {
        decode(text);
      } catch (error) {
        assertInstanceOf(error, DecodeError);
      }
    }
  }
});

Deno.test("undecodableMeta() describes the document", () => {
  const meta = undecodableMeta(refusal("not json"));
  assertEquals(meta.state, "UNDECODABLE");
  assertEquals(meta.ready, true);
  assertEquals(meta.taskId, "t1");
  assert(meta.state === "UNDECODABLE");
  assertEquals(meta.result.text, "not json");
  assertStringIncludes(meta.result.message, "not JSON");
  assertEquals(structuredClone(meta), meta);
});

Deno.test("pendingMeta() has no result", () => {
  assertEquals(pendingMeta("t1"), {
    taskId: "t1",
    state: "PENDING",
    ready: false,
    result: null,
    traceback: null,
    children: null,
    dateDone: null,
    extra: {},
  });
});

Deno.test("ResultMeta narrows on state, and on ready", () => {
  const meta = decodeDocument<{ total: number }>(
    '{"status": "SUCCESS", "result": {"total": 3}}',
    "t1",
    BIGINT,
  );
  if (meta.state === "SUCCESS") {
    const total: number = meta.result.total;
    assertEquals(total, 3);
  } else if (meta.state === "FAILURE" || meta.state === "RETRY") {
    const type: string | undefined = meta.result?.excType;
    fail(type);
  } else if (meta.state === "UNDECODABLE") {
    const text: string = meta.result.text;
    fail(text);
  } else if (meta.ready) {
    const state: "REVOKED" = meta.state;
    fail(state);
  } else {
    const state:
      | "PENDING"
      | "RECEIVED"
      | "STARTED"
      | "REJECTED"
      | "IGNORED"
      | "PROGRESS" = meta.state;
    assertNotEquals(state, "PENDING");
  }
});
