/** How long a server may be silent, by the words that redis-py has for it; undefined: not said. */
export interface SilenceLimits {
  /** Milliseconds of silence before a probe. */
  readonly heartbeat?: number | undefined;
  /** Milliseconds that a reply may take (`socket_timeout`). */
  readonly socketTimeout?: number | undefined;
}

const DEFAULT = 10_000;

/**
 * A busy server may well be silent for a moment, and a connection that is given
 * up takes all its subscriptions with it.
 */
const SHORTEST = 500;

/**
 * The heartbeat, in milliseconds, that gives a silent server up within
 * `socketTimeout`, or within a second if that is less. A reply that
 * is arriving is waited for.
 */
export function heartbeatOf(
  { heartbeat = DEFAULT, socketTimeout = Infinity }: SilenceLimits,
): number {
  // It is probed after one heartbeat, and given up after the second.
  return Math.min(heartbeat, Math.max(socketTimeout / 2, SHORTEST));
}
