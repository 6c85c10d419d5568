/**
 * The patterns of KEYS, PSUBSCRIBE and PUBSUB CHANNELS.
 *
 * @module
 */

import { keyOf } from "./bytes.ts";

/** A class such as `[a-c]`: whether a character is in it, and where it ends. */
interface ClassMatch {
  readonly matches: boolean;
  readonly end: number;
}

/**
 * Makes a test of {@linkcode keyOf} texts of a pattern: `*`, `?`, `[a-c]`,
 * `[^a]`, and a backslash before what is meant literally. What is unfinished
 * means what it means to Redis: no pattern is an error.
 */
export function globOf(pattern: Uint8Array): (text: string) => boolean {
  const glob = keyOf(pattern);
  return (text) => matchesGlob(glob, text);
}

function matchesGlob(glob: string, text: string): boolean {
  let at = 0;
  let index = 0;
  /** Where to go on when what follows the last `*` does not match. */
  let retry: { at: number; index: number } | undefined;
  while (at < glob.length && index < text.length) {
    if (glob[at] === "*") {
      while (glob[at] === "*") at++;
      if (at === glob.length) return true;
      retry = { at, index };
      continue;
    }
    const end = elementEnd(glob, at, text[index] as string);
    if (end !== undefined) {
      at = end;
      index++;
    }
    const isStuck = end === undefined ||
      at === glob.length && index < text.length;
    if (!isStuck) continue;
    if (retry === undefined) return false;
    retry.index++;
    ({ at, index } = retry);
  }
  // Redis lets a star match nothing at the end of a text, but not all of an empty one.
  if (text !== "") { while (glob[at] === "*") at++; }
  return at === glob.length && index === text.length;
}

/** Where the element of `glob` at `at` ends; undefined if it is not for `char`. */
function elementEnd(
  glob: string,
  at: number,
  char: string,
): number | undefined {
  switch (glob[at]) {
    case "?":
      return at + 1;
    case "[": {
      const isNegated = glob[at + 1] === "^";
      const { matches, end } = matchClass(glob, at + (isNegated ? 2 : 1), char);
      return matches === isNegated ? undefined : end;
    }
    case "\\":
      if (at + 1 < glob.length) at++;
  }
  return glob[at] === char ? at + 1 : undefined;
}

function matchClass(glob: string, begin: number, char: string): ClassMatch {
  let matches = false;
  let at = begin;
  while (at < glob.length && glob[at] !== "]") {
    let first = glob[at] as string;
    let last = first;
    if (first === "\\" && at + 1 < glob.length) {
      first = last = glob[++at] as string;
    } else if (glob[at + 1] === "-" && at + 2 < glob.length) {
      last = glob[at += 2] as string;
    }
    // A range may be written from its end.
    matches ||= first <= char && char <= last || last <= char && char <= first;
    at++;
  }
  return { matches, end: Math.min(at + 1, glob.length) };
}
