const QUOTE = '"';
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SPACE = 0x20;

/**
 * Whether an object in a JSON text has a key that is written with a backslash.
 * Only the exact parser may read such a text: V8's `JSON.parse()` can misread
 * the key, see `docs/v8-json-parse.md`.
 *
 * Most documents have backslashes in values alone, since Python escapes all
 * that is not ASCII. It looks only at strings that hold one, and never misses a
 * key. Of a text that is not JSON it may say either.
 */
export function hasEscapedKey(text: string): boolean {
  // In JSON, backslashes are in strings and nowhere else.
  let backslash = text.indexOf("\\");
  while (backslash >= 0) {
    const end = endOfString(text, backslash);
    if (end < 0) return false;
    if (text.charCodeAt(skipSpace(text, end + 1)) === COLON) return true;
    backslash = text.indexOf("\\", end + 1);
  }
  return false;
}

/** Where the string ends whose first backslash is at `backslash`; negative if it has no end. */
function endOfString(text: string, backslash: number): number {
  const start = backslash + 2;
  // indexOf() passes over long strings many times faster than a loop does.
  let end = text.indexOf(QUOTE, start);
  while (end >= 0 && isEscaped(text, end, start)) {
    end = text.indexOf(QUOTE, end + 1);
  }
  return end;
}

/** Whether an odd number of backslashes is before `at`, counted back to `start`. */
function isEscaped(text: string, at: number, start: number): boolean {
  let first = at;
  while (first > start && text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= SPACE) at++;
  return at;
}
