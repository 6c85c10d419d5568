/**
 * A real Celery client that a test drives: tests/interop/driver.py, one process
 * for many calls.
 *
 * @module
 */

import type { ResultTuple } from "../../mod.ts";
import { PythonProcess } from "./celery_process.ts";

/** An exception as Python had it; `args` as its repr. */
export interface PythonException {
  type: string;
  module: string;
  args: string;
  text: string;
}

/** What a call of Python returned (its repr) or raised. */
export interface PythonOutcome {
  value?: string;
  raised?: PythonException;
  /** Set when Celery's get() ran out of time. */
  timeout?: true;
}

/** A task, as Celery's AsyncResult sees it. */
export interface PythonResult {
  state: string;
  ready: boolean;
  successful: boolean;
  failed: boolean;
  result: PythonOutcome;
  traceback: string | null;
  children: string[];
  dateDone: string | null;
  name: string | null;
  args: string;
  kwargs: string;
  worker: string | null;
  retries: number | null;
  queue: string | null;
}

/** A JSON text as Python read it: the value's repr, and what Python writes for it. */
export interface PythonJson {
  value: string;
  text: string;
}

/** The versions that a test runs against. */
export interface Versions {
  celery: string;
  kombu: string;
  redis: string;
}

/** The ids of a group's or a chord's tasks, and of itself. */
export interface SentGroup {
  id: string;
  ids: string[];
}

/** An element of a canvas; a task may be for a queue that no worker takes from. */
export type CanvasElement =
  | { task: string; args?: unknown[]; queue?: string }
  | { group: CanvasElement[] }
  | { chain: CanvasElement[] }
  | { chord: CanvasElement[]; body: CanvasElement };

/** The ids of a chord's body, of the group that is its header, and of the group's members. */
export interface SentChord extends SentGroup {
  groupId: string;
}

/** The `request` of a chord's part. */
export interface PythonRequest {
  id: string;
  group: string;
  group_index: number | null;
  chord: Record<string, unknown>;
}

/** The members of a group, as Celery's GroupResult sees them. */
export interface PythonGroup {
  successful: boolean;
  failed: boolean;
  waiting: boolean;
  ready: boolean;
  completedCount: number;
}

/** A task's name and its positional arguments. */
export type Signature = [task: string, args?: unknown[]];

/** The format that a Celery application has its results in: its result_serializer. */
export type PythonSerializer = "json" | "msgpack" | "yaml";

/** A pending get() in Python. */
export interface PythonWait {
  /** Resolves once it has found nothing, and listens. */
  readonly waiting: Promise<void>;
  /** What it returned or raised. */
  readonly outcome: Promise<PythonOutcome>;
}

interface Reply {
  id: number;
  value?: unknown;
  error?: string;
  waiting?: true;
}

interface Request {
  onWaiting(): void;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Sends tasks and reads, stores and revokes results, all by Python's Celery. */
export class CeleryDriver implements AsyncDisposable {
  readonly #process: PythonProcess;
  readonly #requests = new Map<number, Request>();
  #lastId = 0;
  #reading = false;

  /** Starts a client whose results are at `redisUrl`. */
  constructor(redisUrl: string) {
    this.#process = new PythonProcess(["driver.py"], redisUrl);
  }

  /** The versions of Celery and its dependencies. */
  versions(): Promise<Versions> {
    return this.#call("versions");
  }

  /** Sends a task of tests/interop/tasks.py; returns its id. `options` are those of apply_async. */
  callTask(
    name: string,
    args: unknown[] = [],
    kwargs: Record<string, unknown> = {},
    options: Record<string, unknown> = {},
  ): Promise<string> {
    return this.#call("send", { task: `tasks.${name}`, args, kwargs, options });
  }

  /** Sends a chain; returns the ids of its tasks in order. */
  callChain(links: Signature[]): Promise<string[]> {
    return this.#call("send_chain", { links: links.map(qualify) });
  }

  /** Sends a group and saves it. */
  callGroup(members: Signature[]): Promise<SentGroup> {
    return this.#call("send_group", {
      members: members.map(qualify),
      save: true,
    });
  }

  /** Sends a chord; the id is its body's. */
  callChord(header: Signature[], body: Signature): Promise<SentGroup> {
    return this.#call("send_chord", {
      header: header.map(qualify),
      body: qualify(body),
    });
  }

  /** Sends a chain of tasks and of groups of tasks; returns its result as Celery's tuple. */
  callCanvas(links: (Signature | Signature[])[]): Promise<ResultTuple> {
    return this.#call("send_canvas", {
      links: links.map((link) =>
        isSignature(link) ? qualify(link) : link.map(qualify)
      ),
    });
  }

  /** Sends a chord of tasks, groups and chains. Tasks are named in full. */
  callCanvasChord(
    header: CanvasElement[],
    body: Signature,
  ): Promise<SentChord> {
    return this.#call("send_canvas_chord", { header, body: qualify(body) });
  }

  /** Sends a group of tasks, groups and chains; returns its result as Celery's tuple. Tasks are named in full. */
  callCanvasGroup(members: CanvasElement[]): Promise<ResultTuple> {
    return this.#call("send_canvas_group", { members });
  }

  /** Sends a canvas; returns its result as Celery's tuple. Tasks are named in full. */
  callElement(element: CanvasElement): Promise<ResultTuple> {
    return this.#call("send_element", { element });
  }

  /** Sends a chord's body with these values, JSON, as a worker does; returns its id. */
  sendBody(chord: Record<string, unknown>, values: string): Promise<string> {
    return this.#call("send_body", { chord_signature: chord, text: values });
  }

  /** Celery's set_chord_size. */
  setChordSize(groupId: string, size: number): Promise<void> {
    return this.#call("set_chord_size", { group_id: groupId, size });
  }

  /** Celery's on_chord_part_return of the value that `json` holds; a failure is a ValueError of these args. */
  returnPart(
    request: PythonRequest,
    state: string,
    json: string,
  ): Promise<void> {
    return this.#call("return_part", { request, state, text: json });
  }

  /** Revokes a task, and returns when the worker knows. */
  revoke(taskId: string, options: { terminate?: boolean } = {}): Promise<void> {
    return this.#call("revoke", { task_id: taskId, ...options });
  }

  /** Lets one task pass that waits at this gate, now or later. */
  openGate(name: string): Promise<void> {
    return this.#call("open_gate", { name });
  }

  /** Waits at a gate that a task opens. */
  waitAtGate(name: string): Promise<void> {
    return this.#call("wait_at_gate", { name });
  }

  /** The state of an AsyncResult, without waiting. */
  read(
    taskId: string,
    options: { serializer?: PythonSerializer } = {},
  ): Promise<PythonResult> {
    return this.#call("read", { task_id: taskId, ...options });
  }

  /** AsyncResult.get(); `timeout` in seconds. */
  get(
    taskId: string,
    options: {
      timeout?: number;
      propagate?: boolean;
      serializer?: PythonSerializer;
    } = {},
  ): Promise<PythonOutcome> {
    return this.#call("get", { task_id: taskId, ...options });
  }

  /** GroupResult.restore(groupId).get(); null where no group was saved. */
  getGroup(groupId: string): Promise<PythonOutcome | null> {
    return this.#call("get_group", { group_id: groupId });
  }

  /** The state of a saved GroupResult, without waiting. */
  readGroup(groupId: string): Promise<PythonGroup> {
    return this.#call("read_group", { group_id: groupId });
  }

  /** AsyncResult.get() in a thread, so that other calls can run meanwhile. */
  wait(
    taskId: string,
    options: { serializer?: PythonSerializer } = {},
  ): PythonWait {
    const waiting = Promise.withResolvers<void>();
    const outcome = this.#call<PythonOutcome>(
      "wait",
      { task_id: taskId, ...options },
      waiting.resolve,
    );
    // `outcome` reports a failure, too; a test need not await both.
    outcome.catch(waiting.reject);
    waiting.promise.catch(() => {});
    return { waiting: waiting.promise, outcome };
  }

  /**
   * Celery's store_result of the value that `json` holds; `request` has the
   * members of the task's request, and `extended` is `result_extended`.
   */
  store(
    taskId: string,
    json: string,
    state: string,
    options: {
      trace?: string;
      request?: Record<string, unknown>;
      extended?: boolean;
      serializer?: PythonSerializer;
    } = {},
  ): Promise<void> {
    return this.#call("store", {
      task_id: taskId,
      text: json,
      state,
      ...options,
    });
  }

  /** Celery's store_result of one of the VALUES of tests/interop/tasks.py, as a SUCCESS. */
  storeValue(
    taskId: string,
    kind: string,
    serializer: PythonSerializer,
  ): Promise<void> {
    return this.#call("store_value", { task_id: taskId, kind, serializer });
  }

  /** Celery's store_result of the result that a tuple describes, as a SUCCESS without children. */
  storeTuple(taskId: string, result: ResultTuple): Promise<void> {
    return this.#call("store_tuple", { task_id: taskId, result });
  }

  /**
   * Celery's mark_as_failure with a ValueError of these args; `wrapped` as
   * workers do where pickle refused it, and `request` as Celery names its members.
   */
  storeFailure(
    taskId: string,
    args: unknown[],
    options: {
      trace?: string;
      wrapped?: boolean;
      request?: Record<string, unknown>;
      serializer?: PythonSerializer;
    } = {},
  ): Promise<void> {
    return this.#call("store_failure", { task_id: taskId, args, ...options });
  }

  /** GroupResult.save() of these tasks. */
  storeGroup(groupId: string, taskIds: string[]): Promise<void> {
    return this.#call("store_group", { group_id: groupId, task_ids: taskIds });
  }

  /** GroupResult.save() of the result that a tuple describes. */
  saveTuple(result: ResultTuple): Promise<void> {
    return this.#call("save_tuple", { result });
  }

  /** GroupResult.restore(groupId).as_tuple(). */
  restoreTuple(groupId: string): Promise<ResultTuple> {
    return this.#call("restore_tuple", { group_id: groupId });
  }

  /** AsyncResult.collect(): ids and values, as their repr. */
  collect(taskId: string): Promise<[id: string, value: string][]> {
    return this.#call("collect", { task_id: taskId });
  }

  /** AsyncResult.iterdeps(): ids, each behind that of the one that led to it. */
  dependencies(taskId: string): Promise<[parent: string | null, id: string][]> {
    return this.#call("dependencies", { task_id: taskId });
  }

  /** GroupResult.save() of these tasks; a list is a group of its own. */
  storeTree(
    groupId: string,
    members: (string | readonly string[])[],
  ): Promise<void> {
    return this.#call("store_tree", { group_id: groupId, members });
  }

  /** AsyncResult.forget(). */
  forget(taskId: string): Promise<void> {
    return this.#call("forget", { task_id: taskId });
  }

  /** Reads JSON texts as Celery's serializer does. */
  readJson(texts: string[]): Promise<PythonJson[]> {
    return this.#call("read_json", { texts });
  }

  /** Random JSON texts as Celery's serializer writes them; the same for the same seed. */
  writeJson(seed: number, count: number): Promise<string[]> {
    return this.#call("write_json", { seed, count });
  }

  /** Ends the client. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }

  async #call<T>(
    op: string,
    members: Record<string, unknown> = {},
    onWaiting: () => void = doNothing,
  ): Promise<T> {
    const id = ++this.#lastId;
    const request = JSON.stringify({ id, op, ...members });
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#requests.set(id, { onWaiting, resolve, reject });
    await this.#process.writeLine(request);
    if (!this.#reading) this.#readReplies();
    // The driver's replies have the shapes that its operations document.
    return await promise as T;
  }

  /** Reads only while a request waits, so that no read is pending between tests. */
  async #readReplies(): Promise<void> {
    this.#reading = true;
    try {
      while (this.#requests.size > 0) this.#take(await this.#nextReply());
    } catch (error) {
      for (const request of this.#requests.values()) request.reject(error);
      this.#requests.clear();
    } finally {
      this.#reading = false;
    }
  }

  async #nextReply(): Promise<Reply> {
    const line = await this.#process.readLine();
    if (line !== null) return JSON.parse(line);
    throw new Error(
      `The Celery client ended:\n${await this.#process.errors()}`,
    );
  }

  #take(reply: Reply): void {
    const request = this.#requests.get(reply.id);
    if (reply.waiting) return request?.onWaiting();
    this.#requests.delete(reply.id);
    if (reply.error === undefined) request?.resolve(reply.value);
    else {request?.reject(
        new Error(`The Celery client failed:\n${reply.error}`),
      );}
  }
}

function isSignature(link: Signature | Signature[]): link is Signature {
  return typeof link[0] === "string";
}

function qualify([task, args = []]: Signature): [string, unknown[]] {
  return [`tasks.${task}`, args];
}

function doNothing(): void {}
