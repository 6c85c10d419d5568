import { RedisConnectionError } from "../../errors.ts";
import { pause } from "../../util/pause.ts";
import type { Runtime } from "../../runtime.ts";
import { toError } from "../../util/to_error.ts";
import { isRetriable } from "../retriable.ts";
import type { PeerAnswer, SentinelPeer } from "./client.ts";

/** What Sentinels publish when a master moves, is named anew, or is up again. */
const CHANNELS = ["+switch-master", "+monitor", "-sdown", "-odown"] as const;
/** The waits before a Sentinel is dialled again, in milliseconds: the first, and the longest. */
const FIRST_WAIT = 250;
const LONGEST_WAIT = 10_000;
/** The wait behind a refusal, in milliseconds: a wrong certificate or password is not mended soon. */
const REFUSED_WAIT = 60_000;

/** What is watched, and who is told. */
export interface SentinelWatchOptions {
  /** The Sentinels that are listened to, each of them. */
  readonly peers: readonly SentinelPeer[];
  /** The master's name. */
  readonly masterName: string;
  /** The world outside. */
  readonly runtime: Runtime;
  /** Takes each message. */
  onMessage(channel: string, payload: string): void;
  /** Takes what a Sentinel says when it begins to be listened to: what was published before is in it. */
  onAnswer(answer: PeerAnswer): void;
  /** Takes what is worth telling and no reason to stop. */
  onNotice(notice: Error): void;
}

/**
 * Listens to Sentinels until it is stopped: to each, since any of them may be
 * the one that was cut off or is gone. One that was lost is dialled again with
 * growing waits. It never keeps the process alive, but for the time of a dial.
 */
export class SentinelWatch {
  readonly #options: SentinelWatchOptions;
  readonly #stop = new AbortController();
  readonly #work: Promise<unknown>;
  readonly #lost = new Set<SentinelPeer>();
  #isAlone = false;

  /** Starts at once. */
  constructor(options: SentinelWatchOptions) {
    this.#options = options;
    this.#work = Promise.all(options.peers.map((peer) => this.#follow(peer)));
  }

  /** Stops listening; resolves when nothing is left. */
  async stop(): Promise<void> {
    this.#stop.abort(new RedisConnectionError("The watch is over"));
    await this.#work;
  }

  async #follow(peer: SentinelPeer): Promise<void> {
    const { runtime, onNotice } = this.#options;
    const { signal } = this.#stop;
    let failures = 0;
    let told: string | undefined;
    while (!signal.aborted) {
      let isRefused = false;
      try {
        await this.#listen(peer, signal, () => failures = 0);
      } catch (error) {
        if (signal.aborted) return;
        this.#miss(peer);
        isRefused = !isRetriable(error);
        const notice = toError(error);
        if (isRefused && notice.message !== told) {
          told = notice.message;
          onNotice(notice);
        }
      }
      // A link lives for long: what is refused may be mended meanwhile.
      const ceiling = isRefused
        ? REFUSED_WAIT
        : Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures++);
      await pause(ceiling * (1 - runtime.random() / 2), runtime, signal);
    }
  }

  /** Listens for as long as the connection lasts; always ends by an error. */
  async #listen(
    peer: SentinelPeer,
    signal: AbortSignal,
    onListening: () => void,
  ): Promise<never> {
    const { masterName, onMessage, onAnswer, onNotice } = this.#options;
    const connection = await peer.open({
      onMessage: (channel, payload) => onMessage(channel, String(payload)),
      onNotice,
    }, signal);
    function end(): void {
      connection.end(toError(signal.reason));
    }
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    try {
      connection.keepAlive(false);
      try {
        await connection.subscribe(CHANNELS);
      } catch (error) {
        throw peer.explain(error);
      }
      // In this order: what happens between the two is told twice.
      const answer = await peer.ask(signal, masterName, true);
      onListening();
      this.#hear(peer);
      onAnswer(answer);
      throw peer.explain(await connection.ended);
    } finally {
      signal.removeEventListener("abort", end);
      connection.end(new RedisConnectionError("The Sentinel is left"));
      await connection.finished();
    }
  }

  #hear(peer: SentinelPeer): void {
    this.#lost.delete(peer);
    this.#isAlone = false;
  }

  /** Tells it, once, when there is none left to listen to. */
  #miss(peer: SentinelPeer): void {
    const { peers, masterName, onNotice } = this.#options;
    this.#lost.add(peer);
    if (this.#isAlone || this.#lost.size < peers.length) return;
    this.#isAlone = true;
    onNotice(
      new RedisConnectionError(
        `Cannot listen to any Sentinel of ${
          JSON.stringify(masterName)
        }: a new master will not be noticed until one is back (${
          peers.map(({ name }) => name).join(", ")
        })`,
      ),
    );
  }
}
