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
import { CommandRunner } from "../../src/source/command_runner.ts";
import {
  resolveOptions,
  type ResultBackendOptions,
} from "../../src/options.ts";
import { jsonFormat } from "../../src/formats/json/format.ts";
import { KeySpace } from "../../src/protocol/keys.ts";
import type { RedisDriver } from "../../src/redis/link.ts";
import { TcpDriver } from "../../src/redis/server/driver.ts";
import { parseRedisUrl } from "../../src/redis/url/url.ts";
import { RetryListener } from "../../src/retry/listener.ts";
import { ResultSource } from "../../src/source/source.ts";
import { StatusHub } from "../../src/status.ts";
import { ResultStore } from "../../src/store/result_store.ts";

/** Options of a {@linkcode ChordFixture}. */
export interface ChordFixtureOptions extends ResultBackendOptions {
  /** Reads saved groups. By default, no group is saved. */
  restoreGroup?: ChordCompletionContext["restoreGroup"];
}

/** Chords as in a backend, with saved groups from the test. */
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
    const commands = new CommandRunner(this.source, { ...settings, retries });
    const context = { ...settings, commands, keys, status };
    const store = new ResultStore(context);
    this.chords = new Chords({
      ...context,
      codec: jsonFormat(settings),
      store: (...args) => store.store(...args),
      restoreGroup: restoreGroup ?? noGroup,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.close();
  }
}

/** Records the values of completed chords. Spread it into the options of `chordPartReturn`. */
export class Completions {
  readonly #values: unknown[][] = [];
  readonly #infos: ChordInfo[] = [];
  #onCall: () => unknown = () => {};

  /** The option of `chordPartReturn`. */
  readonly onComplete: ChordPartOptions["onComplete"] = (values, info) => {
    this.#values.push(values);
    this.#infos.push(info);
    return this.#onCall();
  };

  /** The values of each call. */
  get values(): readonly unknown[][] {
    return this.#values;
  }

  /** The chord of each call. */
  get infos(): readonly ChordInfo[] {
    return this.#infos;
  }

  /** Called in place of sending the body. */
  set onCall(call: () => unknown) {
    this.#onCall = call;
  }
}

/** Returns parts: a backend. */
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

/** The signature of a body, as Celery writes it. */
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
