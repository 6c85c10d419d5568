/** Whether a decoded or plain value is a dict, as Python calls it: not a list, a `Date` or bytes. */
export function isDict(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date) && !(value instanceof Uint8Array);
}
