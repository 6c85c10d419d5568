import { RedisConnectionError } from "../errors.ts";

/** A node of a cluster cannot be reached, and nothing was sent to it. */
export class UnreachableNodeError extends RedisConnectionError {}

/**
 * A subscription that succeeded in part: some of the channels belong to an
 * unreachable node of a cluster, and the others are subscribed. The link stays
 * open, and the missing channels are retried a little later.
 *
 * Only a driver throws it, from `RedisLink.subscribe()`. A backend that waits
 * for such a channel reports it as the connection's last error.
 *
 * @example In a driver: one of two nodes is down
 * ```ts
 * import { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
 * import { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
 * import { RedisConnectionError, UnreachableChannelsError } from "https://deno.land/x/celery_results@v0.1.0/driver.ts";
 *
 * // "a" is subscribed; the node of "b" is down.
 * function subscribe(_channels: readonly string[]): Promise<void> {
 *   const cause = new RedisConnectionError("Cannot connect to 10.0.0.2:6379");
 *   return Promise.reject(new UnreachableChannelsError(["b"], cause));
 * }
 *
 * const error = await assertRejects(
 *   () => subscribe(["a", "b"]),
 *   UnreachableChannelsError,
 * );
 * assertEquals(error.channels, new Set(["b"]));
 * ```
 */
export class UnreachableChannelsError extends RedisConnectionError {
  /** The name of the class, so that it survives where `instanceof` does not. */
  override readonly name = "UnreachableChannelsError";
  /** The channels that are not subscribed; all others of the call are. */
  readonly channels: ReadonlySet<string>;

  /** Takes the channels that are not subscribed, and its message from `cause`. */
  constructor(channels: Iterable<string>, cause: Error) {
    super(cause.message, { cause });
    this.channels = new Set(channels);
  }
}
