/** What a URL names by its scheme. */
export type UrlKind = "tcp" | "tls" | "socket" | "sentinel";

const KINDS: ReadonlyMap<string, UrlKind> = new Map([
  ["redis", "tcp"],
  ["valkey", "tcp"],
  ["rediss", "tls"],
  ["valkeys", "tls"],
  ["redis+socket", "socket"],
  // redis-py's spelling.
  ["unix", "socket"],
  // Documented by Celery, but not accepted by it.
  ["socket", "socket"],
  // One part of such a URL, which names one Sentinel.
  ["sentinel", "sentinel"],
]);

/** What a URL that leads to a cluster lacks. */
export const CLUSTER_HINT = "a Redis Cluster needs the option `cluster: true`";

/** Schemes that look right and cannot be used, with what to do. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  [
    "redis+sentinel",
    "Celery treats it as a plain Redis server on the Sentinel's port; " +
    "write sentinel://host:26379/0;sentinel://...",
  ],
  ["redis+cluster", CLUSTER_HINT],
  ["rediss+cluster", CLUSTER_HINT],
  ["valkey+cluster", CLUSTER_HINT],
  ["valkeys+cluster", CLUSTER_HINT],
]);

/** The scheme of a URL, in lower case; undefined if it has none. */
export function parseScheme(text: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
}

/** What a scheme names; without one, a server reached over TCP. */
export function kindOfScheme(scheme = "redis"): UrlKind | undefined {
  return KINDS.get(scheme);
}

/** Why a scheme is refused although other clients, or an option, know it. */
export function refusalOfScheme(scheme = ""): string | undefined {
  return REFUSED.get(scheme);
}

/** Whether a URL names Sentinels. */
export function isSentinelUrl(url: string | URL): boolean {
  return parseScheme(String(url)) === "sentinel";
}
