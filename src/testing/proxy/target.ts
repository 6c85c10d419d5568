/**
 * Which connections a fault is for. A connection counts as `"subscribed"` once
 * a SUBSCRIBE, PSUBSCRIBE or SSUBSCRIBE passed through it, and as `"command"`
 * until then.
 */
export type FaultTarget = "all" | "subscribed" | "command";

/** The way that bytes take through the proxy. */
export type FaultDirection = "toClient" | "toServer";
