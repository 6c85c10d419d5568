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
import type { NodeAddress } from "./slot_map.ts";
import { keySlot } from "./slots.ts";
import type { Topology } from "./topology.ts";

/** Channels that are subscribed anew with one command, or one round of commands. */
const CHUNK = 1000;

/** What subscriptions work on. */
export interface SubscriptionsOptions {
  /** Whether channels are sharded: then one command may name those of one slot only. */
  readonly sharded: boolean;
  /** The nodes. */
  readonly pool: NodePool;
  /** Who serves which slot. */
  readonly topology: Topology;
  /** Told of channels that were subscribed at another node. */
  onMoved(channels: readonly string[]): void;
}

interface Group {
  readonly node: ClusterNode;
  readonly channels: string[];
}

/**
 * At which node each channel is subscribed: its home, the owner of its slot,
 * where the writer's transaction publishes. A message that took the cluster's
 * bus may be overtaken by what came later; a fence proves nothing there.
 *
 * A channel moves in this order: subscribe at the new node, wait for the
 * confirmation, make that node its home, tell `onMoved`, and unsubscribe at the
 * old one. Messages of a node that is not the channel's home are not handed on:
 *
 * - None comes twice, although two nodes bring it for a while.
 * - None of the old node comes behind one of the new: once the first of the
 *   new node counts, none of the old does.
 * - None is lost for good. What was published before the change of homes and
 *   not handed on yet is in the key, or something newer is; and the read that
 *   `onMoved` asks for is sent after it.
 *
 * What is left: a message that was published at the old node before the slot
 * moved, and comes to the new one by the bus. It may be late, and its document
 * an old one that is not ready. Should it also outdo the read of a FAILURE, the
 * next reading of the key brings that.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #homes = new Map<string, ClusterNode>();
  // Channels that are at the node which ASK named, and who said so: as long as
  // that one owns the slot, they stay.
  readonly #asked = new Map<string, string>();
  #dropped = new Set<string>();

  /** Begins with none. */
  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** Whether any channel is subscribed. */
  get isEmpty(): boolean {
    return this.#homes.size === 0;
  }

  /** The nodes at which channels are subscribed. */
  get nodes(): Set<ClusterNode> {
    return new Set(this.#homes.values());
  }

  /** Whether messages of the channel count that come from this node. */
  isHome(channel: string, node: ClusterNode): boolean {
    return this.#homes.get(channel) === node;
  }

  /**
   * Subscribes each channel at its slot's owner.
   *
   * @throws {UnreachableChannelsError} behind all others, for those whose owner
   * cannot be reached, or that have none.
   */
  async subscribe(channels: readonly string[]): Promise<void> {
    const { pool, topology } = this.#options;
    const unserved: string[] = [];
    let clusterDown: Error | undefined;
    const groups = this.#grouped(channels, (channel, slot) => {
      // One that is moving arrives by itself.
      const home = this.#homes.get(channel);
      if (home !== undefined) return home;
      try {
        return pool.node(topology.owner(slot));
      } catch (error) {
        clusterDown ??= toError(error);
        unserved.push(channel);
        return undefined;
      }
    });
    for (const { node, channels } of groups) {
      for (const channel of channels) this.#homes.set(channel, node);
    }
    const failures = await Promise.all(
      groups.map(async ({ node, channels }) => {
        try {
          const confirmed = await this.#confirm(channels, node);
          if (confirmed !== node) this.#settle(channels, confirmed);
          return undefined;
        } catch (error) {
          if (!(error instanceof UnreachableChannelsError)) throw error;
          for (const channel of channels) {
            if (this.isHome(channel, node)) this.#homes.delete(channel);
          }
          return error;
        }
      }),
    );
    const unreachable = failures.filter((failure) => failure !== undefined);
    if (clusterDown !== undefined) {
      unreachable.push(new UnreachableChannelsError(unserved, clusterDown));
    }
    const [first] = unreachable;
    if (first === undefined) return;
    throw new UnreachableChannelsError(
      unreachable.flatMap(({ channels }) => [...channels]),
      first,
    );
  }

  /** Unsubscribes each channel where it is. */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    const { pool } = this.#options;
    const groups = this.#grouped(
      channels,
      (channel) => this.#homes.get(channel),
    );
    for (const { channels } of groups) {
      for (const channel of channels) {
        this.#homes.delete(channel);
        this.#asked.delete(channel);
      }
    }
    await Promise.all(
      groups.map(({ node, channels }) =>
        pool.unlessRetired(node, unsubscribeAt(node, channels))
      ),
    );
  }

  /** Makes `to` the home of those of the channels that are subscribed elsewhere. */
  async move(channels: readonly string[], to: ClusterNode): Promise<void> {
    const elsewhere = channels.filter((channel) => {
      const home = this.#homes.get(channel);
      return home !== undefined && home !== to;
    });
    await this.#attach(elsewhere, () => to);
  }

  /**
   * Follows an ASK that `saidBy` gave: writers store what is missing there, and
   * so what they publish, at `to`. Sharded channels stay: they are refused at a
   * node that does not own the slot yet, and the old one tells when it is over.
   */
  async followAsk(
    channels: readonly string[],
    to: ClusterNode,
    saidBy: NodeAddress,
  ): Promise<void> {
    if (this.#options.sharded) return;
    for (const channel of channels) {
      if (this.#homes.has(channel)) this.#asked.set(channel, saidBy.name);
    }
    await this.move(channels, to);
  }

  /** Takes back those that an ASK had sent away: `by`, the owner, has answered itself. */
  async undoAsk(channels: readonly string[], by: ClusterNode): Promise<void> {
    if (this.#asked.size === 0) return;
    const back = channels.filter((channel) =>
      this.#asked.get(channel) === by.address.name
    );
    for (const channel of back) this.#asked.delete(channel);
    await this.move(back, by);
  }

  /** Moves every channel whose slot has another owner than its home, some at a time. */
  async followSlots(): Promise<void> {
    const { pool, topology } = this.#options;
    const moves = new Map<NodeAddress, string[]>();
    for (const [channel, home] of this.#homes) {
      const owner = topology.findOwner(keySlot(channel));
      // Who said ASK still owns the slot: it is on its way.
      if (owner === undefined || this.#asked.get(channel) === owner.name) {
        continue;
      }
      this.#asked.delete(channel);
      if (owner.name === home.address.name) continue;
      const list = moves.get(owner);
      if (list === undefined) moves.set(owner, [channel]);
      else list.push(channel);
    }
    for (const [owner, channels] of moves) {
      for (let i = 0; i < channels.length; i += CHUNK) {
        await this.move(channels.slice(i, i + CHUNK), pool.node(owner));
      }
    }
  }

  /** Takes note of what a node has dropped. True if it is the first that `reattach` has to see to. */
  markDropped(channel: string, node: ClusterNode): boolean {
    // We unsubscribed it there ourselves.
    if (!this.isHome(channel, node)) return false;
    this.#dropped.add(channel);
    return this.#dropped.size === 1;
  }

  /** Subscribes anew what was dropped without our asking. */
  async resubscribeDropped(): Promise<void> {
    const { pool, topology } = this.#options;
    const dropped = [...this.#dropped];
    this.#dropped = new Set();
    for (let i = 0; i < dropped.length; i += CHUNK) {
      await this.#attach(
        dropped.slice(i, i + CHUNK).filter((each) => this.#homes.has(each)),
        (slot) => pool.node(topology.owner(slot)),
      );
    }
  }

  /**
   * Forgets everything: the link is over. An error that somebody keeps holds on
   * to it, by its stack.
   */
  clear(): void {
    this.#homes.clear();
    this.#asked.clear();
    this.#dropped.clear();
  }

  async #attach(
    channels: readonly string[],
    nodeOf: (slot: number) => ClusterNode,
  ): Promise<void> {
    const groups = this.#grouped(channels, (_, slot) => nodeOf(slot));
    await Promise.all(groups.map(async ({ node, channels }) => {
      const confirmed = await this.#confirm(channels, node);
      this.#options.onMoved(this.#settle(channels, confirmed));
    }));
  }

  /** One group for each command that is needed. */
  #grouped(
    channels: readonly string[],
    nodeOf: (channel: string, slot: number) => ClusterNode | undefined,
  ): Group[] {
    const groups = new Map<ClusterNode | string, Group>();
    for (const channel of channels) {
      const slot = keySlot(channel);
      const node = nodeOf(channel, slot);
      if (node === undefined) continue;
      const key = this.#options.sharded ? `${slot} ${node.address.name}` : node;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { node, channels: [channel] });
      else group.channels.push(channel);
    }
    return [...groups.values()];
  }

  /** Subscribes at `node`, or where it says that the slot is now. Returns who has confirmed. */
  async #confirm(
    channels: readonly string[],
    node: ClusterNode,
  ): Promise<ClusterNode> {
    const { pool, topology } = this.#options;
    let at = node;
    for (let hops = 0; hops <= MAX_REDIRECTIONS; hops++) {
      let link: RedisLink;
      try {
        // One await, as in unsubscribe: what is called first is sent first.
        link = at.link ?? await at.ready;
      } catch (error) {
        // Also a node that is loading, or has too many clients.
        throw isRetriable(error)
          ? new UnreachableChannelsError(channels, toError(error))
          : error;
      }
      try {
        await link.subscribe(channels);
        return at;
      } catch (error) {
        const redirection = parseRedirection(error, at.address);
        if (redirection === undefined) throw explainRefusal(error, at.address);
        topology.applyMoved(redirection.slot, redirection.to, at.address);
        at = pool.node(redirection.to);
      }
    }
    throw tooManyRedirections(at.address);
  }

  /** Makes `node`, which has confirmed, the home of the channels. Returns those that are still wanted. */
  #settle(channels: readonly string[], node: ClusterNode): string[] {
    const wanted: string[] = [];
    const left = new Map<ClusterNode, string[]>();
    for (const channel of channels) {
      const home = this.#homes.get(channel);
      if (home !== undefined) {
        wanted.push(channel);
        this.#homes.set(channel, node);
      }
      // Unsubscribed meanwhile, and so unknown to be here.
      const stale = home ?? node;
      if (home === node) continue;
      const list = left.get(stale);
      if (list === undefined) left.set(stale, [channel]);
      else list.push(channel);
    }
    for (const [stale, channels] of left) {
      // If it dies, it ends the link; if it refuses, nobody listens any more.
      unsubscribeAt(stale, channels).catch(() => {});
    }
    return wanted;
  }
}

async function unsubscribeAt(
  node: ClusterNode,
  channels: readonly string[],
): Promise<void> {
  const link = node.link ?? await node.ready;
  await link.unsubscribe(channels);
}
