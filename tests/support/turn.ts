// Saved before any test replaces it with a fake.
const realSetTimeout = globalThis.setTimeout;

/**
 * Resolves in the next turn of the event loop, after everything that waits only
 * for promises. Needs no time to pass.
 */
export function turn(): Promise<void> {
  return new Promise((resolve) => void realSetTimeout(resolve, 0));
}
