import { toError } from "../../util/to_error.ts";
import type { RedisLink } from "../link.ts";
import { isRetriable } from "../retriable.ts";
import { UnreachableChannelsError } from "../unreachable.ts";
import type { ClusterNode, NodePool } from "./node_pool.ts";
import {
  explainRefusal,
  MAX_REDIRECTIONS,
  parseRedirection,
  tooManyRedirections,
} from "./redirection.ts";
import type { Topology } from "./topology.ts";

/** What redirections of a subscription are followed with. */
export interface SubscribeContext {
  /** The nodes. */
  readonly pool: NodePool;
  /** Which node serves each slot. */
  readonly topology: Topology;
}

/**
 * Subscribes channels at a node, or where it redirects to. Resolves to the node
 * that confirmed them.
 *
 * @throws {UnreachableChannelsError} if the node cannot be reached.
 * @throws {RedisError} if the node refuses.
 */
export async function subscribeAt(
  node: ClusterNode,
  channels: readonly string[],
  { pool, topology }: SubscribeContext,
): Promise<ClusterNode> {
  let target = node;
  for (let hops = 0; hops <= MAX_REDIRECTIONS; hops++) {
    let link: RedisLink;
    try {
      // One await, as in unsubscribeAt, so that calls are sent in order.
      link = target.link ?? await target.ready;
    } catch (error) {
      // This includes a node that is loading, or has too many clients.
      throw isRetriable(error)
        ? new UnreachableChannelsError(channels, toError(error))
        : error;
    }
    try {
      await link.subscribe(channels);
      return target;
    } catch (error) {
      const redirection = parseRedirection(error, target.address);
      if (redirection === undefined) {
        throw explainRefusal(error, target.address);
      }
      topology.applyMoved(redirection.slot, redirection.to, target.address);
      target = pool.node(redirection.to);
    }
  }
  throw tooManyRedirections(target.address);
}

/** Unsubscribes channels at a node. */
export async function unsubscribeAt(
  node: ClusterNode,
  channels: readonly string[],
): Promise<void> {
  const link = node.link ?? await node.ready;
  await link.unsubscribe(channels);
}
