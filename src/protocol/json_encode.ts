import { datetimeText } from "./values.ts";

/**
 * How deep a value may nest. Python's parser gives up near 1,000 levels, less
 * the depth of the stack it is called on, and would then read nothing at all.
 */
const MAX_DEPTH = 800;

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
 * - bigint: its digits, since Python's integers have no limit;
 * - a number beyond 2^53: a float (`1e+16`), since it may be rounded;
 * - `Date`: kombu's `datetime` envelope; one from a document, as it was there;
 * - `Uint8Array`: the `bytes` envelope if it is UTF-8, or else `base64`.
 *
 * Kombu 5.3 and later read these envelopes; for older ones pass a string.
 *
 * @throws {TypeError} If `value` holds something that JSON has no word for (a
 * `Map`, a `Set`, a function, a symbol, an `Error`, a promise, an invalid
 * `Date`), contains itself, or is nested more than 800 levels deep. The message
 * says where, beginning with `name`.
 */
export function encodeJson(value: unknown, name = "result"): string {
  return new Encoder(name).encode(value, "") ?? "null";
}

/** Writes one value; knows where in it it is, for the messages. */
class Encoder {
  /** The arrays and objects around the present place, outermost first. */
  readonly #ancestors: object[] = [];
  /** The keys and indices that lead to the present place. */
  readonly #path: (string | number)[] = [];
  /** What the messages call the whole value. */
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
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
        return value.toString();
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
    if (value instanceof Uint8Array) return encodeBytes(value);
    const ancestors = this.#ancestors;
    if (ancestors.includes(value)) {
      this.#refuse("a value that contains itself", "break the cycle");
    }
    if (ancestors.length === MAX_DEPTH) {
      this.#refuse(
        `a value nested more than ${MAX_DEPTH} levels deep`,
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
      this.#check(value);
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

  #date(value: Date): string {
    const text = datetimeText(value) ?? this.#isoformat(value);
    return envelope("datetime", text);
  }

  /** Python's `datetime.isoformat()` in UTC; before 3.11 it cannot read `Z`. */
  #isoformat(value: Date): string {
    const year = value.getUTCFullYear();
    if (!(year >= 1 && year <= 9999)) {
      this.#refuse(
        Number.isNaN(year) ? "an invalid Date" : `a Date in the year ${year}`,
        "store a text: Python's datetime covers the years 1 to 9999",
      );
    }
    return value.toISOString().replace("Z", "+00:00");
  }

  /** Refuses what `JSON.stringify()` would take for an empty object, or for one of numbered members. */
  #check(value: object): void {
    if (value instanceof Map) {
      this.#refuse("a Map", "use Object.fromEntries(map), or [...map]");
    }
    if (value instanceof Set) this.#refuse("a Set", "use [...set]");
    if (value instanceof Promise) this.#refuse("a promise", "await it first");
    if (value instanceof Error) {
      this.#refuse("an Error", "store its message, or the state FAILURE");
    }
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
      this.#refuse(
        Object.prototype.toString.call(value).slice(8, -1),
        "use a Uint8Array for bytes, or an array for numbers",
      );
    }
    if (
      value instanceof WeakMap || value instanceof WeakSet ||
      value instanceof WeakRef || value instanceof RegExp
    ) {
      this.#refuse(
        `a ${Object.prototype.toString.call(value).slice(8, -1)}`,
        "leave it out, or store a text",
      );
    }
  }

  #refuse(what: string, advice: string): never {
    throw new TypeError(
      `Cannot encode ${what} at ${pathText(this.#name, this.#path)}: ${advice}`,
    );
  }
}

/** A place in the value, as one would write it in code: `result.items[3]`. */
function pathText(name: string, path: (string | number)[]): string {
  let text = name;
  // The whole way of a value that is nested too deeply would help nobody.
  for (const key of path.slice(0, 20)) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(key)) text += `.${key}`;
    else text += `[${JSON.stringify(key)}]`;
  }
  return path.length > 20 ? `${text}...` : text;
}

function isBoxed(value: object): boolean {
  return value instanceof Number || value instanceof String ||
    value instanceof Boolean || value instanceof BigInt;
}

function encodeString(value: string): string {
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
