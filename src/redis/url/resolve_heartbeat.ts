/** How long a server may be silent, in redis-py's terms; undefined: not given. */
export interface SilenceLimits {
  /** Milliseconds of silence before a probe. */
  readonly heartbeat?: number | undefined;
  /** Milliseconds that a reply may take (`socket_timeout`). */
  readonly socketTimeout?: number | undefined;
}

const DEFAULT_HEARTBEAT_MS = 10_000;

/**
 * A busy server may be silent for a moment, and a connection closed for that
 * takes all its subscriptions with it.
 */
const MIN_HEARTBEAT_MS = 500;

/**
 * The heartbeat, in milliseconds, that detects a silent server within
 * `socketTimeout`, or within a second if that is longer. A reply that is still
 * arriving is waited for.
 */
export function resolveHeartbeat(
  { heartbeat = DEFAULT_HEARTBEAT_MS, socketTimeout = Infinity }: SilenceLimits,
): number {
  // The server is probed after one heartbeat, and declared dead after a second.
  return Math.min(heartbeat, Math.max(socketTimeout / 2, MIN_HEARTBEAT_MS));
}
