import type { Runtime } from "../../runtime.ts";
import { Deadline } from "../../util/deadline.ts";

/** One of the two connections of a link. */
export interface LinkSide {
  /** Closes the connection, and rejects pending calls with `reason`. */
  end(reason: Error): void;
  /** Resolves when nothing of the connection is left. */
  finished(): Promise<void>;
}

/** The connections of a link, and how long its commands may take to finish. */
export interface LinkSides {
  /** The command connection. */
  readonly commands: LinkSide & {
    /** Resolves when no reply is pending. */
    drained(): Promise<void>;
  };
  /** The subscribed connection, once it was needed. Its dial has been cancelled. */
  readonly subscriber: Promise<LinkSide> | undefined;
  /** Milliseconds for the commands in flight. */
  readonly drainTimeout: number;
  /** Time and randomness. */
  readonly runtime: Runtime;
}

/**
 * Ends both connections of a link: the subscribed one at once, since the next
 * attach reads what it would still deliver. Commands in flight may finish first,
 * because a store that is cut off would be retried, and so published twice.
 */
export async function endLink(
  { commands, subscriber, drainTimeout, runtime }: LinkSides,
  reason: Error,
): Promise<void> {
  const subscribed = await subscriber?.catch(() => undefined);
  subscribed?.end(reason);
  {
    using deadline = new Deadline(runtime, drainTimeout);
    await Promise.race([commands.drained(), deadline.passed]);
  }
  commands.end(reason);
  await Promise.all([commands.finished(), subscribed?.finished()]);
}
