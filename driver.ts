/**
 * What a driver of your own, or another runtime, is written against. A
 * *driver* (`new ResultBackend(url, { driver })`) reaches Redis by other means
 * than the built-in one, such as another client library; a *runtime*
 * (`{ runtime }`) replaces sockets, clocks and randomness below the built-in
 * drivers.
 *
 * Retrying, resubscribing and re-reading are the backend's: a driver makes one
 * attempt to connect, and its link ends at the first connection error.
 *
 * @example A driver that reads documents from a map
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { type RedisDriver, RedisError } from "https://deno.land/x/celery_results@v0.1.0/driver.ts";
 * import { ResultBackend } from "https://deno.land/x/celery_results@v0.1.0/mod.ts";
 *
 * const documents = new Map([
 *   [
 *     "celery-task-meta-add-1",
 *     '{"task_id":"add-1","status":"SUCCESS","result":42,"traceback":null,"children":[]}',
 *   ],
 * ]);
 *
 * const driver: RedisDriver = {
 *   connect() {
 *     const ended = Promise.withResolvers<Error>();
 *     const refused = new RedisError("ERR This driver only reads");
 *     return Promise.resolve({
 *       ended: ended.promise,
 *       read: (keys) =>
 *         Promise.resolve(keys.map((key) => documents.get(key) ?? null)),
 *       command: () => Promise.reject(refused),
 *       transaction: () => Promise.reject(refused),
 *       // Nothing is ever published, so there is nothing to confirm or to wait for.
 *       subscribe: () => Promise.resolve(),
 *       unsubscribe: () => Promise.resolve(),
 *       fence: () => Promise.resolve(),
 *       end(reason) {
 *         ended.resolve(reason);
 *         return Promise.resolve();
 *       },
 *       keepAlive() {},
 *     });
 *   },
 * };
 *
 * await using backend = new ResultBackend(undefined, { driver });
 * assertEquals(await backend.result("add-1").get(), 42);
 * ```
 *
 * @module
 */

export {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "./src/errors.ts";
export { UnreachableChannelsError } from "./src/redis/unreachable.ts";

export type {
  DriverSettings,
  LinkEvents,
  RedisDriver,
  RedisLink,
  RedisText,
} from "./src/redis/link.ts";
export type { Command, CommandArgument } from "./src/redis/wire/command.ts";
export type { MessageHandler, RespValue } from "./src/redis/wire/resp.ts";
export type {
  Address,
  Runtime,
  TcpAddress,
  Timer,
  TlsSettings,
  Transport,
  UnixAddress,
} from "./src/runtime.ts";
