import { RedisError } from "../../errors.ts";
import type { Runtime, Timer } from "../../runtime.ts";
import { type NodeAddress, SlotMap } from "./slot_map.ts";

/** How often to refresh the slot map: a subscriber is not notified when a slot moves. */
const REFRESH_PERIOD_MS = 5000;
/** The least time between two refreshes, however many redirections arrive. */
const MIN_REFRESH_GAP_MS = 250;

/** What a {@linkcode Topology} works with. */
export interface TopologyOptions {
  /** Time and randomness. */
  readonly runtime: Runtime;
  /** Reads the map from the node of that name if it is connected, else from any. Resolves to undefined if none has one. */
  fetch(name: string | undefined): Promise<SlotMap | undefined>;
  /** Whether to refresh periodically. Without subscriptions, MOVED replies suffice. */
  isWatched(): boolean;
  /** Called when slots may have new owners since the last call. */
  onChange(): void;
}

/** Which node serves each slot, kept up to date. */
export class Topology {
  readonly #options: TopologyOptions;
  #map = new SlotMap();
  #timer: Timer | undefined;
  #lastEnd = 0;
  #isRefreshing = false;
  // Whether a redirection arrived since the last refresh began.
  #isPatched = false;
  #isStopped = false;
  // The node to ask next: it reported the last change.
  #informant: string | undefined;

  /** Begins empty, until `start`. */
  constructor(options: TopologyOptions) {
    this.#options = options;
  }

  /** Begins with a map, and refreshes it until `stop`. */
  start(map: SlotMap): void {
    this.#map = map;
    this.#lastEnd = this.#options.runtime.now();
    this.#refreshLater();
  }

  /** Stops refreshing. */
  stop(): void {
    this.#isStopped = true;
    this.#clear();
  }

  /** The names of the nodes that serve slots. */
  get masters(): Set<string> {
    return this.#map.masters;
  }

  /** Every known node. */
  get nodes(): NodeAddress[] {
    return this.#map.nodes;
  }

  /** The master of a slot; undefined if none is known. */
  findOwner(slot: number): NodeAddress | undefined {
    return this.#map.findOwner(slot);
  }

  /**
   * The master of a slot.
   *
   * @throws {RedisError} CLUSTERDOWN, if none is known.
   */
  owner(slot: number): NodeAddress {
    const owner = this.#map.findOwner(slot);
    if (owner !== undefined) return owner;
    this.refreshSoon();
    throw new RedisError(
      `CLUSTERDOWN No node of the cluster serves slot ${slot}`,
    );
  }

  /** Applies a MOVED reply for one slot at once, and asks its sender for the rest of the map soon. */
  applyMoved(slot: number, to: NodeAddress, sender: NodeAddress): void {
    this.#map.set(slot, to);
    this.#isPatched = true;
    this.refreshSoon(sender.name);
  }

  /** Refreshes now, or as soon as the rate limit allows. */
  refreshSoon(informant?: string): void {
    this.#informant = informant ?? this.#informant;
    if (this.#isRefreshing || this.#isStopped) return;
    this.#schedule(
      Math.max(
        this.#lastEnd + MIN_REFRESH_GAP_MS - this.#options.runtime.now(),
        0,
      ),
      () => void this.#refresh(),
    );
  }

  #refreshLater(): void {
    this.#schedule(REFRESH_PERIOD_MS, () => {
      if (this.#options.isWatched()) void this.#refresh();
      else this.#refreshLater();
    });
  }

  #schedule(ms: number, callback: () => void): void {
    this.#clear();
    if (this.#isStopped) return;
    this.#timer = this.#options.runtime.setTimer(callback, ms, false);
  }

  #clear(): void {
    if (this.#timer !== undefined) {
      this.#options.runtime.clearTimer(this.#timer);
      this.#timer = undefined;
    }
  }

  async #refresh(): Promise<void> {
    const { runtime, fetch, onChange } = this.#options;
    const informant = this.#informant;
    const wasPatched = this.#isPatched;
    this.#informant = undefined;
    this.#isPatched = false;
    this.#isRefreshing = true;
    // Not a Deadline: `stop` clears this timer too.
    const late = Promise.withResolvers<undefined>();
    let isLate = false;
    this.#schedule(REFRESH_PERIOD_MS, () => {
      isLate = true;
      late.resolve(undefined);
    });
    let map: SlotMap | undefined;
    try {
      map = await Promise.race([fetch(informant), late.promise]);
    } catch {
      // The next refresh asks another node. One that died has ended the link.
    }
    this.#isRefreshing = false;
    this.#lastEnd = runtime.now();
    if (this.#isStopped) return;
    if (map === undefined) {
      this.#isPatched ||= wasPatched;
    } else {
      const isChanged = wasPatched || !map.equals(this.#map);
      this.#map = map;
      if (isChanged) onChange();
    }
    // The map may lack what a redirection reported meanwhile, and a node that
    // hangs does not report who took over its slots.
    if (this.#isPatched || this.#informant !== undefined || isLate) {
      this.refreshSoon();
    } else this.#refreshLater();
  }
}
