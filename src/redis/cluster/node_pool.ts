import { RedisConnectionError } from "../../errors.ts";
import type { Connection, ConnectionOptions } from "../server/connection.ts";
import type { RedisLink } from "../link.ts";
import { TcpDriver } from "../server/driver.ts";
import type { TcpLinkEvents } from "../server/link.ts";
import { toError } from "../../util/to_error.ts";
import { UnreachableNodeError } from "../unreachable.ts";
import type { NodeAddress } from "./slot_map.ts";

/** How to be at every node of a cluster; where they are, the cluster says. */
export type NodeOptions = Omit<ConnectionOptions, "address" | "db">;

/** What a pool tells of its nodes. */
export interface NodePoolEvents {
  /** Takes each message of a subscribed channel, with the node that it came from. */
  onMessage(
    node: ClusterNode,
    channel: string,
    payload: string | Uint8Array,
  ): void;
  /** Told of each sharded channel that a node has dropped. */
  onDropped(node: ClusterNode, channel: string): void;
  /** Takes what works less well than it should. */
  onNotice(notice: Error): void;
  /** Told until when a connection to a node may live. */
  onExpires(at: Date): void;
  /** Told that a node could not be reached. */
  onUnreachable(reason: Error): void;
  /** Told that the connections to a node have ended. */
  onLost(reason: Error): void;
}

/** One node of the cluster, and the link to it: two connections, as to a server of its own. */
export class ClusterNode {
  /** Where it is. */
  readonly address: NodeAddress;
  /** Resolves to its link; rejects if it cannot be reached. */
  readonly ready: Promise<RedisLink>;
  #link: RedisLink | undefined;

  /** A node whose link is on its way. */
  constructor(
    address: NodeAddress,
    dial: (node: ClusterNode) => Promise<RedisLink>,
    onLinked: (link: RedisLink) => void,
  ) {
    this.address = address;
    this.ready = dial(this);
    // The first to be told: nobody finds the link before those who waited have
    // it, or calls would change their order. And nobody has to wait any more.
    this.ready.then((link) => {
      this.#link = link;
      onLinked(link);
    }, () => {});
  }

  /** Its link, once there is one. */
  get link(): RedisLink | undefined {
    return this.#link;
  }
}

/** The nodes that a link has to do with; each is dialled when it is first needed. */
export class NodePool {
  readonly #options: NodeOptions;
  readonly #events: NodePoolEvents;
  readonly #nodes = new Map<string, ClusterNode>();
  readonly #dialling = new AbortController();
  // What an end of the pool has to wait for: nodes that were let go of.
  readonly #ends = new Set<Promise<void>>();
  #keepAlive = true;

  /** Prepares; nothing is dialled. */
  constructor(options: NodeOptions, events: NodePoolEvents) {
    this.#options = options;
    this.#events = events;
  }

  /**
   * The node at an address; dialled now, if it was not before. A `connection`
   * to it that is there already becomes the one for commands.
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

  /** The node of this name, if there is a link to it. */
  find(name: string): ClusterNode | undefined {
    const node = this.#nodes.get(name);
    return node?.link === undefined ? undefined : node;
  }

  /** Whether there is no node, not even one that is being dialled. */
  get isEmpty(): boolean {
    return this.#nodes.size === 0;
  }

  /** The nodes that there is a link to. */
  get live(): ClusterNode[] {
    return [...this.#nodes.values()].filter(({ link }) => link !== undefined);
  }

  /** Lets go of a node that is not needed any more; what is in flight there finishes. */
  retire(node: ClusterNode, reason: Error): void {
    if (!this.#forget(node)) return;
    const ended = node.ready.then(
      (link) => link.end(reason),
      () => {},
    ).finally(() => this.#ends.delete(ended));
    this.#ends.add(ended);
  }

  /**
   * Waits for what is done at a node. One that was let go of meanwhile brings
   * nothing any more that counts: there is nothing left to wait for.
   */
  async unlessRetired(node: ClusterNode, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const isKept = this.#nodes.get(node.address.name) === node;
      if (isKept || this.#dialling.signal.aborted) throw error;
    }
  }

  /** Lets the connections keep the process alive, or not. */
  keepAlive(keep: boolean): void {
    this.#keepAlive = keep;
    for (const { link } of this.live) link?.keepAlive(keep);
  }

  /** Ends every link. Resolves when nothing is left of any. */
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
        // One that was let go of has ended on purpose.
        if (this.#forget(node)) onLost(reason);
      });
      return link;
    } catch (error) {
      const reason = this.#explain(error);
      // The next who needs it dials again.
      if (this.#forget(node)) onUnreachable(toError(reason));
      throw reason;
    }
  }

  /** The user may never have seen the address: it need not be one that leads there from here. */
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
