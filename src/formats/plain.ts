import {
  dateRefusal,
  isBoxed,
  MAX_WRITE_DEPTH,
  pathText,
  type Refusal,
  refusalOf,
} from "./encodable.ts";
import { setOwn } from "./own_property.ts";
import { datetimeText } from "./envelopes.ts";

/** What a format cannot hold, beyond what none can. */
export interface PlainRules {
  /**
   * How deep the value may nest.
   *
   * @default {800}
   */
  maxDepth?: number;
  /** What is wrong with a string (a key, too) or a bigint; undefined if nothing is. */
  refuse?(value: string | bigint): Refusal | undefined;
}

/**
 * Copies `value` to plain data, as `encodeJson()` sees it: `toJSON()` is called,
 * members that are undefined are left out, and what it refuses is refused. What
 * is left is null, booleans, numbers, bigints, strings, `Date`s, `Uint8Array`s,
 * and arrays and objects of these, without a cycle.
 *
 * @throws {TypeError} If `value` holds something else, contains itself, or is
 * nested too deeply. The message says where, beginning with `name`.
 */
export function toPlain(
  value: unknown,
  name = "result",
  rules: PlainRules = {},
): unknown {
  return new Copier(name, rules).copy(value, "") ?? null;
}

/** Copies one value; knows where in it it is, for the messages. */
class Copier {
  /** The arrays and objects around the present place, outermost first. */
  readonly #ancestors: object[] = [];
  /** The keys and indices that lead to the present place. */
  readonly #path: (string | number)[] = [];
  readonly #name: string;
  readonly #rules: PlainRules;

  constructor(name: string, rules: PlainRules) {
    this.#name = name;
    this.#rules = rules;
  }

  /** The copy of `value`, which stands at `key`; undefined for undefined. */
  copy(value: unknown, key: string | number): unknown {
    switch (typeof value) {
      case "string":
      case "bigint":
        this.#check(value);
        return value;
      case "object":
        return value === null ? null : this.#object(value, key);
      case "function":
        return this.#refuse("a function", "leave it out, or call it");
      case "symbol":
        return this.#refuse(
          "a symbol",
          "leave it out, or store its description",
        );
      default:
        return value;
    }
  }

  #object(value: object, key: string | number): unknown {
    if (value instanceof Date) {
      const refusal = datetimeText(value) === undefined
        ? dateRefusal(value)
        : undefined;
      if (refusal !== undefined) this.#refuse(...refusal);
      return value;
    }
    if (value instanceof Uint8Array) return value;
    const ancestors = this.#ancestors;
    if (ancestors.includes(value)) {
      this.#refuse("a value that contains itself", "break the cycle");
    }
    const { maxDepth = MAX_WRITE_DEPTH } = this.#rules;
    if (ancestors.length === maxDepth) {
      this.#refuse(
        `a value nested more than ${maxDepth} levels deep`,
        "flatten it: Python would not read it back",
      );
    }
    ancestors.push(value);
    const copy = this.#content(value, key);
    ancestors.pop();
    return copy;
  }

  #content(value: object, key: string | number): unknown {
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === "function") {
      return this.copy(toJSON.call(value, String(key)), key);
    }
    if (Array.isArray(value)) return this.#array(value);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      if (isBoxed(value)) return this.copy(value.valueOf(), key);
      const refusal = refusalOf(value);
      if (refusal !== undefined) this.#refuse(...refusal);
    }
    return this.#members(value as Record<string, unknown>);
  }

  #array(value: unknown[]): unknown[] {
    const depth = this.#path.length;
    const copy: unknown[] = [];
    for (let i = 0; i < value.length; i++) {
      this.#path[depth] = i;
      copy.push(this.copy(value[i], i) ?? null);
    }
    this.#path.length = depth;
    return copy;
  }

  #members(value: Record<string, unknown>): Record<string, unknown> {
    const depth = this.#path.length;
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      this.#path[depth] = key;
      const member = this.copy(value[key], key);
      if (member === undefined) continue;
      this.#check(key);
      setOwn(copy, key, member);
    }
    this.#path.length = depth;
    return copy;
  }

  #check(value: string | bigint): void {
    const refusal = this.#rules.refuse?.(value);
    if (refusal !== undefined) this.#refuse(...refusal);
  }

  #refuse(what: string, advice: string): never {
    throw new TypeError(
      `Cannot encode ${what} at ${pathText(this.#name, this.#path)}: ${advice}`,
    );
  }
}
