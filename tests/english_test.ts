/**
 * Keeps phrases that only this project ever used out of comments, doc comments,
 * messages, test names and docs. A phrase is in the list only if it has no
 * ordinary use in technical English.
 *
 * @module
 */

import { assertEquals } from "./support/assert.ts";

const ROOT = new URL("../", import.meta.url);
/** Files that people read. */
const EXTENSIONS = [".ts", ".md", ".py", ".yml"];
/** Quotes the phrases. */
const SELF = "tests/english_test.ts";
/** Recorded output of other programs. */
const RECORDED = "tests/interop/golden/";

/** Each phrase to avoid, with what to write instead. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/whoever/, "anyone who, or address the reader: you"],
  [/for ever/, "forever, or without limit"],
  [/what stands/, "what is stored, or name it"],
  [/as (?:it stands|they stand)/, "as it is, or unchanged"],
  [/stands (?:at|before|behind|between|there|where)/, "is"],
  [/stands in(?! for)/, "is in"],
  [/(?:SUCCESS|one|that) stood/, "was already stored"],
  [/in life/, "in practice, or in production"],
  [/that (?:is|are) none/, "that is not one, or invalid"],
  [/there (?:is|are|was|were) none of/, "unknown"],
  [
    /that (?:is|are) no(?! (?:better|fewer|later|less|longer|more|worse))/,
    "that is not a",
  ],
  [
    /(?:is|are|was|were|be|been|being) told/,
    "is reported, is notified, or is given",
  ],
  [/(?:tell|tells|told|telling) of/, "reports, describes, or announces"],
  [/rooms/, "modules, or folders"],
  [/worth while/, "worthwhile, or worth trying"],
  [/(?:take|takes|taking|took) (?:it|them|that) for/, "treats it as"],
  [/(?:is|are|was|were|be|been|being) taken for/, "is treated as"],
  [/(?:see|sees|saw|seeing) to it/, "ensures, or makes sure"],
  [/one such(?! as)/, "one"],
  [/(?:let|lets|letting) go of/, "releases, or closes"],
  [/no sooner/, "not before, or as soon as"],
  [/of (?:its|their) own accord/, "by itself, or unprompted"],
  [/as one with/, "atomically with"],
  [/to be had/, "available"],
  [/(?:has|have|had) to hear/, "must be notified"],
  [/hears? of/, "is notified of, or learns of"],
  [/(?:is|are), (?:is|are)/, "rephrase"],
  [/mend(?:s|ed|ing)?/, "fix"],
  [/what may pass/, "transient"],
  [/anew/, "again"],
  [/in the place of/, "instead of, or in place of"],
  [/(?:call|calls|called|calling) off/, "cancel, or abort"],
  [/(?:hands|handed|handing) on/, "passes on"],
  [/(?:if|where) that can be/, "if possible"],
  [/what (?:came|comes|has come|will come) of/, "the outcome of"],
  [/in vain/, "without success"],
  [/verdict/, "election, decision, or result"],
  [/news/, "notification, event, or change"],
];

/** A phrase that was found. */
interface Hit {
  line: number;
  phrase: string;
  advice: string;
}

/** The text without what breaks a sentence, and the line of each character. */
interface Prose {
  text: string;
  lines: number[];
}

/** Joins lines: comment markers, indents and the seams of split strings go. */
function readProse(source: string): Prose {
  let text = "";
  const lines: number[] = [];
  let isStringOpen = false;
  for (const [index, raw] of source.split("\n").entries()) {
    let line = raw.replace(/^\s*(?:\/\/+|\/\*\*?|\*\/?|#+|>|-)?\s*/, "");
    if (isStringOpen) line = line.replace(/^["'`]/, "");
    const open = line.replace(/\s*["'`]\s*\+$/, "");
    isStringOpen = open !== line;
    // A string that goes on has its space before the seam, a comment has none.
    const part = isStringOpen ? open.trimEnd() + " " : line + " ";
    text += part;
    for (let i = 0; i < part.length; i++) lines.push(index + 1);
  }
  return { text, lines };
}

/** The phrases of the list in a text, in their order. */
function findPhrases(source: string): Hit[] {
  const { text, lines } = readProse(source);
  const hits: Hit[] = [];
  for (const [pattern, advice] of PHRASES) {
    const spaced = pattern.source.replaceAll(" ", "\\s+");
    const phrases = new RegExp(`\\b(?:${spaced})(?!\\w)`, "gi");
    for (const { 0: phrase, index } of text.matchAll(phrases)) {
      hits.push({ line: lines[index] ?? 0, phrase: phrase.trim(), advice });
    }
  }
  return hits.sort((a, b) => a.line - b.line);
}

/** Every file that people read, by its path from the root. */
async function* readableFiles(folder = ""): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    const isHidden = entry.name.startsWith(".") && entry.name !== ".github";
    if (isHidden || entry.name === "node_modules") continue;
    const path = folder + entry.name;
    if (entry.isDirectory) yield* readableFiles(`${path}/`);
    else if (EXTENSIONS.some((each) => path.endsWith(each))) yield path;
  }
}

/** Leaves out the lines that CONTRIBUTING.md shows as what not to write. */
function withoutBefore(source: string): string {
  return source.replaceAll(/^(?:before:|\/\/ before).*$/gm, "");
}

Deno.test("comments, messages, test names and docs are in plain English", async () => {
  const found: string[] = [];
  for await (const path of readableFiles()) {
    if (path === SELF || path.startsWith(RECORDED)) continue;
    const source = await Deno.readTextFile(new URL(path, ROOT));
    const text = path === "CONTRIBUTING.md" ? withoutBefore(source) : source;
    for (const { line, phrase, advice } of findPhrases(text)) {
      found.push(`${path}:${line}: "${phrase}": write "${advice}"`);
    }
  }
  assertEquals(found.sort(), []);
});

Deno.test("findPhrases() finds a phrase across lines, comments and split strings", () => {
  const phrases = (source: string): string[] =>
    findPhrases(source).map(({ line, phrase }) => `${line} ${phrase}`);
  assertEquals(phrases("Kept for ever."), ["1 for ever"]);
  assertEquals(phrases("// Kept for\n// ever."), ["1 for ever"]);
  assertEquals(phrases("/**\n * Kept for\n * ever.\n */"), ["2 for ever"]);
  assertEquals(phrases(`x = "Kept for " +\n  "ever";`), ["1 for ever"]);
  assertEquals(phrases("What is stored\nis kept.\n\nWhoever asks"), [
    "4 Whoever",
  ]);
  assertEquals(phrases("a text that is no document"), ["1 that is no"]);
});

Deno.test("findPhrases() leaves ordinary uses alone", () => {
  const ordinary = "A forever loop. A lifetime. One that is no longer there. " +
    "Recommended and amended. A newsletter. The heading. " +
    "It stands in for Redis. It takes it a second. Unless told otherwise.";
  assertEquals(findPhrases(ordinary), []);
});
