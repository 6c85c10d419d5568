import {
  dateRefusal,
  integerRefusal,
  isBoxed,
  isoformat,
  MAX_WRITE_DEPTH,
  pathText,
  refusalOf,
} from "../encodable.ts";
import { datetimeText } from "../envelopes.ts";

/** How JSON writes a `Date` and bytes: with kombu's envelopes, or without. */
export type JsonTypes = "tagged" | "plain";

/** What cannot stand in a string as it is: all but the printable ASCII characters, `"` and `\`. */
const SPECIAL = /[^ !#-[\]-~]/;
/** What `JSON.stringify()` leaves as it is, and Python escapes. */
const WIDE = /[\u007f-\uffff]/g;

/**
 * Writes JSON byte for byte as Python's `json.dumps()` and Celery do: with
 * `", "` and `": "` between, all but printable ASCII escaped, `NaN` and
 * `Infinity` bare.
 *
 * Like `JSON.stringify()` it calls `toJSON()`, and leaves out the members of an
 * object that are undefined (in an array they are null, and so is `value`).
 * Beyond it:
 *
 * - bigint: its digits, at most 4,300, which are all that Python reads;
 * - a number beyond 2^53: a float (`1e+16`), since it may be rounded;
 * - `Date`: kombu's `datetime` envelope; one from a document, as it was there;
 * - `Uint8Array`: the `bytes` envelope if it is UTF-8, or else `base64`.
 *
 * Kombu 5.3 and later read these envelopes. With `types` `"plain"` it writes
 * what kombu 5.2 and older did: a `Date` as its text, and no bytes.
 *
 * @throws {TypeError} If `value` holds something that JSON has no word for (a
 * `Map`, a `Set`, a function, a symbol, an `Error`, a promise, an invalid
 * `Date`), contains itself, or is nested more than 800 levels deep. The message
 * says where, beginning with `name`.
 */
export function encodeJson(
  value: unknown,
  name = "result",
  types: JsonTypes = "tagged",
): string {
  // Most members of a document are one of these: nothing has to be kept for them.
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return encodeString(value);
  return new Encoder(name, types).encode(value, "") ?? "null";
}

/** Writes one value; knows where in it it is, for the messages. */
class Encoder {
  /** The arrays and objects around the present place, outermost first. */
  readonly #ancestors: object[] = [];
  /** The keys and indices that lead to the present place. */
  readonly #path: (string | number)[] = [];
  /** What the messages call the whole value. */
  readonly #name: string;
  /** How to write what JSON has no word for. */
  readonly #types: JsonTypes;

  constructor(name: string, types: JsonTypes) {
    this.#name = name;
    this.#types = types;
  }

  /** The JSON of `value`, which stands at `key`; undefined for undefined. */
  encode(value: unknown, key: string | number): string | undefined {
    switch (typeof value) {
      case "string":
        return encodeString(value);
      case "number":
        return encodeNumber(value);
      case "boolean":
        return value ? "true" : "false";
      case "undefined":
        return undefined;
      case "bigint":
        return this.#integer(value);
      case "object":
        return value === null ? "null" : this.#object(value, key);
      case "function":
        this.#refuse("a function", "leave it out, or call it");
        break;
      default:
        this.#refuse("a symbol", "leave it out, or store its description");
    }
  }

  #object(value: object, key: string | number): string | undefined {
    if (value instanceof Date) return this.#date(value);
    if (value instanceof Uint8Array) return this.#bytes(value);
    const ancestors = this.#ancestors;
    if (ancestors.includes(value)) {
      this.#refuse("a value that contains itself", "break the cycle");
    }
    if (ancestors.length === MAX_WRITE_DEPTH) {
      this.#refuse(
        `a value nested more than ${MAX_WRITE_DEPTH} levels deep`,
        "flatten it: Python would not read it back",
      );
    }
    ancestors.push(value);
    const text = this.#content(value, key);
    ancestors.pop();
    return text;
  }

  #content(value: object, key: string | number): string | undefined {
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON === "function") {
      return this.encode(toJSON.call(value, String(key)), key);
    }
    if (Array.isArray(value)) return this.#array(value);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      if (isBoxed(value)) return this.encode(value.valueOf(), key);
      const refusal = refusalOf(value);
      if (refusal !== undefined) this.#refuse(...refusal);
    }
    return this.#members(value as Record<string, unknown>);
  }

  #array(value: unknown[]): string {
    if (value.length === 0) return "[]";
    const depth = this.#path.length;
    let text = "[";
    for (let i = 0; i < value.length; i++) {
      this.#path[depth] = i;
      text += (i === 0 ? "" : ", ") + (this.encode(value[i], i) ?? "null");
    }
    this.#path.length = depth;
    return `${text}]`;
  }

  #members(value: Record<string, unknown>): string {
    const depth = this.#path.length;
    let text = "";
    for (const key of Object.keys(value)) {
      this.#path[depth] = key;
      const member = this.encode(value[key], key);
      if (member === undefined) continue;
      text += `${text === "" ? "" : ", "}${encodeString(key)}: ${member}`;
    }
    this.#path.length = depth;
    return `{${text}}`;
  }

  #integer(value: bigint): string {
    const refusal = integerRefusal(value);
    if (refusal !== undefined) this.#refuse(...refusal);
    return value.toString();
  }

  #date(value: Date): string {
    const known = datetimeText(value);
    if (known === undefined) {
      const refusal = dateRefusal(value);
      if (refusal !== undefined) this.#refuse(...refusal);
    }
    return this.#types === "tagged"
      ? envelope("datetime", known ?? isoformat(value))
      : encodeString(known ?? zuluText(value));
  }

  #bytes(value: Uint8Array): string {
    if (this.#types === "tagged") return encodeBytes(value);
    this.#refuse(
      "a Uint8Array",
      'store its base64 (bytes.toBase64()), since JSON without envelopes (jsonTypes: "plain") has no bytes',
    );
  }

  #refuse(what: string, advice: string): never {
    throw new TypeError(
      `Cannot encode ${what} at ${pathText(this.#name, this.#path)}: ${advice}`,
    );
  }
}

/** Writes one string. */
export function encodeString(value: string): string {
  if (!SPECIAL.test(value)) return `"${value}"`;
  // It escapes lone surrogates and control characters as Python does.
  return JSON.stringify(value).replace(WIDE, escapeCharacter);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function encodeNumber(value: number): string {
  if (Number.isSafeInteger(value)) {
    return Object.is(value, -0) ? "-0.0" : String(value);
  }
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  // Where Python's repr() changes to the other form.
  if (size >= 1e16 || size < 1e-4) return exponential(value);
  // An integer here is beyond 2^53: without the point, Python and bigint readers would take its digits as exact.
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** Python writes at least two digits of exponent: `1e-05`. */
function exponential(value: number): string {
  const [digits, exponent] = value.toExponential().split("e") as [
    string,
    string,
  ];
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** Kombu 5.2's text of a datetime in UTC: Python writes six digits of a second, or none. */
function zuluText(value: Date): string {
  const text = value.toISOString();
  return text.endsWith(".000Z")
    ? text.replace(".000Z", "Z")
    : text.replace("Z", "000Z");
}

function encodeBytes(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
    return envelope("bytes", text);
  } catch {
    return envelope("base64", bytes.toBase64());
  }
}

function envelope(type: string, value: string): string {
  return `{"__type__": "${type}", "__value__": ${encodeString(value)}}`;
}
