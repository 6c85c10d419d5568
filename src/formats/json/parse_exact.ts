import { parseInteger } from "../integer.ts";
import { setOwn } from "../own_property.ts";
import { isUnsafe } from "../envelopes.ts";

const SPACE = /[ \t\n\r]*/y;
// Control characters are what it looks for: JSON has them escaped in strings.
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f]/;
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const WORD = /true|false|null|NaN|-?Infinity/y;

const WORDS = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
]);

/** Says that a container was opened, where its value would stand. */
const OPENED = Symbol("opened");

/** An array or an object that is being filled, and the key that awaits its value. */
interface Frame {
  value: unknown[] | Record<string, unknown>;
  key: string;
}

/**
 * What `parseJson()` falls back on when `JSON.parse()` is not enough; several
 * times slower. With `bigints`, integers beyond 2^53 become bigints, or else
 * they are rounded.
 *
 * @throws {SyntaxError} If `text` is not JSON, even as Python writes it.
 * @throws {RangeError} If an integer that would become a bigint has more than
 * 4,300 digits.
 */
export function parseJsonExactly(text: string, bigints: boolean): unknown {
  return new Parser(text, bigints).parse();
}

/** One pass over one text. It keeps its own stack, so that no depth of nesting is too much. */
class Parser {
  readonly #text: string;
  readonly #bigints: boolean;
  #at = 0;
  /** Where the next backslash stands, as far as it was looked for: most strings have none. */
  #backslash = -1;

  constructor(text: string, bigints: boolean) {
    this.#text = text;
    this.#bigints = bigints;
  }

  parse(): unknown {
    const stack: Frame[] = [];
    for (;;) {
      let value = this.#value(stack);
      // A container was opened, and its first value comes next.
      if (value === OPENED) continue;
      for (;;) {
        const frame = stack.at(-1);
        if (frame === undefined) {
          this.#skipSpace();
          if (this.#at < this.#text.length) this.#fail();
          return value;
        }
        put(frame, value);
        if (this.#another(frame)) break;
        value = frame.value;
        stack.pop();
      }
    }
  }

  /** Reads a scalar or an empty container, or opens a container and pushes it. */
  #value(stack: Frame[]): unknown {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case '"':
        return this.#string();
      case "[": {
        this.#at++;
        const value: unknown[] = [];
        if (this.#closes("]")) return value;
        stack.push({ value, key: "" });
        return OPENED;
      }
      case "{": {
        this.#at++;
        const value: Record<string, unknown> = {};
        if (this.#closes("}")) return value;
        stack.push({ value, key: this.#key() });
        return OPENED;
      }
      default:
        return this.#scalar();
    }
  }

  /** Goes past a comma, and the key after it; false at the container's end. */
  #another(frame: Frame): boolean {
    const isArray = Array.isArray(frame.value);
    if (this.#closes(isArray ? "]" : "}")) return false;
    if (this.#text[this.#at] !== ",") this.#fail();
    this.#at++;
    if (!isArray) frame.key = this.#key();
    return true;
  }

  #closes(bracket: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== bracket) return false;
    this.#at++;
    return true;
  }

  #key(): string {
    this.#skipSpace();
    if (this.#text[this.#at] !== '"') this.#fail();
    const key = this.#string();
    this.#skipSpace();
    if (this.#text[this.#at] !== ":") this.#fail();
    this.#at++;
    return key;
  }

  #string(): string {
    const start = this.#at + 1;
    // Found with indexOf(): a pattern would use up its stack on a huge string.
    let end = this.#text.indexOf('"', start);
    if (this.#backslash < start) {
      const found = this.#text.indexOf("\\", start);
      this.#backslash = found < 0 ? Infinity : found;
    }
    const plain = end < this.#backslash;
    while (end >= 0 && this.#isEscaped(end, start)) {
      end = this.#text.indexOf('"', end + 1);
    }
    if (end < 0) {
      this.#at = this.#text.length;
      this.#fail();
    }
    this.#at = end + 1;
    const content = this.#text.slice(start, end);
    if (plain && !CONTROL.test(content)) return content;
    try {
      return JSON.parse(`"${content}"`);
    } catch {
      throw new SyntaxError(
        `the string at position ${
          start - 1
        } of the JSON holds a bad escape or a control character`,
      );
    }
  }

  /** Whether an odd number of backslashes stands before `at`. */
  #isEscaped(at: number, start: number): boolean {
    let first = at;
    while (first > start && this.#text[first - 1] === "\\") first--;
    return (at - first) % 2 === 1;
  }

  #scalar(): unknown {
    NUMBER.lastIndex = this.#at;
    const number = NUMBER.exec(this.#text);
    if (number !== null) {
      this.#at = NUMBER.lastIndex;
      const value = Number(number[0]);
      const isInteger = number[1] === undefined && number[2] === undefined;
      return this.#bigints && isInteger && isUnsafe(value)
        ? parseInteger(number[0])
        : value;
    }
    WORD.lastIndex = this.#at;
    const word = WORD.exec(this.#text);
    if (word === null) this.#fail();
    this.#at = WORD.lastIndex;
    return WORDS.get(word[0]);
  }

  #skipSpace(): void {
    // Python writes at most one space; only a foreign writer makes more.
    if (this.#text.charCodeAt(this.#at) > 0x20) return;
    SPACE.lastIndex = this.#at;
    SPACE.test(this.#text);
    this.#at = SPACE.lastIndex;
  }

  #fail(): never {
    const found = this.#text[this.#at];
    throw new SyntaxError(
      found === undefined
        ? "JSON ends too early"
        : `unexpected ${
          JSON.stringify(found)
        } at position ${this.#at} of the JSON`,
    );
  }
}

/** Adds `value` to the container of `frame`. */
function put(frame: Frame, value: unknown): void {
  if (Array.isArray(frame.value)) frame.value.push(value);
  else setOwn(frame.value, frame.key, value);
}
