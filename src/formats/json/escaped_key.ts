import { findStringEnd } from "./string_end.ts";

const COLON = 0x3a;
const SPACE = 0x20;

/**
 * Whether a JSON text has an object key that contains a backslash. Such a text
 * needs the exact parser: V8's `JSON.parse()` can misread the key, see
 * `docs/v8-json-parse.md`.
 *
 * Backslashes in values are common, since Python escapes all but ASCII. This
 * looks only at the strings that hold one, and misses no key. For a text that
 * is not JSON it may return either.
 */
export function hasEscapedKey(text: string): boolean {
  // In JSON, backslashes are in strings and nowhere else.
  let backslash = text.indexOf("\\");
  while (backslash >= 0) {
    // Behind the character that it escapes, which may be a quote.
    const end = findStringEnd(text, backslash + 2);
    if (end < 0) return false;
    if (text.charCodeAt(skipSpace(text, end + 1)) === COLON) return true;
    backslash = text.indexOf("\\", end + 1);
  }
  return false;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= SPACE) at++;
  return at;
}
