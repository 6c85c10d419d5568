import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import { toError } from "../../util/to_error.ts";
import { Connection } from "../server/connection.ts";
import type { LinkEvents, RedisDriver, RedisLink } from "../link.ts";
import { isRetriable } from "../retriable.ts";
import { ClusterLink } from "./link.ts";
import type { NodeOptions } from "./node_pool.ts";
import {
  CLUSTER_SLOTS,
  type NodeAddress,
  SlotMap,
  toNodeAddress,
} from "./slot_map.ts";

/** How to reach a cluster, and who to be there. */
export interface ClusterDriverOptions extends NodeOptions {
  /** Nodes to ask for the others; one that answers is enough. */
  readonly seeds: readonly TcpAddress[];
}

/**
 * The driver for a Redis Cluster. It asks the seeds, and the nodes that it has
 * seen last, for the map of slots; the first who knows it is enough. The nodes
 * themselves are dialled when they are needed.
 */
export class ClusterDriver implements RedisDriver {
  readonly #options: ClusterDriverOptions;
  readonly #seeds: ReadonlySet<string>;
  // In the order in which they are asked; who fails goes to the end.
  #candidates: NodeAddress[];

  /** Prepares; nothing is dialled before `connect`. */
  constructor(options: ClusterDriverOptions) {
    this.#options = options;
    const seeds = options.seeds.map(({ hostname, port }) =>
      toNodeAddress(hostname, port)
    );
    this.#seeds = new Set(seeds.map(({ name }) => name));
    this.#candidates = seeds;
  }

  /** Makes one attempt: see {@linkcode RedisDriver}. */
  async connect(events: LinkEvents, signal: AbortSignal): Promise<RedisLink> {
    const { connectTimeout, runtime } = this.#options;
    const since = runtime.now();
    let refusal: Error | undefined;
    let last: Error | undefined;
    for (const candidate of this.#candidates) {
      try {
        return await this.#attempt(candidate, events, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        last = explainRefusal(toError(error), candidate);
        if (this.#seeds.has(candidate.name) && !isRetriable(last)) {
          refusal ??= last;
        }
        this.#candidates = [
          ...this.#candidates.filter((each) => each !== candidate),
          candidate,
        ];
      }
      // One silent host has used up the time; the next attempt begins behind it.
      if (runtime.now() - since >= connectTimeout) break;
    }
    if (refusal !== undefined) throw refusal;
    if (last === undefined || isRetriable(last)) throw last;
    // Who has the address of a former node by now says nothing of the cluster.
    throw new RedisConnectionError(
      `Cannot reach the cluster: ${last.message}`,
      { cause: last },
    );
  }

  /** Asks one node for the map, and makes a link of it. */
  async #attempt(
    candidate: NodeAddress,
    events: LinkEvents,
    signal: AbortSignal,
  ): Promise<RedisLink> {
    const connection = await Connection.open(
      { ...this.#options, address: candidate, db: 0 },
      {
        onNotice: (notice) => events.onNotice(notice),
        onExpires: (at) => events.onExpires?.(at),
        onStep: (step) => events.onStep?.(step),
      },
      signal,
    );
    let map: SlotMap;
    try {
      map = await this.#mapFrom(connection, candidate, signal);
    } catch (error) {
      await close(connection, error);
      throw error;
    }
    this.#learn(map.nodes);
    const link = new ClusterLink(map, this.#options, {
      onMessage: events.onMessage,
      onNotice: (notice) => events.onNotice(notice),
      onExpires: (at) => events.onExpires?.(at),
      onMoved: (channels) => events.onMoved?.(channels),
      onNodes: (nodes) => this.#learn(nodes),
    });
    if (map.masters.has(candidate.name)) link.adopt(candidate, connection);
    // A replica, or one that the cluster knows by another name.
    else await close(connection, new Error("It is not needed any longer"));
    return link;
  }

  async #mapFrom(
    connection: Connection,
    candidate: NodeAddress,
    signal: AbortSignal,
  ): Promise<SlotMap> {
    const { connectTimeout, runtime } = this.#options;
    const abort = (): void => connection.end(toError(signal.reason));
    const timer = runtime.setTimer(
      () =>
        connection.end(
          new RedisConnectionError(
            `Cannot read the cluster's map at ${candidate.name}: no answer within ${connectTimeout} ms (connectTimeout)`,
          ),
        ),
      connectTimeout,
      true,
    );
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      const reply = await connection.request(CLUSTER_SLOTS);
      const map = SlotMap.parse(reply, candidate);
      if (map.masters.size > 0) return map;
    } finally {
      runtime.clearTimer(timer);
      signal.removeEventListener("abort", abort);
    }
    throw new RedisConnectionError(
      `The cluster's node at ${candidate.name} knows of no slots: it has left the cluster, or not joined it yet`,
    );
  }

  /** Keeps the seeds, and those that the cluster names now. */
  #learn(nodes: readonly NodeAddress[]): void {
    const present = new Map(nodes.map((node) => [node.name, node]));
    const kept = this.#candidates.filter(({ name }) =>
      present.delete(name) || this.#seeds.has(name)
    );
    this.#candidates = [...kept, ...present.values()];
  }
}

async function close(connection: Connection, reason: unknown): Promise<void> {
  connection.end(toError(reason));
  await connection.finished();
}

function explainRefusal(error: Error, { name }: NodeAddress): Error {
  if (!(error instanceof RedisError)) return error;
  const isUnknown = /unknown command.*cluster/i.test(error.message);
  if (isUnknown || error.message.includes("cluster support disabled")) {
    const otherwise = isUnknown
      ? "; for a Sentinel use a URL such as sentinel://host:26379/0"
      : "";
    return new ConfigurationError(
      `Cannot use \`cluster\` with the server at ${name}: it is no node of a Redis Cluster: ` +
        `leave the option, or the +cluster of the URL, out${otherwise}`,
      { cause: error },
    );
  }
  return error.code === "NOPERM"
    ? new RedisError(
      error.message,
      `${name}: in a cluster, the ACL of this user must allow CLUSTER SLOTS`,
      { cause: error },
    )
    : error;
}
