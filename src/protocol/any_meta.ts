import type { EventOrigin, MetaFields } from "./meta.ts";
import { isReady } from "./states.ts";

/** A meta or an event that is being built, before its state narrows its type. */
export interface AnyMeta extends MetaFields {
  /** Any state. */
  state: string;
  /** Whether the state is ready. */
  ready: boolean;
  /** The result, decoded as the state requires. */
  result: unknown;
  /** Where an event came from; a meta has no origin. */
  origin?: EventOrigin;
}

/**
 * Makes a meta, or an event if there is an `origin`. All are made here, so that
 * they have the same members in the same order, which makes them fast to read.
 */
export function createMeta(
  taskId: string,
  state: string,
  result: unknown,
  traceback: string | null,
  children: unknown,
  dateDone: Date | null,
  origin: EventOrigin | undefined,
): AnyMeta {
  const ready = isReady(state) || state === "UNDECODABLE";
  return origin === undefined
    ? { taskId, state, ready, result, traceback, children, dateDone, extra: {} }
    : {
      taskId,
      state,
      ready,
      result,
      traceback,
      children,
      dateDone,
      extra: {},
      origin,
    };
}
