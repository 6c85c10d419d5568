import { ConfigurationError, RedisConnectionError } from "../../errors.ts";
import { formatAddress } from "../address.ts";
import { isRetriable } from "../retriable.ts";
import type { SentinelAnswer, SentinelClient } from "./client.ts";
import {
  isConnected,
  isSameAddress,
  isUp,
  type MasterState,
} from "./master.ts";

/** The outcome of querying one Sentinel. */
export type SentinelReply =
  & { readonly client: SentinelClient }
  & (
    | { readonly answer: SentinelAnswer; readonly error?: undefined }
    | { readonly answer?: undefined; readonly error: Error }
  );

/** Which master to look for, and which Sentinels count. */
export interface MasterQuery {
  /** The name; undefined means the only one. */
  readonly masterName: string | undefined;
  /** How many other Sentinels a Sentinel must know for its answer to count. */
  readonly minOtherSentinels: number;
  /** Whether the master was found before. If it is unknown now, the Sentinels may be starting up again. */
  readonly hasBeenFound: boolean;
}

/** What the replies of several Sentinels amount to. */
export type Election =
  /** The newest master that they know, whether to dial it, and the error if not. */
  | {
    readonly master: MasterState;
    readonly isReady: boolean;
    readonly reason: Error;
  }
  /** Why no master was found. */
  | { readonly master?: undefined; readonly reason: Error };

/** Whether a reply has a state of the master that counts. */
export function isEligible(reply: SentinelReply, query: MasterQuery): boolean {
  return findState(reply, query) !== undefined;
}

/**
 * Picks the master from what the Sentinels replied. The highest epoch wins: a
 * Sentinel that was partitioned has missed the last fail-over.
 */
export function electMaster(
  replies: readonly SentinelReply[],
  query: MasterQuery,
): Election {
  const masterName = query.masterName ?? soleMasterName(replies);
  if (masterName instanceof Error) return { reason: masterName };
  const namedQuery = { ...query, masterName };
  const states = replies.map((each) => findState(each, namedQuery))
    .filter((state) => state !== undefined);
  const reason = explainFailure(replies, namedQuery);
  const [first, ...rest] = states;
  if (first === undefined) return { reason };
  const master = rest.reduce(
    (best, state) => isNewer(state, best) ? state : best,
    first,
  );
  // Sentinels may disagree on whether it is down; dialling settles that.
  const agreeing = states.filter(({ address, epoch }) =>
    epoch === master.epoch && isSameAddress(address, master.address)
  );
  return {
    master,
    isReady: agreeing.some(isConnected) || agreeing.every(isUp),
    reason,
  };
}

/** Within one epoch, the Sentinel that leads the fail-over may still list the old master. */
function isNewer(state: MasterState, best: MasterState): boolean {
  return state.epoch > best.epoch ||
    (state.epoch === best.epoch && isFailingOver(best) &&
      !isFailingOver(state));
}

function isFailingOver({ flags }: MasterState): boolean {
  return flags.includes("failover_in_progress");
}

/** What a Sentinel reports about the master; undefined if its answer does not count. */
export function findState(
  { answer }: { readonly answer?: SentinelAnswer | undefined },
  { masterName, minOtherSentinels }: MasterQuery,
): MasterState | undefined {
  const { masters = [] } = answer ?? {};
  const state = masterName === undefined && masters.length === 1
    ? masters[0]
    : masters.find(({ name }) => name === masterName);
  return state !== undefined && state.otherSentinels >= minOtherSentinels
    ? state
    : undefined;
}

/** The name of the only master, or an error if there are none or several. */
function soleMasterName(replies: readonly SentinelReply[]): string | Error {
  const names = masterNames(replies);
  const [name] = names;
  if (names.length === 1 && name !== undefined) return name;
  if (names.length === 0) return explainFailure(replies, undefined);
  return new ConfigurationError(
    `Cannot tell which master is meant: the Sentinels watch ${
      joinNames(names)
    }; name one with the option \`sentinel.masterName\``,
  );
}

function masterNames(replies: readonly SentinelReply[]): string[] {
  return [
    ...new Set(
      replies.flatMap(({ answer }) =>
        (answer?.masters ?? []).map(({ name }) => name)
      ),
    ),
  ];
}

/** The error to throw if no master can be dialled: it quotes every Sentinel. */
function explainFailure(
  replies: readonly SentinelReply[],
  query: MasterQuery | undefined,
): Error {
  const errors = replies.flatMap(({ error }) => error ?? []);
  const isTransient = errors.some(isRetriable) ||
    (query !== undefined &&
      (masterNames(replies).includes(query.masterName ?? "") ||
        (query.hasBeenFound && errors.length < replies.length)));
  const [first] = errors;
  // A permanent error says more without the others around it.
  if (!isTransient && first !== undefined && errors.length === replies.length) {
    return first;
  }
  const masterName = query?.masterName;
  const subject = masterName === undefined
    ? "a master"
    : JSON.stringify(masterName);
  const message = `Cannot find ${subject} through the Sentinels: ${
    replies.map((each) => describeReply(each, query)).join("; ")
  }`;
  return isTransient
    ? new RedisConnectionError(message, first && { cause: first })
    : new ConfigurationError(
      `${message}; check the option \`sentinel.masterName\``,
    );
}

function describeReply(
  { client, answer, error }: SentinelReply,
  query: MasterQuery | undefined,
): string {
  // It names the Sentinel already.
  if (error !== undefined) return error.message;
  const { masters } = answer;
  const state = masters.find(({ name }) => name === query?.masterName);
  if (state === undefined) {
    return `Sentinel ${client.name} watches ${
      masters.length === 0
        ? "no master"
        : joinNames(masters.map(({ name }) => name))
    }`;
  }
  const address = formatAddress(state.address);
  const required = query?.minOtherSentinels ?? 0;
  if (state.otherSentinels < required) {
    return `Sentinel ${client.name} knows ${state.otherSentinels} other Sentinels, fewer than \`sentinel.minOtherSentinels\` (${required})`;
  }
  return isUp(state)
    ? `Sentinel ${client.name} reports it up at ${address}`
    : `Sentinel ${client.name} reports it down at ${address} (${
      state.flags.join(", ")
    })`;
}

function joinNames(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(", ");
}
