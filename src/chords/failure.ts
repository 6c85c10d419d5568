import type { ChordRequest } from "./request.ts";
import type { CallOptions } from "../source/command_runner.ts";
import type { SignatureTask } from "../protocol/signature.ts";
import type { StoreOptions } from "../store/result_store.ts";

/** The state of a failure. */
export type FailureState = "FAILURE" | "REVOKED";

/** How failures are stored and parts returned. */
export interface FailureContext {
  /** Stores a failure. Resolves to false if the stored result is a SUCCESS. */
  store(
    taskId: string,
    failure: unknown,
    state: FailureState,
    options: StoreOptions,
  ): Promise<boolean>;
  /** Returns the part of a failed task to its chord. */
  returnPart(
    request: ChordRequest,
    failure: unknown,
    state: FailureState,
    options: CallOptions,
  ): Promise<unknown>;
}

/** A failure to store. */
export interface Failure {
  /** An Error, or a description of the exception that Python should raise. */
  readonly error: unknown;
  /** Its state. */
  readonly state: FailureState;
  /** Its traceback, as text. */
  readonly traceback: string | null;
}

/**
 * Fails tasks that will never run: stores the failure for each, and then returns
 * `parts` and the part of each task that belongs to a chord. An error does not
 * stop it: everything is attempted.
 *
 * @throws the first error.
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
  // After the stores: a header that was saved as a group is joined from the
  // stored results.
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
