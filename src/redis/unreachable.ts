import { RedisConnectionError } from "../errors.ts";

/** A node of a cluster cannot be reached: nothing was sent to it. */
export class UnreachableNodeError extends RedisConnectionError {}

/**
 * Some of the channels that were to be subscribed to are at a node of a
 * cluster that cannot be reached now. The others are subscribed.
 */
export class UnreachableChannelsError extends RedisConnectionError {
  /** Those that are not subscribed. */
  readonly channels: ReadonlySet<string>;

  /** Says in the words of `cause` why. */
  constructor(channels: Iterable<string>, cause: Error) {
    super(cause.message, { cause });
    this.channels = new Set(channels);
  }
}
