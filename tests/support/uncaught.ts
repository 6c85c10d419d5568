/**
 * A program that dies of an uncaught error. Its arguments select the error and the
 * call. Each call is on its own line, marked with its name.
 *
 * @module
 */

import { ResultBackend } from "../../mod.ts";
import { MemoryRedis } from "../../testing.ts";

const [call, error] = Deno.args;
await using redis = await MemoryRedis.start();
await using backend = new ResultBackend(redis.url, {
  reconnect: { maxAttempts: 2, minTimeout: 1 },
});
switch (error) {
  case "TaskError":
    await backend.markAsFailure("a", { excType: "ValueError" });
    break;
  case "RetryLimitError":
    await redis.stop();
    break;
  case "BackendClosedError":
    setTimeout(() => backend.close(), 50);
    break;
}
const options = error === "ResultTimeoutError" ? { timeout: 50 } : {};
const result = backend.result("a");
const set = backend.resultSet(["a", "b"]);

/** A caller's function between the call and the top level. */
async function asUsersDo(): Promise<void> {
  await result.get(options); // get
}

switch (call) {
  case "get":
    await asUsersDo();
    break;
  case "look":
    await result.get({ timeout: 0 }); // look
    break;
  case "set.get":
    await set.get(options); // set.get
    break;
  case "join":
    await set.join(options); // join
    break;
  case "all":
    await Promise.all([result.get(options)]); // all
    break;
  case "leaf":
    await result.leaf(options); // leaf
    break;
  case "stream":
    for await (const _ of backend.stream("a")); // stream
    break;
  case "events":
    for await (const _ of result.events()); // events
    break;
  case "iterate":
    for await (const _ of set); // iterate
    break;
  case "consumer": {
    const consumer = backend.consumer(); // consumer
    await ReadableStream.from(["a"]).pipeThrough(consumer).pipeTo(
      new WritableStream(),
    );
    break;
  }
}
