// Celery's own Redis backend on MemoryRedis.

import { MemoryRedis } from "../../testing.ts";
import { assertEquals } from "../support/assert.ts";
import { CELERY_PYTHON, needs } from "../support/needs.ts";

const CELERY_PROGRAM = `
import sys
from celery import Celery, group
from celery.result import AsyncResult, GroupResult
url = sys.argv[1]
app = Celery("tests", broker="memory://", backend=url)
backend = app.backend
backend.store_result("one", {"a": 1}, "SUCCESS")
backend.store_result("two", KeyError("x"), "FAILURE", traceback="trace")
assert AsyncResult("one", app=app).get(timeout=5) == {"a": 1}
result = AsyncResult("two", app=app)
assert result.state == "FAILURE", result.state
assert backend.get_many(["one"])
saved = GroupResult("group", [AsyncResult("one", app=app)], app=app)
saved.save()
assert GroupResult.restore("group", app=app).results[0].id == "one"
backend.set_chord_size("chord", 2)
backend.add_to_chord("chord", AsyncResult("one", app=app))
with backend.client.pipeline() as pipe:
    pipe.zadd("chord.j", {"part": 0}).zcount("chord.j", "-inf", "+inf")
    pipe.get("chord.t").expire("chord.j", 100)
    assert pipe.execute() == [1, 1, None, True]
import threading
waiting = AsyncResult("three", app=app)
timer = threading.Timer(0.05, lambda: backend.store_result("three", 3, "SUCCESS"))
timer.start()
assert waiting.get(timeout=10) == 3
waiting.forget()
assert backend.client.get("celery-task-meta-three") is None
print("ok")
`;

Deno.test(needs("celery", {
  name: "MemoryRedis serves Celery's Redis backend",
  fn: async () => {
    await using redis = await MemoryRedis.start({ password: "secret" });
    const output = await new Deno.Command(CELERY_PYTHON, {
      args: ["-c", CELERY_PROGRAM, `${redis.url.replace(/0$/, "3")}`],
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    assertEquals(
      text.decode(output.stdout),
      "ok\n",
      text.decode(output.stderr),
    );
  },
}));
