import { RedisConnectionError } from "../errors.ts";
import { pause } from "../util/pause.ts";
import type { RedisLink } from "../redis/link.ts";
import { backoffCeiling, type RetryPolicy } from "../retry/retry.ts";
import type { Runtime, Timer } from "../runtime.ts";
import { toError } from "../util/to_error.ts";

/** The most and the least of a life that is left for what has to be done at its end, in milliseconds. */
const MOST_MARGIN = 300_000;
const LEAST_MARGIN = 5000;
/** No link is replaced sooner, in milliseconds: dates too near must not make it a busy loop. */
const SHORTEST_LIFE = 1000;
/** Channels in one SUBSCRIBE. */
const CHUNK = 1000;
/** How often it is looked for channels that came meanwhile; those of the last moment come with the attach. */
const PASSES = 3;

/**
 * Milliseconds to wait before a link that may live for `life` milliseconds is
 * replaced.
 *
 * A tenth of the life is left for it, as for any lease: a token service that is
 * away, or a server, is then asked more than once. That is at most five
 * minutes, since a token is worth using; and at least five seconds, since
 * connecting and attaching take their time whatever the life; but never more
 * than half of the life.
 */
export function renewalDelay(life: number): number {
  const margin = Math.min(MOST_MARGIN, Math.max(LEAST_MARGIN, life / 10));
  return Math.max(SHORTEST_LIFE, life - Math.min(margin, life / 2));
}

/** The timer of one link: of the dates that it is told, the earliest counts. It goes off once. */
export class Expiry {
  readonly #runtime: Runtime;
  readonly #onPast: () => void;
  #at: Date | undefined;
  #onDue: (() => void) | undefined;
  #timer: Timer | undefined;
  #isOver = false;

  /** `onPast` is told of a date that has passed already: it says nothing, and is left out. */
  constructor(runtime: Runtime, onPast: () => void) {
    this.#runtime = runtime;
    this.#onPast = onPast;
  }

  /** Takes a date. */
  tell(at: Date): void {
    if (at <= this.#runtime.date()) return this.#onPast();
    if (this.#at !== undefined && this.#at <= at) return;
    this.#at = at;
    this.#arm();
  }

  /** From now on, `onDue` is called when it is time to replace the link. */
  start(onDue: () => void): void {
    this.#onDue = onDue;
    this.#arm();
  }

  /** Nobody is called any more. */
  stop(): void {
    this.#onDue = undefined;
    if (this.#timer !== undefined) this.#runtime.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    const onDue = this.#onDue;
    if (this.#at === undefined || onDue === undefined || this.#isOver) return;
    this.stop();
    this.#onDue = onDue;
    const life = this.#at.getTime() - this.#runtime.date().getTime();
    this.#timer = this.#runtime.setTimer(
      () => {
        this.stop();
        this.#isOver = true;
        onDue();
      },
      renewalDelay(life),
      false,
    );
  }
}

/** What a rotation works on. */
export interface RotationOptions<Next extends { readonly link: RedisLink }> {
  /** Makes a fresh link, whose messages are dropped. */
  open(signal: AbortSignal): Promise<Next>;
  /** The channels awaited now. */
  channels(): string[];
  /** From here on, nothing is delivered of either link. */
  mute(): void;
  /** Puts the fresh link, on which `subscribed` are, in the place of the old one. */
  replace(next: Next, subscribed: ReadonlySet<string>): void;
  /** Goes on with the old link, for which `mute` was in vain. */
  unmute(): void;
  /** Told why an attempt failed; false ends the rotation. */
  onFailure(error: Error): boolean;
  /** Milliseconds that both links may be mute. */
  readonly muteTimeout: number;
  /** How attempts are made again. */
  readonly reconnect: RetryPolicy;
  /** The world outside. */
  readonly runtime: Runtime;
}

/**
 * Puts a fresh link in the place of one that works, without a break: it is made
 * and subscribed while the old one goes on delivering. The signal aborts when
 * the old link ends, or the source.
 *
 * Nothing comes twice: both links are mute from the moment at which the fresh
 * one is sent a fence until that is answered. Whatever the old one has
 * delivered was published before the fence was sent, so that the fresh one
 * brings it, if at all, before the answer. Nothing is lost: what was published
 * while both were mute was stored before, and is read by the attach that
 * follows. (Of a task's not-ready states in that moment, the last one.)
 */
export async function rotate<Next extends { readonly link: RedisLink }>(
  options: RotationOptions<Next>,
  signal: AbortSignal,
): Promise<void> {
  const { reconnect, runtime } = options;
  for (let attempt = 1;; attempt++) {
    try {
      return await attemptTo(options, signal);
    } catch (error) {
      if (signal.aborted || !options.onFailure(toError(error))) return;
    }
    try {
      const ceiling = backoffCeiling(reconnect, attempt);
      const jitter = reconnect.delay === undefined ? reconnect.jitter : 0;
      // The old link keeps the process alive, if anybody waits.
      await pause(ceiling * (1 - jitter * runtime.random()), runtime, signal);
    } catch (error) {
      // A schedule of the caller's may fail, and is told of.
      options.onFailure(toError(error));
      return;
    }
    if (signal.aborted) return;
  }
}

async function attemptTo<Next extends { readonly link: RedisLink }>(
  options: RotationOptions<Next>,
  signal: AbortSignal,
): Promise<void> {
  const next = await options.open(signal);
  const { link } = next;
  const abort = (): void => void link.end(toError(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    const subscribed = new Set<string>();
    for (let pass = 0; pass < PASSES; pass++) {
      const missing = options.channels().filter((each) =>
        !subscribed.has(each)
      );
      for (const chunk of chunks(missing)) {
        for (const channel of chunk) subscribed.add(channel);
        await link.subscribe(chunk);
      }
    }
    signal.throwIfAborted();
    options.mute();
    try {
      await fence(link, options);
      signal.throwIfAborted();
    } catch (error) {
      if (!signal.aborted) options.unmute();
      throw error;
    }
    options.replace(next, subscribed);
  } catch (error) {
    await link.end(toError(error));
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** A fence, in time: nothing is delivered meanwhile. */
async function fence<Next extends { readonly link: RedisLink }>(
  link: RedisLink,
  { muteTimeout, runtime }: RotationOptions<Next>,
): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = runtime.setTimer(
    () =>
      late.reject(
        new RedisConnectionError(
          `The new connection gave no answer within ${muteTimeout} ms`,
        ),
      ),
    muteTimeout,
    true,
  );
  try {
    await Promise.race([link.fence(), late.promise]);
  } finally {
    runtime.clearTimer(timer);
  }
}

/** Parts of a list that fit into one command. */
export function* chunks(list: readonly string[]): Generator<string[]> {
  for (let i = 0; i < list.length; i += CHUNK) yield list.slice(i, i + CHUNK);
}
