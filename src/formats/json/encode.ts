import { decodeUtf8 } from "../../util/decode_utf8.ts";
import { integerRefusal, toIsoformat } from "../encodable.ts";
import { datetimeText } from "../envelopes.ts";
import { type Leaf, Walker } from "../walker.ts";

/** How JSON represents a `Date` and bytes: with kombu's envelopes, or without. */
export type JsonTypes = "tagged" | "plain";

/** What a string cannot hold unescaped: `"`, `\`, and all but printable ASCII. */
const SPECIAL = /[^ !#-[\]-~]/;
/** What Python escapes, and `JSON.stringify()` does not. */
const WIDE = /[\u007f-\uffff]/g;

/**
 * Encodes JSON byte for byte as Python's `json.dumps()` and Celery do: with the
 * separators `", "` and `": "`, all but printable ASCII escaped, and bare `NaN`
 * and `Infinity`.
 *
 * Like `JSON.stringify()` it calls `toJSON()`, and leaves out the members of an
 * object that are undefined (in an array they are null, and so is `value`).
 * Unlike it:
 *
 * - a bigint is its digits: at most 4,300, which are all that Python reads;
 * - a number beyond 2^53 is a float (`1e+16`), since it may be rounded;
 * - a `Date` is kombu's `datetime` envelope; a decoded one keeps its text;
 * - a `Uint8Array` is a `bytes` envelope if it is UTF-8, otherwise `base64`.
 *
 * Kombu 5.3 and later read these envelopes. With `types` `"plain"` a `Date` is
 * its text, as kombu 5.2 and older encoded it, and bytes are refused.
 *
 * @throws {TypeError} If `value` holds something that JSON cannot represent (a
 * `Map`, a `Set`, a function, a symbol, an `Error`, a promise, an invalid
 * `Date`), contains itself, or is nested more than 800 levels deep. The message
 * has the path, which begins with `name`.
 */
export function encodeJson(
  value: unknown,
  name = "result",
  types: JsonTypes = "tagged",
): string {
  // Most members of a document are one of these, and need no walk.
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return encodeString(value);
  return new Encoder(name, types).walk(value) ?? "null";
}

class Encoder extends Walker<string> {
  readonly #types: JsonTypes;

  constructor(name: string, types: JsonTypes) {
    super(name);
    this.#types = types;
  }

  protected override leaf(value: Leaf): string {
    switch (typeof value) {
      case "string":
        return encodeString(value);
      case "number":
        return encodeNumber(value);
      case "boolean":
        return value ? "true" : "false";
      case "bigint":
        this.check(integerRefusal(value));
        return value.toString();
      default:
        if (value === null) return "null";
        return value instanceof Date ? this.#date(value) : this.#bytes(value);
    }
  }

  protected override array(items: unknown[]): string {
    let text = "";
    for (let i = 0; i < items.length; i++) {
      text += (i === 0 ? "" : ", ") + (this.member(items[i], i) ?? "null");
    }
    return `[${text}]`;
  }

  protected override object(members: Record<string, unknown>): string {
    let text = "";
    for (const key of Object.keys(members)) {
      const member = this.member(members[key], key);
      if (member === undefined) continue;
      text += `${text === "" ? "" : ", "}${encodeString(key)}: ${member}`;
    }
    return `{${text}}`;
  }

  #date(value: Date): string {
    const known = datetimeText(value);
    return this.#types === "tagged"
      ? encodeEnvelope("datetime", known ?? toIsoformat(value))
      : encodeString(known ?? toZuluText(value));
  }

  #bytes(value: Uint8Array): string {
    if (this.#types === "tagged") return encodeBytes(value);
    this.refuse(
      "a Uint8Array",
      'store its base64 (bytes.toBase64()), since JSON without envelopes (jsonTypes: "plain") has no bytes',
    );
  }
}

/** Encodes a string. */
export function encodeString(value: string): string {
  if (!SPECIAL.test(value)) return `"${value}"`;
  // JSON.stringify() escapes lone surrogates and control characters as Python does.
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
  // Where Python's repr() switches to an exponent.
  if (size >= 1e16 || size < 1e-4) return toExponential(value);
  // An integer here is beyond 2^53. The point tells Python, and bigint readers, that it is not exact.
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

/** Formats a number with an exponent of at least two digits, as Python does: `1e-05`. */
function toExponential(value: number): string {
  const [digits, exponent] = value.toExponential().split("e") as [
    string,
    string,
  ];
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** Formats a datetime in UTC as kombu 5.2 did: with six digits of a second, or none. */
function toZuluText(value: Date): string {
  const text = value.toISOString();
  return text.endsWith(".000Z")
    ? text.replace(".000Z", "Z")
    : text.replace("Z", "000Z");
}

function encodeBytes(bytes: Uint8Array): string {
  const text = decodeUtf8(bytes);
  return text === undefined
    ? encodeEnvelope("base64", bytes.toBase64())
    : encodeEnvelope("bytes", text);
}

function encodeEnvelope(type: string, value: string): string {
  return `{"__type__": "${type}", "__value__": ${encodeString(value)}}`;
}
