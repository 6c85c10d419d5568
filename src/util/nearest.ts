/** How many letters tell which word begins with them. */
const SHORTEST_BEGINNING = 2;
/** How many letters tell which word holds them. */
const SHORTEST_PART = 4;

/** Of some words the one that the fewest changed letters turn `word` into, in any case, `_` and `-` aside. */
export function nearest(word: string, words: Iterable<string>): string {
  const letters = lettersOf(word);
  let best = "";
  let least = Infinity;
  for (const candidate of words) {
    const distance = distanceOf(letters, lettersOf(candidate));
    if (distance >= least) continue;
    least = distance;
    best = candidate;
  }
  return best;
}

/**
 * Of some words the one that `word` is probably meant to be: a third of the
 * letters may differ, or it is the beginning of one, or one of the two holds the
 * other. Undefined if none is
 * that close.
 */
export function closest(
  word: string,
  words: Iterable<string>,
): string | undefined {
  const known = [...words];
  const letters = lettersOf(word);
  const best = nearest(word, known);
  const other = lettersOf(best);
  const longest = Math.max(letters.length, other.length);
  if (distanceOf(letters, other) * 3 <= longest && best !== "") return best;
  return known.find((candidate) => isPart(letters, lettersOf(candidate)));
}

function isPart(word: string, known: string): boolean {
  if (word.length >= SHORTEST_BEGINNING && known.startsWith(word)) return true;
  return Math.min(word.length, known.length) >= SHORTEST_PART &&
    (known.includes(word) || word.includes(known));
}

function lettersOf(word: string): string {
  return word.toLowerCase().replaceAll(/[_-]/g, "");
}

/** How many letters have to be added, removed or replaced (Levenshtein). */
function distanceOf(from: string, to: string): number {
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
