import {
  dateRefusal,
  isBoxed,
  MAX_WRITE_DEPTH,
  objectRefusal,
  type Refusal,
} from "./encodable.ts";
import { datetimeText } from "./envelopes.ts";

/** A value without members: what a walk ends at. */
export type Leaf =
  | string
  | number
  | boolean
  | bigint
  | null
  | Date
  | Uint8Array;

/** How many keys of a path a message shows: all of a value nested too deeply would help nobody. */
const MAX_SHOWN_KEYS = 20;

/**
 * Walks a value as `JSON.stringify()` does, and makes an `Output` of it: it
 * calls `toJSON()`, unboxes primitives, and skips members that are undefined.
 * It knows where in the value it is, and refuses what no format can represent.
 */
export abstract class Walker<Output> {
  /** The arrays and objects around the current position, outermost first. */
  readonly #ancestors: object[] = [];
  /** The keys and indices that lead to the current position. */
  readonly #path: (string | number)[] = [];
  readonly #name: string;
  readonly #maxDepth: number;

  /** Prepares a walk. Messages call the whole value `name`. */
  constructor(name: string, maxDepth = MAX_WRITE_DEPTH) {
    this.#name = name;
    this.#maxDepth = maxDepth;
  }

  /**
   * Walks `value`; undefined for undefined.
   *
   * @throws {TypeError} If it holds what cannot be represented, contains
   * itself, or is nested too deeply. The message has the path to it.
   */
  walk(value: unknown, key: string | number = ""): Output | undefined {
    switch (typeof value) {
      case "undefined":
        return undefined;
      case "string":
      case "number":
      case "boolean":
      case "bigint":
        return this.leaf(value);
      case "object":
        return value === null ? this.leaf(null) : this.#object(value, key);
      case "function":
        return this.refuse("a function", "leave it out, or call it");
      default:
        return this.refuse(
          "a symbol",
          "leave it out, or store its description",
        );
    }
  }

  /** Makes the output of a value without members. Dates are valid in Python, or decoded from a document. */
  protected abstract leaf(value: Leaf): Output;
  /** Makes the output of an array, with `member()` for each item. */
  protected abstract array(items: unknown[]): Output;
  /** Makes the output of an object, with `member()` for each member. */
  protected abstract object(members: Record<string, unknown>): Output;

  /** Walks what is at `key` of the array or object that is being walked. */
  protected member(value: unknown, key: string | number): Output | undefined {
    this.#path.push(key);
    const output = this.walk(value, key);
    this.#path.pop();
    return output;
  }

  /** Throws, with the path to the current position. */
  protected refuse(what: string, advice: string): never {
    throw new TypeError(
      `Cannot encode ${what} at ${
        formatPath(this.#name, this.#path)
      }: ${advice}`,
    );
  }

  /** Throws if there is a refusal. */
  protected check(refusal: Refusal | undefined): void {
    if (refusal !== undefined) this.refuse(...refusal);
  }

  #object(value: object, key: string | number): Output | undefined {
    if (value instanceof Date) {
      if (datetimeText(value) === undefined) this.check(dateRefusal(value));
      return this.leaf(value);
    }
    if (value instanceof Uint8Array) return this.leaf(value);
    const ancestors = this.#ancestors;
    if (ancestors.includes(value)) {
      this.refuse("a value that contains itself", "break the cycle");
    }
    if (ancestors.length === this.#maxDepth) {
      this.refuse(
        `a value nested more than ${this.#maxDepth} levels deep`,
        "flatten it: Python would not read it back",
      );
    }
    ancestors.push(value);
    const output = this.#content(value, key);
    ancestors.pop();
    return output;
  }

  #content(value: object, key: string | number): Output | undefined {
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === "function") {
      return this.walk(toJSON.call(value, String(key)), key);
    }
    if (Array.isArray(value)) return this.array(value);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      if (isBoxed(value)) return this.walk(value.valueOf(), key);
      this.check(objectRefusal(value));
    }
    return this.object(value as Record<string, unknown>);
  }
}

/** Writes a path as code would: `result.items[3]`. The value itself may have an empty name. */
function formatPath(name: string, path: (string | number)[]): string {
  let text = name;
  for (const key of path.slice(0, MAX_SHOWN_KEYS)) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(key)) {
      text += text === "" ? key : `.${key}`;
    } else text += `[${JSON.stringify(key)}]`;
  }
  return path.length > MAX_SHOWN_KEYS ? `${text}...` : text;
}
