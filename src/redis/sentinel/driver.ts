import { ConfigurationError, RedisConnectionError } from "../../errors.ts";
import { pause } from "../../util/pause.ts";
import type { TcpAddress } from "../../runtime.ts";
import type { ConnectionOptions } from "../server/connection.ts";
import type { LinkEvents, RedisDriver, RedisLink } from "../link.ts";
import { TcpDriver } from "../server/driver.ts";
import type { TlsSources } from "../tls/tls.ts";
import { askSentinels } from "./query.ts";
import { SentinelLink } from "./link.ts";
import {
  isSameAddress,
  isSeen,
  isUp,
  type MasterState,
  monitorOf,
  switchOf,
} from "./master.ts";
import { type PeerAnswer, SentinelPeer } from "./client.ts";
import {
  type Election,
  electMaster,
  isEligible,
  type MasterQuery,
  stateOf,
} from "./election.ts";
import { SentinelWatch } from "./watch.ts";
import { formatAddress } from "../address.ts";

/** How many Sentinels are known at most beside those of the URL. */
const MOST_LEARNED = 16;
/** Milliseconds between two attempts that are too few to listen to Sentinels for. */
const SHORT_WAIT = 200;

/** Where the Sentinels are, and who to be there and at the servers. */
export interface SentinelDriverOptions {
  /** How to speak with the servers. */
  readonly connection: Omit<ConnectionOptions, "address" | "role" | "lifetime">;
  /** The Sentinels of the URL. */
  readonly sentinels: readonly TcpAddress[];
  /** The master's name; none, and the Sentinels have to watch a single one. */
  readonly masterName?: string;
  /** How many other Sentinels one has to know of, so that its word counts; 0 if not given. */
  readonly minOtherSentinels?: number;
  /** The user at the Sentinels. */
  readonly username?: string;
  /** The password of the Sentinels. */
  readonly password?: string;
  /** How TLS is spoken with the Sentinels; none, and it is not. */
  readonly tls?: TlsSources | undefined;
}

/**
 * The driver for a master that Sentinels watch over.
 *
 * Each attempt asks them all, together. While the newest master that they know
 * is down, the attempt waits for the next one, within `connectTimeout`. Both
 * connections of a link must reach a master, and the link ends when the
 * Sentinels tell of another one, also where the old one is still there.
 */
export class SentinelDriver implements RedisDriver {
  readonly #options: SentinelDriverOptions;
  readonly #peers = new Map<string, SentinelPeer>();
  readonly #learned = new Map<string, SentinelPeer>();
  // Those of the learned that stand in for some of the URL.
  #substitutes: SentinelPeer[] = [];
  #name: string | undefined;
  #wasFound = false;
  // The last that a link was left for: whoever told of it may be too slow to
  // be waited for when all are asked.
  #next: MasterState | undefined;
  // The master of the last attempt, as it was found; none was found without it.
  #last: { readonly master: MasterState; readonly isUp: boolean } | undefined;
  // Whether a link, or an attempt to make one, ended because the master moved.
  #hasMoved = false;

  /** Prepares; nothing is dialled before `connect`. */
  constructor(options: SentinelDriverOptions) {
    this.#options = options;
    this.#name = options.masterName;
    for (const address of options.sentinels) {
      this.#peers.set(formatAddress(address), this.#peer(address));
    }
  }

  /** Makes one attempt: see {@linkcode RedisDriver}. */
  async connect(events: LinkEvents, signal: AbortSignal): Promise<RedisLink> {
    signal.throwIfAborted();
    const master = await this.#find(events, signal);
    const { name } = master;
    const gone = new AbortController();
    // Begun before the master is dialled: it may move meanwhile.
    const watch = this.#watch(name, events, {
      onSwitch: (address) => this.#leave(gone, name, master, address),
      onState: (state) => {
        // One that was cut off knows an older master.
        if (state.epoch > master.epoch) {
          this.#next = state;
          this.#leave(gone, name, master, state.address);
        }
      },
    });
    const driver = new TcpDriver({
      ...this.#options.connection,
      address: master.address,
      role: "master",
      lifetime: gone.signal,
    });
    try {
      const link = await driver.connect(
        events,
        AbortSignal.any([signal, gone.signal]),
      );
      return new SentinelLink(link, watch);
    } catch (error) {
      await watch.stop();
      throw signal.aborted || gone.signal.aborted
        ? error
        : explained(error, name);
    }
  }

  /** Listens to the Sentinels between two attempts: see {@linkcode RedisDriver}. */
  async topologyChanged(signal: AbortSignal): Promise<void> {
    // They have told already, while the attempt was under way.
    if (this.#hasMoved) return;
    const name = this.#name;
    await pause(SHORT_WAIT, this.#options.connection.runtime, signal);
    if (name === undefined) await aborted(signal);
    if (name === undefined || signal.aborted) return;
    const { master, isUp = true } = this.#last ?? {};
    this.#next = await this.#waitForMaster(name, (state) =>
      // They answer again, where none did.
      master === undefined || isNews(state, master, isUp), signal);
  }

  /** Finds the master; while it is down, waits for news, as long as an attempt may take. */
  async #find(events: LinkEvents, signal: AbortSignal): Promise<MasterState> {
    const { connectTimeout, runtime } = this.#options.connection;
    const end = runtime.now() + connectTimeout;
    this.#hasMoved = false;
    this.#last = undefined;
    for (;;) {
      events.onStep?.("asking the Sentinels for the master");
      const verdict = await this.#ask(events, signal);
      const { why } = verdict;
      if (verdict.master === undefined) throw why;
      this.#name ??= verdict.master.name;
      this.#wasFound = true;
      let { master, isUp: isReady } = verdict;
      const next = this.#next;
      this.#next = undefined;
      if (next !== undefined && next.epoch > master.epoch) {
        master = next;
        isReady = isUp(next);
      }
      for (;;) {
        this.#last = { master, isUp: isReady };
        if (isReady) return master;
        const left = end - runtime.now();
        if (left <= 0) throw why;
        const told = await this.#return(master, left, signal);
        if (told === undefined) break;
        master = told;
        isReady = isUp(told);
      }
    }
  }

  async #ask(events: LinkEvents, signal: AbortSignal): Promise<Election> {
    const wanted = this.#wanted(this.#name);
    const said = await askSentinels({
      peers: [...this.#peers.values()],
      reserve: [...this.#learned.values()],
      masterName: wanted.masterName,
      counts: (each) => isEligible(each, wanted),
      runtime: this.#options.connection.runtime,
    }, signal);
    this.#substitutes = said.flatMap(({ peer, answer }) =>
      answer === undefined || this.#peers.has(peer.name) ? [] : peer
    );
    const verdict = electMaster(said, wanted);
    if (verdict.master === undefined) return verdict;
    // The others do for now, but it should be mended.
    for (const { peer, error } of said) {
      if (
        error instanceof ConfigurationError && this.#peers.has(peer.name)
      ) events.onNotice(error);
    }
    return verdict;
  }

  /** Resolves when a master that is down is up again, or another one is, as {@linkcode #hear} does; after `ms` at the latest. */
  async #return(
    down: MasterState,
    ms: number,
    signal: AbortSignal,
  ): Promise<MasterState | undefined> {
    const { runtime } = this.#options.connection;
    const over = new AbortController();
    const timer = runtime.setTimer(() => over.abort(), ms, true);
    const told = await this.#waitForMaster(
      down.name,
      (state) => isNews(state, down, false),
      AbortSignal.any([signal, over.signal]),
    );
    runtime.clearTimer(timer);
    signal.throwIfAborted();
    return told;
  }

  /**
   * Listens to the Sentinels until one tells of another master, of one that is
   * up again, or what `isExpected`. Resolves to what it says; to undefined, if
   * all have to be asked, or the signal aborts.
   */
  async #waitForMaster(
    name: string,
    isExpected: (state: MasterState) => boolean,
    signal: AbortSignal,
  ): Promise<MasterState | undefined> {
    const { promise, resolve } = Promise.withResolvers<
      MasterState | undefined
    >();
    const stop = (): void => resolve(undefined);
    const watch = this.#watch(name, { onNotice() {} }, {
      onSwitch: stop,
      onReturn: stop,
      onState: (state) => {
        if (isExpected(state)) resolve(state);
      },
    });
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const told = await promise;
    signal.removeEventListener("abort", stop);
    await watch.stop();
    return told;
  }

  #wanted(masterName: string | undefined): MasterQuery {
    const { minOtherSentinels = 0 } = this.#options;
    return { masterName, minOtherSentinels, wasKnown: this.#wasFound };
  }

  /** Listens to what is said about the master called `name`. */
  #watch(
    name: string,
    { onNotice }: Pick<LinkEvents, "onNotice">,
    { onSwitch, onState, onReturn }: {
      /** Another one was made the master. */
      onSwitch(address: TcpAddress): void;
      /** A Sentinel says what it knows, and its word counts. */
      onState(state: MasterState): void;
      /** It is not down any more, to one Sentinel. */
      onReturn?(): void;
    },
  ): SentinelWatch {
    return new SentinelWatch({
      // No others: an address that is announced need not be within reach, or
      // within the permissions.
      peers: [...this.#peers.values(), ...this.#substitutes],
      masterName: name,
      runtime: this.#options.connection.runtime,
      onNotice,
      onMessage: (channel, payload) => {
        if (channel === "+switch-master" || channel === "+monitor") {
          const told = channel === "+monitor"
            ? monitorOf(payload)
            : switchOf(payload);
          if (told?.name === name) onSwitch(told.address);
        } else if (payload.startsWith(`master ${name} `)) onReturn?.();
      },
      onAnswer: (answer) => {
        this.#learn(answer);
        const state = stateOf({ answer }, this.#wanted(name));
        if (state !== undefined) onState(state);
      },
    });
  }

  /** Ends the link to a master that is none any more. */
  #leave(
    gone: AbortController,
    name: string,
    { address }: MasterState,
    next: TcpAddress,
  ): void {
    if (gone.signal.aborted || isSameAddress(address, next)) return;
    this.#hasMoved = true;
    gone.abort(
      new RedisConnectionError(
        `Left ${formatAddress(address)}: the Sentinels say that ${
          JSON.stringify(name)
        } is now ${formatAddress(next)}`,
      ),
    );
  }

  /** Remembers Sentinels that the URL does not name, the latest ones: they may be its successors. */
  #learn({ sentinels }: PeerAnswer): void {
    for (const address of sentinels) {
      const name = formatAddress(address);
      if (this.#peers.has(name)) continue;
      const known = this.#learned.get(name) ?? this.#peer(address);
      this.#learned.delete(name);
      this.#learned.set(name, known);
    }
    for (const name of this.#learned.keys()) {
      if (this.#learned.size <= MOST_LEARNED) break;
      this.#learned.delete(name);
    }
  }

  #peer(address: TcpAddress): SentinelPeer {
    const { connection, username, password, tls } = this.#options;
    const { clientName, connectTimeout, heartbeat, runtime } = connection;
    return new SentinelPeer(address, {
      username,
      password,
      tls,
      clientName,
      connectTimeout,
      heartbeat,
      runtime,
    });
  }
}

/** Whether a Sentinel knows of another master, or that one which was down is up again. */
function isNews(
  state: MasterState,
  { epoch }: MasterState,
  wasUp: boolean,
): boolean {
  return state.epoch > epoch ||
    (!wasUp && state.epoch === epoch && isSeen(state));
}

/** Resolves when the signal aborts. */
async function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (!signal.aborted) await promise;
}

/** Says how the address of a server was come by, where that may be what is wrong. */
function explained(error: unknown, name: string): unknown {
  const isRefusal = error instanceof ConfigurationError;
  if (!isRefusal && !(error instanceof RedisConnectionError)) return error;
  const message = `${error.message} (the Sentinels announce it as the master ${
    JSON.stringify(name)
  })`;
  return isRefusal
    ? new ConfigurationError(message, { cause: error.cause })
    : new RedisConnectionError(message, { cause: error.cause });
}
