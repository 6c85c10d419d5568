import { RedisConnectionError, RedisError } from "../../errors.ts";
import { type NodeAddress, toNodeAddress } from "./slot_map.ts";

/** How often one call is sent on; more, and the nodes do not agree yet. */
export const MAX_REDIRECTIONS = 5;

/** A node's word that another one is to be asked. */
export interface Redirection {
  /** MOVED: from now on. ASK: this once, with ASKING before it, since the slot is on its way. */
  readonly kind: "MOVED" | "ASK";
  /** The slot in question. */
  readonly slot: number;
  /** Whom to ask. */
  readonly to: NodeAddress;
}

const REDIRECTION = /^(MOVED|ASK) (\d+) (\S*):(\d+)/;

/**
 * What an error says about where to go; undefined if it is no redirection.
 *
 * @throws {RedisConnectionError} if the node does not know the other one's host:
 * one that has just started learns it from the others.
 */
export function parseRedirection(
  error: unknown,
  asked: NodeAddress,
): Redirection | undefined {
  if (!(error instanceof RedisError)) return undefined;
  const [, word, slot, host, port] = REDIRECTION.exec(error.message) ?? [];
  if (word === undefined || host === undefined) return undefined;
  if (host === "?") {
    throw new RedisConnectionError(
      `Cannot follow the cluster from ${asked.name} to ${host}:${port}: ` +
        "it does not know that node's host name, or not yet: is cluster-announce-hostname set there?",
      { cause: error },
    );
  }
  return {
    kind: word === "ASK" ? "ASK" : "MOVED",
    slot: Number(slot),
    to: toNodeAddress(
      // No host means the one that was asked.
      host === "" ? asked.hostname : host.replace(/^\[|\]$/g, ""),
      Number(port),
    ),
  };
}

/** Whether a command was refused that names several keys, since their slot is on its way. */
export function isTryAgain(error: unknown): boolean {
  return error instanceof RedisError && error.code === "TRYAGAIN";
}

/** Adds to a refusal where it comes from: each node has users of its own. */
export function explainRefusal(error: unknown, { name }: NodeAddress): unknown {
  return error instanceof RedisError && error.code === "NOPERM"
    ? new RedisError(
      error.message,
      `${name}: the ACL of each node of the cluster has to allow it`,
      { cause: error },
    )
    : error;
}

/** The end of following redirections: the nodes will agree in a moment. */
export function tooManyRedirections(last: NodeAddress): Error {
  return new RedisConnectionError(
    `Followed the cluster's redirections ${MAX_REDIRECTIONS} times, at last to ${last.name}, and found no owner of the slot`,
  );
}
