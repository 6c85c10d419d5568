import type { CallOptions } from "../source/commands.ts";
import type { GroupResult } from "./group_result.ts";
import type { GroupStore } from "../store/group_store.ts";
import type { ResultEvent } from "../protocol/meta.ts";
import type { AsyncResult } from "./result.ts";
import type { WaitContext } from "./wait.ts";

/** What a result needs of its backend. @internal */
export interface ResultContext extends WaitContext {
  /** Where groups are saved. */
  readonly groups: GroupStore;
  /** Streams the events of tasks. */
  stream(
    taskIds: Iterable<string>,
    options?: CallOptions,
  ): ReadableStream<ResultEvent>;
  /** Removes the results of tasks. */
  forget(taskIds: Iterable<string>, options?: CallOptions): Promise<void>;
  /** Makes the results that the `children` of a task's document stand for. */
  childrenOf(
    taskId: string,
    children: unknown,
  ): (AsyncResult | GroupResult)[] | null;
  /** A clock that only goes forward, in milliseconds. */
  now(): number;
}
