import { RedisError } from "../errors.ts";
import type { ChordKeys } from "../protocol/keys.ts";
import type { RedisLink } from "../redis/link.ts";

/**
 * Calls `together`, whose commands name all keys of a chord at once, if one
 * node holds them; otherwise `apart`, whose commands name one key each. In a
 * cluster the keys are on several nodes unless a hash tag in the prefix gives
 * them one slot. While that slot migrates, neither node may hold all of them.
 */
export async function inOneSlotOrApart<T>(
  link: RedisLink,
  { parts, extra, size, claim }: ChordKeys,
  together: () => Promise<T>,
  apart: () => Promise<T>,
): Promise<T> {
  if (link.sharesNode?.([parts, extra, size, claim]) === false) {
    return await apart();
  }
  try {
    return await together();
  } catch (error) {
    if (error instanceof RedisError && error.code === "TRYAGAIN") {
      return await apart();
    }
    throw error;
  }
}
