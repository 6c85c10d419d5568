import { RedisConnectionError } from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import { SLOT_COUNT } from "./slots.ts";
import { formatAddress } from "../address.ts";

/** The command whose reply {@linkcode SlotMap.parse} parses. */
export const CLUSTER_SLOTS: Command = ["CLUSTER", "SLOTS"];

/** The address of a node, and its name. */
export interface NodeAddress extends TcpAddress {
  /** `host:port`. It identifies the node. */
  readonly name: string;
}

/** Adds the name to an address. */
export function toNodeAddress(hostname: string, port: number): NodeAddress {
  return { hostname, port, name: formatAddress({ hostname, port }) };
}

/** Which node serves each slot, as one node sees it. */
export class SlotMap {
  readonly #owners = new Array<NodeAddress | undefined>(SLOT_COUNT).fill(
    undefined,
  );
  readonly #nodes = new Map<string, NodeAddress>();

  /**
   * Parses the reply to `CLUSTER SLOTS`, which every version supports (CLUSTER
   * SHARDS needs Redis 7). A node without a host has that of the node that
   * replied. A node whose host is `?` is skipped, unless the reply has its IP
   * address too.
   *
   * @throws {RedisConnectionError} if the reply is malformed.
   */
  static parse(reply: RespValue, from: TcpAddress): SlotMap {
    const map = new SlotMap();
    const replicas: NodeAddress[] = [];
    for (const range of expectList(reply, reply)) {
      const [start, end, master, ...others] = expectList(range, reply);
      if (typeof start !== "number" || typeof end !== "number") {
        throw unexpected(reply);
      }
      const owner = map.#intern(parseNode(master, from, reply));
      if (owner !== undefined) {
        map.#owners.fill(
          owner,
          Math.max(start, 0),
          Math.min(end + 1, SLOT_COUNT),
        );
      }
      for (const other of others) {
        const replica = parseNode(other, from, reply);
        if (replica !== undefined) replicas.push(replica);
      }
    }
    for (const replica of replicas) map.#intern(replica);
    return map;
  }

  /** Every node in the map, masters first. */
  get nodes(): NodeAddress[] {
    return [...this.#nodes.values()];
  }

  /** The names of the nodes that serve slots. */
  get masters(): Set<string> {
    const names = new Set<string>();
    let last: NodeAddress | undefined;
    for (const owner of this.#owners) {
      // Slots come in ranges: this skips most insertions.
      if (owner === undefined || owner === last) continue;
      names.add(owner.name);
      last = owner;
    }
    return names;
  }

  /** The master of a slot; undefined if no node serves it. */
  findOwner(slot: number): NodeAddress | undefined {
    return this.#owners[slot];
  }

  /** Corrects the owner of one slot. */
  set(slot: number, owner: NodeAddress): void {
    this.#owners[slot] = this.#intern(owner);
  }

  /** Whether every slot has the same master in both maps. */
  equals(other: SlotMap): boolean {
    return this.#owners.every((owner, slot) =>
      owner?.name === other.#owners[slot]?.name
    );
  }

  /** Returns one object per node, so that owners compare by identity. */
  #intern(address: NodeAddress | undefined): NodeAddress | undefined {
    if (address === undefined) return undefined;
    const known = this.#nodes.get(address.name);
    if (known !== undefined) return known;
    this.#nodes.set(address.name, address);
    return address;
  }
}

/** Parses `[host, port, id, [name, value, ...]]`. Older versions lack the last two. */
function parseNode(
  entry: RespValue | undefined,
  from: TcpAddress,
  reply: RespValue,
): NodeAddress | undefined {
  const [host, port, , details] = expectList(entry, reply);
  if (typeof port !== "number") throw unexpected(reply);
  if (port <= 0 || port > 65_535) return undefined;
  if (host === null || host === "") return toNodeAddress(from.hostname, port);
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
