import { ConfigurationError } from "../errors.ts";

/**
 * The value of a number option, or its default.
 *
 * @throws {ConfigurationError} if it is not a number, or is less than `least`.
 */
export function numberOption(
  least: number,
  name: string,
  value: number | undefined,
  byDefault: number,
): number {
  if (value === undefined) return byDefault;
  if (typeof value !== "number" || !(value >= least)) {
    throw new ConfigurationError(
      `Cannot use ${String(value)} as ${name}: expected a number from ${least}`,
    );
  }
  return value;
}

/**
 * The value of a boolean option, or its default.
 *
 * @throws {ConfigurationError} if it is not a boolean.
 */
export function booleanOption(
  name: string,
  value: boolean | undefined,
  byDefault: boolean,
): boolean {
  if (value === undefined) return byDefault;
  if (typeof value === "boolean") return value;
  throw new ConfigurationError(
    `Cannot use ${String(value)} as ${name}: expected true or false`,
  );
}
