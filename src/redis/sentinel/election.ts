import { ConfigurationError, RedisConnectionError } from "../../errors.ts";
import { isRetriable } from "../retriable.ts";
import { isSameAddress, isSeen, isUp, type MasterState } from "./master.ts";
import type { PeerAnswer, SentinelPeer } from "./client.ts";
import { formatAddress } from "../address.ts";

/** What came of asking one Sentinel. */
export type SentinelReply =
  & { readonly peer: SentinelPeer }
  & (
    | { readonly answer: PeerAnswer; readonly error?: undefined }
    | { readonly answer?: undefined; readonly error: Error }
  );

/** Which master is looked for, and whose word counts. */
export interface MasterQuery {
  /** The name; undefined: the only one there is. */
  readonly masterName: string | undefined;
  /** How many other Sentinels one has to know of. */
  readonly minOtherSentinels: number;
  /** Whether they knew it before: it may be that they are being set up anew. */
  readonly wasKnown: boolean;
}

/** What several Sentinels say together. */
export type Election =
  /** The newest master that they know, and whether it is worth dialling. */
  | {
    readonly master: MasterState;
    readonly isUp: boolean;
    readonly why: Error;
  }
  /** Why there is none. */
  | { readonly master?: undefined; readonly why: Error };

/** Whether an answer tells of the master: such a one is worth more than silence. */
export function isEligible(said: SentinelReply, wanted: MasterQuery): boolean {
  return stateOf(said, wanted) !== undefined;
}

/**
 * Judges what the Sentinels said. The highest epoch wins: a Sentinel that was
 * cut off does not know of the last fail-over.
 */
export function electMaster(
  said: readonly SentinelReply[],
  wanted: MasterQuery,
): Election {
  const name = wanted.masterName ?? onlyName(said);
  if (name instanceof Error) return { why: name };
  const exact = { ...wanted, masterName: name };
  const states = said.map((each) => stateOf(each, exact)).filter((state) =>
    state !== undefined
  );
  const why = whyNot(said, exact);
  const [first, ...rest] = states;
  if (first === undefined) return { why };
  const master = rest.reduce(
    (best, state) => isNewer(state, best) ? state : best,
    first,
  );
  // Being down is a matter of opinion; dialling tells the truth.
  const agreed = states.filter(({ address, epoch }) =>
    epoch === master.epoch && isSameAddress(address, master.address)
  );
  return { master, isUp: agreed.some(isSeen) || agreed.every(isUp), why };
}

/** Of one epoch, one that leads the fail-over may still have the old master. */
function isNewer(state: MasterState, best: MasterState): boolean {
  return state.epoch > best.epoch ||
    (state.epoch === best.epoch && isLeading(best) && !isLeading(state));
}

function isLeading({ flags }: MasterState): boolean {
  return flags.includes("failover_in_progress");
}

/** What a Sentinel says of the master; undefined where its word does not count. */
export function stateOf(
  { answer }: { readonly answer?: PeerAnswer | undefined },
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

/** The name of the master, where there is one alone. */
function onlyName(said: readonly SentinelReply[]): string | Error {
  const names = namesIn(said);
  const [name] = names;
  if (names.length === 1 && name !== undefined) return name;
  if (names.length === 0) return whyNot(said, undefined);
  return new ConfigurationError(
    `Cannot tell which master is meant: the Sentinels watch ${
      joinNames(names)
    }; name one by the option \`sentinel.masterName\``,
  );
}

function namesIn(said: readonly SentinelReply[]): string[] {
  return [
    ...new Set(
      said.flatMap(({ answer }) =>
        (answer?.masters ?? []).map(({ name }) => name)
      ),
    ),
  ];
}

/** What each Sentinel said, as a reason not to connect. */
function whyNot(
  said: readonly SentinelReply[],
  wanted: MasterQuery | undefined,
): Error {
  const errors = said.flatMap(({ error }) => error ?? []);
  const mayChange = errors.some(isRetriable) ||
    (wanted !== undefined && (namesIn(said).includes(wanted.masterName ?? "") ||
      (wanted.wasKnown && errors.length < said.length)));
  const [first] = errors;
  // One that nothing will mend is told as it is.
  if (!mayChange && first !== undefined && errors.length === said.length) {
    return first;
  }
  const known = wanted?.masterName;
  const which = known === undefined ? "a master" : JSON.stringify(known);
  const message = `Cannot find ${which} by the Sentinels: ${
    said.map((each) => wordsOf(each, wanted)).join("; ")
  }`;
  return mayChange
    ? new RedisConnectionError(message, first && { cause: first })
    : new ConfigurationError(
      `${message}; check the option \`sentinel.masterName\``,
    );
}

function wordsOf(
  { peer, answer, error }: SentinelReply,
  wanted: MasterQuery | undefined,
): string {
  // It names the Sentinel itself.
  if (error !== undefined) return error.message;
  const { masters } = answer;
  const state = masters.find(({ name }) => name === wanted?.masterName);
  if (state === undefined) {
    return `Sentinel ${peer.name} watches ${
      masters.length === 0
        ? "no master"
        : joinNames(masters.map(({ name }) => name))
    }`;
  }
  const at = formatAddress(state.address);
  const least = wanted?.minOtherSentinels ?? 0;
  if (state.otherSentinels < least) {
    return `Sentinel ${peer.name} knows of ${state.otherSentinels} other Sentinels, fewer than \`sentinel.minOtherSentinels\` (${least})`;
  }
  return isUp(state)
    ? `Sentinel ${peer.name} knows it at ${at}`
    : `Sentinel ${peer.name} says that it is down at ${at} (${
      state.flags.join(", ")
    })`;
}

function joinNames(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(", ");
}
