import { RedisError } from "../errors.ts";
import type { ChordKeys } from "../protocol/keys.ts";
import type { RedisLink } from "../redis/link.ts";

/**
 * Does `all`, which names all keys of a chord at once, where they are at one
 * node; or else `each`, which names one at a time. In a cluster they are at
 * several, unless a hash tag in the prefix gives them one slot; and while that
 * is on its way from one node to another, neither of the two has all of them.
 */
export async function inOneSlotOrApart<T>(
  link: RedisLink,
  { parts, extra, size, claim }: ChordKeys,
  all: () => Promise<T>,
  each: () => Promise<T>,
): Promise<T> {
  if (link.sharesNode?.([parts, extra, size, claim]) === false) {
    return await each();
  }
  try {
    return await all();
  } catch (error) {
    if (error instanceof RedisError && error.code === "TRYAGAIN") {
      return await each();
    }
    throw error;
  }
}
