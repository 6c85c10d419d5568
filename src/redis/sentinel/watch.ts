import { RedisConnectionError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import { onAbort } from "../../util/on_abort.ts";
import { pause } from "../../util/pause.ts";
import { toError } from "../../util/to_error.ts";
import { isRetriable } from "../retriable.ts";
import type { SentinelAnswer, SentinelClient } from "./client.ts";

/** What Sentinels publish when a master moves, is added again, or is up again. */
const CHANNELS = ["+switch-master", "+monitor", "-sdown", "-odown"] as const;
/** The first and the longest wait before a lost Sentinel is dialled again. */
const MIN_REDIAL_MS = 250;
const MAX_REDIAL_MS = 10_000;
/** The wait after a refusal: a wrong certificate or password takes time to fix. */
const REFUSED_REDIAL_MS = 60_000;

/** What a {@linkcode SentinelWatch} listens to, and what it reports. */
export interface SentinelWatchOptions {
  /** The Sentinels to listen to. */
  readonly clients: readonly SentinelClient[];
  /** The master's name. */
  readonly masterName: string;
  /** Time and randomness. */
  readonly runtime: Runtime;
  /** Called with each message. */
  onMessage(channel: string, payload: string): void;
  /** Called with a Sentinel's state once it is subscribed to: this covers earlier messages. */
  onAnswer(answer: SentinelAnswer): void;
  /** Called with each problem that does not stop the watch. */
  onNotice(notice: Error): void;
}

/**
 * Listens to several Sentinels until it is stopped. It listens to all of them,
 * because any one may be partitioned or gone. It redials a lost one with
 * growing waits, and keeps the process alive only while dialling.
 */
export class SentinelWatch {
  readonly #options: SentinelWatchOptions;
  readonly #stop = new AbortController();
  readonly #work: Promise<unknown>;
  readonly #lost = new Set<SentinelClient>();
  #hasReportedLoss = false;

  /** Starts to listen. */
  constructor(options: SentinelWatchOptions) {
    this.#options = options;
    this.#work = Promise.all(
      options.clients.map((client) => this.#follow(client)),
    );
  }

  /** Stops listening. Resolves when every connection is closed. */
  async stop(): Promise<void> {
    this.#stop.abort(new RedisConnectionError("The watch was stopped"));
    await this.#work;
  }

  /** Listens to one Sentinel again and again. */
  async #follow(client: SentinelClient): Promise<void> {
    const { runtime, onNotice } = this.#options;
    const { signal } = this.#stop;
    let failures = 0;
    let lastRefusal: string | undefined;
    while (!signal.aborted) {
      let isRefused = false;
      try {
        await this.#listen(client, signal, () => failures = 0);
      } catch (error) {
        if (signal.aborted) return;
        this.#onLost(client);
        isRefused = !isRetriable(error);
        const notice = toError(error);
        if (isRefused && notice.message !== lastRefusal) {
          lastRefusal = notice.message;
          onNotice(notice);
        }
      }
      // Refusals are retried too: a watch lasts as long as its link, and the
      // cause may be fixed meanwhile.
      const ceiling = isRefused
        ? REFUSED_REDIAL_MS
        : Math.min(MAX_REDIAL_MS, MIN_REDIAL_MS * 2 ** failures++);
      await pause(ceiling * (1 - runtime.random() / 2), runtime, signal);
    }
  }

  /** Listens until the connection ends, and throws the reason. */
  async #listen(
    client: SentinelClient,
    signal: AbortSignal,
    onListening: () => void,
  ): Promise<never> {
    const { masterName, onMessage, onAnswer, onNotice } = this.#options;
    const connection = await client.open({
      onMessage: (channel, payload) => onMessage(channel, String(payload)),
      onNotice,
    }, signal);
    try {
      using _abort = onAbort(
        signal,
        (reason) => connection.end(toError(reason)),
      );
      connection.keepAlive(false);
      try {
        await connection.subscribe(CHANNELS);
      } catch (error) {
        throw client.explain(error);
      }
      // In this order: a change between the two is reported twice, not missed.
      const answer = await client.query(signal, masterName, {
        withSentinels: true,
      });
      onListening();
      this.#onFound(client);
      onAnswer(answer);
      throw client.explain(await connection.ended);
    } finally {
      connection.end(new RedisConnectionError("The Sentinel is left"));
      await connection.finished();
    }
  }

  #onFound(client: SentinelClient): void {
    this.#lost.delete(client);
    this.#hasReportedLoss = false;
  }

  /** Reports once when no Sentinel is left to listen to. */
  #onLost(client: SentinelClient): void {
    const { clients, masterName, onNotice } = this.#options;
    this.#lost.add(client);
    if (this.#hasReportedLoss || this.#lost.size < clients.length) return;
    this.#hasReportedLoss = true;
    onNotice(
      new RedisConnectionError(
        `Cannot listen to any Sentinel of ${
          JSON.stringify(masterName)
        }: a new master will go unnoticed until one of them is back (${
          clients.map(({ name }) => name).join(", ")
        })`,
      ),
    );
  }
}
