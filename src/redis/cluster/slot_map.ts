import { RedisConnectionError } from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import { SLOT_COUNT } from "./slots.ts";
import { formatAddress } from "../address.ts";

/** The question that {@linkcode SlotMap.parse} reads the reply to. */
export const CLUSTER_SLOTS: Command = ["CLUSTER", "SLOTS"];

/** Where a node listens, and how it is called. */
export interface NodeAddress extends TcpAddress {
  /** `host:port`: two addresses of one name are the same node. */
  readonly name: string;
}

/** An address with its name. */
export function toNodeAddress(hostname: string, port: number): NodeAddress {
  return { hostname, port, name: formatAddress({ hostname, port }) };
}

/** Which node serves which slot, as one node sees it. */
export class SlotMap {
  readonly #owners = new Array<NodeAddress | undefined>(SLOT_COUNT).fill(
    undefined,
  );
  readonly #nodes = new Map<string, NodeAddress>();

  /**
   * Reads the reply to `CLUSTER SLOTS`, which every version has (CLUSTER SHARDS
   * came with Redis 7). A node without a host is where the asked one is; one
   * that has nothing but a `?` is left out, unless its IP address is told
   * beside it.
   *
   * @throws {RedisConnectionError} if the reply is none to `CLUSTER SLOTS`.
   */
  static parse(reply: RespValue, asked: TcpAddress): SlotMap {
    const map = new SlotMap();
    const replicas: NodeAddress[] = [];
    for (const range of expectList(reply, reply)) {
      const [from, to, master, ...others] = expectList(range, reply);
      if (typeof from !== "number" || typeof to !== "number") {
        throw unexpected(reply);
      }
      const owner = map.#intern(parseNode(master, asked, reply));
      if (owner !== undefined) {
        map.#owners.fill(
          owner,
          Math.max(from, 0),
          Math.min(to + 1, SLOT_COUNT),
        );
      }
      for (const other of others) {
        const replica = parseNode(other, asked, reply);
        if (replica !== undefined) replicas.push(replica);
      }
    }
    for (const replica of replicas) map.#intern(replica);
    return map;
  }

  /** Every node that the map names, masters first. */
  get nodes(): NodeAddress[] {
    return [...this.#nodes.values()];
  }

  /** The names of those that serve slots. */
  get masters(): Set<string> {
    const names = new Set<string>();
    let last: NodeAddress | undefined;
    for (const owner of this.#owners) {
      // Slots come in ranges: few changes, few look-ups.
      if (owner === undefined || owner === last) continue;
      names.add(owner.name);
      last = owner;
    }
    return names;
  }

  /** The master of a slot; undefined where no node serves it. */
  findOwner(slot: number): NodeAddress | undefined {
    return this.#owners[slot];
  }

  /** Corrects the map by what a node has said of one slot. */
  set(slot: number, owner: NodeAddress): void {
    this.#owners[slot] = this.#intern(owner);
  }

  /** Whether every slot has the same master in both. */
  equals(other: SlotMap): boolean {
    return this.#owners.every((owner, slot) =>
      owner?.name === other.#owners[slot]?.name
    );
  }

  /** One object for each node. */
  #intern(address: NodeAddress | undefined): NodeAddress | undefined {
    if (address === undefined) return undefined;
    const known = this.#nodes.get(address.name);
    if (known !== undefined) return known;
    this.#nodes.set(address.name, address);
    return address;
  }
}

/** `[host, port, id, [name, value, ...]]`, the last two from later versions on. */
function parseNode(
  entry: RespValue | undefined,
  asked: TcpAddress,
  reply: RespValue,
): NodeAddress | undefined {
  const [host, port, , details] = expectList(entry, reply);
  if (typeof port !== "number") throw unexpected(reply);
  if (port <= 0 || port > 65_535) return undefined;
  if (host === null || host === "") return toNodeAddress(asked.hostname, port);
  if (typeof host !== "string") throw unexpected(reply);
  if (host !== "?") return toNodeAddress(host, port);
  const words = Array.isArray(details) ? details : [];
  const ip = words[words.indexOf("ip") + 1];
  return words.includes("ip") && typeof ip === "string" && ip !== ""
    ? toNodeAddress(ip, port)
    : undefined;
}

function expectList(
  value: RespValue | undefined,
  reply: RespValue,
): RespValue[] {
  if (Array.isArray(value)) return value;
  throw unexpected(reply);
}

function unexpected(reply: RespValue): Error {
  return new RedisConnectionError(
    `Read ${JSON.stringify(reply).slice(0, 200)} as the reply to CLUSTER SLOTS`,
  );
}
