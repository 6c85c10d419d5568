import { ChordError } from "../errors.ts";
import type { ChordKeys } from "../protocol/keys.ts";
import type { RespValue } from "../redis/wire/resp.ts";
import type { StoredDocument } from "../formats/types.ts";

/** What a claim says of a chord that has ended. */
export const DONE = "done";

/** A part that is to be counted. */
export interface NewPart {
  /** The chord. */
  readonly groupId: string;
  /** Its keys. */
  readonly keys: ChordKeys;
  /** The task. */
  readonly taskId: string;
  /** The task's place; null if it is not known. */
  readonly groupIndex: number | null;
  /** What is kept. */
  readonly part: StoredDocument;
  /** What the caller claims the chord by. */
  readonly claim: string;
}

/** What the server saw. */
export type ChordCount =
  /** Another call has claimed the chord: nothing was counted. */
  | { readonly claim: string; readonly count?: never }
  | {
    /** How many parts there are. */
    readonly count: number;
    /** How many were added while the chord ran. */
    readonly extra: number;
    /** How many it was sent with; null if nobody said. */
    readonly size: number | null;
    /** Whether the chord is claimed, by the caller. */
    readonly isOwn: boolean;
  };

/** Reads what the server counted: parts, extra parts, size, claim. */
export function countOf(
  groupId: string,
  [count, extra, size, claim]: readonly RespValue[],
  keys: ChordKeys,
): ChordCount {
  return {
    count: Number(count),
    extra: numberAt(groupId, keys.extra, extra) ?? 0,
    size: numberAt(groupId, keys.size, size),
    isOwn: replyText(claim) !== null,
  };
}

/** The number that a key holds; null if it holds none. Celery takes an empty text for none. */
function numberAt(
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

/** A reply as text; null if it is none. */
export function replyText(reply: RespValue | undefined): string | null {
  if (typeof reply === "string") return reply;
  return reply instanceof Uint8Array ? new TextDecoder().decode(reply) : null;
}
