import { RedisConnectionError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import { toError } from "../../util/to_error.ts";
import type { SentinelPeer } from "./client.ts";
import type { SentinelReply } from "./election.ts";

/**
 * Milliseconds that the other Sentinels have when one has answered, and that
 * all have before others than those of the URL are asked.
 */
const GRACE = 200;

/** Whom to ask. */
export interface SentinelQuery {
  /** Asked at once, all together. */
  readonly peers: readonly SentinelPeer[];
  /** Asked when one of `peers` fails, or none answers soon. */
  readonly reserve: readonly SentinelPeer[];
  /** The master's name; undefined: the only one. */
  readonly masterName: string | undefined;
  /** Whether an answer is worth having: the first one limits the wait for the others. */
  counts(said: SentinelReply): boolean;
  /** The world outside. */
  readonly runtime: Runtime;
}

/**
 * Asks Sentinels which masters they watch. One that hangs is not waited for
 * when another has answered; but each gets a little time, since the first to
 * answer may be the one that knows least.
 *
 * @throws the signal's reason, if it aborts. Nothing else.
 */
export async function askSentinels(
  { peers, reserve, masterName, counts, runtime }: SentinelQuery,
  signal: AbortSignal,
): Promise<SentinelReply[]> {
  const said: SentinelReply[] = [];
  const silent = new Set<SentinelPeer>();
  const over = Promise.withResolvers<void>();
  const giveUp = new AbortController();
  const either = AbortSignal.any([signal, giveUp.signal]);
  const asked: Promise<void>[] = [];
  let rest = reserve;
  let isAnswered = false;

  function take(each: SentinelReply): void {
    said.push(each);
    silent.delete(each.peer);
    if (each.error !== undefined) askRest();
    if (!isAnswered && counts(each)) {
      isAnswered = true;
      runtime.clearTimer(timer);
      timer = runtime.setTimer(over.resolve, GRACE, true);
    }
    if (silent.size === 0) over.resolve();
  }
  function ask(peer: SentinelPeer): void {
    silent.add(peer);
    asked.push(
      peer.ask(either, masterName).then(
        (answer) => take({ peer, answer }),
        (error) => take({ peer, error: toError(error) }),
      ),
    );
  }
  function askRest(): void {
    const more = rest;
    rest = [];
    more.forEach(ask);
  }

  let timer = runtime.setTimer(askRest, GRACE, true);
  peers.forEach(ask);
  await over.promise;
  runtime.clearTimer(timer);
  // What comes from here on is not looked at.
  rest = [];
  isAnswered = true;
  const heard = [...said];
  const late = [...silent];
  giveUp.abort(toError("Another Sentinel was quicker"));
  await Promise.all(asked);
  signal.throwIfAborted();
  for (const peer of late) {
    const message = `Sentinel ${peer.name}: no answer so far`;
    heard.push({ peer, error: new RedisConnectionError(message) });
  }
  return heard;
}
