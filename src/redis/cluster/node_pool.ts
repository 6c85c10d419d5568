import { RedisConnectionError } from "../../errors.ts";
import type { Connection, ConnectionOptions } from "../server/connection.ts";
import type { RedisLink } from "../link.ts";
import { TcpDriver } from "../server/driver.ts";
import type { TcpLinkEvents } from "../server/link.ts";
import { toError } from "../../util/to_error.ts";
import { UnreachableNodeError } from "../unreachable.ts";
import type { NodeAddress } from "./slot_map.ts";

/** How to connect to the nodes of a cluster. Their addresses come from the cluster. */
export type NodeOptions = Omit<ConnectionOptions, "address" | "db">;

/** What a pool reports about its nodes. */
export interface NodePoolEvents {
  /** Called with each message of a subscribed channel, and the node that sent it. */
  onMessage(
    node: ClusterNode,
    channel: string,
    payload: string | Uint8Array,
  ): void;
  /** Called for each sharded channel that a node has dropped. */
  onDropped(node: ClusterNode, channel: string): void;
  /** Called with each problem that does not end a connection. */
  onNotice(notice: Error): void;
  /** Called with the time at which the credentials of a connection expire. */
  onExpires(at: Date): void;
  /** Called when a node could not be reached. */
  onUnreachable(reason: Error): void;
  /** Called when the connections to a node have ended. */
  onLost(reason: Error): void;
}

/** One node of the cluster, and the link to it: two connections, as to a single server. */
export class ClusterNode {
  /** Where the node listens. */
  readonly address: NodeAddress;
  /** Resolves to the link; rejects if the node cannot be reached. */
  readonly ready: Promise<RedisLink>;
  #link: RedisLink | undefined;

  /** Dials the node. */
  constructor(
    address: NodeAddress,
    dial: (node: ClusterNode) => Promise<RedisLink>,
    onLinked: (link: RedisLink) => void,
  ) {
    this.address = address;
    this.ready = dial(this);
    // This handler is the first: calls that awaited `ready` run before any that
    // find `link`, so calls keep their order. It also marks a rejection as
    // handled.
    this.ready.then((link) => {
      this.#link = link;
      onLinked(link);
    }, () => {});
  }

  /** The link, once there is one. */
  get link(): RedisLink | undefined {
    return this.#link;
  }
}

/** The nodes that a link uses. Each is dialled when it is first needed. */
export class NodePool {
  readonly #options: NodeOptions;
  readonly #events: NodePoolEvents;
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #dialling = new AbortController();
  // Retired nodes whose links are still ending.
  readonly #ends = new Set<Promise<void>>();
  #keepAlive = true;

  /** Creates an empty pool. */
  constructor(options: NodeOptions, events: NodePoolEvents) {
    this.#options = options;
    this.#events = events;
  }

  /**
   * The node at an address, which is dialled if it is not in the pool yet. An
   * existing `connection` to it becomes its command connection.
   */
  node(address: NodeAddress, connection?: Connection): ClusterNode {
    const known = this.#nodes.get(address.name);
    if (known !== undefined) return known;
    const node = new ClusterNode(
      address,
      (node) => this.#dial(node, connection),
      (link) => link.keepAlive(this.#keepAlive),
    );
    this.#nodes.set(address.name, node);
    return node;
  }

  /** The node of this name, if it has a link. */
  find(name: string): ClusterNode | undefined {
    const node = this.#nodes.get(name);
    return node?.link === undefined ? undefined : node;
  }

  /** Whether the pool has no node, not even one that is being dialled. */
  get isEmpty(): boolean {
    return this.#nodes.size === 0;
  }

  /** The nodes that have a link. */
  get live(): ClusterNode[] {
    return [...this.#nodes.values()].filter(({ link }) => link !== undefined);
  }

  /** Removes a node that is no longer needed, and ends its link. Commands in flight may finish. */
  retire(node: ClusterNode, reason: Error): void {
    if (!this.#forget(node)) return;
    const ended = node.ready.then(
      (link) => link.end(reason),
      () => {},
    ).finally(() => this.#ends.delete(ended));
    this.#ends.add(ended);
  }

  /**
   * Awaits `work` at a node. Ignores its failure if the node was retired
   * meanwhile: nothing more is expected from it.
   */
  async unlessRetired(node: ClusterNode, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const isKept = this.#nodes.get(node.address.name) === node;
      if (isKept || this.#dialling.signal.aborted) throw error;
    }
  }

  /** Sets whether the connections keep the process alive. */
  keepAlive(keep: boolean): void {
    this.#keepAlive = keep;
    for (const { link } of this.live) link?.keepAlive(keep);
  }

  /** Ends every link. Resolves when all connections are closed. */
  async end(reason: Error): Promise<void> {
    this.#dialling.abort(reason);
    for (const node of this.#nodes.values()) this.retire(node, reason);
    await Promise.all(this.#ends);
  }

  async #dial(
    node: ClusterNode,
    connection: Connection | undefined,
  ): Promise<RedisLink> {
    const { onMessage, onDropped, onNotice, onExpires, onUnreachable, onLost } =
      this.#events;
    const driver = new TcpDriver({
      ...this.#options,
      address: node.address,
      db: 0,
    });
    const events: TcpLinkEvents = {
      onMessage: (channel, payload) => onMessage(node, channel, payload),
      onDropped: (channel) => onDropped(node, channel),
      onNotice,
      onExpires,
    };
    try {
      const link = connection === undefined
        ? await driver.connect(events, this.#dialling.signal)
        : driver.adopt(connection, events);
      link.ended.then((reason) => {
        // The link of a retired node ended on purpose.
        if (this.#forget(node)) onLost(reason);
      });
      return link;
    } catch (error) {
      const reason = this.#explain(error);
      // The next call that needs the node dials it again.
      if (this.#forget(node)) onUnreachable(toError(reason));
      throw reason;
    }
  }

  /** Adds where the address comes from: the user may not know it, and it may not be reachable from here. */
  #explain(error: unknown): unknown {
    if (this.#dialling.signal.aborted) return error;
    return error instanceof RedisConnectionError
      ? new UnreachableNodeError(
        `${error.message} (this address is what the cluster announces)`,
        { cause: error },
      )
      : error;
  }

  #forget(node: ClusterNode): boolean {
    const { name } = node.address;
    return this.#nodes.get(name) === node && this.#nodes.delete(name);
  }
}
