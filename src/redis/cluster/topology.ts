import { RedisError } from "../../errors.ts";
import type { Runtime, Timer } from "../../runtime.ts";
import { type NodeAddress, SlotMap } from "./slot_map.ts";

/** How often the map is asked for, in milliseconds: nobody tells a subscriber that a slot has moved. */
const PERIOD = 5000;
/** Milliseconds between two questions at least, however many redirections come in. */
const MIN_GAP = 250;

/** What a topology works on. */
export interface TopologyOptions {
  /** The world outside. */
  readonly runtime: Runtime;
  /** Asks for the map: the node of that name if it can be asked, else any; undefined where none knows. */
  fetch(name: string | undefined): Promise<SlotMap | undefined>;
  /** Whether the map is to be kept up to date unasked: who only sends commands is told by MOVED. */
  isWatched(): boolean;
  /** Told that slots may have other owners than at the last call. */
  onChange(): void;
}

/** Who serves which slot, kept up to date. */
export class Topology {
  readonly #options: TopologyOptions;
  #map = new SlotMap();
  #timer: Timer | undefined;
  #lastEnd = 0;
  #isRefreshing = false;
  // A redirection came in since the map was asked for.
  #isPatched = false;
  #isStopped = false;
  // Who is to be asked next: it has told of something new.
  #informant: string | undefined;

  /** Knows nothing until `start`. */
  constructor(options: TopologyOptions) {
    this.#options = options;
  }

  /** Begins with a map, and asks for newer ones until `stop`. */
  start(map: SlotMap): void {
    this.#map = map;
    this.#lastEnd = this.#options.runtime.now();
    this.#refreshLater();
  }

  /** Asks no more. */
  stop(): void {
    this.#isStopped = true;
    this.#clear();
  }

  /** The names of those that serve slots. */
  get masters(): Set<string> {
    return this.#map.masters;
  }

  /** Every known node. */
  get nodes(): NodeAddress[] {
    return this.#map.nodes;
  }

  /** The master of a slot; undefined where none is known. */
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

  /** Takes MOVED at its word, for this slot; what else has moved is asked of who said it. */
  applyMoved(slot: number, to: NodeAddress, saidBy: NodeAddress): void {
    this.#map.set(slot, to);
    this.#isPatched = true;
    this.refreshSoon(saidBy.name);
  }

  /** Asks for the map, now or as soon as it may. */
  refreshSoon(informant?: string): void {
    this.#informant = informant ?? this.#informant;
    if (this.#isRefreshing || this.#isStopped) return;
    this.#schedule(
      Math.max(
        this.#lastEnd + MIN_GAP - this.#options.runtime.now(),
        0,
      ),
      () => void this.#refresh(),
    );
  }

  #refreshLater(): void {
    this.#schedule(PERIOD, () => {
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
    const late = Promise.withResolvers<undefined>();
    let isLate = false;
    this.#schedule(PERIOD, () => {
      isLate = true;
      late.resolve(undefined);
    });
    let map: SlotMap | undefined;
    try {
      map = await Promise.race([fetch(informant), late.promise]);
    } catch {
      // The next time another node is asked; one that died has ended the link.
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
    // What a redirection said meanwhile may be missing in the map.
    // And one that hangs says nothing of those that took its slots.
    if (this.#isPatched || this.#informant !== undefined || isLate) {
      this.refreshSoon();
    } else this.#refreshLater();
  }
}
