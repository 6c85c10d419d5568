/**
 * The message of a task that Celery has put in a Redis queue.
 *
 * @module
 */

import { assert } from "./assert.ts";
import type { Reply } from "./client.ts";

/** A task's message, as far as a result backend needs it. */
export interface TaskMessage {
  headers: { id: string; group: string | null; group_index: number | null };
  args: unknown[];
  embed: {
    chord: Record<string, unknown> | null;
    chain: Record<string, unknown>[] | null;
  };
}

/** Parses the reply of BRPOP. */
export function taskMessage(popped: Reply): TaskMessage {
  assert(Array.isArray(popped), "no task came");
  const { body, headers } = JSON.parse(String(popped[1]));
  const [args, , embed] = JSON.parse(
    new TextDecoder().decode(Uint8Array.fromBase64(body)),
  );
  return { headers, args, embed };
}
