/** What was thrown, or given as a reason, as an Error: anything can be. */
export function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
