import type { ChordRequest } from "./request.ts";
import type { CallOptions } from "../source/commands.ts";
import type { SignatureTask } from "../protocol/signature.ts";
import type { StoreOptions } from "../store/result_store.ts";

/** A state that a failure has. */
export type FailureState = "FAILURE" | "REVOKED";

/** What failures are stored with, and parts returned. */
export interface FailureContext {
  /** Stores a failure: an Error, or what Python should raise. False if an earlier SUCCESS stands. */
  store(
    taskId: string,
    failure: unknown,
    state: FailureState,
    options: StoreOptions,
  ): Promise<boolean>;
  /** Returns the part of a task that failed to its chord. */
  returnPart(
    request: ChordRequest,
    failure: unknown,
    state: FailureState,
    options: CallOptions,
  ): Promise<unknown>;
}

/** A failure, and how it is stored. */
export interface Failure {
  /** An Error, or what Python should raise. */
  readonly error: unknown;
  /** The state that goes with it. */
  readonly state: FailureState;
  /** Its traceback, as text. */
  readonly traceback: string | null;
}

/**
 * Fails tasks that will never run: stores the failure for each, and then returns
 * `parts`, and the part of each task that belongs to a chord. Everything is
 * attempted, also where something goes wrong before.
 *
 * @throws the first of what went wrong.
 */
export async function failTasks(
  context: FailureContext,
  { error, state, traceback }: Failure,
  tasks: readonly SignatureTask[],
  parts: readonly ChordRequest[],
  options: CallOptions,
): Promise<void> {
  const stored = await Promise.allSettled(
    tasks.map(async ({ taskId, fields }) => {
      const document = { ...options, ...fields, traceback };
      await context.store(taskId, error, state, document);
    }),
  );
  // A header that was saved as a group is joined by what is stored.
  const returned = await Promise.allSettled(
    [...parts, ...tasks.flatMap(({ part }) => part ?? [])].map(
      async (request) => {
        await context.returnPart(request, error, state, options);
      },
    ),
  );
  for (const outcome of [...stored, ...returned]) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}
