/** The fewest letters that are recognised as the beginning of a word. */
const MIN_PREFIX_CHARS = 2;
/** The fewest letters that are recognised as a part of a word. */
const MIN_PART_CHARS = 4;

/** Returns the word with the smallest edit distance to `word`, ignoring case, `_` and `-`. */
export function nearest(word: string, words: Iterable<string>): string {
  const letters = normalize(word);
  let best = "";
  let least = Infinity;
  for (const candidate of words) {
    const distance = editDistance(letters, normalize(candidate));
    if (distance >= least) continue;
    least = distance;
    best = candidate;
  }
  return best;
}

/**
 * Returns the word that `word` was probably meant to be: at most a third of the
 * letters differ, or `word` is its beginning, or one of the two contains the
 * other. Undefined if none is that close.
 */
export function closest(
  word: string,
  words: Iterable<string>,
): string | undefined {
  const known = [...words];
  const letters = normalize(word);
  const best = nearest(word, known);
  const other = normalize(best);
  const longest = Math.max(letters.length, other.length);
  if (editDistance(letters, other) * 3 <= longest && best !== "") return best;
  return known.find((candidate) => isPart(letters, normalize(candidate)));
}

function isPart(word: string, known: string): boolean {
  if (word.length >= MIN_PREFIX_CHARS && known.startsWith(word)) return true;
  return Math.min(word.length, known.length) >= MIN_PART_CHARS &&
    (known.includes(word) || word.includes(known));
}

function normalize(word: string): string {
  return word.toLowerCase().replaceAll(/[_-]/g, "");
}

/** The number of letters to add, remove or replace (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
