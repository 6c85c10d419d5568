/**
 * How many digits an integer in a document may have. Reading one, and writing
 * it, takes the square of that; Python refuses more, too.
 *
 * Python: `sys.int_info.default_max_str_digits`.
 */
export const MAX_DIGITS = 4300;

/** The smallest positive integer that has too many. */
const LIMIT = 10n ** BigInt(MAX_DIGITS);

/**
 * Reads an integer: decimal digits, perhaps behind a minus, or whatever else
 * `BigInt()` reads.
 *
 * @throws {RangeError} If it has more than 4,300 digits.
 */
export function parseInteger(text: string): bigint {
  const digits = text.startsWith("-") ? text.length - 1 : text.length;
  if (digits <= MAX_DIGITS) return BigInt(text);
  throw new RangeError(
    `it has an integer of ${digits} digits, and more than ${MAX_DIGITS} are not read, as in Python`,
  );
}

/** Whether `value` has more digits than are read. */
export function hasTooManyDigits(value: bigint): boolean {
  return value >= LIMIT || value <= -LIMIT;
}
