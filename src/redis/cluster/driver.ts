import {
  ConfigurationError,
  RedisConnectionError,
  RedisError,
} from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import { Deadline } from "../../util/deadline.ts";
import { onAbort } from "../../util/on_abort.ts";
import { toError } from "../../util/to_error.ts";
import type { LinkEvents, RedisDriver, RedisLink } from "../link.ts";
import { isRetriable } from "../retriable.ts";
import type { Connection } from "../server/connection.ts";
import { openConnection } from "../server/open_connection.ts";
import { ClusterLink } from "./link.ts";
import type { NodeOptions } from "./node_pool.ts";
import {
  CLUSTER_SLOTS,
  type NodeAddress,
  SlotMap,
  toNodeAddress,
} from "./slot_map.ts";

/** Where a cluster is, and how to connect to its nodes. */
export interface ClusterDriverOptions extends NodeOptions {
  /** The nodes to ask for the slot map; one that answers is enough. */
  readonly seeds: readonly TcpAddress[];
}

/**
 * The driver for a Redis Cluster. It asks the seeds, then the nodes that it
 * last knew, for the slot map, until one replies. Other nodes are dialled when
 * they are needed.
 */
export class ClusterDriver implements RedisDriver {
  readonly #options: ClusterDriverOptions;
  readonly #seeds: ReadonlySet<string>;
  // In the order in which they are asked. One that fails moves to the end.
  #candidates: NodeAddress[];

  /** Creates a driver. It dials nothing before `connect`. */
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
    const start = runtime.now();
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
      // A silent host may use up the time. The next attempt starts after it.
      if (runtime.now() - start >= connectTimeout) break;
    }
    if (refusal !== undefined) throw refusal;
    if (last === undefined || isRetriable(last)) throw last;
    // A refusal at the address of a former node says nothing about the cluster.
    throw new RedisConnectionError(
      `Cannot reach the cluster: ${last.message}`,
      { cause: last },
    );
  }

  /** Asks one node for the slot map, and makes a link from it. */
  async #attempt(
    candidate: NodeAddress,
    events: LinkEvents,
    signal: AbortSignal,
  ): Promise<RedisLink> {
    const connection = await openConnection(
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
      map = await this.#readMap(connection, candidate, signal);
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
    // A replica, or a master that the cluster knows by another name.
    else await close(connection, new Error("It is not needed any longer"));
    return link;
  }

  async #readMap(
    connection: Connection,
    candidate: NodeAddress,
    signal: AbortSignal,
  ): Promise<SlotMap> {
    const { connectTimeout, runtime } = this.#options;
    using _abort = onAbort(signal, (reason) => connection.end(toError(reason)));
    using deadline = new Deadline(runtime, connectTimeout);
    deadline.passed.then(() =>
      connection.end(
        new RedisConnectionError(
          `Cannot read the slot map at ${candidate.name}: no answer within ${connectTimeout} ms (connectTimeout)`,
        ),
      )
    );
    const reply = await connection.request(CLUSTER_SLOTS);
    const map = SlotMap.parse(reply, candidate);
    if (map.masters.size > 0) return map;
    throw new RedisConnectionError(
      `The node at ${candidate.name} knows no slots: it has left the cluster, or has not joined it yet`,
    );
  }

  /** Updates the candidates: the seeds, and the present nodes of the cluster. */
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
    const alternative = isUnknown
      ? "; for a Sentinel use a URL such as sentinel://host:26379/0"
      : "";
    return new ConfigurationError(
      `Cannot use \`cluster\` with the server at ${name}, which is not a node of a Redis Cluster: ` +
        `leave the option, or the +cluster of the URL, out${alternative}`,
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
