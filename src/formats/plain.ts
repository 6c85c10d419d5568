import type { Refusal } from "./encodable.ts";
import { setOwn } from "./own_property.ts";
import { type Leaf, Walker } from "./walker.ts";

/** What a format cannot represent, beyond what no format can. */
export interface PlainRules {
  /**
   * How deep the value may nest.
   *
   * @default {800}
   */
  maxDepth?: number;
  /** Checks a string (a key, too) or a bigint; undefined if the format can represent it. */
  refuse?(value: string | bigint): Refusal | undefined;
}

/**
 * Copies `value` to plain data, as `encodeJson()` sees it: `toJSON()` is called,
 * and members that are undefined are left out. The copy consists of null,
 * booleans, numbers, bigints, strings, `Date`s, `Uint8Array`s, and arrays and
 * objects of these, without a cycle.
 *
 * @throws {TypeError} If `value` holds something else, contains itself, or is
 * nested too deeply. The message has the path, which begins with `name`.
 */
export function toPlain(
  value: unknown,
  name = "result",
  rules: PlainRules = {},
): unknown {
  return new Copier(name, rules).walk(value) ?? null;
}

class Copier extends Walker<unknown> {
  readonly #rules: PlainRules;

  constructor(name: string, rules: PlainRules) {
    super(name, rules.maxDepth);
    this.#rules = rules;
  }

  protected override leaf(value: Leaf): unknown {
    if (typeof value === "string" || typeof value === "bigint") {
      this.check(this.#rules.refuse?.(value));
    }
    return value;
  }

  protected override array(items: unknown[]): unknown[] {
    const copy: unknown[] = [];
    for (let i = 0; i < items.length; i++) {
      copy.push(this.member(items[i], i) ?? null);
    }
    return copy;
  }

  protected override object(
    members: Record<string, unknown>,
  ): Record<string, unknown> {
    const copy: Record<string, unknown> = {};
    for (const key of Object.keys(members)) {
      const member = this.member(members[key], key);
      if (member === undefined) continue;
      this.check(this.#rules.refuse?.(key));
      setOwn(copy, key, member);
    }
    return copy;
  }
}
