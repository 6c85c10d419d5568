const BACKSLASH = 0x5c;

/**
 * Finds the quote that ends a JSON string whose content begins at `start`;
 * negative if there is none.
 */
export function findStringEnd(text: string, start: number): number {
  // indexOf() passes over long strings many times faster than a loop does, and
  // a pattern would exhaust its stack on a huge one.
  let end = text.indexOf('"', start);
  while (end >= 0 && isEscaped(text, end, start)) {
    end = text.indexOf('"', end + 1);
  }
  return end;
}

/** Whether an odd number of backslashes is before `at`, counted back to `start`. */
function isEscaped(text: string, at: number, start: number): boolean {
  let first = at;
  while (first > start && text.charCodeAt(first - 1) === BACKSLASH) first--;
  return (at - first) % 2 === 1;
}
