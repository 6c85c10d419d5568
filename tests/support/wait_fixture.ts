import { resolveFormats } from "../../src/formats/options.ts";
import { ResultLookup } from "../../src/store/lookup.ts";
import { KeySpace } from "../../src/protocol/keys.ts";
import type { ResultEvent } from "../../src/protocol/meta.ts";
import type { JoinOptions } from "../../src/results/options.ts";
import { type WaitContext, waitForOutcomes } from "../../src/results/wait.ts";
import { documentOf, keyOf } from "./recording_reader.ts";
import { SourceFixture } from "./source_fixture.ts";

/** A source over a scripted driver, and waits on it. */
export class WaitFixture extends SourceFixture {
  /** The state and task of each outcome that a wait got. */
  readonly outcomes: string[] = [];
  /** The state and task of each event that an `onEvent` got. */
  readonly events: string[] = [];
  readonly #context: WaitContext = {
    source: this.source,
    lookup: new ResultLookup({
      commands: this.commands,
      keys: new KeySpace(),
      integers: "bigint",
      formats: resolveFormats({}, "bigint"),
    }),
    runtime: this.runtime,
  };

  constructor() {
    super();
    this.driver.onLink = (link) =>
      link.onCommand = ([_, key]) => this.driver.store.get(`${key}`) ?? null;
  }

  /** Waits for tasks; the failure of one of `parentIds` ends the wait. */
  wait(
    taskIds: string[],
    options: JoinOptions & { parentIds?: string[] } = {},
  ): Promise<void> {
    return waitForOutcomes(this.#context, {
      taskIds: new Set(taskIds),
      parentIds: new Set(options.parentIds),
      onOutcome: ({ state, taskId }) => {
        this.outcomes.push(`${state} ${taskId}`);
        if (state === "REVOKED") throw new Error(`${taskId} is refused`);
      },
    }, {
      onEvent: ({ state, taskId }: ResultEvent) =>
        void this.events.push(`${state} ${taskId}`),
      ...options,
    });
  }

  /** Stores and publishes a document, as a worker does. */
  put(taskId: string, state: string, result: unknown = null): void {
    const document = documentOf(state, result, taskId);
    this.driver.store.set(keyOf(taskId), document);
    for (const link of this.driver.links) {
      if (link.reason === undefined) link.publish(keyOf(taskId), document);
    }
  }
}
