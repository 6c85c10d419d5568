/**
 * Tools for testing programs that use this module: a Redis server within the
 * process, and a proxy that breaks connections on demand. Both need only the
 * `net` permission for 127.0.0.1.
 *
 * @example Lose a result in transit
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 * import { FaultProxy, MemoryRedis } from "https://deno.land/x/celery_results@v0.1.0/testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using proxy = await FaultProxy.start(redis.url);
 * await using backend = new ResultBackend(proxy.url, { heartbeat: 50 });
 * const result = backend.result("6f1c").get();
 * await proxy.seen("SUBSCRIBE");
 * // From now on it receives nothing, and the connection stays open.
 * proxy.silence("subscribed", { existingOnly: true });
 * await backend.markAsDone("6f1c", 42);
 * assertEquals(await result, 42);
 * ```
 *
 * @module
 */

export { FaultProxy } from "./src/testing/fault_proxy.ts";
export { MemoryRedis } from "./src/testing/memory_redis.ts";

export type {
  FaultProxyOptions,
  FaultProxyTarget,
  SilenceOptions,
} from "./src/testing/fault_proxy.ts";
export type { Hold, HoldOptions } from "./src/testing/proxy/hold.ts";
export type {
  MemoryRedisOptions,
  MemoryRedisRestartOptions,
} from "./src/testing/memory_redis.ts";
export type {
  FaultDirection,
  FaultTarget,
} from "./src/testing/proxy/target.ts";
