/**
 * Results in msgpack and YAML that pass between this module and Celery, both ways.
 *
 * @module
 */

import { datetimeText, TaskError, toJsonSafe } from "../../mod.ts";
import type { ResultBackendOptions } from "../../mod.ts";
import { yaml } from "../../yaml.ts";
import { assertEquals, assertInstanceOf } from "../support/assert.ts";
import { celeryFixture } from "../support/celery_fixture.ts";
import { digestOf } from "../support/redis_server.ts";
import { collect } from "../support/results.ts";

const fixture = celeryFixture({ needs: ["python msgpack", "python yaml"] });

const OPTIONS = {
  msgpack: { serializer: "msgpack" },
  yaml: { serializer: yaml },
} as const satisfies Record<string, ResultBackendOptions>;
const SERIALIZERS = ["msgpack", "yaml"] as const;

/** A value that Python stores, and its value here: a pair if msgpack and YAML differ. */
const read: Record<string, unknown> = {
  "none": null,
  "true": true,
  "text": "plain",
  "empty text": "",
  "unicode":
    'Za\u017c\xf3\u0142\u0107 \u2603 \u{1f600} \x7f \x00 "quoted" \\ /',
  "integer": 42,
  "last safe integer": Number.MAX_SAFE_INTEGER,
  "big integer": 2n ** 53n + 1n,
  "float": 1.5,
  "whole float": 1,
  "small float": 1.5e-7,
  "large float": 1e308,
  "negative zero": -0,
  "nan": NaN,
  "infinities": [Infinity, -Infinity],
  "nested": { a: [1, { b: [null, true, "\u0142"] }, []], "\xe9": {}, "": 0 },
  "tuple": [1, ["two", 3.5]],
  "prototype key": JSON.parse(
    '{"__proto__": {"polluted": true}, "constructor": 1}',
  ),
  "long text": "0123456789abcdef".repeat(65536),
  "ambiguous text": ["y", "n", "08", "1e5", "=", "<<", "yes", "1:30", "~"],
  "repeated": [[1], [1], { k: [1] }],
  "bytes": new Uint8Array([0xff, 0, 0x41]),
};

for (const serializer of SERIALIZERS) {
  for (const [kind, expected] of Object.entries(read)) {
    Deno.test(
      fixture.test(`AsyncResult.get() reads what Celery stores in ${serializer}: ${kind}`, async () => {
        await using backend = fixture.backend(OPTIONS[serializer]);
        const taskId = crypto.randomUUID();
        await fixture.driver.storeValue(taskId, kind, serializer);
        assertEquals(await backend.result(taskId).get(), expected);
        const events = await collect(backend.stream(taskId));
        assertEquals(structuredClone(events), events);
        toJsonSafe(events);
      }),
    );
  }
}

Deno.test(
  fixture.test("AsyncResult.get() reads what only YAML has: dates, sets, integers of any size, keys of any type", async () => {
    await using backend = fixture.backend({ serializer: yaml });
    const results: unknown[] = [];
    for (
      const kind of [
        "datetime",
        "date",
        "huge integer",
        "number set",
        "other keys",
      ]
    ) {
      const taskId = crypto.randomUUID();
      await fixture.driver.storeValue(taskId, kind, "yaml");
      results.push(await backend.result(taskId).get());
    }
    const [date, ...rest] = results;
    assertInstanceOf(date, Date);
    assertEquals(date.toISOString(), "2024-01-02T03:04:05.678Z");
    assertEquals(datetimeText(date), "2024-01-02T03:04:05.678901+00:00");
    assertEquals(rest, [
      "2024-01-02",
      -(10n ** 40n),
      ["1", "2"],
      { "1": "one", "1.5": "one and a half", null: "none" },
    ]);
  }),
);

/** A value to store, and its repr() in Python. */
const written: Record<string, [stored: unknown, repr: string]> = {
  "null": [null, "None"],
  "a boolean": [[true, false], "[True, False]"],
  "unicode": [
    "Za\u017c\xf3 \u{1f600}\x00\x7f\u2028\n",
    "'Za\u017c\xf3 \u{1f600}\\x00\\x7f\\u2028\\n'",
  ],
  "text that looks like another type": [
    [
      "y",
      "yes",
      "1e5",
      "=",
      "<<",
      "2024-01-02",
      "~",
      "1:30",
      "0x1f",
      " a ",
      "- b",
      "#",
    ],
    "['y', 'yes', '1e5', '=', '<<', '2024-01-02', '~', '1:30', '0x1f', ' a ', '- b', '#']",
  ],
  "integers": [
    [
      ...[0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32],
      ...[-1, -32, -33, -128, -129, -32768, -32769, -(2 ** 31), -(2 ** 31) - 1],
      ...[Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
      ...[2n ** 64n - 1n, -(2n ** 63n), 5n],
    ],
    "[0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, " +
    "-1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, " +
    "9007199254740991, -9007199254740991, 18446744073709551615, -9223372036854775808, 5]",
  ],
  "floats": [
    [1.5, -0, 1e16, 1.5e-7, 1e300, 2 ** 53, NaN, Infinity, -Infinity],
    "[1.5, -0.0, 1e+16, 1.5e-07, 1e+300, 9007199254740992.0, nan, inf, -inf]",
  ],
  "bytes": [
    [new Uint8Array([0xff, 0]), new Uint8Array()],
    "[b'\\xff\\x00', b'']",
  ],
  "objects": [
    { a: { b: [{ c: [] }, {}] }, kept: undefined, "": [undefined] },
    "{'a': {'b': [{'c': []}, {}]}, '': [None]}",
  ],
};

for (const serializer of SERIALIZERS) {
  for (const [kind, [stored, repr]] of Object.entries(written)) {
    Deno.test(
      fixture.test(`ResultBackend.markAsDone() stores in ${serializer} what Celery reads: ${kind}`, async () => {
        await using backend = fixture.backend(OPTIONS[serializer]);
        const taskId = crypto.randomUUID();
        await backend.markAsDone(taskId, stored);
        const { value } = await fixture.driver.get(taskId, { serializer });
        // PyYAML sorts keys.
        const expected = serializer === "yaml" && kind === "objects"
          ? "{'': [None], 'a': {'b': [{'c': []}, {}]}}"
          : repr;
        assertEquals(value, expected);
      }),
    );
  }

  Deno.test(
    fixture.test(`ResultBackend.markAsDone() stores in ${serializer} a long key, a long text and a Date that Celery reads`, async () => {
      await using backend = fixture.backend(OPTIONS[serializer]);
      const taskId = crypto.randomUUID();
      const key = "k".repeat(3000);
      const text = "x y ".repeat(50_000);
      const at = new Date("2024-01-02T03:04:05.678Z");
      await backend.markAsDone(taskId, [{ [key]: { [key]: text } }, at]);
      const { value } = await fixture.driver.get(taskId, { serializer });
      const date = serializer === "yaml"
        ? "datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)"
        : "'2024-01-02T03:04:05.678+00:00'";
      assertEquals(value, `[{'${key}': {'${key}': '${text}'}}, ${date}]`);
    }),
  );

  Deno.test(
    fixture.test(`failures in ${serializer} pass from Celery to Celery unchanged`, async () => {
      await using backend = fixture.backend(OPTIONS[serializer]);
      const [first, second] = [crypto.randomUUID(), crypto.randomUUID()];
      await fixture.driver.storeFailure(first, ["boom", 3, [null]], {
        trace: "a traceback",
        serializer,
      });
      const error = await backend.result(first).get({ propagate: false });
      assertInstanceOf(error, TaskError);
      assertEquals([error.excType, error.excModule], [
        "ValueError",
        "builtins",
      ]);
      await backend.markAsFailure(second, error);
      assertEquals(
        await fixture.driver.get(second, { serializer }),
        await fixture.driver.get(first, { serializer }),
      );
      const read = await fixture.driver.read(second, { serializer });
      assertEquals([read.state, read.traceback], ["FAILURE", "a traceback"]);
    }),
  );

  Deno.test(
    fixture.test(`ResultBackend.storeResult() stores in ${serializer} the call, as with result_extended, unless resultExtended is false`, async () => {
      const call = {
        name: "tasks.add",
        args: [1, "\u0142"],
        kwargs: { y: null },
        worker: "deno@here",
        retries: 2,
        queue: "celery",
        stamps: { tenant: ["a"] },
        children: [{ toJSON: () => [["child", null], null] }],
        groupId: "g",
        parentId: "p",
      };
      for (const resultExtended of [true, false]) {
        await using backend = fixture.backend({
          ...OPTIONS[serializer],
          resultExtended,
        });
        const taskId = crypto.randomUUID();
        await backend.markAsDone(taskId, 1, call);
        const read = await fixture.driver.read(taskId, { serializer });
        assertEquals(read.children, ["child"]);
        assertEquals(
          [
            read.name,
            read.args,
            read.kwargs,
            read.worker,
            read.retries,
            read.queue,
          ],
          resultExtended
            ? [
              "tasks.add",
              "[1, '\u0142']",
              "{'y': None}",
              "deno@here",
              2,
              "celery",
            ]
            : [null, "None", "None", null, null, null],
        );
        const meta = await backend.getMeta(taskId);
        assertEquals([meta.groupId, meta.parentId], ["g", "p"]);
        assertEquals(
          meta.extra,
          resultExtended ? { stamped_headers: ["tenant"], tenant: ["a"] } : {},
        );
      }
    }),
  );

  Deno.test(
    fixture.test(`ResultBackend.markAsDone() wakes Celery's get() in ${serializer}, and the SUCCESS is final for both`, async () => {
      await using backend = fixture.backend(OPTIONS[serializer]);
      const taskId = crypto.randomUUID();
      await fixture.driver.store(taskId, '"on its way"', "SUCCESS_SOON", {
        serializer,
      });
      const wait = fixture.driver.wait(taskId, { serializer });
      await fixture.inTime(wait.waiting);
      assertEquals(await backend.markAsDone(taskId, "woken"), true);
      assertEquals(await fixture.inTime(wait.outcome), { value: "'woken'" });
      assertEquals(await backend.markAsDone(taskId, "again"), false);
      await fixture.driver.store(taskId, '"late"', "SUCCESS", { serializer });
      assertEquals(await backend.result(taskId).get(), "woken");

      const other = crypto.randomUUID();
      await fixture.driver.store(other, '"first"', "SUCCESS", { serializer });
      assertEquals(await backend.markAsDone(other, "second"), false);
      assertEquals(await fixture.driver.get(other, { serializer }), {
        value: "'first'",
      });
    }),
  );

  Deno.test(
    fixture.test(`AsyncResult.get() is woken by what Celery stores in ${serializer}`, async () => {
      await using backend = fixture.backend(OPTIONS[serializer]);
      const taskId = crypto.randomUUID();
      const consumer = backend.consumer<number>();
      await consumer.add(taskId);
      await consumer.writable.close();
      await fixture.driver.store(taskId, "1", "PROGRESS", { serializer });
      await fixture.driver.store(taskId, "2", "SUCCESS", { serializer });
      const events = await fixture.inTime(collect(consumer.readable));
      assertEquals(
        events.map(({ state, result, origin }) => [state, result, origin]),
        [["PROGRESS", 1, "live"], ["SUCCESS", 2, "live"]],
      );
    }),
  );
}

Deno.test(
  fixture.test("ResultBackend.storeResult() writes msgpack byte for byte as Celery does", async () => {
    await using backend = fixture.backend({ serializer: "msgpack" });
    await using client = await fixture.redis.client();
    const taskId = crypto.randomUUID();
    const json =
      '{"a": [1, -200, 1.5, null, "\\u0142 \\ud83d\\ude00", 70000, true], "b": {"c": []}}';
    await fixture.driver.store(taskId, json, "PROGRESS", {
      serializer: "msgpack",
    });
    const celerys = await digestOf(client, `celery-task-meta-${taskId}`);
    await backend.storeResult(taskId, JSON.parse(json), "PROGRESS");
    assertEquals(
      await digestOf(client, `celery-task-meta-${taskId}`),
      celerys,
    );
  }),
);

Deno.test(
  fixture.test("a fleet changes its serializer while both formats are stored", async () => {
    const [inJson, inMsgpack, inYaml] = [1, 2, 3].map(() =>
      crypto.randomUUID()
    ) as [string, string, string];
    await fixture.driver.store(inJson, '"j"', "SUCCESS");
    await fixture.driver.store(inMsgpack, '"m"', "SUCCESS", {
      serializer: "msgpack",
    });
    await fixture.driver.store(inYaml, '"y"', "SUCCESS", {
      serializer: "yaml",
    });
    for (const serializer of ["json", "msgpack", yaml] as const) {
      await using backend = fixture.backend({
        serializer,
        acceptContent: ["json", "application/x-msgpack", yaml],
      });
      assertEquals(
        (await collect(backend.stream([inJson, inMsgpack, inYaml]))).map((
          { result },
        ) => result).sort(),
        ["j", "m", "y"],
      );
      for (const id of [inJson, inMsgpack, inYaml]) {
        assertEquals(await backend.markAsDone(id, "again"), false);
      }
    }
  }),
);

Deno.test(
  fixture.test('ResultBackend.markAsDone() writes dates with jsonTypes "plain" as kombu 5.2 does', async () => {
    await using backend = fixture.backend({ jsonTypes: "plain" });
    await using client = await fixture.redis.client();
    const versions = await fixture.driver.versions();
    if (!/^5\.[0-2]\./.test(versions.kombu)) return;
    const [mine, theirs] = [crypto.randomUUID(), crypto.randomUUID()];
    await fixture.driver.storeValue(theirs, "millisecond dates", "json");
    await backend.markAsDone(mine, [
      new Date("2024-01-02T03:04:05.678Z"),
      new Date("2024-01-02T03:04:05Z"),
    ]);
    const results = await Promise.all([mine, theirs].map(async (id) => {
      const text = await client.send("GET", `celery-task-meta-${id}`);
      return /"result": (\[[^\]]*\])/.exec(String(text))?.[1];
    }));
    assertEquals(results[0], results[1]);
  }),
);
