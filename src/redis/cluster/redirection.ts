import { RedisConnectionError, RedisError } from "../../errors.ts";
import { type NodeAddress, toNodeAddress } from "./slot_map.ts";

/** How many redirections one call follows. More mean that the nodes do not agree yet. */
export const MAX_REDIRECTIONS = 5;

/** A node's reply that names another node to ask. */
export interface Redirection {
  /** MOVED: the other node owns the slot. ASK: the slot is being migrated, so ask there once, after ASKING. */
  readonly kind: "MOVED" | "ASK";
  /** The slot. */
  readonly slot: number;
  /** The node to ask. */
  readonly to: NodeAddress;
}

const REDIRECTION = /^(MOVED|ASK) (\d+) (\S*):(\d+)/;

/**
 * Parses an error as a redirection. Returns undefined if it is another error.
 *
 * @throws {RedisConnectionError} if the node does not know the other one's host
 * name: a node that has just started learns it from the others.
 */
export function parseRedirection(
  error: unknown,
  from: NodeAddress,
): Redirection | undefined {
  if (!(error instanceof RedisError)) return undefined;
  const [, word, slot, host, port] = REDIRECTION.exec(error.message) ?? [];
  if (word === undefined || host === undefined) return undefined;
  if (host === "?") {
    throw new RedisConnectionError(
      `Cannot follow the cluster from ${from.name} to ${host}:${port}: ` +
        "it does not know that node's host name, at least not yet: check that cluster-announce-hostname is set there",
      { cause: error },
    );
  }
  return {
    kind: word === "ASK" ? "ASK" : "MOVED",
    slot: Number(slot),
    to: toNodeAddress(
      // An empty host means the node that replied.
      host === "" ? from.hostname : host.replace(/^\[|\]$/g, ""),
      Number(port),
    ),
  };
}

/** Whether a command with several keys was refused because their slot is being migrated. */
export function isTryAgain(error: unknown): boolean {
  return error instanceof RedisError && error.code === "TRYAGAIN";
}

/** Adds to a refusal which node it comes from: each node has its own users. */
export function explainRefusal(error: unknown, { name }: NodeAddress): unknown {
  return error instanceof RedisError && error.code === "NOPERM"
    ? new RedisError(
      error.message,
      `${name}: the ACL of each node of the cluster must allow it`,
      { cause: error },
    )
    : error;
}

/** The error after too many redirections. It is transient: the nodes will soon agree. */
export function tooManyRedirections(last: NodeAddress): Error {
  return new RedisConnectionError(
    `Followed ${MAX_REDIRECTIONS} redirections of the cluster, the last one to ${last.name}, without finding the owner of the slot`,
  );
}
