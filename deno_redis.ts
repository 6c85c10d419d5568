/**
 * Reaches Redis through the client library deno.land/x/redis in place of the
 * built-in driver. The library itself is not imported: you pass its `connect`,
 * so you choose the version (0.32.1 to 0.41).
 *
 * @example
 * ```ts
 * import { denoRedis, type DenoRedisConnect } from "https://deno.land/x/celery_results@v0.1.0/deno_redis.ts";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 *
 * // In a program, `connect` comes from "https://deno.land/x/redis@v0.41.2/mod.ts".
 * function openBackend(connect: DenoRedisConnect): ResultBackend {
 *   return new ResultBackend("redis://127.0.0.1:6379/1", {
 *     driver: denoRedis(connect),
 *   });
 * }
 *
 * // Nothing is dialled before the first use.
 * await using backend = openBackend(() => Promise.reject(new Error("Offline")));
 * ```
 *
 * @module
 */

export { denoRedis } from "./src/redis/deno_redis/driver.ts";

export type { DenoRedisOptions } from "./src/redis/deno_redis/options.ts";
export type {
  DenoRedisClient,
  DenoRedisConnect,
  DenoRedisConnectOptions,
  DenoRedisMessage,
  DenoRedisPipeline,
  DenoRedisReplyOptions,
  DenoRedisSubscription,
} from "./src/redis/deno_redis/types.ts";
