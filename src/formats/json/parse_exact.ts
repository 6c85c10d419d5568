import { isUnsafe } from "../envelopes.ts";
import { parseInteger } from "../integer.ts";
import { setOwn } from "../own_property.ts";
import { findStringEnd } from "./string_end.ts";

const SPACE = /[ \t\n\r]*/y;
// Strings must have control characters escaped: this finds those that are not.
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

/** The value of a container that was opened: its items come next. */
const OPENED = Symbol("opened");

/** An array or an object that is being parsed, and the key of its next value. */
interface Frame {
  value: unknown[] | Record<string, unknown>;
  key: string;
}

/**
 * Parses JSON without `JSON.parse()`, for `parseJson()` where that is not enough;
 * several times slower. With `bigints`, integers beyond 2^53 become bigints;
 * otherwise they are rounded.
 *
 * @throws {SyntaxError} If `text` is not JSON, even as Python writes it.
 * @throws {RangeError} If an integer that would become a bigint has more than
 * 4,300 digits.
 */
export function parseJsonExactly(text: string, bigints: boolean): unknown {
  return new Parser(text, bigints).parse();
}

/** Parses one text, once. It has its own stack, so no nesting can exhaust the call stack. */
class Parser {
  readonly #text: string;
  readonly #bigints: boolean;
  #at = 0;
  /** The position of the next backslash, found once for many strings: most have none. */
  #backslash = -1;

  constructor(text: string, bigints: boolean) {
    this.#text = text;
    this.#bigints = bigints;
  }

  parse(): unknown {
    const stack: Frame[] = [];
    for (;;) {
      let value = this.#parseValue(stack);
      if (value === OPENED) continue;
      for (;;) {
        const frame = stack.at(-1);
        if (frame === undefined) {
          this.#skipSpace();
          if (this.#at < this.#text.length) this.#fail();
          return value;
        }
        append(frame, value);
        if (this.#advance(frame)) break;
        value = frame.value;
        stack.pop();
      }
    }
  }

  /** Parses a scalar or an empty container, or opens a container and pushes it. */
  #parseValue(stack: Frame[]): unknown {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case '"':
        return this.#parseString();
      case "[": {
        this.#at++;
        const value: unknown[] = [];
        if (this.#consumeIf("]")) return value;
        stack.push({ value, key: "" });
        return OPENED;
      }
      case "{": {
        this.#at++;
        const value: Record<string, unknown> = {};
        if (this.#consumeIf("}")) return value;
        stack.push({ value, key: this.#parseKey() });
        return OPENED;
      }
      default:
        return this.#parseScalar();
    }
  }

  /** Moves past a comma, and the key after it; false at the container's end. */
  #advance(frame: Frame): boolean {
    const isArray = Array.isArray(frame.value);
    if (this.#consumeIf(isArray ? "]" : "}")) return false;
    if (this.#text[this.#at] !== ",") this.#fail();
    this.#at++;
    if (!isArray) frame.key = this.#parseKey();
    return true;
  }

  #consumeIf(bracket: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== bracket) return false;
    this.#at++;
    return true;
  }

  #parseKey(): string {
    this.#skipSpace();
    if (this.#text[this.#at] !== '"') this.#fail();
    const key = this.#parseString();
    this.#skipSpace();
    if (this.#text[this.#at] !== ":") this.#fail();
    this.#at++;
    return key;
  }

  #parseString(): string {
    const start = this.#at + 1;
    const end = findStringEnd(this.#text, start);
    if (this.#backslash < start) {
      const found = this.#text.indexOf("\\", start);
      this.#backslash = found < 0 ? Infinity : found;
    }
    const isPlain = end < this.#backslash;
    if (end < 0) {
      this.#at = this.#text.length;
      this.#fail();
    }
    this.#at = end + 1;
    const content = this.#text.slice(start, end);
    if (isPlain && !CONTROL.test(content)) return content;
    try {
      return JSON.parse(`"${content}"`);
    } catch {
      throw new SyntaxError(
        `the string at position ${
          start - 1
        } of the JSON holds an invalid escape or a control character`,
      );
    }
  }

  #parseScalar(): unknown {
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
    // Fast for the common case: no space at all.
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
function append(frame: Frame, value: unknown): void {
  if (Array.isArray(frame.value)) frame.value.push(value);
  else setOwn(frame.value, frame.key, value);
}
