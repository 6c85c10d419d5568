/**
 * For tests of programs that use this module: a Redis server within the
 * process, and a proxy that breaks connections on command. Both need the `net`
 * permission for 127.0.0.1, and nothing else.
 *
 * @example A result that is lost on its way
 * ```ts
 * import { FaultProxy, MemoryRedis } from "./testing.ts";
 *
 * await using redis = await MemoryRedis.start();
 * await using proxy = await FaultProxy.start(redis.url);
 * // Point what is to be tested at proxy.url, and then, say:
 * proxy.silence("subscribed");
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
export type {
  FaultDirection,
  FaultTarget,
} from "./src/testing/proxy/faults.ts";
export type { Hold, HoldOptions } from "./src/testing/proxy/hold.ts";
export type {
  MemoryRedisOptions,
  MemoryRedisRestartOptions,
} from "./src/testing/memory_redis.ts";
