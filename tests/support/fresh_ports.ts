/**
 * Tests of ports that nothing listens on any more.
 *
 * @module
 */

import { assertRejects } from "./assert.ts";

/** How often a test runs before its failure counts. */
const ATTEMPTS = 5;

/**
 * Runs a test that frees a port and expects nothing to listen there, and repeats
 * it if it fails. In a parallel run, another process may take the port at any
 * moment. A server that still listens fails every attempt.
 */
export async function withFreshPorts(test: () => Promise<void>): Promise<void> {
  for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
    try {
      return await test();
    } catch {
      // The last attempt reports its failure.
    }
  }
  await test();
}

/** Asserts that nothing listens at an address. */
export async function assertRefused(
  { hostname, port }: { readonly hostname: string; readonly port: number },
): Promise<void> {
  await assertRejects(async () => {
    // Closed, in case another process listens there.
    using _connection = await Deno.connect({ hostname, port });
  }, Deno.errors.ConnectionRefused);
}
