import { onAbort } from "../util/on_abort.ts";

interface PendingCommand {
  readonly controller: AbortController;
  readonly done: PromiseWithResolvers<void>;
}

/** The commands in progress: as long as there are any, the source needs a link. */
export class PendingCommands {
  readonly #pending = new Set<PendingCommand>();

  /** The number of commands in progress. */
  get size(): number {
    return this.#pending.size;
  }

  /**
   * Runs `work`, and counts it until it is done. The signal passed to it aborts
   * with `signal`, or by {@linkcode abort}.
   */
  async run<T>(
    work: (signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const controller = new AbortController();
    using _abort = onAbort(signal, (reason) => controller.abort(reason));
    const command = { controller, done: Promise.withResolvers<void>() };
    this.#pending.add(command);
    try {
      return await work(controller.signal);
    } finally {
      this.#pending.delete(command);
      command.done.resolve();
    }
  }

  /** Resolves when the commands that are in progress now are done. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#pending, ({ done }) => done.promise));
  }

  /** Aborts the signal of each command in progress. */
  abort(reason: Error): void {
    for (const { controller } of this.#pending) controller.abort(reason);
  }
}
