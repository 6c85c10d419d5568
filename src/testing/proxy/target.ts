/**
 * Which connections a fault applies to. A connection is `"subscribed"` once a
 * SUBSCRIBE, PSUBSCRIBE or SSUBSCRIBE passed through it, and `"command"` until
 * then.
 */
export type FaultTarget = "all" | "subscribed" | "command";

/** The direction of bytes through the proxy. */
export type FaultDirection = "toClient" | "toServer";
