import { Chords } from "../../src/chords/chord.ts";
import type {
  ChordCompletionContext,
  SavedGroup,
} from "../../src/chords/completion.ts";
import type {
  ChordInfo,
  ChordOutcome,
  ChordPartOptions,
  ChordRequest,
} from "../../src/chords/request.ts";
import { Commands } from "../../src/source/commands.ts";
import {
  resolveOptions,
  type ResultBackendOptions,
} from "../../src/options.ts";
import { jsonCodec } from "../../src/formats/codec.ts";
import { KeySpace } from "../../src/protocol/keys.ts";
import type { RedisDriver } from "../../src/redis/link.ts";
import { TcpDriver } from "../../src/redis/server/link.ts";
import { parseRedisUrl } from "../../src/redis/url/url.ts";
import { RetryListener } from "../../src/retry/listener.ts";
import { ResultSource } from "../../src/source/source.ts";
import { StatusHub } from "../../src/status.ts";
import { ResultStore } from "../../src/store/result_store.ts";

/** What a {@linkcode ChordFixture} can be told. */
export interface ChordFixtureOptions extends ResultBackendOptions {
  /** Stands for saved groups; none is saved by default. */
  restoreGroup?: ChordCompletionContext["restoreGroup"];
}

/** Chords as a backend has them, with saved groups that the test makes up. */
export class ChordFixture implements AsyncDisposable {
  readonly chords: Chords;
  readonly source: ResultSource;

  constructor(
    url: string,
    { restoreGroup, ...options }: ChordFixtureOptions = {},
  ) {
    const settings = resolveOptions({
      reconnect: { minTimeout: 1, maxTimeout: 10 },
      retry: { minTimeout: 1, maxTimeout: 10 },
      ...options,
    });
    const keys = new KeySpace(settings.keyPrefix);
    const status = new StatusHub();
    const retries = new RetryListener({}, status);
    this.source = new ResultSource({
      ...settings,
      driver: options.driver ?? driverOf(url, settings),
      address: url,
      closeTimeout: settings.connectTimeout,
      retries,
      keys,
      status,
    });
    const commands = new Commands(this.source, { ...settings, retries });
    const context = { ...settings, commands, keys, status };
    const store = new ResultStore(context);
    this.chords = new Chords({
      ...context,
      codec: jsonCodec(settings),
      store: (...args) => store.store(...args),
      restoreGroup: restoreGroup ?? noGroup,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.close();
  }
}

/** Takes the values of completed chords. It may be spread into the options of `chordPartReturn`. */
export class Completions {
  readonly #values: unknown[][] = [];
  readonly #infos: ChordInfo[] = [];
  #onCall: () => unknown = () => {};

  /** For `chordPartReturn`: the one member that is an option of it. */
  readonly onComplete: ChordPartOptions["onComplete"] = (values, info) => {
    this.#values.push(values);
    this.#infos.push(info);
    return this.#onCall();
  };

  /** The values, call by call. */
  get values(): readonly unknown[][] {
    return this.#values;
  }

  /** What came with them. */
  get infos(): readonly ChordInfo[] {
    return this.#infos;
  }

  /** Does what the body's sender would do. */
  set onCall(call: () => unknown) {
    this.#onCall = call;
  }
}

/** What returns parts: a backend. */
export interface PartReturner {
  chordPartReturn(
    request: ChordRequest,
    state: string,
    result: unknown,
    options: ChordPartOptions,
  ): Promise<ChordOutcome>;
}

/** The requests of a chord's `count` parts. */
export function requestsOf(count: number, groupId: string): ChordRequest[] {
  return Array.from({ length: count }, (_, groupIndex) => ({
    taskId: `task-${groupIndex}`,
    groupId,
    groupIndex,
    chord: bodyOf(groupId),
  }));
}

/** A body's signature, as Celery writes it. */
export function bodyOf(groupId: string): Record<string, unknown> {
  return {
    task: "tasks.total",
    args: [],
    kwargs: {},
    options: { task_id: `body-of-${groupId}`, reply_to: "somebody" },
    subtask_type: null,
    immutable: false,
    chord_size: null,
  };
}

function noGroup(): Promise<SavedGroup | null> {
  return Promise.resolve(null);
}

function driverOf(
  url: string,
  settings: ReturnType<typeof resolveOptions>,
): RedisDriver {
  const { hostname, port, db } = parseRedisUrl(url);
  return new TcpDriver({ ...settings, address: { hostname, port }, db });
}
