import type { TcpAddress } from "../../runtime.ts";
import { formatAddress } from "../address.ts";
import {
  type SentinelAnswer,
  SentinelClient,
  type SentinelClientOptions,
} from "./client.ts";
import {
  findState,
  isEligible,
  type MasterQuery,
  type SentinelReply,
} from "./election.ts";
import { type MasterState, parseMonitor, parseSwitch } from "./master.ts";
import { querySentinels } from "./query.ts";
import { SentinelWatch } from "./watch.ts";

/** How many Sentinels are remembered beside those of the URL. */
const MAX_LEARNED = 16;

/** What a watch reports about a master. */
export interface MasterEvents {
  /** Called when another server became the master. */
  onSwitch(address: TcpAddress): void;
  /** Called with what an eligible Sentinel knows, once it is listened to. */
  onState(state: MasterState): void;
  /** Called when a Sentinel no longer considers the master down. */
  onReturn(): void;
  /** Called with each problem that does not stop the watch. */
  onNotice(notice: Error): void;
}

/** The Sentinels of the URL, and those that they know. */
export class SentinelSet {
  readonly #options: SentinelClientOptions;
  readonly #configured = new Map<string, SentinelClient>();
  readonly #learned = new Map<string, SentinelClient>();
  // The learned ones that answered the last query in place of configured ones.
  #substitutes: SentinelClient[] = [];

  /** Begins with the Sentinels of the URL. It dials nothing yet. */
  constructor(
    addresses: readonly TcpAddress[],
    options: SentinelClientOptions,
  ) {
    this.#options = options;
    for (const address of addresses) {
      this.#configured.set(
        formatAddress(address),
        new SentinelClient(address, options),
      );
    }
  }

  /** Whether the URL names this Sentinel. */
  isConfigured({ name }: SentinelClient): boolean {
    return this.#configured.has(name);
  }

  /**
   * Asks those of the URL for a master, and the learned ones where some fail.
   *
   * @throws the signal's reason if it aborts, and nothing else.
   */
  async query(
    query: MasterQuery,
    signal: AbortSignal,
  ): Promise<SentinelReply[]> {
    const replies = await querySentinels({
      clients: [...this.#configured.values()],
      reserve: [...this.#learned.values()],
      masterName: query.masterName,
      isEligible: (reply) => isEligible(reply, query),
      runtime: this.#options.runtime,
    }, signal);
    this.#substitutes = replies.flatMap(({ client, answer }) =>
      answer === undefined || this.isConfigured(client) ? [] : client
    );
    return replies;
  }

  /** Listens to what the Sentinels report about a master, until it is stopped. */
  watch(
    query: MasterQuery & { readonly masterName: string },
    { onSwitch, onState, onReturn, onNotice }: MasterEvents,
  ): SentinelWatch {
    const { masterName } = query;
    return new SentinelWatch({
      // Not the other learned ones: an announced address may be out of reach,
      // or outside the permissions.
      clients: [...this.#configured.values(), ...this.#substitutes],
      masterName,
      runtime: this.#options.runtime,
      onNotice,
      onMessage: (channel, payload) => {
        if (channel === "+switch-master" || channel === "+monitor") {
          const announced = channel === "+monitor"
            ? parseMonitor(payload)
            : parseSwitch(payload);
          if (announced?.name === masterName) onSwitch(announced.address);
        } else if (payload.startsWith(`master ${masterName} `)) onReturn();
      },
      onAnswer: (answer) => {
        this.#learn(answer);
        const state = findState({ answer }, query);
        if (state !== undefined) onState(state);
      },
    });
  }

  /** Remembers the latest Sentinels that the URL does not name: they may replace those that it does. */
  #learn({ sentinels }: SentinelAnswer): void {
    for (const address of sentinels) {
      const name = formatAddress(address);
      if (this.#configured.has(name)) continue;
      const client = this.#learned.get(name) ??
        new SentinelClient(address, this.#options);
      this.#learned.delete(name);
      this.#learned.set(name, client);
    }
    for (const name of this.#learned.keys()) {
      if (this.#learned.size <= MAX_LEARNED) break;
      this.#learned.delete(name);
    }
  }
}
