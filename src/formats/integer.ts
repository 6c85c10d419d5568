/**
 * How many digits an integer in a document may have. Parsing and formatting take
 * quadratic time; Python has the same limit.
 *
 * Python: `sys.int_info.default_max_str_digits`.
 */
export const MAX_DIGITS = 4300;

/** The smallest positive integer with too many digits. */
const LIMIT = 10n ** BigInt(MAX_DIGITS);

/**
 * Parses an integer: decimal digits with an optional minus sign, or another form
 * that `BigInt()` accepts.
 *
 * @throws {RangeError} If it has more than 4,300 digits.
 */
export function parseInteger(text: string): bigint {
  const digits = text.startsWith("-") ? text.length - 1 : text.length;
  if (digits <= MAX_DIGITS) return BigInt(text);
  throw new RangeError(
    `it has an integer of ${digits} digits, more than the ${MAX_DIGITS} that are read, as in Python`,
  );
}

/** Whether `value` has more digits than a document may hold. */
export function hasTooManyDigits(value: bigint): boolean {
  return value >= LIMIT || value <= -LIMIT;
}
