import { ChordError } from "../errors.ts";
import type { ChordKeys } from "../protocol/keys.ts";
import type { RespValue } from "../redis/wire/resp.ts";
import type { StoredDocument } from "../formats/types.ts";

/** The claim of a chord that has ended. */
export const DONE = "done";

/** A part to count. */
export interface NewPart {
  /** The id of the chord's header. */
  readonly groupId: string;
  /** The chord's keys. */
  readonly keys: ChordKeys;
  /** The task that returned the part. */
  readonly taskId: string;
  /** The task's index in the header; null if it is not known. */
  readonly groupIndex: number | null;
  /** The encoded part. */
  readonly part: StoredDocument;
  /** The name that the caller claims the chord by. */
  readonly claim: string;
}

/** What Redis replied when a part was counted. */
export type ChordCount =
  /** Another call has claimed the chord: nothing was counted. */
  | { readonly claim: string; readonly count?: never }
  | {
    /** How many parts have returned. */
    readonly count: number;
    /** How many parts were added while the chord ran. */
    readonly extra: number;
    /** How many parts the chord began with; null if Redis does not know. */
    readonly size: number | null;
    /** Whether the caller has claimed the chord. */
    readonly isClaimed: boolean;
  };

/** Parses the replies for the parts, the extra parts, the size and the claim. */
export function parseCount(
  groupId: string,
  [count, extra, size, claim]: readonly RespValue[],
  keys: ChordKeys,
): ChordCount {
  return {
    count: Number(count),
    extra: parseNumber(groupId, keys.extra, extra) ?? 0,
    size: parseNumber(groupId, keys.size, size),
    isClaimed: replyText(claim) !== null,
  };
}

/** The number at a key; null for a missing key and, as in Celery, for an empty value. */
function parseNumber(
  groupId: string,
  key: string,
  reply: RespValue | undefined,
): number | null {
  const text = replyText(reply);
  if (text === null || text === "") return null;
  const value = Number(text);
  if (Number.isSafeInteger(value) && text.trim() !== "") return value;
  throw new ChordError(
    `Cannot count the parts of chord ${groupId}: ${key} holds ${
      JSON.stringify(text)
    }, expected a whole number`,
    groupId,
  );
}

/** A reply as text; null if it is not a string. */
export function replyText(reply: RespValue | undefined): string | null {
  if (typeof reply === "string") return reply;
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : null;
}
