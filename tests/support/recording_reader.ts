import type { ResultEvent } from "../../src/protocol/meta.ts";
import type { Reader, Wait } from "../../src/source/watch.ts";

/** A reader that records its events. */
export class RecordingReader implements Reader {
  readonly waits: Wait[] = [];
  /** Every event. */
  readonly events: ResultEvent[] = [];
  /** Every event as text: origin, state and result. */
  readonly got: string[] = [];
  /** The errors that ended its waits. */
  readonly failures: Error[] = [];
  /** Called after each event. */
  onEvent: (event: ResultEvent) => void = () => {};

  receive(event: ResultEvent, _size: number): void {
    this.events.push(event);
    const result = event.state === "UNDECODABLE" ? "" : ` ${event.result}`;
    this.got.push(`${event.origin} ${event.state}${result}`);
    this.onEvent(event);
  }

  fail(error: Error): void {
    this.failures.push(error);
  }
}

/** The key of a task without a key prefix. */
export function keyOf(taskId: string): string {
  return `celery-task-meta-${taskId}`;
}

/** A result document as Celery stores it. */
export function documentOf(
  state: string,
  result: unknown = null,
  taskId = "t",
): string {
  return JSON.stringify({
    status: state,
    result,
    traceback: null,
    children: [],
    date_done: null,
    task_id: taskId,
  });
}
