import { ConfigurationError, RedisConnectionError } from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import { Deadline } from "../../util/deadline.ts";
import { onAbort } from "../../util/on_abort.ts";
import { pause } from "../../util/pause.ts";
import { formatAddress } from "../address.ts";
import type { LinkEvents, RedisDriver, RedisLink } from "../link.ts";
import type { ConnectionOptions } from "../server/connection.ts";
import { TcpDriver } from "../server/driver.ts";
import type { TlsSources } from "../tls/tls.ts";
import { type Election, electMaster, type MasterQuery } from "./election.ts";
import { SentinelLink } from "./link.ts";
import {
  isConnected,
  isSameAddress,
  isUp,
  type MasterState,
} from "./master.ts";
import { SentinelSet } from "./sentinel_set.ts";

/** Retry waits shorter than this are not worth opening a connection for. */
const MIN_LISTENING_WAIT_MS = 200;

/** Where the Sentinels are, and how to connect to them and to the servers. */
export interface SentinelDriverOptions {
  /** How to connect to the servers. */
  readonly connection: Omit<ConnectionOptions, "address" | "role" | "lifetime">;
  /** The Sentinels of the URL. */
  readonly sentinels: readonly TcpAddress[];
  /** The master's name. Without it, the Sentinels must watch exactly one. */
  readonly masterName?: string;
  /**
   * How many other Sentinels a Sentinel must know for its answer to count.
   *
   * @default {0}
   */
  readonly minOtherSentinels?: number;
  /** The ACL user at the Sentinels. */
  readonly username?: string;
  /** The password of the Sentinels. */
  readonly password?: string;
  /** How to use TLS with the Sentinels; undefined means plain TCP. */
  readonly tls?: TlsSources | undefined;
}

/** A master, and whether it could be dialled when it was found. */
interface FoundMaster {
  readonly master: MasterState;
  readonly isReady: boolean;
}

/**
 * The driver for a master that Sentinels monitor.
 *
 * Each attempt queries all of them in parallel. While the newest master that
 * they know is down, the attempt waits for the next one, within
 * `connectTimeout`. Both connections of a link must reach a master, and the
 * link ends when the Sentinels announce another one, even if the old one still
 * answers.
 */
export class SentinelDriver implements RedisDriver {
  readonly #options: SentinelDriverOptions;
  readonly #sentinels: SentinelSet;
  #masterName: string | undefined;
  #hasBeenFound = false;
  // The last master that was announced. The Sentinel that knows it may be too
  // slow to count in the next query.
  #announced: MasterState | undefined;
  // The master that the last attempt found; undefined if it found none.
  #last: FoundMaster | undefined;
  // Whether a link, or an attempt to make one, ended because the master moved.
  #hasMoved = false;

  /** Creates a driver. It dials nothing before `connect`. */
  constructor(options: SentinelDriverOptions) {
    this.#options = options;
    this.#masterName = options.masterName;
    const { connection, username, password, tls } = options;
    const { clientName, connectTimeout, heartbeat, runtime } = connection;
    this.#sentinels = new SentinelSet(options.sentinels, {
      username,
      password,
      tls,
      clientName,
      connectTimeout,
      heartbeat,
      runtime,
    });
  }

  /** Makes one attempt: see {@linkcode RedisDriver}. */
  async connect(events: LinkEvents, signal: AbortSignal): Promise<RedisLink> {
    signal.throwIfAborted();
    const master = await this.#find(events, signal);
    const moved = new AbortController();
    // Before the master is dialled: it may move meanwhile.
    const watch = this.#sentinels.watch(this.#query(master.name), {
      onNotice: (notice) => events.onNotice(notice),
      onSwitch: (address) => this.#leave(moved, master, address),
      onState: (state) => {
        // A Sentinel that was partitioned reports an older master.
        if (state.epoch > master.epoch) {
          this.#announced = state;
          this.#leave(moved, master, state.address);
        }
      },
      onReturn() {},
    });
    const driver = new TcpDriver({
      ...this.#options.connection,
      address: master.address,
      role: "master",
      lifetime: moved.signal,
    });
    try {
      const link = await driver.connect(
        events,
        AbortSignal.any([signal, moved.signal]),
      );
      return new SentinelLink(link, watch);
    } catch (error) {
      await watch.stop();
      throw signal.aborted || moved.signal.aborted
        ? error
        : explainAddress(error, master.name);
    }
  }

  /** Listens to the Sentinels between two attempts: see {@linkcode RedisDriver}. */
  async topologyChanged(signal: AbortSignal): Promise<void> {
    // The change was announced during the attempt.
    if (this.#hasMoved) return;
    const { runtime } = this.#options.connection;
    const name = this.#masterName;
    await pause(MIN_LISTENING_WAIT_MS, runtime, signal);
    if (name === undefined) return await waitForAbort(signal);
    if (signal.aborted) return;
    const last = this.#last;
    this.#announced = await this.#waitForMaster(
      name,
      (state) =>
        // Where no Sentinel answered, any answer is a change.
        last === undefined || hasChanged(state, last.master, last.isReady),
      signal,
    );
  }

  /** Finds the master. While it is down, waits for a change for as long as one attempt may take. */
  async #find(events: LinkEvents, signal: AbortSignal): Promise<MasterState> {
    const { connectTimeout, runtime } = this.#options.connection;
    const end = runtime.now() + connectTimeout;
    this.#hasMoved = false;
    this.#last = undefined;
    for (;;) {
      events.onStep?.("asking the Sentinels for the master");
      const election = await this.#elect(events, signal);
      const { reason } = election;
      if (election.master === undefined) throw reason;
      this.#masterName ??= election.master.name;
      this.#hasBeenFound = true;
      let { master, isReady } = election;
      const announced = this.#announced;
      this.#announced = undefined;
      if (announced !== undefined && announced.epoch > master.epoch) {
        master = announced;
        isReady = isUp(announced);
      }
      const found = { master, isReady };
      const up = await this.#waitUntilUp(found, end, reason, signal);
      if (up !== undefined) return up;
    }
  }

  /**
   * Waits until a master is up, and resolves to it; to undefined if the
   * Sentinels must be queried again.
   *
   * @throws `reason` if none is up at `end`.
   */
  async #waitUntilUp(
    found: FoundMaster,
    end: number,
    reason: Error,
    signal: AbortSignal,
  ): Promise<MasterState | undefined> {
    const { runtime } = this.#options.connection;
    let { master, isReady } = found;
    for (;;) {
      this.#last = { master, isReady };
      if (isReady) return master;
      const remaining = end - runtime.now();
      if (remaining <= 0) throw reason;
      const next = await this.#waitForRecovery(master, remaining, signal);
      if (next === undefined) return undefined;
      master = next;
      isReady = isUp(next);
    }
  }

  /** Queries the Sentinels, and picks the master. */
  async #elect(events: LinkEvents, signal: AbortSignal): Promise<Election> {
    const query = this.#query(this.#masterName);
    const replies = await this.#sentinels.query(query, signal);
    const election = electMaster(replies, query);
    if (election.master === undefined) return election;
    // The other Sentinels suffice for now, but these should be fixed.
    for (const { client, error } of replies) {
      if (
        error instanceof ConfigurationError &&
        this.#sentinels.isConfigured(client)
      ) events.onNotice(error);
    }
    return election;
  }

  /**
   * Waits for `ms` milliseconds at most until the master is up again, or there
   * is another one. Resolves as {@linkcode #waitForMaster} does.
   */
  async #waitForRecovery(
    master: MasterState,
    ms: number,
    signal: AbortSignal,
  ): Promise<MasterState | undefined> {
    const timeUp = new AbortController();
    using deadline = new Deadline(this.#options.connection.runtime, ms);
    deadline.passed.then(() => timeUp.abort());
    const next = await this.#waitForMaster(
      master.name,
      (state) => hasChanged(state, master, false),
      AbortSignal.any([signal, timeUp.signal]),
    );
    signal.throwIfAborted();
    return next;
  }

  /**
   * Listens to the Sentinels until one of them reports a state that
   * `isExpected`, and resolves to it. Resolves to undefined if the signal
   * aborts, or if one publishes a change: all must then be queried.
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
    const watch = this.#sentinels.watch(this.#query(name), {
      onNotice() {},
      onSwitch: stop,
      onReturn: stop,
      onState: (state) => {
        if (isExpected(state)) resolve(state);
      },
    });
    using _abort = onAbort(signal, stop);
    const state = await promise;
    await watch.stop();
    return state;
  }

  #query<Name extends string | undefined>(
    masterName: Name,
  ): MasterQuery & { readonly masterName: Name } {
    const { minOtherSentinels = 0 } = this.#options;
    return { masterName, minOtherSentinels, hasBeenFound: this.#hasBeenFound };
  }

  /** Ends the link to a former master. */
  #leave(
    moved: AbortController,
    { name, address }: MasterState,
    next: TcpAddress,
  ): void {
    if (moved.signal.aborted || isSameAddress(address, next)) return;
    this.#hasMoved = true;
    moved.abort(
      new RedisConnectionError(
        `Left ${formatAddress(address)}: the Sentinels say that ${
          JSON.stringify(name)
        } is now ${formatAddress(next)}`,
      ),
    );
  }
}

/** Whether a Sentinel knows a newer master, or sees one up again that was down. */
function hasChanged(
  state: MasterState,
  { epoch }: MasterState,
  wasReady: boolean,
): boolean {
  return state.epoch > epoch ||
    (!wasReady && state.epoch === epoch && isConnected(state));
}

async function waitForAbort(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _abort = onAbort(signal, () => resolve());
  await promise;
}

/** Adds where a server's address comes from, since that may be what is wrong. */
function explainAddress(error: unknown, masterName: string): unknown {
  const isRefusal = error instanceof ConfigurationError;
  if (!isRefusal && !(error instanceof RedisConnectionError)) return error;
  const message = `${error.message} (the Sentinels announce it as the master ${
    JSON.stringify(masterName)
  })`;
  return isRefusal
    ? new ConfigurationError(message, { cause: error.cause })
    : new RedisConnectionError(message, { cause: error.cause });
}
