// The README's ten lines work when pasted.

import { assertEquals, assertExists } from "./support/assert.ts";
import { ChildDeno } from "./support/child_deno.ts";
import { needs } from "./support/needs.ts";
import { startRedis } from "./support/redis_server.ts";

Deno.test(needs("redis-server", {
  name: "the first lines of code in README.md stream and await results",
  async fn() {
    const readme = await Deno.readTextFile(
      new URL("../README.md", import.meta.url),
    );
    const code = /```ts\n(.*?)```/s.exec(readme)?.[1];
    assertExists(code);
    await using redis = await startRedis();
    const program = code
      .replace(
        /"https:\/\/[^"]*\/mod\.ts"/,
        JSON.stringify(new URL("../mod.ts", import.meta.url).href),
      )
      .replace("redis://127.0.0.1:6379/0", redis.url);
    await using child = new ChildDeno(["eval", program], ".");
    assertEquals(await child.end(), [
      "first SUCCESS { total: 42 }",
      "second SUCCESS later",
      "later",
    ]);
  },
}));
