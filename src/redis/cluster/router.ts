import { RedisError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import type { RedisLink } from "../link.ts";
import type { ClusterNode, NodePool } from "./node_pool.ts";
import {
  explainRefusal,
  MAX_REDIRECTIONS,
  parseRedirection,
  type Redirection,
  tooManyRedirections,
} from "./redirection.ts";
import type { NodeAddress } from "./slot_map.ts";
import { SLOT_COUNT } from "./slots.ts";
import type { Topology } from "./topology.ts";

/** Codes of a node that does not serve the slot, or no longer does. */
const STALE_CODES: ReadonlySet<string> = new Set([
  "MOVED",
  "CLUSTERDOWN",
  "MASTERDOWN",
]);

/** What a {@linkcode Router} works with. */
export interface RouterOptions {
  /** The nodes. */
  readonly pool: NodePool;
  /** Which node serves each slot. */
  readonly topology: Topology;
  /** Time and randomness. */
  readonly runtime: Runtime;
}

/** Sends commands to the node that serves their slot. */
export class Router {
  readonly #options: RouterOptions;

  /** Creates a router that follows `options.topology`. */
  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /**
   * The node that serves a slot, as far as is known.
   *
   * @throws {RedisError} CLUSTERDOWN, if none is known.
   */
  owner(slot: number): ClusterNode {
    return this.node(this.#options.topology.owner(slot));
  }

  /** The node at an address. */
  node(address: NodeAddress): ClusterNode {
    return this.#options.pool.node(address);
  }

  /** A random node; a connected one if possible. */
  anyNode(): ClusterNode {
    const { pool, runtime } = this.#options;
    const { live } = pool;
    const random = runtime.random();
    return live[Math.trunc(random * live.length)] ??
      this.owner(Math.trunc(random * SLOT_COUNT));
  }

  /** Sends what concerns no slot. */
  async sendToAny<T>(send: (link: RedisLink) => Promise<T>): Promise<T> {
    const node = this.anyNode();
    return await send(node.link ?? await node.ready);
  }

  /** Sends to a slot's owner, and follows redirections. */
  async send<T>(
    slot: number,
    send: (link: RedisLink) => Promise<T>,
  ): Promise<T> {
    let node = this.owner(slot);
    let isAsking = false;
    for (let hops = 0; hops <= MAX_REDIRECTIONS; hops++) {
      try {
        return await sendTo(node, isAsking, send);
      } catch (error) {
        const redirection = this.readRedirection(error, node);
        if (redirection === undefined) throw error;
        isAsking = redirection.kind === "ASK";
        node = this.node(redirection.to);
      }
    }
    throw tooManyRedirections(node.address);
  }

  /** Parses an error of a node as a redirection, and updates the topology by it. */
  readRedirection(error: unknown, node: ClusterNode): Redirection | undefined {
    const { topology } = this.#options;
    if (error instanceof RedisError && STALE_CODES.has(error.code)) {
      topology.refreshSoon();
    }
    const redirection = parseRedirection(error, node.address);
    if (redirection?.kind === "MOVED") {
      topology.applyMoved(redirection.slot, redirection.to, node.address);
    }
    return redirection;
  }
}

/**
 * Sends to a node, after ASKING if `isAsking`. Both are sent in one turn, so
 * that no other command comes between them. Before a transaction, ASKING holds
 * until EXEC.
 */
export async function sendTo<T>(
  node: ClusterNode,
  isAsking: boolean,
  send: (link: RedisLink) => Promise<T>,
): Promise<T> {
  const link = node.link ?? await node.ready;
  try {
    if (!isAsking) return await send(link);
    const [, reply] = await Promise.all([link.command(["ASKING"]), send(link)]);
    return reply;
  } catch (error) {
    throw explainRefusal(error, node.address);
  }
}
