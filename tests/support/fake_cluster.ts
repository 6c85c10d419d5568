import { ClusterDriver } from "../../src/redis/cluster/driver.ts";
import type { RedisLink } from "../../src/redis/link.ts";
import type { Transport } from "../../src/runtime.ts";
import { assertEquals } from "./assert.ts";
import { array, bulk, FakePeer } from "./fake_peer.ts";
import { FakeRuntime } from "./fake_runtime.ts";

/** The first slot, the last slot, and the ports of their master and its replicas. */
export type Range = readonly [from: number, to: number, ...ports: number[]];

/** Writes the reply to CLUSTER SLOTS. */
export function slotsReply(ranges: readonly Range[]): string {
  return array(...ranges.map(([from, to, ...ports]) =>
    array(
      `:${from}\r\n`,
      `:${to}\r\n`,
      ...ports.map((port) =>
        array(bulk("redis.test"), `:${port}\r\n`, bulk(`id${port}`))
      ),
    )
  ));
}

/** The nodes of a cluster at `redis.test`, whose replies the test sets, and a link to them. */
export class FakeCluster {
  readonly runtime = new FakeRuntime({
    dial: (address) => this.#dial("port" in address ? address.port : 0),
  });
  readonly messages: [string, unknown][] = [];
  readonly notices: Error[] = [];
  readonly moved: (readonly string[])[] = [];
  /** The ports that were dialled, in order. */
  readonly dialled: number[] = [];
  /** The slot map that every node replies with. */
  ranges: readonly Range[];
  /** Prepares each connection to a port. Returns an error to refuse it. */
  onDial: (peer: FakePeer, port: number, nth: number) => Error | void =
    () => {};
  readonly #driver: ClusterDriver;
  readonly #peers = new Map<number, FakePeer[]>();

  constructor(
    ranges: readonly Range[] = [[0, 8191, 7000], [8192, 16_383, 7001]],
    seeds: readonly number[] = [7000],
    options: { sharded?: boolean } = {},
  ) {
    this.ranges = ranges;
    this.#driver = new ClusterDriver({
      ...options,
      seeds: seeds.map((port) => ({ hostname: "redis.test", port })),
      connectTimeout: 5000,
      heartbeat: 1e9,
      runtime: this.runtime,
    });
  }

  /** Opens a link. */
  connect(signal = new AbortController().signal): Promise<RedisLink> {
    return this.#driver.connect({
      onMessage: (channel, payload) => this.messages.push([channel, payload]),
      onNotice: (notice) => this.notices.push(notice),
      onMoved: (channels) => this.moved.push(channels),
    }, signal);
  }

  /** The first connection to a port, for commands. */
  commands(port: number): FakePeer {
    return this.#peer(port, 0);
  }

  /** The second connection to a port, for subscriptions. */
  subscriber(port: number): FakePeer {
    return this.#peer(port, 1);
  }

  /** All connections to a port so far. */
  peers(port: number): readonly FakePeer[] {
    return this.#peers.get(port) ?? [];
  }

  /** Sets the slot map of every node. */
  reshard(ranges: readonly Range[]): void {
    this.ranges = ranges;
    for (const peers of this.#peers.values()) {
      for (const peer of peers) {
        peer.answers["CLUSTER SLOTS"] = slotsReply(ranges);
      }
    }
  }

  /** Ends a link, and fails if anything is left of it. */
  async end(link: RedisLink): Promise<void> {
    await link.end(new Error("end of the test"));
    this.checkNothingLeft();
  }

  /** Fails if a timer is set, or a connection is open. */
  checkNothingLeft(): void {
    assertEquals(this.runtime.timers, 0);
    for (const peers of this.#peers.values()) {
      for (const { transport } of peers) assertEquals(transport.closed, 1);
    }
  }

  #peer(port: number, index: number): FakePeer {
    const peer = this.#peers.get(port)?.[index];
    if (peer === undefined) {
      throw new Error(`Connection ${index} to ${port} was not made`);
    }
    return peer;
  }

  #dial(port: number): Promise<Transport> {
    this.dialled.push(port);
    const peers = this.#peers.get(port) ?? [];
    const peer = new FakePeer();
    peer.answers["CLUSTER SLOTS"] = slotsReply(this.ranges);
    const refusal = this.onDial(peer, port, peers.length);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.#peers.set(port, [...peers, peer]);
    return Promise.resolve(peer.transport);
  }
}
