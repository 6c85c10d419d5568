import { ConfigurationError } from "../errors.ts";
import { maskUrl } from "../redis/url/mask.ts";
import type { Setting } from "./names.ts";

/**
 * A number; undefined if it is missing or `null` (Python's None). Numeric text
 * is accepted, since configurations often come from the environment.
 *
 * @throws {ConfigurationError} if it is not a number, or is less than `least`.
 */
export function toNumber(
  setting: Setting | undefined,
  least: number,
): number | undefined {
  if (setting === undefined || setting.value === null) return undefined;
  const { value } = setting;
  const number = typeof value === "string" && /^[\d.]+$/.test(value)
    ? Number(value)
    : value;
  if (typeof number === "number" && number >= least) return number;
  throw invalidSetting(setting, `a number from ${least}`);
}

/**
 * A whole number, or Infinity; undefined if it is missing or `null`.
 *
 * @throws {ConfigurationError} if it is not one, or is less than `least`.
 */
export function toInteger(
  setting: Setting | undefined,
  least: number,
): number | undefined {
  const number = toNumber(setting, least);
  if (
    setting === undefined || number === undefined || number === Infinity ||
    Number.isSafeInteger(number)
  ) return number;
  throw invalidSetting(setting, `a whole number from ${least}`);
}

/**
 * Seconds, as milliseconds; undefined if they are missing, `null` or 0.
 *
 * @throws {ConfigurationError} if they are not a number, negative, or infinite.
 */
export function toMilliseconds(
  setting: Setting | undefined,
): number | undefined {
  const seconds = toNumber(setting, 0);
  if (setting === undefined || seconds === undefined || seconds === 0) {
    return undefined;
  }
  if (seconds !== Infinity) return seconds * 1000;
  throw invalidSetting(setting, "a number of seconds");
}

/**
 * True or false; undefined if it is missing or `null`.
 *
 * @throws {ConfigurationError} if it is neither. Text is rejected: in Python,
 * "false" is true.
 */
export function toBoolean(setting: Setting | undefined): boolean | undefined {
  if (setting === undefined || setting.value === null) return undefined;
  if (typeof setting.value === "boolean") return setting.value;
  throw invalidSetting(setting, "true or false");
}

/**
 * Text; undefined if it is missing, `null` or empty.
 *
 * @throws {ConfigurationError} if it is not text. The message does not show the
 * value, which may be a password.
 */
export function toText(setting: Setting | undefined): string | undefined {
  if (setting === undefined || setting.value === null || setting.value === "") {
    return undefined;
  }
  const { name, value } = setting;
  if (typeof value === "string") return value;
  throw new ConfigurationError(
    `Cannot use the value of ${name}: expected text, got type ${typeof value}`,
  );
}

/** Whether Python treats the value as false. */
export function isFalsy(value: unknown): boolean {
  return !value ||
    (typeof value === "object" && Object.keys(value).length === 0);
}

/** The error for a setting that should have been `expected`. */
export function invalidSetting(
  { name, value }: Setting,
  expected: string,
): ConfigurationError {
  return new ConfigurationError(
    `Cannot use ${formatValue(value)} as ${name}: expected ${expected}`,
  );
}

/** A value on one line. A URL may be given in place of its host, and hold a password. */
function formatValue(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.includes("@") ? maskUrl(value) : value);
  }
  return typeof value === "object" && value !== null
    ? "an object"
    : String(value);
}
