import { toError } from "../../util/to_error.ts";
import { UnreachableChannelsError } from "../unreachable.ts";
import type { ClusterNode } from "./node_pool.ts";
import type { NodeAddress } from "./slot_map.ts";
import { keySlot } from "./slots.ts";
import {
  subscribeAt,
  type SubscribeContext,
  unsubscribeAt,
} from "./subscribe.ts";

/** How many channels one round subscribes again. */
const CHUNK_SIZE = 1000;

/** What {@linkcode Subscriptions} works with. */
export interface SubscriptionsOptions extends SubscribeContext {
  /** Whether channels are sharded: then all channels of one command must share a slot. */
  readonly sharded: boolean;
  /** Called with channels that were subscribed at another node. */
  onMoved(channels: readonly string[]): void;
}

interface Group {
  readonly node: ClusterNode;
  readonly channels: string[];
}

/**
 * The node at which each channel is subscribed: its home. This is the owner of
 * the channel's slot, where the writer's transaction publishes. At any other
 * node, later messages may overtake one that crosses the cluster bus, and a
 * fence proves nothing.
 *
 * A channel moves in this order: subscribe at the new node, wait for the
 * confirmation, make that node its home, call `onMoved`, and unsubscribe at the
 * old node. Messages from a node that is not the channel's home are dropped:
 *
 * - No message is delivered twice, although two nodes send it for a while.
 * - No message of the old node follows one of the new: once the new node is the
 *   home, messages of the old one are dropped.
 * - No document is lost. One that was published before the change of homes, and
 *   not delivered yet, is stored at the key, or a newer one is. The read that
 *   `onMoved` asks for is sent after the change.
 *
 * One case remains: a message published at the old node before the slot moved
 * may reach the new node late, over the bus, with an old document that is not
 * ready. If it also makes the reader drop the read of a FAILURE, the next
 * reconcile of the key delivers that.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #homes = new Map<string, ClusterNode>();
  // For each channel that an ASK has moved, the name of the node that sent it.
  // It stays moved while that node owns the slot.
  readonly #askedBy = new Map<string, string>();
  #dropped = new Set<string>();

  /** Begins with no channels. */
  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** Whether no channel is subscribed. */
  get isEmpty(): boolean {
    return this.#homes.size === 0;
  }

  /** The nodes at which channels are subscribed. */
  get nodes(): Set<ClusterNode> {
    return new Set(this.#homes.values());
  }

  /** Whether this node is the channel's home, so that its messages count. */
  isHome(channel: string, node: ClusterNode): boolean {
    return this.#homes.get(channel) === node;
  }

  /**
   * Subscribes each channel at the owner of its slot.
   *
   * @throws {UnreachableChannelsError} once all others are subscribed, for those
   * whose owner is unknown or cannot be reached.
   */
  async subscribe(channels: readonly string[]): Promise<void> {
    const { pool, topology } = this.#options;
    const unserved: string[] = [];
    let clusterDown: Error | undefined;
    const groups = this.#group(channels, (channel, slot) => {
      // A channel that is being moved reaches its new home by itself.
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
          const confirmed = await subscribeAt(node, channels, this.#options);
          if (confirmed !== node) this.#setHome(channels, confirmed);
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

  /** Unsubscribes each channel at its home. */
  async unsubscribe(channels: readonly string[]): Promise<void> {
    const { pool } = this.#options;
    const groups = this.#group(channels, (channel) => this.#homes.get(channel));
    for (const { channels } of groups) {
      for (const channel of channels) {
        this.#homes.delete(channel);
        this.#askedBy.delete(channel);
      }
    }
    await Promise.all(
      groups.map(({ node, channels }) =>
        pool.unlessRetired(node, unsubscribeAt(node, channels))
      ),
    );
  }

  /** Moves those of the channels that are subscribed elsewhere to `to`. */
  async move(channels: readonly string[], to: ClusterNode): Promise<void> {
    const elsewhere = channels.filter((channel) => {
      const home = this.#homes.get(channel);
      return home !== undefined && home !== to;
    });
    await this.#resubscribe(elsewhere, () => to);
  }

  /**
   * Follows an ASK of the node `askedBy`. Writers store new keys at `to`, and
   * publish there. Sharded channels stay: a node refuses them until it owns the
   * slot, and the old node drops them when it no longer does.
   */
  async followAsk(
    channels: readonly string[],
    to: ClusterNode,
    askedBy: NodeAddress,
  ): Promise<void> {
    if (this.#options.sharded) return;
    for (const channel of channels) {
      if (this.#homes.has(channel)) this.#askedBy.set(channel, askedBy.name);
    }
    await this.move(channels, to);
  }

  /** Moves back channels that an ASK of `owner` had moved, once `owner` serves their keys again. */
  async undoAsk(
    channels: readonly string[],
    owner: ClusterNode,
  ): Promise<void> {
    if (this.#askedBy.size === 0) return;
    const returned = channels.filter((channel) =>
      this.#askedBy.get(channel) === owner.address.name
    );
    for (const channel of returned) this.#askedBy.delete(channel);
    await this.move(returned, owner);
  }

  /** Moves every channel whose slot has a new owner, one chunk at a time. */
  async followSlots(): Promise<void> {
    const { pool, topology } = this.#options;
    const moves = new Map<NodeAddress, string[]>();
    for (const [channel, home] of this.#homes) {
      const owner = topology.findOwner(keySlot(channel));
      // The node that sent the ASK still owns the slot: the migration goes on.
      if (owner === undefined || this.#askedBy.get(channel) === owner.name) {
        continue;
      }
      this.#askedBy.delete(channel);
      if (owner.name !== home.address.name) append(moves, owner, channel);
    }
    for (const [owner, channels] of moves) {
      for (let i = 0; i < channels.length; i += CHUNK_SIZE) {
        await this.move(channels.slice(i, i + CHUNK_SIZE), pool.node(owner));
      }
    }
  }

  /**
   * Marks a channel that a node has dropped. Returns whether it is the first
   * one, for which the caller has to call `resubscribeDropped`.
   */
  markDropped(channel: string, node: ClusterNode): boolean {
    // Otherwise this is the reply to our own UNSUBSCRIBE.
    if (!this.isHome(channel, node)) return false;
    this.#dropped.add(channel);
    return this.#dropped.size === 1;
  }

  /** Subscribes the dropped channels again. */
  async resubscribeDropped(): Promise<void> {
    const { pool, topology } = this.#options;
    const dropped = [...this.#dropped];
    this.#dropped = new Set();
    for (let i = 0; i < dropped.length; i += CHUNK_SIZE) {
      await this.#resubscribe(
        dropped.slice(i, i + CHUNK_SIZE).filter((each) =>
          this.#homes.has(each)
        ),
        (slot) => pool.node(topology.owner(slot)),
      );
    }
  }

  /**
   * Removes all channels once the link has ended. A caller that keeps an error
   * of the link retains this object through the error's stack.
   */
  clear(): void {
    this.#homes.clear();
    this.#askedBy.clear();
    this.#dropped.clear();
  }

  async #resubscribe(
    channels: readonly string[],
    nodeOf: (slot: number) => ClusterNode,
  ): Promise<void> {
    const groups = this.#group(channels, (_, slot) => nodeOf(slot));
    await Promise.all(groups.map(async ({ node, channels }) => {
      const confirmed = await subscribeAt(node, channels, this.#options);
      this.#options.onMoved(this.#setHome(channels, confirmed));
    }));
  }

  /** Makes one group for each command that has to be sent. */
  #group(
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

  /** Makes `node`, which has confirmed the channels, their home. Returns those that are still wanted. */
  #setHome(channels: readonly string[], node: ClusterNode): string[] {
    const wanted: string[] = [];
    const stale = new Map<ClusterNode, string[]>();
    for (const channel of channels) {
      const home = this.#homes.get(channel);
      if (home !== undefined) {
        wanted.push(channel);
        this.#homes.set(channel, node);
      }
      // Without a home, it was unsubscribed meanwhile, but not at this node.
      if (home !== node) append(stale, home ?? node, channel);
    }
    for (const [node, channels] of stale) {
      // A node that dies ends the link. One that refuses has no reader left.
      unsubscribeAt(node, channels).catch(() => {});
    }
    return wanted;
  }
}

function append<Key>(lists: Map<Key, string[]>, key: Key, item: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}
