import { KeySpace } from "../../src/protocol/keys.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

Deno.test("KeySpace uses Celery's names when there is no prefix", () => {
  const keys = new KeySpace();
  assertEquals(keys.prefix, "");
  assertEquals(keys.taskKey("a-1"), "celery-task-meta-a-1");
  assertEquals(keys.groupKey("g"), "celery-taskset-meta-g");
  assertEquals(new KeySpace("").taskKey("a"), "celery-task-meta-a");
});

Deno.test("KeySpace uses Celery's names for a chord's keys, and adds one for the claim", () => {
  const key = "my_celery-taskset-meta-g";
  assertEquals(new KeySpace("my").chordKeys("g"), {
    parts: `${key}.j`,
    extra: `${key}.t`,
    size: `${key}.s`,
    claim: `${key}.c`,
  });
  assertThrows(() => new KeySpace().chordKeys(""), TypeError, "group id");
});

Deno.test("KeySpace adds _ to a prefix, unless it ends in a separator", () => {
  assertEquals(new KeySpace("my").prefix, "my_");
  assertEquals(new KeySpace("my").taskKey("a"), "my_celery-task-meta-a");
  assertEquals(new KeySpace("my").groupKey("g"), "my_celery-taskset-meta-g");
  for (const prefix of ["my:", "my_", "my-", "my.", ":"]) {
    assertEquals(
      new KeySpace(prefix).taskKey("a"),
      `${prefix}celery-task-meta-a`,
    );
  }
  assertEquals(new KeySpace("my/").prefix, "my/_");
});

Deno.test("KeySpace does not change ids", () => {
  const id = "\u0437\u0430\u0434\u0430\u0447\u0430/1 {x}";
  assertEquals(new KeySpace().taskKey(id), `celery-task-meta-${id}`);
});

Deno.test("KeySpace.taskId() reverses taskKey()", () => {
  const keys = new KeySpace("my");
  assertEquals(
    keys.taskId(keys.taskKey("celery-task-meta-x")),
    "celery-task-meta-x",
  );
});

Deno.test("KeySpace.taskId() refuses any other key", () => {
  const keys = new KeySpace("my");
  for (
    const key of [
      "celery-task-meta-a",
      "my_celery-taskset-meta-a",
      "my_celery-task-meta-",
      "",
    ]
  ) {
    assertThrows(() => keys.taskId(key), TypeError, JSON.stringify(key));
  }
});

Deno.test("KeySpace refuses an empty id", () => {
  const keys = new KeySpace();
  assertThrows(
    () => keys.taskKey(""),
    TypeError,
    "Cannot use an empty task id:",
  );
  assertThrows(
    () => keys.groupKey(""),
    TypeError,
    "Cannot use an empty group id:",
  );
});

Deno.test("KeySpace refuses an id that is not a string, and says what it was", () => {
  const keys = new KeySpace();
  for (const id of [null, undefined, 7] as unknown as string[]) {
    assertThrows(
      () => keys.taskKey(id),
      TypeError,
      `Cannot use ${id} as a task id`,
    );
    assertThrows(
      () => keys.groupKey(id),
      TypeError,
      `Cannot use ${id} as a group id`,
    );
  }
});

Deno.test("KeySpace refuses an id that UTF-8 cannot encode", () => {
  assertThrows(
    () => new KeySpace().taskKey("a\ud800"),
    TypeError,
    '"a\\ud800"',
  );
});

Deno.test("KeySpace refuses a prefix that is not a string", () => {
  assertThrows(
    () => new KeySpace(5 as unknown as string),
    TypeError,
    "Cannot use 5 as a key prefix",
  );
});
