/**
 * The meaning of scalars and tags in PyYAML's `safe_load()`. It differs from YAML
 * 1.1 in details on which `safe_dump()` relies: `y`, `08` and `1e5` are strings,
 * which it does not quote.
 *
 * @module
 */

import { FAILSAFE_SCHEMA, type Schema, Type } from "../../deps/js_yaml.ts";
import { toDate } from "../envelopes.ts";
import { parseInteger } from "../integer.ts";

const NULL = /^(?:~|null|Null|NULL|)$/;
const TRUE = /^(?:yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(?:no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const BOOLEAN = either(TRUE, FALSE);
const INTEGER =
  /^[-+]?(?:0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const FLOAT =
  /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const DATE = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;
const DATETIME =
  /^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(\.[0-9]*)?(?:[ \t]*(?:(Z)|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?$/;
const TIMESTAMP = either(DATE, DATETIME);

/** How many characters merge keys may copy in total: each can copy the whole document. */
const MAX_MERGED_CHARS = 10_000_000;

/** How many parts a number in base 60 may have: parsing takes quadratic time. */
const MAX_BASE_60_PARTS = 100;

const TAGS = FAILSAFE_SCHEMA.extend({
  implicit: [
    scalar("null", NULL, () => null),
    scalar("bool", BOOLEAN, (text) => TRUE.test(text)),
    scalar("int", INTEGER, toInteger),
    scalar("float", FLOAT, toFloat),
    scalar("timestamp", TIMESTAMP, toTimestamp),
  ],
  explicit: [
    scalar("binary", /^[A-Za-z0-9+/=\s]*$/, toBytes),
    new Type("tag:yaml.org,2002:set", {
      kind: "mapping",
      construct: (data) => Object.keys(data ?? {}),
    }),
  ],
});

/**
 * Makes a schema of YAML's own tags, for one document of `size` characters. The
 * parser refuses all other tags, such as Python's. The schema limits merges,
 * which PyYAML never writes, since a short document of many could fill the
 * memory.
 */
export function createSchema(size: number): Schema {
  let merged = 0;
  return TAGS.extend({
    implicit: [
      new Type("tag:yaml.org,2002:merge", {
        kind: "scalar",
        resolve(data): boolean {
          if (data !== "<<") return false;
          merged += size;
          if (merged <= MAX_MERGED_CHARS) return true;
          throw new RangeError("it merges too much");
        },
      }),
    ],
  });
}

function either(first: RegExp, second: RegExp): RegExp {
  return new RegExp(`${first.source}|${second.source}`);
}

/** Makes the type of the scalars whose text matches `pattern`. */
function scalar(
  name: string,
  pattern: RegExp,
  construct: (text: string) => unknown,
): Type {
  return new Type(`tag:yaml.org,2002:${name}`, {
    kind: "scalar",
    resolve: (data) => pattern.test(scalarText(data)),
    construct: (data) => construct(scalarText(data)),
  });
}

/** Returns the text of a scalar: the parser passes null for an empty one. */
function scalarText(data: unknown): string {
  return typeof data === "string" ? data : "";
}

function toInteger(text: string): number | bigint {
  const digits = text.replaceAll("_", "").replace(/^[-+]/, "");
  const size = digits.includes(":")
    ? splitBase60(digits).reduce(
      (sum, part) => sum * 60n + parseInteger(part),
      0n,
    )
    : parseInteger(/^0[0-7]/.test(digits) ? `0o${digits}` : digits);
  const value = text.startsWith("-") ? -size : size;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function splitBase60(digits: string): string[] {
  const parts = digits.split(":");
  if (parts.length <= MAX_BASE_60_PARTS) return parts;
  throw new RangeError("it has a number in base 60 that is too long");
}

function toFloat(text: string): number {
  const digits = text.replaceAll("_", "").replace(/^[-+]/, "").toLowerCase();
  const size = digits === ".inf"
    ? Infinity
    : digits.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return text.startsWith("-") ? -size : size;
}

/** Makes a `Date` of a timestamp. A date without a time stays text, as in JSON. */
function toTimestamp(text: string): Date | string {
  const parts = DATETIME.exec(text);
  if (parts === null) return text;
  const [, year, month, day, hour, minute, second, fraction = "", zulu] = parts;
  const [sign, hours, minutes = "00"] = parts.slice(9);
  const offset = sign === undefined
    ? zulu ?? ""
    : `${sign}${pad(hours)}:${minutes}`;
  const iso = `${year}-${pad(month)}-${pad(day)}T${pad(hour)}:${minute}:` +
    `${second}${fraction === "." ? "" : fraction}${offset}`;
  return toDate(iso) ?? text;
}

function pad(digits = ""): string {
  return digits.padStart(2, "0");
}

function toBytes(text: string): Uint8Array {
  return Uint8Array.fromBase64(text);
}
