/**
 * Kombu's envelopes: how Celery's JSON represents values that JSON has no type for.
 *
 * | `__type__` | becomes |
 * |---|---|
 * | `datetime` | `Date`; its text is kept, see `datetimeText()` |
 * | `date`, `time`, `decimal` | string, as written |
 * | `uuid` | string, with dashes |
 * | `bytes`, `base64` | `Uint8Array` |
 *
 * Kombu 5.3 and later write envelopes; 5.2 and older wrote plain strings, which
 * stay strings.
 *
 * @module
 */

import { parseDatetime } from "./datetime.ts";

/** An array or an object of a parsed document. */
type Container = unknown[] | Record<string, unknown>;

/**
 * How deep a decoded value may nest. `structuredClone()` fails from about 2,700
 * levels, and an event must survive it. Python's own limit is about 1,000.
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
 * Returns the text that a decoded `Date` was made from. It may have
 * microseconds, and an offset (or none), which a `Date` cannot hold.
 *
 * Only the decoded object itself has a text: not a copy, such as
 * `structuredClone()` and `postMessage()` make, and not a `Date` that was
 * changed since.
 *
 * @category Streams
 */
export function datetimeText(date: Date): string | undefined {
  const text = datetimeTexts.get(date);
  return text !== undefined && parseDatetime(text) === date.getTime()
    ? text
    : undefined;
}

/**
 * Revives each envelope inside `root`, at any depth and in place: `root` must be
 * fresh from a parser.
 *
 * With `stopAtUnsafe` it returns false at the first number that may be a rounded
 * integer: the document then needs the exact parser. Otherwise it returns true.
 *
 * @throws {RangeError} If `root` is nested more than 2,000 levels deep.
 */
export function reviveValues(root: object, stopAtUnsafe: boolean): boolean {
  // Level by level instead of recursively: no document can exhaust the stack,
  // and a flat one, the common case, costs one loop.
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

/** Revives the members of `container`, and adds the containers among them to `pending`. */
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
      // The parser made even `__proto__` an own property, so this sets it.
      if (revived !== value) container[key] = revived;
    } else if (stopAtUnsafe && typeof value === "number" && isUnsafe(value)) {
      return false;
    }
  }
  return true;
}

/** Revives one value. A container that is not an envelope is added to `pending`, unless it is an empty list. */
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

/** Whether a number is so large that, as an integer, it may have been rounded. */
export function isUnsafe(value: number): boolean {
  return value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER;
}

/** Revives an envelope; returns `value` itself if it is not one, or its content does not fit its type. */
function reviveEnvelope(value: Record<string, unknown>): unknown {
  const type = value["__type__"];
  if (typeof type !== "string") return value;
  // Kombu requires exactly these two members.
  if (Object.keys(value).length !== 2 || !Object.hasOwn(value, "__value__")) {
    return value;
  }
  return reviveAs(type, value["__value__"]) ?? value;
}

/** Revives `content` as a `type`; undefined if it does not fit. */
function reviveAs(type: string, content: unknown): unknown {
  if (type === "uuid") {
    const hex = (content as { hex?: unknown } | null)?.hex;
    return typeof hex === "string" && HEX.test(hex)
      ? formatUuid(hex)
      : undefined;
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

/** Makes a `Date` of a text that `parseDatetime()` accepts, and keeps the text for `datetimeText()`; undefined for other text. */
export function toDate(text: string): Date | undefined {
  const time = parseDatetime(text);
  if (Number.isNaN(time)) return undefined;
  const date = new Date(time);
  datetimeTexts.set(date, text);
  return date;
}

function formatUuid(hex: string): string {
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
