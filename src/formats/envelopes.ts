/**
 * Kombu's envelopes: how Celery's JSON writes what JSON has no word for.
 *
 * | in the document | here |
 * |---|---|
 * | `datetime` | `Date`; its text is kept, see `datetimeText()` |
 * | `date`, `time`, `decimal` | string, as written |
 * | `uuid` | string, with dashes |
 * | `bytes`, `base64` | `Uint8Array` |
 *
 * Kombu 5.3 and later write them; 5.2 and older wrote plain strings, which
 * stay strings.
 *
 * @module
 */

import { parseDatetime } from "./datetime.ts";

/** An array or an object of a parsed document. */
type Container = unknown[] | Record<string, unknown>;

/**
 * How deep a document's arrays and objects may nest. `structuredClone()` fails
 * from about 2,700 on, and an event must survive it; Python's own limit is
 * about 1,000.
 */
export const MAX_READ_DEPTH = 2000;

const DATE = /^\d{4}-\d\d-\d\d$/;
const TIME =
  /^\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?$/;
const DECIMAL =
  /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:E[+-]?\d+)?|Inf(?:inity)?|s?NaN\d*)$/i;
const HEX = /^[0-9a-f]{32}$/i;

const encoder = new TextEncoder();
const datetimeTexts = new WeakMap<Date, string>();

/**
 * The text that a `Date` of a decoded document was made from. It may have
 * microseconds, and an offset (or none), which a `Date` cannot hold.
 *
 * It is known for this very object only: a copy made by `structuredClone()` or
 * `postMessage()` has none, and neither has one that was changed since.
 */
export function datetimeText(date: Date): string | undefined {
  const text = datetimeTexts.get(date);
  return text !== undefined && parseDatetime(text) === date.getTime()
    ? text
    : undefined;
}

/**
 * Replaces each envelope inside `root`, at any depth, by what it stands for. In
 * place: `root` must be fresh from a parser.
 *
 * With `stopAtUnsafe` it also looks for numbers that may have been integers too
 * large for a number, gives up at the first, and returns false: the document
 * then needs the exact parser. Otherwise it returns true.
 *
 * @throws {RangeError} If `root` is nested more than 2,000 levels deep.
 */
export function reviveValues(root: object, stopAtUnsafe: boolean): boolean {
  // Level by level, not by recursion: a foreign document must not be able to
  // use up the stack, and a flat one, the common case, costs one loop.
  const pending: Container[] = [];
  let current = root as Container;
  let next = 0;
  let levelEnd = 0;
  let depth = 0;
  while (reviveMembers(current, pending, stopAtUnsafe)) {
    if (next === pending.length) return true;
    if (next === levelEnd) {
      levelEnd = pending.length;
      if (++depth > MAX_READ_DEPTH) {
        throw new RangeError(
          `it is nested more than ${MAX_READ_DEPTH} levels deep`,
        );
      }
    }
    current = pending[next++]!;
  }
  return false;
}

/** Revives what stands in `container` itself, and adds to `pending` what to look into next. */
function reviveMembers(
  container: Container,
  pending: Container[],
  stopAtUnsafe: boolean,
): boolean {
  if (Array.isArray(container)) {
    for (let i = 0; i < container.length; i++) {
      const value = container[i];
      if (typeof value === "object") {
        const revived = reviveOne(value, pending);
        if (revived !== value) container[i] = revived;
      } else if (stopAtUnsafe && typeof value === "number" && isUnsafe(value)) {
        return false;
      }
    }
    return true;
  }
  for (const key in container) {
    const value = container[key];
    if (typeof value === "object") {
      const revived = reviveOne(value, pending);
      // A key `__proto__` is an own property here, so that this sets it.
      if (revived !== value) container[key] = revived;
    } else if (stopAtUnsafe && typeof value === "number" && isUnsafe(value)) {
      return false;
    }
  }
  return true;
}

/** What `value` stands for; if that is itself, it is pending, unless it is empty. */
function reviveOne(value: object | null, pending: Container[]): unknown {
  if (value === null) return value;
  if (Array.isArray(value)) {
    if (value.length > 0) pending.push(value);
    return value;
  }
  const members = value as Record<string, unknown>;
  const revived = reviveEnvelope(members);
  if (revived === members) pending.push(members);
  return revived;
}

/** Whether an integer of this size may have lost digits as a number. */
export function isUnsafe(value: number): boolean {
  return value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER;
}

/** What the envelope `value` stands for; `value` itself if it is none, or its content does not fit. */
function reviveEnvelope(value: Record<string, unknown>): unknown {
  const type = value["__type__"];
  if (typeof type !== "string") return value;
  // Exactly these two members, as kombu has it.
  if (Object.keys(value).length !== 2 || !Object.hasOwn(value, "__value__")) {
    return value;
  }
  return reviveAs(type, value["__value__"]) ?? value;
}

/** What `content` stands for as a `type`; undefined if it cannot. */
function reviveAs(type: string, content: unknown): unknown {
  if (type === "uuid") {
    const hex = (content as { hex?: unknown } | null)?.hex;
    return typeof hex === "string" && HEX.test(hex) ? dashed(hex) : undefined;
  }
  if (typeof content !== "string") return undefined;
  switch (type) {
    case "datetime":
      return toDate(content);
    case "date":
      return DATE.test(content) ? content : undefined;
    case "time":
      return TIME.test(content) ? content : undefined;
    case "decimal":
      return DECIMAL.test(content) ? content : undefined;
    case "bytes":
      return content.isWellFormed() ? encoder.encode(content) : undefined;
    case "base64":
      return decodeBase64(content);
    default:
      return undefined;
  }
}

/** The `Date` that a text of Python's stands for, which is kept beside it; undefined if it is none. */
export function toDate(text: string): Date | undefined {
  const time = parseDatetime(text);
  if (Number.isNaN(time)) return undefined;
  const date = new Date(time);
  datetimeTexts.set(date, text);
  return date;
}

function dashed(hex: string): string {
  const digits = hex.toLowerCase();
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${
    digits.slice(12, 16)
  }-${digits.slice(16, 20)}-${digits.slice(20)}`;
}

function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    return undefined;
  }
}
