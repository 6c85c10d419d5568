/**
 * Returns `value`.
 *
 * @throws {RangeError} if it is less than `min`, or not a number.
 */
export function numberAtLeast(
  min: number,
  name: string,
  value: number,
): number {
  if (value >= min) return value;
  throw new RangeError(
    `Cannot use ${value} as ${name}: expected a number from ${min}`,
  );
}
