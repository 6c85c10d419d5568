// Taken before any test puts a fake in its place.
const realSetTimeout = globalThis.setTimeout;

/**
 * Resolves in the next turn of the event loop: whatever waits for nothing but
 * promises has happened by then. No time has to pass for it.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => void realSetTimeout(resolve, 0));
}
