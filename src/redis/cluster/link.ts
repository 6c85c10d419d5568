import { RedisConnectionError, RedisError } from "../../errors.ts";
import { toError } from "../../util/to_error.ts";
import type { Command, CommandArgument } from "../wire/command.ts";
import type { Connection } from "../server/connection.ts";
import type { LinkEvents, RedisLink, RedisText } from "../link.ts";
import type { RespValue } from "../wire/resp.ts";
import { findKeys, isCountingKeys } from "./command_keys.ts";
import { KeyReader } from "./key_reader.ts";
import { UnreachableChannelsError } from "../unreachable.ts";
import { type ClusterNode, type NodeOptions, NodePool } from "./node_pool.ts";
import { isTryAgain } from "./redirection.ts";
import { Router } from "./router.ts";
import { CLUSTER_SLOTS, type NodeAddress, SlotMap } from "./slot_map.ts";
import { keySlot } from "./slots.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Topology } from "./topology.ts";

/** What a link to a cluster reports. */
export interface ClusterLinkEvents extends LinkEvents {
  /** Called with all nodes of the cluster whenever the slot map was read. */
  onNodes(nodes: readonly NodeAddress[]): void;
}

/**
 * A link to a cluster: a pair of connections to each node that is needed.
 *
 * The first connection that dies ends the whole link, as with one server, and
 * the next link reads the new state of the cluster. A node that cannot be
 * reached fails only the calls that need it.
 */
export class ClusterLink implements RedisLink {
  readonly #events: ClusterLinkEvents;
  readonly #pool: NodePool;
  readonly #topology: Topology;
  readonly #router: Router;
  readonly #subscriptions: Subscriptions;
  readonly #reader: KeyReader;
  readonly #ended = Promise.withResolvers<Error>();
  #movingSubscriptions: Promise<void> | undefined;
  #hasNewMap = false;
  #reason: Error | undefined;
  #ending: Promise<void> | undefined;

  /** Begins with a slot map. A node is dialled when it is first needed. */
  constructor(
    map: SlotMap,
    options: NodeOptions,
    events: ClusterLinkEvents,
  ) {
    this.#events = events;
    this.#pool = new NodePool(options, {
      onMessage: (node, channel, payload) => {
        if (this.#subscriptions.isHome(channel, node)) {
          events.onMessage(channel, payload);
        }
      },
      onDropped: (node, channel) => this.#onDropped(node, channel),
      onNotice: (notice) => events.onNotice(notice),
      onExpires: (at) => events.onExpires?.(at),
      onUnreachable: (reason) => this.#onUnreachable(reason),
      onLost: (reason) => void this.end(reason),
    });
    this.#topology = new Topology({
      runtime: options.runtime,
      fetch: (name) => this.#fetchMap(name),
      isWatched: () => !this.#subscriptions.isEmpty,
      onChange: () => this.#followSlots(),
    });
    const context = {
      pool: this.#pool,
      topology: this.#topology,
      runtime: options.runtime,
    };
    this.#router = new Router(context);
    this.#subscriptions = new Subscriptions({
      ...context,
      sharded: options.sharded === true,
      onMoved: (channels) => {
        if (channels.length === 0 || this.#reason !== undefined) return;
        events.onMoved?.(channels);
      },
    });
    this.#reader = new KeyReader(this.#router, this.#subscriptions);
    this.#topology.start(map);
  }

  /** Uses an existing connection to a master as its command connection. */
  adopt(address: NodeAddress, connection: Connection): void {
    this.#pool.node(address, connection);
  }

  get ended(): Promise<Error> {
    return this.#ended.promise;
  }

  async command(command: Command): Promise<RespValue> {
    this.#throwIfEnded();
    const [first, ...others] = this.#bySlot(findKeys(command));
    const send = (link: RedisLink): Promise<RespValue> => link.command(command);
    if (first === undefined) return await this.#router.sendToAny(send);
    if (isCountingKeys(command)) {
      const counts = [first, ...others].map(([slot, keys]) =>
        this.#count(command[0]!, slot, keys)
      );
      return sum(await Promise.all(counts));
    }
    if (others.length > 0) throw crossSlot(command);
    return await this.#router.send(first[0], send);
  }

  async transaction(commands: readonly Command[]): Promise<RespValue[]> {
    this.#throwIfEnded();
    const slots = this.#bySlot(commands.flatMap(findKeys));
    if (slots.size > 1) throw crossSlot(["MULTI"]);
    const send = (link: RedisLink): Promise<RespValue[]> =>
      link.transaction(commands);
    const [slot] = slots.keys();
    return await (slot === undefined
      ? this.#router.sendToAny(send)
      : this.#router.send(slot, send));
  }

  async read(keys: readonly string[]): Promise<(RedisText | null)[]> {
    this.#throwIfEnded();
    return await this.#reader.read(keys);
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    this.#throwIfEnded();
    try {
      await this.#subscriptions.subscribe(channels);
    } catch (error) {
      this.#throwIfEnded();
      if (error instanceof UnreachableChannelsError) {
        this.#events.onNotice(
          new RedisConnectionError(
            `Results from a part of the cluster will be late: ${error.message}`,
            { cause: error },
          ),
        );
      }
      throw error;
    }
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    this.#throwIfEnded();
    await this.#subscriptions.unsubscribe(channels);
  }

  async fence(): Promise<void> {
    this.#throwIfEnded();
    // A node without a link has delivered no messages yet.
    await Promise.all(
      this.#pool.live.map((node) =>
        node.link && this.#pool.unlessRetired(node, node.link.fence())
      ),
    );
  }

  sharesNode(keys: readonly string[]): boolean {
    return this.#bySlot(keys).size <= 1;
  }

  end(reason: Error): Promise<void> {
    this.#ending ??= this.#end(reason);
    return this.#ending;
  }

  keepAlive(keep: boolean): void {
    this.#pool.keepAlive(keep);
  }

  #throwIfEnded(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Sends a command such as DEL for keys of one slot. Resolves to its count. */
  async #count(
    name: CommandArgument,
    slot: number,
    keys: readonly CommandArgument[],
  ): Promise<number> {
    try {
      return Number(
        await this.#router.send(slot, (link) => link.command([name, ...keys])),
      );
    } catch (error) {
      if (!isTryAgain(error) || keys.length === 1) throw error;
      // The slot is being migrated: each key is at one node or the other.
      const counts = keys.map((key) => this.#count(name, slot, [key]));
      return sum(await Promise.all(counts));
    }
  }

  #bySlot(
    keys: readonly CommandArgument[],
  ): Map<number, CommandArgument[]> {
    return Map.groupBy(keys, keySlot);
  }

  async #fetchMap(name: string | undefined): Promise<SlotMap | undefined> {
    if (this.#pool.live.length === 0) return undefined;
    const informant = name === undefined ? undefined : this.#pool.find(name);
    const map = await this.#readMap(informant ?? this.#router.anyNode());
    if (map.masters.size === 0) return undefined;
    this.#events.onNodes(map.nodes);
    return map;
  }

  async #readMap(node: ClusterNode): Promise<SlotMap> {
    const link = node.link ?? await node.ready;
    return SlotMap.parse(await link.command(CLUSTER_SLOTS), node.address);
  }

  /** Moves subscriptions to the owners of their slots, one round at a time. */
  #followSlots(): void {
    if (this.#movingSubscriptions !== undefined) {
      this.#hasNewMap = true;
      return;
    }
    this.#hasNewMap = false;
    this.#movingSubscriptions = this.#subscriptions.followSlots().then(
      () => {
        this.#movingSubscriptions = undefined;
        if (this.#hasNewMap) this.#followSlots();
        else this.#retireUnused();
      },
      (error) => void this.end(toError(error)),
    );
  }

  /** Retires nodes that neither serve slots nor have subscriptions. */
  #retireUnused(): void {
    const { masters } = this.#topology;
    const { nodes } = this.#subscriptions;
    for (const node of this.#pool.live) {
      const { name } = node.address;
      if (masters.has(name) || nodes.has(node)) continue;
      this.#pool.retire(
        node,
        new RedisConnectionError(
          `Closed the connection to Redis at ${name}: the node no longer serves any slots`,
        ),
      );
    }
  }

  #onDropped(node: ClusterNode, channel: string): void {
    if (!this.#subscriptions.markDropped(channel, node)) return;
    // Channels that are dropped together arrive in the same turn.
    queueMicrotask(() =>
      this.#subscriptions.resubscribeDropped().catch((error) =>
        void this.end(toError(error))
      )
    );
  }

  #onUnreachable(reason: Error): void {
    // With no node left to ask, a fresh link starts from the known addresses.
    if (this.#pool.isEmpty) void this.end(reason);
    else this.#topology.refreshSoon();
  }

  async #end(reason: Error): Promise<void> {
    this.#reason = reason;
    this.#ended.resolve(reason);
    this.#topology.stop();
    await this.#pool.end(reason);
    this.#subscriptions.clear();
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The error that a server would reply with. */
function crossSlot(command: Command): Error {
  return new RedisError(
    `CROSSSLOT Cannot send ${
      command[0]
    }: its keys belong to different slots of the cluster`,
    "keys share a slot if the keyPrefix has a hash tag, such as {celery}; one node then holds all results",
  );
}
