/** The options of std/async's `delay`. */
export interface DelayOptions {
  signal?: AbortSignal;
  persistent?: boolean;
}

/** Resolves after `ms` milliseconds, or rejects when the signal aborts. */
export function delay(ms: number, options?: DelayOptions): Promise<void>;
