/** Reads a property of any value; undefined if it has none, or reading it throws. */
export function memberOf(value: unknown, key: string | symbol): unknown {
  if (value === null || value === undefined) return undefined;
  try {
    // Any other value can be asked for properties.
    return (value as Record<string | symbol, unknown>)[key];
  } catch {
    return undefined;
  }
}
