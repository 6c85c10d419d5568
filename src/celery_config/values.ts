import { ConfigurationError } from "../errors.ts";
import { maskUrl } from "../redis/url/mask.ts";
import type { Given } from "./names.ts";

/**
 * A number; `null`, Python's None, counts as not given. Text that is one will
 * do, since configurations are often read from the environment.
 *
 * @throws {ConfigurationError} if it is none, or less than `least`.
 */
export function numberOf(
  given: Given | undefined,
  least: number,
): number | undefined {
  if (given === undefined || given.value === null) return undefined;
  const { name, value } = given;
  const number = typeof value === "string" && /^[\d.]+$/.test(value)
    ? Number(value)
    : value;
  if (typeof number === "number" && number >= least) return number;
  throw wrong(name, value, `a number from ${least}`);
}

/**
 * A whole number, which may be Infinity.
 *
 * @throws {ConfigurationError} if it is none, or less than `least`.
 */
export function wholeOf(
  given: Given | undefined,
  least: number,
): number | undefined {
  const number = numberOf(given, least);
  if (
    given === undefined || number === undefined || number === Infinity ||
    Number.isSafeInteger(number)
  ) return number;
  throw wrong(given.name, given.value, `a whole number from ${least}`);
}

/**
 * Seconds above 0, in milliseconds; 0, `null` and what is not given are none.
 *
 * @throws {ConfigurationError} if it is no number, less than 0, or without end.
 */
export function millisecondsOf(given: Given | undefined): number | undefined {
  const seconds = numberOf(given, 0);
  if (given === undefined || seconds === undefined || seconds === 0) {
    return undefined;
  }
  if (seconds !== Infinity) return seconds * 1000;
  throw wrong(given.name, given.value, "a number of seconds");
}

/**
 * True or false; `null` counts as not given.
 *
 * @throws {ConfigurationError} if it is neither. Text is refused: to Python,
 * "false" is true.
 */
export function booleanOf(given: Given | undefined): boolean | undefined {
  if (given === undefined || given.value === null) return undefined;
  const { name, value } = given;
  if (typeof value === "boolean") return value;
  throw wrong(name, value, "true or false");
}

/**
 * Text; empty text and `null` count as not given.
 *
 * @throws {ConfigurationError} if it is something else, which is not shown: it
 * may be a password.
 */
export function toText(given: Given | undefined): string | undefined {
  if (given === undefined || given.value === null || given.value === "") {
    return undefined;
  }
  const { name, value } = given;
  if (typeof value === "string") return value;
  throw new ConfigurationError(
    `Cannot use what ${name} is: expected text, and this is of the type ${typeof value}`,
  );
}

/** Says what a setting should have been. */
export function wrong(
  name: string,
  value: unknown,
  expected: string,
): ConfigurationError {
  return new ConfigurationError(
    `Cannot use ${shown(value)} as ${name}: expected ${expected}`,
  );
}

/** A value of whatever type, in a line. A whole URL may stand where its host should, and hold a password. */
function shown(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.includes("@") ? maskUrl(value) : value);
  }
  return typeof value === "object" && value !== null
    ? "an object"
    : String(value);
}
