import { RedisConnectionError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import { toError } from "../../util/to_error.ts";
import type { SentinelClient } from "./client.ts";
import type { SentinelReply } from "./election.ts";

/**
 * How long the other Sentinels have once one has answered, and how long the
 * first ones have before the reserve is queried too.
 */
const GRACE_MS = 200;

/** Which Sentinels to query, and for what. */
export interface SentinelQuery {
  /** Queried at once, in parallel. */
  readonly clients: readonly SentinelClient[];
  /** Queried when one of `clients` fails, or none answers soon. */
  readonly reserve: readonly SentinelClient[];
  /** The master's name; undefined means the only one. */
  readonly masterName: string | undefined;
  /** Whether a reply counts: the first one that does limits the wait for the others. */
  isEligible(reply: SentinelReply): boolean;
  /** Time and randomness. */
  readonly runtime: Runtime;
}

/**
 * Asks Sentinels which masters they watch. Once one has answered, the others
 * get a short grace period: the fastest may be the one that knows least, and
 * one that hangs must not delay the attempt.
 *
 * @throws the signal's reason if it aborts, and nothing else.
 */
export async function querySentinels(
  { clients, reserve, masterName, isEligible, runtime }: SentinelQuery,
  signal: AbortSignal,
): Promise<SentinelReply[]> {
  const replies: SentinelReply[] = [];
  const pending = new Set<SentinelClient>();
  const done = Promise.withResolvers<void>();
  const giveUp = new AbortController();
  const querySignal = AbortSignal.any([signal, giveUp.signal]);
  const queries: Promise<void>[] = [];
  let unqueried = reserve;
  let isGraceRunning = false;

  function receive(reply: SentinelReply): void {
    replies.push(reply);
    pending.delete(reply.client);
    if (reply.error !== undefined) queryReserve();
    if (!isGraceRunning && isEligible(reply)) {
      isGraceRunning = true;
      runtime.clearTimer(timer);
      timer = runtime.setTimer(done.resolve, GRACE_MS, true);
    }
    if (pending.size === 0) done.resolve();
  }
  function query(client: SentinelClient): void {
    pending.add(client);
    queries.push(
      client.query(querySignal, masterName).then(
        (answer) => receive({ client, answer }),
        (error) => receive({ client, error: toError(error) }),
      ),
    );
  }
  function queryReserve(): void {
    const clients = unqueried;
    unqueried = [];
    clients.forEach(query);
  }

  let timer = runtime.setTimer(queryReserve, GRACE_MS, true);
  clients.forEach(query);
  await done.promise;
  runtime.clearTimer(timer);
  // Replies from here on are ignored: they start no query and no timer.
  unqueried = [];
  isGraceRunning = true;
  const inTime = [...replies];
  const late = [...pending];
  giveUp.abort(toError("Another Sentinel was quicker"));
  await Promise.all(queries);
  signal.throwIfAborted();
  for (const client of late) {
    const message = `Sentinel ${client.name}: no answer so far`;
    inTime.push({ client, error: new RedisConnectionError(message) });
  }
  return inTime;
}
