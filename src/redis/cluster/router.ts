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

/** What a node says that is not, or no longer, whom its slots are to be asked of. */
const STALE_CODES: ReadonlySet<string> = new Set([
  "MOVED",
  "CLUSTERDOWN",
  "MASTERDOWN",
]);

/** What a router works on. */
export interface RouterOptions {
  /** The nodes. */
  readonly pool: NodePool;
  /** Who serves which slot. */
  readonly topology: Topology;
  /** The world outside. */
  readonly runtime: Runtime;
}

/** Brings what is to be sent to the node that it concerns. */
export class Router {
  readonly #options: RouterOptions;

  /** Routes by `options.topology`. */
  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** The node that serves a slot, as far as is known. */
  owner(slot: number): ClusterNode {
    return this.node(this.#options.topology.owner(slot));
  }

  /** The node at an address. */
  node(address: NodeAddress): ClusterNode {
    return this.#options.pool.node(address);
  }

  /** Any node: one that is there already, if there is one. */
  anyNode(): ClusterNode {
    const { pool, runtime } = this.#options;
    const { live } = pool;
    const chance = runtime.random();
    return live[Math.trunc(chance * live.length)] ??
      this.owner(Math.trunc(chance * SLOT_COUNT));
  }

  /** Sends what concerns no slot. */
  async sendToAny<T>(send: (link: RedisLink) => Promise<T>): Promise<T> {
    const node = this.anyNode();
    return await send(node.link ?? await node.ready);
  }

  /** Sends to a slot's owner, and on to whom that one names. */
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

  /** Where an error of a node leads to, if anywhere; the map learns from it. */
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
 * Sends to a node, behind an ASKING if so: both are called in one turn, so that
 * nothing comes between them on the wire. In a transaction it holds to the EXEC.
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
