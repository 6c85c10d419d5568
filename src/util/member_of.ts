/** The member of anything; undefined where there is none, or reading it throws. */
export function memberOf(value: unknown, key: string | symbol): unknown {
  if (value === null || value === undefined) return undefined;
  try {
    // Any value but these two has members, or none.
    return (value as Record<string | symbol, unknown>)[key];
  } catch {
    return undefined;
  }
}
