/**
 * The patterns of KEYS, PSUBSCRIBE and PUBSUB CHANNELS.
 *
 * @module
 */

import { bytesToKey } from "./bytes.ts";

/** Whether a class such as `[a-c]` contains a character, and where the class ends. */
interface ClassMatch {
  readonly matches: boolean;
  readonly end: number;
}

/**
 * Compiles a pattern to a test of {@linkcode bytesToKey} strings. A pattern may
 * contain `*`, `?`, `[a-c]`, `[^a]`, and a backslash before a literal character.
 * As in Redis, every pattern is valid, even an unfinished class.
 */
export function compileGlob(pattern: Uint8Array): (text: string) => boolean {
  const glob = bytesToKey(pattern);
  return (text) => matchesGlob(glob, text);
}

function matchesGlob(glob: string, text: string): boolean {
  let at = 0;
  let index = 0;
  /** Where to continue if the part after the last `*` does not match. */
  let retry: { at: number; index: number } | undefined;
  while (at < glob.length && index < text.length) {
    if (glob[at] === "*") {
      while (glob[at] === "*") at++;
      if (at === glob.length) return true;
      retry = { at, index };
      continue;
    }
    const end = matchElement(glob, at, text[index] as string);
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
  // In Redis, a star matches nothing at the end of a string, but not an empty string.
  if (text !== "") { while (glob[at] === "*") at++; }
  return at === glob.length && index === text.length;
}

/** The end of the element of `glob` at `at`; undefined if it does not match `char`. */
function matchElement(
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
    // The ends of a range may be swapped.
    matches ||= first <= char && char <= last || last <= char && char <= first;
    at++;
  }
  return { matches, end: Math.min(at + 1, glob.length) };
}
